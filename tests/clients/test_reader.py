"""The reader of a stream in a group, on real servers."""

import signal
import subprocess
import sys
import threading

import pytest
import redis
from django.conf import settings

from stream_events.clients import RedisStreamReader
from stream_events.conf import get_settings
from stream_events.consuming import Consumer
from stream_events.consuming.group import Group
from stream_events.exceptions import (
    ConfigurationError,
    EventEncodeError,
    RedisUnavailableError,
    Retry,
)
from stream_events.keys import TOMBSTONE, group_keys
from stream_events.registration import make_handler
from tests.conftest import ROOT, wait_for
from tests.faults.servers import free_port
from tests.test_public_api import run_python

STREAM = "t:orders"
KEYS = group_keys("orders", "billing", "t:")
BOB = {"name": "Bob", "age": "25"}


@pytest.fixture
def make_reader(server):
    """Makes readers that are closed with the test."""
    readers = []

    def make(consumer="one", **options):
        options = {"url": settings.STREAM_EVENTS["URL"], **options}
        readers.append(RedisStreamReader("orders", "billing", consumer, **options))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def reader(make_reader):
    return make_reader()


class Reading(threading.Thread):
    """Reads in a thread of its own, and acknowledges with ``ack``."""

    def __init__(self, reader, ack=True):
        super().__init__(daemon=True)
        self.reader = reader
        self.entries = []
        self._ack = ack
        self.start()

    def run(self):
        for entry in self.reader.read():
            self.entries.append(entry)
            if self._ack:
                self.reader.ack(entry["id"])

    def ids(self):
        return [entry["id"] for entry in self.entries]


def publish(server, *numbers, key=STREAM):
    return [server.xadd(key, {"number": number}).decode() for number in numbers]


def pending(server, key=STREAM):
    return {one["message_id"].decode(): one["consumer"].decode() for one in rows(server, key)}


def rows(server, key=STREAM):
    return server.xpending_range(key, "billing", "-", "+", 1000)


def take(reader, count):
    """The next entries, which stay pending."""
    entries = reader.read()
    return [next(entries) for _ in range(count)]


def text(fields):
    return {name.decode(): value.decode() for name, value in fields.items()}


def is_waiting(server):
    return server.info("clients")["blocked_clients"] == 1


def calls(server, command):
    return server.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def test_a_published_message_is_an_entry_with_its_fields(reader):
    entry_id = reader.publish_message(BOB)
    result = reader.redis_client.xread({reader.stream_key: 0}, count=1)
    assert text(result[0][1][0][1]) == BOB
    assert result[0][1][0][0].decode() == entry_id


def test_messages_are_consumed_in_a_group_that_did_not_exist(reader):
    messages = [{"name": "Charlie"}, {"name": "David"}, {"name": "Eve"}]
    for message in messages:
        reader.publish_message(message)
    result = reader.consume_messages("group1", "consumer1", last_id=">", count=3)
    assert len(result) == 1
    assert [text(fields) for _, fields in result[0][1]] == messages
    assert result[0][0] == reader.stream_key.encode()


def test_making_one_neither_connects_nor_reads(server):
    RedisStreamReader("orders", "billing", "one", "localhost", free_port())
    RedisStreamReader("orders", "billing", "one", url=settings.STREAM_EVENTS["URL"])
    assert server.dbsize() == 0


def test_says_whether_redis_answers(reader):
    assert reader.is_connected()
    assert not RedisStreamReader("orders", "billing", "one", "127.0.0.1", free_port()).is_connected()


def test_finds_its_server_by_host_and_port(real):
    with RedisStreamReader("orders", "billing", "one", "127.0.0.1", real.port) as reader:
        assert reader.is_connected()
        reader.publish_message(BOB)
        assert real.client.xlen("t:orders") == 1


def test_connecting_to_a_server_that_is_away_names_it():
    port = free_port()
    with pytest.raises(RedisUnavailableError, match=f"127.0.0.1:{port}/0 cannot be reached"):
        RedisStreamReader("orders", "billing", "one", "127.0.0.1", port).connect()


