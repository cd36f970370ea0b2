"""Settings of the tests: two databases, in memory unless the environment names others, and an embedded server for each
test process."""

import os
import tempfile

import environ

# Made by the server when a test needs one.
EMBEDDED_FOLDER = os.path.join(tempfile.gettempdir(), f"stream_events-tests-{os.getpid()}")

SECRET_KEY = "tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": environ.Env().db("TEST_DATABASE_URL", default="sqlite://:memory:"),
    "other": environ.Env().db("TEST_OTHER_DATABASE_URL", default="sqlite://:memory:"),
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "stream_events",
    "tests.shop",
    "tests.market",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
MEDIA_ROOT = os.path.join(EMBEDDED_FOLDER, "media")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

STREAM_EVENTS = {
    "URL": f"embedded://{EMBEDDED_FOLDER}",
    "KEY_PREFIX": "t:",
    "BLOCK": 0.2,
    "METRICS": {"ENABLED": False},  # a minute that begins within a test would add commands and keys to it
}
