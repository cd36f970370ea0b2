"""The second document: a cache, a publisher, a consumer without a group, and groups by hand."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from stream_events.cache import RedisCache
from stream_events.clients import EventsConsumer, EventsPublisher
from tests.conftest import wait_for

URL = settings.STREAM_EVENTS["URL"]
KEY = "t:events"
SOON = timedelta(hours=1)


@pytest.fixture
def publisher(server):
    with EventsPublisher("events", url=URL) as one:
        yield one


def event(number):
    return {"obj_id": number, "obj_type": "order", "action": "create"}


class Collecting(EventsConsumer):
    """Written as in the document: a subclass with an async ``handle_event``."""

    def __init__(self, **options):
        super().__init__("events", url=URL, block=0.2, **options)
        self.seen = []

    async def handle_event(self, payload):
        self.seen.append(payload["obj_id"])


def test_the_cache_stores_and_forgets_in_time(server):
    cache = RedisCache()
    cache.set("user:1", {"name": "Bob"})
    cache.store_and_set_expire("user:2", "Eve", datetime.now(UTC) + SOON)
    assert cache.get("user:1") == {"name": "Bob"}
    assert cache.exists("user:2")
    cache.set_key_expire_at("user:1", datetime.now(UTC) + SOON)
    for key in ("user:1", "user:2"):
        (found,) = server.keys(f"*{key}")
        assert 0 < server.ttl(found) <= SOON.total_seconds()
    assert sorted(cache.get_keys_by_pattern("user:*")) == ["user:1", "user:2"]
    cache.delete_keys_by_pattern("user:1*")
    assert cache.get("user:1") is None


def test_emptying_the_cache_leaves_streams_and_other_applications_alone(publisher, server):
    publisher.add(event(1))
    server.set("theirs", "1")
    cache = RedisCache()
    cache.set("ours", 1)
    cache.flushall()
    assert sorted(server.keys()) == [KEY.encode(), b"theirs"]


def test_a_value_is_never_there_without_its_expiry(server):
    cache = RedisCache()
    server.config_resetstat()
    cache.store_and_set_expire("key", "value", datetime.now(UTC) + SOON)
    commands = server.info("commandstats")
    assert commands["cmdstat_set"]["calls"] == 1
    assert not [name for name in commands if "expire" in name]


def test_the_publisher_appends_one_and_many_in_order(publisher):
    entry_id, obj_id = publisher.add(event(1))
    entry_ids, failed = publisher.batch_add([event(2), event(3)])
    assert (obj_id, failed) == (1, [])
    assert list(publisher.get_list()) == [entry_id, *entry_ids]
    assert [payload["obj_id"] for payload in publisher.get_list().values()] == [1, 2, 3]


def test_the_publisher_deletes(publisher):
    entry_id, _ = publisher.add(event(1))
    assert publisher.delete(entry_id) == {entry_id: 1}
    assert publisher.get_list() == {}


def test_the_consumer_without_a_group_loses_no_entry_of_a_batch(publisher):
    publisher.batch_add([event(number) for number in range(10)])
    consumer = Collecting()
    thread = consumer.start_in_thread()
    wait_for(lambda: len(consumer.seen) == 10, "all entries")
    consumer.stop()
    assert not thread.is_alive()
    assert consumer.seen == list(range(10))


def test_it_deletes_what_it_has_handled_if_it_is_told_to(publisher, server):
    publisher.batch_add([event(1), event(2)])
    with Collecting(delete=True) as consumer:
        wait_for(lambda: server.xlen(KEY) == 0, "an empty stream")
    assert consumer.seen == [1, 2]


def test_its_main_is_awaited_as_in_the_document(publisher):
    publisher.add(event(1))
    consumer = Collecting()

    async def use():
        running = asyncio.create_task(consumer.main())
        while not consumer.seen:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(use(), 30))
    assert consumer.seen == [1]


def test_one_event_that_fails_does_not_end_it(publisher):
    class Failing(Collecting):
        async def handle_event(self, payload):
            await super().handle_event(payload)
            if payload["obj_id"] == 1:
                raise ValueError(payload["obj_id"])

    publisher.batch_add([event(1), event(2)])
    with Failing(attempts=1) as consumer:
        wait_for(lambda: 2 in consumer.seen, "the second event")
    assert consumer.seen == [1, 2]


def test_it_waits_on_the_server_instead_of_asking_again_and_again(publisher, server):
    with EventsConsumer("events", lambda event: None, url=URL, block=30):
        wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "a read that waits")
        server.config_resetstat()
        publisher.add(event(1))
        wait_for(lambda: server.info("commandstats").get("cmdstat_xread", {}).get("calls", 0) > 0, "a read")
        wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "a read that waits again")
        assert server.info("commandstats")["cmdstat_xread"]["calls"] <= 2


def test_two_groups_read_and_acknowledge_by_hand_as_in_the_document(publisher, server):
    publisher.add(event(1))
    for group in ("group_1", "group_2"):
        server.xgroup_create(name=KEY, groupname=group, id=0)
        ((_, ((entry_id, _),)),) = server.xreadgroup(group, "consumer_a", {KEY: ">"})
        assert server.xack(KEY, group, entry_id) == 1
