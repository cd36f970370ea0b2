"""The async consumer of a stream in a group, on real servers."""

import asyncio
import time

import pytest
from django.conf import settings

from stream_events.clients import AsyncRedisStreamConsumer, RedisStreamReader
from stream_events.exceptions import ConfigurationError, RedisUnavailableError
from tests.faults.servers import free_port
from tests.test_public_api import run_python

STREAM = "t:orders"


def make(server_config=None, **options):
    config = server_config or {"url": settings.STREAM_EVENTS["URL"]}
    return AsyncRedisStreamConsumer("orders", "billing", "one", config, **options)


def publish(server, *numbers):
    return [server.xadd(STREAM, {"number": number}).decode() for number in numbers]


def pending(server):
    rows = server.xpending_range(STREAM, "billing", "-", "+", 1000)
    return {one["message_id"].decode(): one["consumer"].decode() for one in rows}


def read_before(server, *numbers):
    """Entries that an earlier consumer of that name has read and not acknowledged."""
    ids = publish(server, *numbers)
    with RedisStreamReader("orders", "billing", "one", url=settings.STREAM_EVENTS["URL"]) as reader:
        entries = reader.read()
        assert [next(entries)["id"] for _ in numbers] == ids
    return ids


def is_waiting(server):
    return server.info("clients")["blocked_clients"] == 1


async def until(condition, what="the condition"):
    """As ``wait_for``, beside the event loop."""
    deadline = time.monotonic() + 30
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"{what} did not come about"
        await asyncio.sleep(0.02)


class Received(list):
    """A callback that keeps the numbers it was called with; those in ``failing`` raise the first time."""

    def __init__(self, *failing):
        super().__init__()
        self._failing = set(failing)

    async def __call__(self, entry_id, fields):
        self.append(fields["number"])
        if fields["number"] in self._failing:
            self._failing.remove(fields["number"])
            raise ValueError("failed on purpose")


def test_consuming_awaits_the_callback_and_tells_what_was_read(server):
    ids = publish(server, 1, 2)
    received = Received()

    async def main():
        async with make(count=5) as consumer:
            return await consumer.consume(received)

    assert asyncio.run(main()) == ("orders", [(ids[0], {"number": "1"}), (ids[1], {"number": "2"})])
    assert received == ["1", "2"]
    assert pending(server) == dict.fromkeys(ids, "one")


def test_consuming_nothing_tells_so(server):
    async def main():
        async with make() as consumer:
            return await consumer.consume(Received())

    assert asyncio.run(main()) is None


def test_a_service_goes_before_a_callback_and_may_be_a_plain_function(server):
    publish(server, 1)
    received, ignored = [], Received()

    async def main():
        async with make(service=lambda entry_id, fields: received.append(fields)) as consumer:
            await consumer.consume(ignored)

    asyncio.run(main())
    assert (received, ignored) == ([{"number": "1"}], [])


def test_new_entries_only_leave_the_consumers_history_alone(server):
    history = read_before(server, 1, 2)
    publish(server, 3)
    received = Received()

    async def main():
        async with make(count=9, auto_ack=True) as consumer:
            await consumer.consume(received)
            assert await consumer.consume(received) is None

    asyncio.run(main())
    assert received == ["3"]
    assert list(pending(server)) == history


@pytest.mark.parametrize("after", [0, 1])
def test_history_beyond_an_id_comes_before_what_is_new(server, after):
    history = ["0", *read_before(server, 1, 2)]
    publish(server, 3)
    received = Received()

    async def main():
        async with make(last_delivered_id=history[after], auto_ack=True) as consumer:
            for _ in range(3 - after):
                await consumer.consume(received)

    asyncio.run(main())
    assert received == ["1", "2", "3"][after:]
    assert list(pending(server)) == history[1 : 1 + after]


def test_acknowledging_and_handing_back(server):
    ids = publish(server, 1, 2)

    async def main():
        async with make(count=2) as consumer:
            await consumer.consume()
            await consumer.ack(ids[0])
            handed_back = [await consumer.nack(one) for one in (ids[1], "1-1")]
            again = await consumer.consume()
            await consumer.nack(ids[1], after=3600)
            return handed_back, again

    handed_back, again = asyncio.run(main())
    assert handed_back == [True, False]
    assert again == ("orders", [(ids[1], {"number": "2"})])
    assert pending(server) == {ids[1]: "~retry"}


def test_acknowledging_many_at_a_time_when_it_is_stopped(server, caplog):
    ids = publish(server, *range(200))

    async def main():
        async with make(count=200) as consumer:
            await consumer.consume()
        await asyncio.gather(*map(consumer.ack, ids))

    asyncio.run(main())
    assert pending(server) == {}
    assert "settling_failed" not in caplog.text
    assert "one" not in {one["name"] for one in server.client_list()}


