"""The regular consumer of other programs: every event, without a group."""

import asyncio
import json
import socket
import threading

import pytest
from django.conf import settings

from stream_events.clients import EventsConsumer
from stream_events.consuming.position import FilePosition
from stream_events.exceptions import ConfigurationError
from tests.conftest import wait_for
from tests.test_public_api import run_python

URL = settings.STREAM_EVENTS["URL"]


def publish(server, *numbers, stream="t:orders"):
    return [server.xadd(stream, {"payload": json.dumps({"obj_id": number})}).decode() for number in numbers]


class Collected(list):
    """A handler that keeps the objects of its events."""

    def __call__(self, event):
        self.append(event.obj_id)


def test_every_event_of_a_batch_is_handled_in_order(server):
    publish(server, *range(250))
    collected = Collected()
    with EventsConsumer("orders", collected, url=URL):
        wait_for(lambda: len(collected) == 250)
    assert collected == list(range(250))
    assert server.xlen("t:orders") == 250
    assert server.xinfo_groups("t:orders") == []


def test_a_subclass_handles_payloads_as_the_seeds_did(server):
    publish(server, 1, 2)
    payloads = []

    class Dashboard(EventsConsumer):
        async def handle_event(self, payload):
            await asyncio.sleep(0)
            payloads.append(payload)

    with Dashboard("orders", url=URL, delete=True):
        wait_for(lambda: server.xlen("t:orders") == 0, "the entries deleted")
    assert payloads == [{"obj_id": 1}, {"obj_id": 2}]


def test_a_key_that_has_become_something_else_ends_it_before_it_deletes(server):
    publish(server, 1)

    def replace(event):
        server.delete("t:orders")
        server.set("t:orders", "text")

    consumer = EventsConsumer("orders", replace, url=URL, delete=True)
    consumer.start_in_thread().join(30)
    with pytest.raises(ConfigurationError, match="is not a stream"):
        consumer.stop()
    assert server.get("t:orders") == b"text"


def test_stop_ends_a_read_that_waits(server):
    consumer = EventsConsumer("orders", print, url=URL, block=600)
    thread = consumer.start_in_thread()
    wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the read that waits")
    assert consumer.stop(timeout=30)
    assert not thread.is_alive()


def test_stop_finishes_the_event_that_is_being_handled(server):
    publish(server, 1, 2)
    started, go_on, collected = threading.Event(), threading.Event(), Collected()

    def handle(event):
        started.set()
        go_on.wait(30)
        collected(event)

    consumer = EventsConsumer("orders", handle, url=URL)
    consumer.start_in_thread()
    started.wait(30)
    assert not consumer.stop(timeout=0)
    go_on.set()
    assert consumer.stop()
    assert collected == [1]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_may_stop_its_consumer(server, is_async):
    publish(server, 1, 2)
    collected = Collected()

    def handle(event):
        collected(event)
        assert not consumer.stop()

    async def handle_async(event):
        handle(event)

    consumer = EventsConsumer("orders", handle_async if is_async else handle, url=URL)
    consumer.start_in_thread().join(30)
    assert collected == [1]


@pytest.mark.django_db
def test_run_returns_when_it_is_stopped_from_another_thread(server):
    publish(server, 1)
    collected = Collected()
    consumer = EventsConsumer("orders", collected, url=URL)

    def stop():
        wait_for(lambda: collected == [1])
        consumer.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    consumer.run()
    stopper.join()


def test_a_consumer_that_was_stopped_before_it_runs_ends_at_once(server):
    publish(server, 1)
    collected = Collected()
    consumer = EventsConsumer("orders", collected, url=URL)
    assert consumer.stop()
    consumer.run()
    assert collected == []


def test_a_consumer_runs_once():
    consumer = EventsConsumer("orders", print, url=URL)
    consumer.stop()
    consumer.run()
    with pytest.raises(RuntimeError, match="make another one"):
        consumer.start_in_thread()