@pytest.mark.parametrize("message", [{}, None, [("a", 1)], {"a": None}, {"a": ["b"]}, {"a": True}], ids=str)
def test_what_can_be_no_entry_is_refused(reader, message):
    with pytest.raises(EventEncodeError):
        reader.publish_message(message)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("", "billing", "one"), {}),
        (("orders", "a b", "one"), {}),
        (("orders", "billing", ""), {}),
        (("orders", "billing", "~retry"), {}),
        (("orders", "billing", "a b"), {}),
        (("orders", "billing", "one"), {"server": ""}),
        (("orders", "billing", "one"), {"server": "redis://host"}),
        (("orders", "billing", "one"), {"port": "6379"}),
        (("orders", "billing", "one"), {"server": "host", "url": "redis://host"}),
        (("orders", "billing", "one"), {"url": "http://host"}),
        (("orders", "billing", "one"), {"block": 0}),
        (("orders", "billing", "one"), {"count": 0}),
        (("orders", "billing", "one"), {"create_from": "yesterday"}),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_once(names, options):
    with pytest.raises(ConfigurationError):
        RedisStreamReader(*names, **options)


@pytest.mark.parametrize("entry_id", ["", "one", "1-2-3", "$", f"{2**64}-0", b"x", None, 7], ids=str)
def test_what_is_no_entry_id_is_refused(reader, entry_id):
    for verb in (reader.ack, reader.nack):
        with pytest.raises(ConfigurationError, match="is no entry id"):
            verb(entry_id)
    with pytest.raises(ConfigurationError, match="is no entry id"):
        reader.consume_messages("billing", "one", entry_id)


def test_consuming_waits_for_a_message(reader, server):
    server.config_resetstat()
    found = []
    thread = threading.Thread(target=lambda: found.extend(reader.consume_messages("billing", "two")))
    thread.start()
    wait_for(lambda: calls(server, "xreadgroup") > 2, "several waits")
    (entry_id,) = publish(server, 1)
    thread.join(20)
    assert found == [[STREAM.encode(), [(entry_id.encode(), {b"number": b"1"})]]]


def test_consuming_waits_no_longer_than_it_may(reader):
    assert reader.consume_messages("billing", "one", block=0) == []
    assert reader.consume_messages("billing", "one", block=0.3) == []


def test_closing_ends_consuming(make_reader, server):
    reader = make_reader(block=60)
    found = []
    thread = threading.Thread(target=lambda: found.append(reader.consume_messages("billing", "two")))
    thread.start()
    wait_for(lambda: is_waiting(server), "the read")
    reader.close()
    thread.join(20)
    assert found == [[]]


def test_consuming_from_an_id_gives_what_the_consumer_holds_at_once(reader, server):
    ids = publish(server, 1, 2, 3)
    reader.consume_messages("billing", "one", count=2)

    def history(last_id):
        return [one.decode() for _, found in reader.consume_messages("billing", "one", last_id, 9) for one, _ in found]

    assert [history(last_id) for last_id in ("0", "0-0", ids[0], ids[1])] == [ids[:2], ids[:2], ids[1:2], []]


def test_history_passes_over_what_was_trimmed(make_reader, real):
    reader, server = make_reader(url=real.url), real.client
    ids = publish(server, 1, 2)
    reader.consume_messages("billing", "one", count=2)
    server.xdel(STREAM, ids[0])
    assert reader.consume_messages("billing", "one", "0")[0][1] == [(ids[1].encode(), {b"number": b"2"})]


def test_reading_gives_text_and_the_id_and_the_raw_entry(reader, server):
    entry_id = server.xadd(STREAM, {"name": "Zoë", b"\xff": b"\xfe", "id": "7"}).decode()
    (entry,) = take(reader, 1)
    assert entry == {"name": "Zoë", "\ufffd": "\ufffd", "id": entry_id}
    assert entry.entry.fields[b"id"] == b"7"
    assert entry.delivery_count == 1


def test_what_is_acknowledged_does_not_come_again(reader, server):
    publish(server, 1, 2)
    first, second = take(reader, 2)
    reader.ack(first["id"])
    reader.ack(second["id"].encode())
    assert pending(server) == {}
    assert server.zcard(KEYS.retry) == 0


