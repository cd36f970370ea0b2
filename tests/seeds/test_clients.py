"""The first document: a client, its command line, an async consumer; and what went wrong with them there."""

import asyncio
import json
import subprocess
import sys

import pytest
from django.conf import settings

from stream_events.clients import AsyncRedisStreamConsumer, RedisStreamReader

KEY = "t:mystream"


@pytest.fixture
def reader(server):
    with RedisStreamReader("mystream", "mygroup", "myconsumer", url=settings.STREAM_EVENTS["URL"], block=0.2) as one:
        yield one


def pending(server):
    return [row["message_id"].decode() for row in server.xpending_range(KEY, "mygroup", "-", "+", 10)]


def text(fields):
    return {name.decode(): value.decode() for name, value in fields.items()}


def test_what_is_published_is_in_the_stream(reader):
    bob = {"name": "Bob", "age": "25"}
    reader.redis_client.xtrim(reader.stream_key, maxlen=0)
    reader.publish_message(bob)
    found = reader.redis_client.xread({reader.stream_key: 0}, count=1)
    assert text(found[0][1][0][1]) == bob


def test_a_group_consumes_what_was_published(reader):
    people = [{"name": name, "age": age} for name, age in (("Charlie", "35"), ("David", "40"), ("Eve", "45"))]
    for person in people:
        reader.publish_message(person)
    found = reader.consume_messages("group1", "consumer1", last_id=">", count=3)
    assert len(found) == 1
    assert [text(fields) for _, fields in found[0][1]] == people


def test_making_a_reader_reads_nothing(server):
    server.xgroup_create(KEY, "mygroup", id="0", mkstream=True)
    server.xadd(KEY, {"name": "Bob"})
    RedisStreamReader("mystream", "mygroup", "myconsumer", url=settings.STREAM_EVENTS["URL"]).close()
    assert pending(server) == []


def test_a_group_that_does_not_exist_is_made(reader, server):
    reader.publish_message({"name": "Bob"})
    assert next(reader.read())["name"] == "Bob"
    assert [group["name"] for group in server.xinfo_groups(KEY)] == [b"mygroup"]


def test_the_loop_of_the_example_acknowledges_entry_by_entry(reader, server):
    for name in ("Ada", "Grace"):
        reader.publish_message({"name": name})
    assert reader.is_connected()
    seen = []
    for message in reader.read():
        seen.append(message["name"])
        reader.ack(message["id"])
        if len(seen) == 2:
            break
    assert seen == ["Ada", "Grace"]
    assert pending(server) == []


def test_read_gives_more_than_what_was_there_when_the_reader_was_made(reader):
    entries = reader.read()
    for name in ("Ada", "Grace", "Edsger"):
        reader.publish_message({"name": name})
        assert next(entries)["name"] == name


def test_nack_does_not_acknowledge(reader, server):
    reader.publish_message({"name": "Bob"})
    entries = reader.read()
    first = next(entries)
    assert reader.nack(first["id"])
    assert pending(server) == [first["id"]]
    again = next(entries)
    assert (again["id"], again["name"]) == (first["id"], "Bob")


def test_a_reader_that_was_killed_takes_its_own_entries_first(reader, server):
    reader.publish_message({"name": "Bob"})
    server.xgroup_create(KEY, "mygroup", id="0")
    server.xreadgroup("mygroup", "myconsumer", {KEY: ">"})
    reader.publish_message({"name": "Eve"})
    entries = reader.read()
    assert [next(entries)["name"], next(entries)["name"]] == ["Bob", "Eve"]


def test_the_command_line_of_the_example(reader, server):
    for name in ("Ada", "Grace"):
        reader.publish_message({"name": name})
    url = f"unix://{server.connection_pool.connection_kwargs['path']}"
    command = [
        sys.executable,
        "-m",
        "stream_events",
        "mystream",
        "mygroup",
        "myconsumer",
        "--url",
        url,
        "--count",
        "2",
    ]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert all(json.loads(line)["id"] for line in done.stdout.splitlines())
    assert pending(server) == []


def make_async(**options):
    server_config = {"url": settings.STREAM_EVENTS["URL"]}
    return AsyncRedisStreamConsumer("mystream", "mygroup", "myconsumer", server_config, **options)


def test_the_async_consumer_calls_back_and_acknowledges(reader, server):
    reader.publish_message({"name": "Bob"})
    seen = []

    async def use():
        async with make_async() as consumer:

            async def callback(message_id, message_data):
                seen.append(message_data["name"])
                await consumer.ack(message_id)

            await consumer.consume(callback)
            return consumer.describe()

    described = asyncio.run(use())
    assert seen == ["Bob"]
    assert pending(server) == []
    assert described == "Stream: mystream Group: mygroup Consumer: myconsumer"


def test_the_async_consumer_goes_on_reading_its_stream_after_the_first_entries(reader):
    seen = asyncio.Queue()

    async def use():
        consumer = make_async(service=lambda message_id, data: seen.put_nowait(data["name"]))
        running = asyncio.create_task(consumer.start())
        for name in ("Ada", "Grace"):
            await asyncio.to_thread(reader.publish_message, {"name": name})
            assert await asyncio.wait_for(seen.get(), 30) == name
        await consumer.stop()
        await running

    asyncio.run(use())


def test_the_async_nack_does_not_acknowledge(reader, server):
    reader.publish_message({"name": "Bob"})
    seen = []

    async def use():
        async with make_async() as consumer:

            async def callback(message_id, message_data):
                seen.append(message_data["name"])
                if len(seen) == 1:
                    await consumer.nack(message_id)
                else:
                    await consumer.ack(message_id)

            while len(seen) < 2:
                await consumer.consume(callback)

    asyncio.run(asyncio.wait_for(use(), 30))
    assert seen == ["Bob", "Bob"]
    assert pending(server) == []