def test_what_ends_the_thread_is_logged_and_raised_by_stop(server, tmp_path, caplog):
    (tmp_path / "position").write_text("damaged")
    consumer = EventsConsumer("orders", print, url=URL, position=FilePosition(tmp_path / "position"))
    consumer.start_in_thread().join(30)
    assert "consumer_died stream=orders" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be read as the position"):
        consumer.stop()


class TestMain:
    """As the seeds run it: ``asyncio.run(EventsConsumer(...).main())``."""

    def test_async_handlers_run_on_the_loop_that_awaits_it(self, server):
        publish(server, 1)
        loops = []

        async def handle(event):
            loops.append(asyncio.get_running_loop())
            consumer.stop()

        consumer = EventsConsumer("orders", handle, url=URL)

        async def main():
            await consumer.main()
            return loops == [asyncio.get_running_loop()]

        assert asyncio.run(main())

    def test_cancelling_ends_a_read_that_waits(self, server):
        consumer = EventsConsumer("orders", print, url=URL, block=600)

        async def main():
            task = asyncio.create_task(consumer.main())
            while server.info("clients")["blocked_clients"] != 1:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(task), 30)

        asyncio.run(main())
        assert consumer.stop(timeout=0)

    def test_cancelling_lets_an_async_handler_finish(self, server):
        publish(server, 1, 2)
        handled = []

        async def main():
            started = asyncio.Event()

            async def handle(event):
                started.set()
                await asyncio.sleep(0.1)
                handled.append(event.obj_id)

            task = asyncio.create_task(EventsConsumer("orders", handle, url=URL).main())
            await started.wait()
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

        assert asyncio.run(main())
        assert handled == [1]

    def test_stopping_it_on_its_loop_does_not_wait_for_itself(self, server):
        publish(server, 1)

        async def main():
            started, go_on = asyncio.Event(), asyncio.Event()

            async def handle(event):
                started.set()
                await go_on.wait()

            consumer = EventsConsumer("orders", handle, url=URL)
            task = asyncio.create_task(consumer.main())
            await started.wait()
            assert not consumer.stop()
            go_on.set()
            await task

        asyncio.run(main())

    def test_what_ends_it_is_raised(self, server):
        server.set("t:orders", "a string")
        with pytest.raises(ConfigurationError, match="is not a stream"):
            asyncio.run(EventsConsumer("orders", print, url=URL).main())


def test_waits_for_a_server_that_is_away_and_stops_all_the_same(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    consumer = EventsConsumer("orders", print, url=f"redis://user:hunter2@127.0.0.1:{port}/0")
    consumer.start_in_thread()
    wait_for(lambda: f"redis_unavailable url=redis://127.0.0.1:{port}/0" in caplog.text)
    assert consumer.stop(timeout=30)
    assert "hunter2" not in caplog.text


def generator(event):
    yield event


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["orders"], "needs a handler, or a subclass"),
        (["", print], "non-empty string"),
        (["orders", generator], "generator.*is a generator"),
        (["orders", "handle"], "cannot be called"),
    ],
    ids=["no handler", "no stream", "generator", "text"],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, text):
    with pytest.raises(ConfigurationError, match=text):
        EventsConsumer(*arguments, url=URL)


def test_a_position_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match=r"position is 'orders.position'; give FilePosition\(path\)"):
        EventsConsumer("orders", print, url=URL, position="orders.position")


def test_needs_no_django_settings(server):
    publish(server, 7, stream="orders")
    done = run_python(
        "from stream_events.clients import EventsConsumer\n"
        "def handle(event):\n"
        "    print(event.obj_id, repr(event.group))\n"
        "    consumer.stop()\n"
        f"consumer = EventsConsumer('orders', handle, url={URL!r})\n"
        "consumer.run()\n"
    )
    assert done.stdout == "7 ''\n", done.stderr


def test_a_program_ends_while_its_consumer_runs(server):
    done = run_python(
        "from stream_events.clients import EventsConsumer\n"
        f"EventsConsumer('orders', print, url={URL!r}, block=600).start_in_thread()\n"
        "print('ends')\n"
    )
    assert (done.stdout, done.returncode) == ("ends\n", 0), done.stderr