def test_what_an_earlier_reader_of_that_name_left_comes_first(make_reader, server):
    ids = publish(server, 1, 2, 3)
    earlier = make_reader()
    take(earlier, 2)
    earlier.close()
    publish(server, 4)
    entries = take(make_reader(), 4)
    assert [entry["number"] for entry in entries] == ["1", "2", "3", "4"]
    assert [entry.delivery_count for entry in entries] == [2, 2, 1, 1]
    assert list(pending(server))[:3] == ids


def test_reading_again_begins_with_what_is_not_acknowledged(reader, server):
    publish(server, 1, 2, 3)
    first, _ = take(reader, 2)
    reader.ack(first["id"])
    assert [entry["number"] for entry in take(reader, 2)] == ["2", "3"]


def test_what_was_read_ahead_is_handed_back_when_reading_ends(make_reader, server):
    publish(server, 1, 2, 3)
    entries = make_reader("one", count=3).read()
    assert next(entries)["number"] == "1"
    entries.close()
    assert list(pending(server).values()) == ["one", "~retry", "~retry"]
    found = take(make_reader("two"), 2)
    assert [(entry["number"], entry.delivery_count) for entry in found] == [("2", 1), ("3", 1)]


def test_what_is_handed_back_comes_again_at_once(reader, server):
    publish(server, 1)
    entries = reader.read()
    assert reader.nack(next(entries)["id"])
    entry = next(entries)
    assert (entry["number"], entry.delivery_count) == ("1", 2)


def test_what_is_handed_back_for_later_waits_and_is_anybodys(make_reader, server):
    (entry_id,) = publish(server, 1)
    take(one := make_reader("one"), 1)
    assert one.nack(entry_id, after=3600)
    assert pending(server) == {entry_id: "~retry"}
    two = Reading(make_reader("two", block=60))
    wait_for(lambda: is_waiting(server), "the read of the second reader")
    assert two.entries == []
    two.reader.stop()


def test_a_read_waits_no_longer_than_until_something_is_due(make_reader, server):
    publish(server, 1)
    reader = make_reader(block=600)
    reader.nack(take(reader, 1)[0]["id"], after=0.5)
    assert take(reader, 1)[0].delivery_count == 2


def test_a_read_that_waits_is_woken_for_what_another_thread_hands_back(make_reader, server):
    (entry_id,) = publish(server, 1)
    reading = Reading(make_reader(block=600), ack=False)
    wait_for(lambda: is_waiting(server), "the read")
    assert reading.reader.nack(entry_id)
    wait_for(lambda: len(reading.entries) == 2, "the second delivery")
    reading.reader.stop()


def test_what_is_handed_back_while_the_reader_asks_what_is_due_comes_at_once(make_reader, server, monkeypatch):
    (entry_id,) = publish(server, 1)
    take(make_reader(), 1)
    reader = make_reader(block=600)
    entries = reader.read()
    next(entries)  # its own from before, for which it has not asked yet what is due
    due = Group.due

    def overtaken(group, count):
        monkeypatch.undo()
        found = due(group, count)
        reader.nack(entry_id)
        return found

    monkeypatch.setattr(Group, "due", overtaken)
    help_out = threading.Timer(30, reader.stop)
    help_out.start()
    try:
        assert next(entries)["id"] == entry_id
    finally:
        help_out.cancel()


def test_what_comes_again_and_again_keeps_no_new_entry_waiting(reader, server):
    publish(server, *range(10))
    seen = set()
    for entry in reader.read():
        reader.nack(entry["id"])
        seen.add(entry["number"])
        if len(seen) == 10:
            break


def test_only_the_owner_hands_back(make_reader, server):
    (entry_id,) = publish(server, 1)
    take(make_reader("one"), 1)
    two = make_reader("two")
    assert not two.nack(entry_id)
    assert not two.nack("1-1")
    assert pending(server) == {entry_id: "one"}


