"""The consumer inside a program that has an event loop."""

import asyncio
import threading

import pytest

from stream_events import StreamPublisher
from stream_events.consuming import AsyncConsumer
from stream_events.exceptions import ConfigurationError

KEY = "t:orders"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def register(registry, server):
    return lambda func, **options: registry.register(func, stream="orders", group="billing", **options)


def publish(*numbers):
    StreamPublisher("orders").batch_add([{"obj_id": number} for number in numbers])


def run(**options):
    return asyncio.run(AsyncConsumer("orders", "billing", **{"drain": True, **options}).run())


def test_async_handlers_run_on_the_loop_that_awaits_it(register):
    loops = []

    async def handle(event):
        loops.append(asyncio.get_running_loop())

    register(handle)
    publish(1, 2)

    async def main():
        report = await AsyncConsumer("orders", "billing", drain=True).run()
        return report.started, loops == [asyncio.get_running_loop()] * 2

    assert asyncio.run(main()) == (2, True)


def test_plain_handlers_run_beside_the_loop(register):
    threads = []
    register(lambda event: threads.append(threading.current_thread()))
    publish(1)
    assert run().started == 1
    assert threads[0] is not threading.main_thread()


def test_events_of_different_objects_are_awaited_side_by_side(register):
    running = set()

    async def handle(event):
        running.add(event.obj_id)
        async with asyncio.timeout(20):
            while len(running) < 3:
                await asyncio.sleep(0.01)

    register(handle)
    publish(*range(50))
    assert run(threads=10).failed == 0


def test_stopping_waits_for_what_runs_and_hands_back_the_rest(register, server):
    handled = []

    async def handle(event):
        started.set()
        await go_on.wait()
        handled.append(event.obj_id)

    register(handle)
    publish(*range(10))

    async def main():
        global started, go_on
        started, go_on = asyncio.Event(), asyncio.Event()
        consumer = AsyncConsumer("orders", "billing")
        task = asyncio.create_task(consumer.run())
        await started.wait()
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        return await task

    assert asyncio.run(main()).started == 1
    assert handled == [0]
    assert server.xpending(KEY, "billing")["pending"] == 9
    assert [one["name"] for one in server.xinfo_consumers(KEY, "billing")] == [b"~retry"]


def test_a_cancelled_task_leaves_nothing_behind(register, server):
    async def handle(event):
        started.set()

    register(handle)
    publish(1)

    async def main():
        global started
        started = asyncio.Event()
        task = asyncio.create_task(AsyncConsumer("orders", "billing").run())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert server.xpending(KEY, "billing")["pending"] == 0
    assert server.xinfo_consumers(KEY, "billing") == []


def test_a_handler_that_blocks_the_loop_costs_no_lease(register, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "LEASE": 0.6}
    handled = []

    async def block(event):
        threading.Event().wait(1.5)  # not awaited: the whole loop stands still
        handled.append(event.obj_id)

    register(block)
    publish(1)
    assert run().started == 1
    assert handled == [1]


def test_one_that_never_ran_is_stopped_at_once(register):
    register(print)

    async def main():
        await AsyncConsumer("orders", "billing").stop()

    asyncio.run(main())


def test_it_is_refused_as_the_other_one_is(register):
    with pytest.raises(ConfigurationError, match="No handler"):
        AsyncConsumer("orders", "shipping")
