"""From an entry to the calls of its handlers."""

import asyncio
import functools

import pytest
from asgiref.sync import sync_to_async

from stream_events.consuming.dispatch import Dispatcher
from stream_events.events import Entry

PAYLOAD = b'{"obj_id": 1, "obj_type": "shop.order", "action": "create"}'


@pytest.fixture
def dispatch(registry):
    def run(payload=PAYLOAD):
        dispatcher = Dispatcher("orders", "billing", tuple(registry))
        return dispatcher.dispatch(Entry("1-1", {b"payload": payload}))

    return run


@pytest.fixture
def register(registry):
    def add(func, **options):
        return registry.register(func, stream="orders", group="billing", name=str(id(func)), **options)

    return add


def test_calls_the_handlers_that_want_the_event(register, dispatch):
    seen = []
    register(lambda event: seen.append(("all", event.obj_id)))
    register(lambda event: seen.append("create"), actions=["create"])
    register(lambda event: seen.append("delete"), actions=["delete"])
    assert dispatch() is True
    assert seen == [("all", 1), "create"]


def test_awaits_async_handlers(register, dispatch):
    seen = []

    async def handle(event):
        seen.append(event.action)

    register(handle)
    assert dispatch() is True
    assert seen == ["create"]


def wrapped(func):
    @functools.wraps(func)
    def call(event):
        return func(event)

    return call


@pytest.mark.parametrize("wrap", [wrapped, lambda func: lambda event: func(event), functools.partial])
def test_awaits_whatever_a_handler_returns_to_be_awaited(register, dispatch, wrap):
    seen = []

    async def handle(event):
        seen.append(event.action)

    register(wrap(handle))
    assert dispatch() is True
    assert seen == ["create"]


def test_awaits_a_function_behind_sync_to_async(register, dispatch):
    seen = []
    register(sync_to_async(seen.append))
    assert dispatch() is True
    assert len(seen) == 1


def test_a_cancelled_handler_is_a_failure_and_not_the_end(register, dispatch, caplog):
    async def cancel(event):
        raise asyncio.CancelledError

    register(cancel)
    assert dispatch() is False
    assert "handler_failed" in caplog.text


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_a_failing_handler_is_logged_and_keeps_no_other_from_running(register, dispatch, caplog, error):
    seen = []

    def fail(event):
        raise error

    register(fail)
    register(seen.append)
    assert dispatch() is False
    assert len(seen) == 1
    assert "handler_failed stream=orders group=billing" in caplog.text
    assert "Traceback" in caplog.text


def test_a_failing_async_handler_is_a_failure(register, dispatch, caplog):
    async def fail(event):
        raise ValueError("no")

    register(fail)
    assert dispatch() is False
    assert "ValueError: no" in caplog.text


def test_keyboard_interrupt_is_nobodys_failure(register, dispatch):
    def interrupt(event):
        raise KeyboardInterrupt

    register(interrupt)
    with pytest.raises(KeyboardInterrupt):
        dispatch()


def test_an_event_that_nobody_wants_is_done(register, dispatch):
    register(print, actions=["delete"])
    assert dispatch() is True


def test_an_entry_that_is_no_event_is_not_done_and_its_payload_not_logged(register, dispatch, caplog):
    register(print)
    assert dispatch(b"{secret") is False
    assert "entry_not_decoded" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_orm_in_async_handlers_uses_this_threads_connection(register, dispatch, server):
    from tests.shop.models import Quiet

    async def handle(event):
        await Quiet.objects.acreate(name="async")

    register(handle)
    assert dispatch() is True
    assert Quiet.objects.get().name == "async"