def test_two_readers_share_the_entries(make_reader, server):
    ids = publish(server, *range(200))
    readings = [Reading(make_reader("one")), Reading(make_reader("two"))]
    wait_for(lambda: sum(len(one.entries) for one in readings) >= 200, "all entries")
    assert sorted(one for reading in readings for one in reading.ids()) == sorted(ids)
    wait_for(lambda: pending(server) == {}, "all acknowledgements")
    for one in readings:
        one.reader.close()
        one.join(20)
        assert not one.is_alive()


@pytest.mark.django_db
@pytest.mark.django_db
def test_entries_that_wait_are_shared_with_other_consumers_of_the_group(make_reader, server):
    """The consumer lets it wait, the reader takes it and hands it back, and the consumer handles it."""
    counts = []

    def handle(event):
        counts.append(event.delivery_count)
        if len(counts) == 1:
            raise Retry(after=0)

    server.xadd(STREAM, {"payload": '{"obj_id": 7}'})
    handlers = (make_handler(handle, "orders", "billing", {}),)

    def consume(**options):
        return Consumer("orders", "billing", handlers=handlers, settings=get_settings(), **options).run()

    consume(max_events=1)
    reader = make_reader()
    (entry,) = take(reader, 1)
    assert (entry["payload"], entry.delivery_count) == ('{"obj_id": 7}', 2)
    reader.nack(entry["id"])
    consume(drain=True, max_seconds=20)
    assert counts == [1, 3]
    assert pending(server) == {}


def test_what_was_trimmed_while_it_was_pending_is_not_given(make_reader, real, caplog):
    reader, server = make_reader(url=real.url), real.client
    ids = publish(server, 1, 2, 3, 4)
    take(reader, 3)
    reader.nack(ids[0])
    server.xdel(STREAM, *ids[:2])
    assert [entry["number"] for entry in take(reader, 2)] == ["3", "4"]
    assert not reader.nack(ids[1])
    entries = reader.read()
    reader.ack(next(entries)["id"])
    reader.ack(next(entries)["id"])
    reading = Reading(reader)
    wait_for(lambda: pending(server) == {}, "an empty pending list")
    assert reading.entries == []
    assert "entries_trimmed" in caplog.text


def test_a_reader_that_has_nothing_to_do_waits_on_the_server(make_reader, server):
    server.config_resetstat()
    reading = Reading(make_reader(block=600))
    wait_for(lambda: is_waiting(server), "the read")
    publish(server, 1)
    wait_for(lambda: reading.entries, "the entry")
    wait_for(lambda: is_waiting(server), "the next read")
    assert calls(server, "xreadgroup") <= 2
    reading.reader.close()
    reading.join(20)
    assert not reading.is_alive()


def test_a_signal_handler_stops_a_read_that_is_only_about_to_wait(make_reader, monkeypatch):
    reader = make_reader(block=600)
    read = Group.read

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGUSR1)
        return read(*arguments)

    monkeypatch.setattr(Group, "read", interrupted)
    before = signal.signal(signal.SIGUSR1, lambda *_: reader.stop())
    helped = []
    help_out = threading.Timer(30, lambda: (helped.append(True), reader.stop()))
    help_out.start()
    try:
        assert list(reader.read()) == []
        assert not helped
    finally:
        help_out.cancel()
        signal.signal(signal.SIGUSR1, before)


def test_a_group_begins_where_one_says(make_reader, server):
    ids = publish(server, 1, 2, 3)
    assert take(make_reader(create_from=ids[1]), 1)[0]["number"] == "3"


def test_a_group_that_is_lost_is_made_again(make_reader, real, caplog):
    reader, server = make_reader(url=real.url), real.client
    publish(server, 1)
    reading = Reading(reader)
    wait_for(lambda: len(reading.entries) == 1, "the first entry")
    server.flushall()
    (entry_id,) = publish(server, 2)
    wait_for(lambda: entry_id in reading.ids(), "the entry after the loss")
    assert "group_gone" in caplog.text


def test_a_group_that_an_operator_has_deleted_is_not_made_again(reader, server):
    server.set(KEYS.cursor, TOMBSTONE)
    with pytest.raises(ConfigurationError, match="An operator has deleted the group"):
        next(reader.read())


