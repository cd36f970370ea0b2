"""Settings of consumers in processes of their own; what differs between tests comes from the environment."""

import json
import os

import environ

SECRET_KEY = "tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.faults.web"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "stream_events", "tests.faults"]
DATABASES = {"default": environ.Env().db("DATABASE_URL", default="sqlite://:memory:")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Several processes write: each waits for the lock from the beginning of its transaction.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    }
STREAM_EVENTS = json.loads(os.environ["STREAM_EVENTS"])
LOGGING = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(process)d %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"stream_events": {"handlers": ["console"], "level": "INFO"}},
}
