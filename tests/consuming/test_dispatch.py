"""From an event to the calls of its handlers."""

import asyncio
import functools
import threading

import pytest
from asgiref.sync import sync_to_async

from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.event_loop import EventLoop
from stream_events.events import Event
from stream_events.exceptions import Reject, Retry

EVENT = Event(
    stream="orders",
    group="billing",
    entry_id="1-1",
    payload={"obj_id": 1, "obj_type": "shop.order", "action": "create", "data": {"card": "secret"}},
)


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def dispatcher(registry, loop):
    return lambda: Dispatcher(tuple(registry), loop)


@pytest.fixture
def register(registry):
    def add(func, **options):
        return registry.register(func, stream="orders", group="billing", name=str(id(func)), **options)

    return add


@pytest.fixture
def call(register, dispatcher):
    """Register a function and call it once; gives what the call gives."""

    def run(func, events=(EVENT,), **options):
        register(func, **options)
        ready = dispatcher()
        return ready.call(ready.handlers[0], events)

    return run


def test_knows_the_handlers_that_want_an_event(register, dispatcher):
    first = register(lambda event: None)
    second = register(lambda event: None, actions=["create"])
    register(lambda event: None, actions=["delete"])
    assert [handler.func for handler in dispatcher().wanted(EVENT)] == [first, second]


def test_calls_a_handler_with_the_event(call):
    seen = []
    assert call(seen.append) is None
    assert seen == [EVENT]


def test_calls_a_batch_handler_with_a_list(call):
    seen = []
    assert call(seen.append, [EVENT, EVENT], batch=10) is None
    assert seen == [[EVENT, EVENT]]


def test_awaits_async_handlers(call):
    seen = []

    async def handle(event):
        seen.append(event.action)

    assert call(handle) is None
    assert seen == ["create"]


def wrapped(func):
    @functools.wraps(func)
    def call(event):
        return func(event)

    return call


@pytest.mark.parametrize("wrap", [wrapped, lambda func: lambda event: func(event), functools.partial])
def test_awaits_whatever_a_handler_returns_to_be_awaited(call, wrap):
    seen = []

    async def handle(event):
        seen.append(event.action)

    assert call(wrap(handle)) is None
    assert seen == ["create"]


def test_awaits_a_function_behind_sync_to_async(call):
    seen = []
    assert call(sync_to_async(seen.append)) is None
    assert len(seen) == 1


def test_async_handlers_share_one_event_loop(register, dispatcher):
    loops = set()

    async def handle(event):
        loops.add(asyncio.get_running_loop())

    register(handle)
    ready = dispatcher()
    for _ in range(3):
        ready.call(ready.handlers[0], [EVENT])
    assert len(loops) == 1


def test_threads_run_async_handlers_side_by_side(register, dispatcher):
    together = threading.Barrier(2)

    async def handle(event):
        await asyncio.get_running_loop().run_in_executor(None, together.wait, 10)

    register(handle)
    ready = dispatcher()
    threads = [threading.Thread(target=ready.call, args=[ready.handlers[0], [EVENT]]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not together.broken


@pytest.mark.fault("F9")
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_gives_what_a_handler_raises_and_logs_it(call, caplog, error):
    def fail(event):
        raise error

    assert call(fail) is error
    assert "handler_failed stream=orders group=billing" in caplog.text
    assert "Traceback" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
def test_a_failing_async_handler_is_a_failure_and_not_the_end(call, error):
    async def fail(event):
        raise error

    assert type(call(fail)) is type(error)


@pytest.mark.parametrize("instruction", [Retry(after=3), Reject("no such customer")])
def test_what_a_handler_says_itself_is_no_error_in_the_log(call, caplog, instruction):
    def say(event):
        raise instruction

    caplog.set_level("INFO")
    assert call(say) is instruction
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert str(instruction) in caplog.text
    assert "Traceback" not in caplog.text


def test_keyboard_interrupt_is_nobodys_failure(call):
    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupt)


def test_knows_what_is_running(register, dispatcher):
    seen = []
    register(lambda event: seen.extend(ready.running()))
    ready = dispatcher()
    ready.call(ready.handlers[0], [EVENT])
    assert [(one.handler, one.entry_id) for one in seen] == [(ready.handlers[0], "1-1")]
    assert ready.running() == []


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize(("atomic", "kept"), [(None, 1), (True, 0), ("default", 0), ("other", 1)])
def test_atomic_takes_back_what_a_failing_handler_wrote(call, server, atomic, kept):
    from tests.shop.models import Quiet

    def write_and_fail(event):
        Quiet.objects.create(name="half")
        raise ValueError

    assert isinstance(call(write_and_fail, atomic=atomic), ValueError)
    assert Quiet.objects.count() == kept


@pytest.mark.django_db(transaction=True)
def test_the_orm_in_async_handlers_uses_this_threads_connection(call, server):
    from tests.shop.models import Quiet

    async def handle(event):
        await Quiet.objects.acreate(name="async")

    assert call(handle) is None
    assert Quiet.objects.get().name == "async"


@pytest.mark.django_db
def test_the_orm_in_async_handlers_sees_the_transaction_around_it(call, server):
    from tests.shop.models import Quiet

    Quiet.objects.create(name="uncommitted")
    seen = []

    async def handle(event):
        seen.append(await Quiet.objects.acount())

    assert call(handle) is None
    assert seen == [1]