def test_an_entry_whose_callback_raises_comes_again_and_the_others_go_on(server, caplog):
    publish(server, 1, 2, 3)
    received = Received("2")

    async def main():
        async with make(count=3, auto_ack=True, retry_after=0.2, block=60) as consumer:
            task = asyncio.create_task(consumer.start(received))
            await until(lambda: len(received) == 4)
            await consumer.stop()
            await task

    asyncio.run(main())
    assert received == ["1", "2", "3", "2"]
    assert pending(server) == {}
    assert "callback_failed" in caplog.text
    assert "number" not in caplog.text


def test_a_callback_that_is_cancelled_by_itself_is_one_that_failed(server):
    publish(server, 1)
    counts = []

    async def cancel_once(entry_id, fields):
        counts.append(entry_id)
        if len(counts) == 1:
            raise asyncio.CancelledError

    async def main():
        async with make(auto_ack=True, retry_after=0) as consumer:
            await consumer.consume(cancel_once)
            await consumer.consume(cancel_once)

    asyncio.run(main())
    assert len(counts) == 2
    assert pending(server) == {}


def test_a_slow_callback_stops_no_others(server):
    publish(server, *range(20))
    done = []

    async def main():
        go_on = asyncio.Event()

        async def handle(entry_id, fields):
            if fields["number"] == "0":
                await go_on.wait()
            done.append(int(fields["number"]))

        async with make(concurrency=2, auto_ack=True) as consumer:
            task = asyncio.create_task(consumer.start(handle))
            await until(lambda: len(done) == 19)
            go_on.set()
            await until(lambda: not pending(server))
            await consumer.stop()
            await task

    asyncio.run(main())
    assert done == [*range(1, 20), 0]


def test_no_more_callbacks_run_at_a_time_than_they_may(server):
    publish(server, *range(30))
    running, most = set(), []

    async def handle(entry_id, fields):
        running.add(entry_id)
        most.append(len(running))
        await asyncio.sleep(0.01)
        running.remove(entry_id)

    async def main():
        async with make(concurrency=3, count=10, auto_ack=True) as consumer:
            task = asyncio.create_task(consumer.start(handle))
            await until(lambda: len(most) == 30)
            await consumer.stop()
            await task

    asyncio.run(main())
    assert max(most) == 3


def test_stopping_waits_for_what_runs_and_hands_back_the_rest(server):
    ids = publish(server, 1, 2, 3)
    received = Received()

    async def main():
        started, go_on = asyncio.Event(), asyncio.Event()

        async def handle(entry_id, fields):
            started.set()
            await go_on.wait()
            await received(entry_id, fields)

        consumer = make(count=3, auto_ack=True)
        task = asyncio.create_task(consumer.start(handle))
        await started.wait()
        stopping = asyncio.create_task(consumer.stop())
        await until(lambda: consumer._member.is_stopped())
        go_on.set()
        await stopping
        await task

    asyncio.run(main())
    assert received == ["1"]
    assert pending(server) == dict.fromkeys(ids[1:], "~retry")
    assert {one["times_delivered"] for one in server.xpending_range(STREAM, "billing", "-", "+", 9)} == {0}


def test_a_callback_may_stop_its_consumer(server):
    publish(server, 1)

    async def main():
        consumer = make(auto_ack=True)

        async def handle(entry_id, fields):
            await consumer.stop()

        await asyncio.wait_for(consumer.start(handle), 30)

    asyncio.run(main())
    assert pending(server) == {}


def test_stopping_ends_one_that_is_only_about_to_start(server):
    async def main():
        consumer = make()
        stopping = asyncio.create_task(consumer.stop())
        asyncio.get_running_loop().call_soon(
            time.sleep, 0.1
        )  # for as long the wish is there, and nothing else happens
        starting = asyncio.create_task(consumer.start(Received()))
        await asyncio.wait_for(asyncio.gather(stopping, starting), 30)

    asyncio.run(main())


def test_a_consumer_that_was_stopped_can_be_started_again(server):
    received = Received()

    async def main():
        consumer = make(auto_ack=True)
        for number in (1, 2):
            await asyncio.to_thread(publish, server, number)
            task = asyncio.create_task(consumer.start(received))
            await until(lambda number=number: len(received) == number)
            await consumer.stop()
            await task

    asyncio.run(main())
    assert received == ["1", "2"]


def test_cancelling_ends_a_read_that_waits_and_closes_the_connections(server):
    async def main():
        consumer = make(block=600)
        task = asyncio.create_task(consumer.consume(Received()))
        await until(lambda: is_waiting(server), "the read")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)

    asyncio.run(main())
    assert "one" not in {one["name"] for one in server.client_list()}


@pytest.mark.slow
def test_cancelling_again_and_again_loses_nothing(server):
    """Whatever the moment: before, in the middle of, and after the reply, and during the callback."""
    ids = publish(server, *range(100))
    seen = set()

    async def handle(entry_id, fields):
        await asyncio.sleep(0)
        seen.add(entry_id)

    async def main():
        consumer = make(count=7, auto_ack=True)
        for steps in range(150):
            task = asyncio.create_task(consumer.consume(handle))
            for _ in range(steps % 20):
                await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.wait([task])
        assert set(pending(server).values()) <= {"~retry"}
        while await consumer.consume(handle):
            pass
        await consumer.stop()

    asyncio.run(main())
    assert seen == set(ids)
    assert pending(server) == {}


