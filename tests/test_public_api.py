import os
import subprocess
import sys

import pytest
from django.conf import settings

import stream_events


def run_python(code):
    """Run ``code`` in a process that knows of no Django project."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_importing_the_package_imports_neither_django_nor_redis():
    code = "import stream_events, sys; print([m for m in ('django', 'redis') if m in sys.modules])"
    assert run_python(code).stdout == "[]\n"


def test_the_registry_and_events_need_no_django_settings():
    done = run_python(
        "from stream_events import Event, StreamEventsError, StreamPublisher, handler, handlers\n"
        "handler('orders', group='billing')(print)\n"
        "StreamPublisher('orders')\n"
        "import sys; print([one.name for one in handlers])"
    )
    assert done.stdout == "['builtins.print']\n", done.stderr


def test_a_consumer_of_given_handlers_needs_no_django_settings(server):
    server.xadd("orders", {"payload": '{"obj_id": 7}'})
    done = run_python(
        "from stream_events.conf import settings_for\n"
        "from stream_events.consuming import Consumer\n"
        "from stream_events.registration import make_handler\n"
        "handler = make_handler(lambda event: print(event.obj_id), 'orders', 'billing', {})\n"
        f"settings = settings_for({settings.STREAM_EVENTS['URL']!r})\n"
        "print(Consumer('orders', 'billing', handlers=(handler,), settings=settings, drain=True).run())\n"
    )
    assert done.stdout == "7\nstarted=1 failed=0 dead=0 adopted=0 trimmed=0 unhandled=0 left=0\n", done.stderr


@pytest.mark.parametrize("name", stream_events.__all__)
def test_public_names_resolve_and_say_what_they_are(name):
    assert getattr(stream_events, name).__doc__
    assert name in dir(stream_events)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stream_events.nothing  # noqa: B018


def test_every_error_says_what_it_means():
    from stream_events import exceptions

    errors = [value for value in vars(exceptions).values() if isinstance(value, type)]
    assert len(errors) > 4
    assert all(error.__doc__ for error in errors)
    others = {error for error in errors if not issubclass(error, exceptions.StreamEventsError)}
    # Instructions, which no "except" for errors may take, and a warning.
    assert others == {exceptions.Retry, exceptions.Reject, exceptions.UnpublishedWriteWarning}