def test_a_key_that_is_no_stream_is_an_error_that_says_so(reader, server):
    server.set(STREAM, "x")
    with pytest.raises(ConfigurationError, match="is not a stream"):
        next(reader.read())


def test_reading_survives_a_restart_of_redis(real, caplog):
    reader = RedisStreamReader("orders", "billing", "one", url=real.url)
    publish(real.client, 1)
    reading = Reading(reader)
    wait_for(lambda: len(reading.entries) == 1, "the first entry")
    real.kill()
    wait_for(lambda: "redis_unavailable" in caplog.text, "the complaint")
    real.start()
    publish(real.client, 2)
    wait_for(lambda: [entry["number"] for entry in reading.entries] == ["1", "2"], "the second entry")
    wait_for(lambda: pending(real.client) == {}, "an empty pending list")
    assert "redis_available" in caplog.text
    reader.close()


def test_an_acknowledgement_is_sent_when_redis_is_back(real):
    reader = RedisStreamReader("orders", "billing", "one", url=real.url)
    publish(real.client, 1, 2)
    entries = reader.read()
    first = next(entries)
    real.kill()
    reader.ack(first["id"])
    real.start()
    assert next(entries)["number"] == "2"
    assert first["id"] not in pending(real.client)
    reader.close()


def test_entries_of_a_lost_reply_are_found(proxy, real):
    reader = RedisStreamReader("orders", "billing", "one", "127.0.0.1", proxy.port)
    entries = reader.read()
    publish(real.client, 1)
    next(entries)
    proxy.drop("XREADGROUP")
    publish(real.client, 2, 3)
    assert [next(entries)["number"] for _ in range(2)] == ["2", "3"]
    assert proxy.dropped == ["XREADGROUP"]
    reader.close()


@pytest.mark.parametrize("nth", range(1, 5))
def test_the_reply_of_any_script_may_be_lost(proxy, real, nth):
    """What is acknowledged, handed back and taken again; none of it is lost or given twice for one cause."""
    reader = RedisStreamReader("orders", "billing", "one", "127.0.0.1", proxy.port)
    reader.connect()
    publish(real.client, 1, 2)
    entries = reader.read()
    reader.ack(next(entries)["id"])
    proxy.drop("EVALSHA", nth)
    reader.nack(next(entries)["id"])
    again = next(entries)
    reader.ack(again["id"])
    publish(real.client, 3)
    assert (again["number"], next(entries)["number"]) == ("2", "3")
    assert proxy.dropped == ["EVALSHA"]
    reader.close()
    assert len(pending(real.client)) == 1


def test_a_killed_reader_goes_on_where_it_was(server):
    publish(server, 1, 2)
    code = (
        "from stream_events.clients import RedisStreamReader\n"
        f"reader = RedisStreamReader('t:orders', 'billing', 'one', url={settings.STREAM_EVENTS['URL']!r})\n"
        "for entry in reader.read(): print(entry['number'], flush=True); entry['number'] == '1' and input()\n"
    )

    def start():
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start() as process:
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
    with start() as process:
        assert process.stdout.readline() == "1\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "2\n"
        process.kill()


def test_needs_no_django_settings(server):
    done = run_python(
        "from stream_events.clients import RedisStreamReader\n"
        f"with RedisStreamReader('orders', 'billing', 'one', url={settings.STREAM_EVENTS['URL']!r}) as reader:\n"
        f"    reader.publish_message({BOB!r})\n"
        "    print(reader.stream_key, next(reader.read())['name'])"
    )
    assert done.stdout == "orders Bob\n", done.stderr


def test_its_connections_are_named_like_the_consumer(make_reader, server):
    reading = Reading(make_reader("worker-7", block=600))
    wait_for(lambda: is_waiting(server), "the read")
    assert "worker-7" in {one["name"] for one in server.client_list()}
    reading.reader.close()
    reading.join(20)
    assert "worker-7" not in {one["name"] for one in server.client_list()}


def test_its_client_is_one_that_returns_bytes(reader):
    assert isinstance(reader.redis_client, redis.Redis)
    reader.publish_message(BOB)
    assert reader.redis_client.type(reader.stream_key) == b"stream"
