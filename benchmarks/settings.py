"""Settings of the processes that ``outage`` starts; what differs between runs comes from the environment."""

import json
import os

SECRET_KEY = "benchmarks"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["stream_events", "benchmarks"]
ROOT_URLCONF = "benchmarks.web"
DATABASES = json.loads(os.environ["DATABASES"])
STREAM_EVENTS = json.loads(os.environ["STREAM_EVENTS"])
