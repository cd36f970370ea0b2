"""The names that ``stream_events.clients`` offers."""

import pytest

from stream_events import clients
from tests.test_public_api import run_python


@pytest.mark.parametrize("name", clients.__all__)
def test_names_resolve_and_say_what_they_are(name):
    assert getattr(clients, name).__doc__
    assert name in dir(clients)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        clients.nothing  # noqa: B018


def test_importing_them_needs_neither_settings_nor_redis():
    code = "import stream_events.clients, sys; print('redis' in sys.modules)"
    assert run_python(code).stdout == "False\n"
