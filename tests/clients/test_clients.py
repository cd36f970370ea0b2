"""The names that ``stream_events.clients`` offers."""

import pytest

from stream_events import clients
from tests.test_public_api import run_python


@pytest.mark.parametrize("name", clients.__all__)
def test_names_say_what_they_are(name):
    assert getattr(clients, name).__doc__


def test_importing_them_needs_no_settings():
    done = run_python("import stream_events.clients; from django.conf import settings; print(settings.configured)")
    assert done.stdout == "False\n", done.stderr