def test_cancelling_hands_back_what_a_callback_was_called_for(server):
    ids = publish(server, 1, 2)

    async def main():
        started = asyncio.Event()

        async def hang(entry_id, fields):
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(make(count=2).start(hang))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert pending(server) == dict.fromkeys(ids, "~retry")
    rows = server.xpending_range(STREAM, "billing", "-", "+", 9)
    assert [one["times_delivered"] for one in rows] == [1, 0]


def test_consuming_goes_on_after_it_was_cancelled(server):
    async def main():
        async with make(block=600) as consumer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(consumer.consume(), 0.1)
            await asyncio.to_thread(publish, server, 1)
            return await consumer.consume()

    assert asyncio.run(main())[1][0][1] == {"number": "1"}


def test_starting_survives_a_restart_of_redis(real, caplog):
    received = Received()
    publish(real.client, 1)

    async def main():
        async with make({"host": "127.0.0.1", "port": real.port}, auto_ack=True) as consumer:
            task = asyncio.create_task(consumer.start(received))
            await until(lambda: received == ["1"])
            real.kill()
            await until(lambda: "redis_unavailable" in caplog.text)
            real.start()
            publish(real.client, 2)
            await until(lambda: received == ["1", "2"])
            await until(lambda: not pending(real.client))
            await consumer.stop()
            await task

    asyncio.run(main())


def test_starting_waits_for_a_server_that_is_not_there_yet(real, caplog):
    received = Received()
    publish(real.client, 1)
    real.kill()

    async def main():
        consumer = make({"host": "127.0.0.1", "port": real.port}, auto_ack=True)
        task = asyncio.create_task(consumer.start(received))
        await until(lambda: "redis_unavailable" in caplog.text)
        real.start()
        await until(lambda: received == ["1"])
        await consumer.stop()
        await task

    asyncio.run(main())


def test_entries_of_a_lost_reply_are_found_beside_a_history_that_is_left_alone(proxy, real):
    received = Received()
    (left,) = publish(real.client, 0)
    with RedisStreamReader("orders", "billing", "one", url=real.url) as reader:
        next(reader.read())

    async def main():
        async with make({"host": "127.0.0.1", "port": proxy.port}, auto_ack=True) as consumer:
            await consumer.connect_to_redis()
            proxy.drop("XREADGROUP")
            publish(real.client, 1, 2)
            while len(received) < 2:
                await consumer.consume(received)

    asyncio.run(main())
    assert proxy.dropped == ["XREADGROUP"]
    assert received == ["1", "2"]
    assert list(pending(real.client)) == [left]


def test_connecting_to_a_server_that_is_away_names_it():
    port = free_port()
    consumer = make({"host": "127.0.0.1", "port": port, "password": "secret"})
    with pytest.raises(RedisUnavailableError, match=f"127.0.0.1:{port}/0 cannot be reached") as caught:
        asyncio.run(consumer.connect_to_redis())
    assert "secret" not in str(caught.value)


def test_connecting_makes_the_group(server):
    publish(server, 1)

    async def main():
        async with make(create_from="latest") as consumer:
            await consumer.connect_to_redis()
            publish(server, 2)
            return await consumer.consume()

    assert asyncio.run(main())[1][0][1] == {"number": "2"}


def test_a_key_that_is_no_stream_ends_it_with_an_error_that_says_so(server):
    server.set(STREAM, "x")
    with pytest.raises(ConfigurationError, match="is not a stream"):
        asyncio.run(make().start(Received()))


def test_starting_without_a_callback_is_refused():
    with pytest.raises(ConfigurationError, match="Nobody handles the entries"):
        asyncio.run(make().start())


def test_it_describes_itself_in_one_line():
    assert make().describe() == "Stream: orders Group: billing Consumer: one"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"server_config": {"hots": "localhost"}}, ConfigurationError),
        ({"server_config": {"url": "redis://localhost", "db": 1}}, ConfigurationError),
        ({"server_config": {"host": "localhost", "port": "6379"}}, ConfigurationError),
        ({"server_config": {"host": "localhost", "db": -1}}, ConfigurationError),
        ({"last_delivered_id": "$"}, ConfigurationError),
        ({"count": 0}, ConfigurationError),
        ({"concurrency": 0}, ConfigurationError),
        ({"retry_after": -1}, ValueError),
        ({"block": -1}, ConfigurationError),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_once(options, error):
    with pytest.raises(error):
        make(**options)


def test_needs_no_django_settings(server):
    server.xadd("orders", {"number": 7})
    done = run_python(
        "import asyncio\n"
        "from stream_events.clients import AsyncRedisStreamConsumer\n"
        "async def main():\n"
        f"    config = {{'url': {settings.STREAM_EVENTS['URL']!r}}}\n"
        "    async with AsyncRedisStreamConsumer('orders', 'billing', 'one', config) as consumer:\n"
        "        await consumer.consume(lambda entry_id, fields: print(fields))\n"
        "asyncio.run(main())"
    )
    assert done.stdout == "{'number': '7'}\n", done.stderr
