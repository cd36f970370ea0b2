"""What both consumers, with one lane and with several, have to survive on every server."""

import threading

import pytest
import redis

from stream_events.exceptions import ConfigurationError, Reject, Retry
from tests.conftest import wait_for
from tests.faults.conftest import GROUNDS, KEYS, dead_letters, pending, publish, wait_until_settled

fault = pytest.mark.fault
pytestmark = pytest.mark.parametrize(
    "ground", [GROUNDS[0], *(pytest.param(ground, marks=pytest.mark.slow) for ground in GROUNDS[1:])], ids=str
)


def test_what_is_published_is_handled(real, handled, run):
    publish(*range(300))
    running = run()
    wait_until_settled(real.client)
    assert sorted(handled) == list(range(300))
    assert running.stop().started == 300
    assert real.client.xinfo_consumers(KEYS.stream, "billing") == []


@fault("F13")
def test_entries_of_a_lost_read_are_found_at_once(proxy, real, handled, run, configure):
    configure(f"redis://127.0.0.1:{proxy.port}/0", LEASE=60)  # nobody else would come for them
    proxy.drop("XREADGROUP", 3)
    publish(*range(100))
    run()
    wait_for(lambda: proxy.dropped, "the lost reply")
    publish(*range(100, 200))
    wait_until_settled(real.client)
    assert sorted(handled) == list(range(200))
    assert set(handled.counts) == {1}


@fault("F14")
def test_a_lost_acknowledgement_is_sent_again_and_nothing_is_handled_twice(proxy, real, handled, run):
    proxy.drop("XACK", 1)
    publish(*range(50))
    run()
    wait_for(lambda: proxy.dropped, "the lost reply")
    wait_until_settled(real.client)
    publish(*range(50, 100))
    wait_until_settled(real.client)
    assert sorted(handled) == list(range(100))


@fault("F16")
@pytest.mark.parametrize("nth", range(1, 9))
def test_the_reply_of_any_script_may_be_lost(proxy, real, handled, run, nth):
    """One entry fails once, one is rejected: so every script that settles an entry is among them."""

    def fail(event):
        if event.obj_id == 3 and handled.count(3) == 1:
            raise ValueError
        if event.obj_id == 5:
            raise Reject

    handled.hook = fail
    publish(*range(10))
    run(max_seconds=60)
    wait_for(lambda: len(handled) > 3, "the first entries")
    proxy.drop("EVALSHA", nth)
    wait_until_settled(real.client)
    publish(10)
    wait_until_settled(real.client)
    wait_for(lambda: 10 in handled, "the last entry")
    assert set(handled) == set(range(11))
    assert len(dead_letters(real.client)) == 1


@fault("F17")
def test_a_server_that_hangs_is_given_up_and_found_again(real, handled, run, configure):
    configure(real.url, BLOCK=0.1)
    run()
    publish(1)
    wait_until_settled(real.client)
    real.pause()
    threading.Event().wait(3)  # longer than the lease
    real.go_on()
    publish(2)
    wait_for(lambda: set(handled) == {1, 2}, "the second event", timeout=40)
    wait_until_settled(real.client)
    assert handled == [1, 2]


@fault("F18", "F20")
def test_a_killed_server_comes_back_with_its_data(real, handled, run):
    publish(*range(20))
    run()
    wait_until_settled(real.client)
    real.kill()
    real.start()
    publish(*range(20, 40))
    wait_for(lambda: len(handled) == 40, "all events")
    wait_until_settled(real.client)
    assert sorted(handled) == list(range(40))


@fault("F18")
def test_a_server_that_is_not_there_yet_is_waited_for(real, handled, run, caplog):
    publish(1)
    real.kill()
    run()
    wait_for(lambda: "redis_unavailable" in caplog.text, "the complaint")
    real.start()
    wait_until_settled(real.client)
    assert handled == [1]


@fault("F20", "F26")
def test_a_server_that_has_lost_everything_is_begun_with_anew(real, handled, run, caplog):
    publish(1)
    run()
    wait_until_settled(real.client)
    real.lose_everything()
    publish(2)
    wait_for(lambda: set(handled) == {1, 2}, "the second event")
    assert "group_recreated" in caplog.text
    real.client.flushall()
    publish(3)
    wait_for(lambda: set(handled) == {1, 2, 3}, "the third event")
    wait_until_settled(real.client)


@fault("F27")
def test_a_deleted_stream_is_made_again(real, handled, run):
    publish(1)
    run()
    wait_until_settled(real.client)
    real.client.delete(KEYS.stream)
    publish(2)
    wait_for(lambda: handled == [1, 2], "the second event")
    wait_until_settled(real.client)


@fault("F28")
def test_a_destroyed_group_goes_on_where_it_was_and_keeps_what_waits(real, handled, run):
    def fail(event):
        if event.obj_id == 7 and handled.count(7) == 1:
            raise Retry(after=4)

    handled.hook = fail
    publish(*range(2000))
    run()
    wait_for(lambda: len(handled) >= 2000 and pending(real.client) == 1, "all but the one that waits")
    real.client.xgroup_destroy(KEYS.stream, "billing")
    publish(2000)
    wait_for(lambda: handled.count(7) >= 2 and 2000 in handled, "the one that waited, and the new one")
    wait_until_settled(real.client)
    assert set(handled) == set(range(2001))
    assert len(handled) - 2002 < 200


def test_a_group_deleted_by_an_operator_stays_deleted(real, handled, run):
    running = run()
    publish(1)
    wait_until_settled(real.client)
    real.client.set(KEYS.cursor, "deleted")
    real.client.xgroup_destroy(KEYS.stream, "billing")
    with pytest.raises(ConfigurationError, match="An operator has deleted the group 'billing'"):
        running.wait()
    with pytest.raises(ConfigurationError, match="--create-from"):
        run().wait()
    run(create_from="$")
    wait_for(lambda: real.client.xinfo_groups(KEYS.stream), "the group")
    publish(2)
    wait_for(lambda: handled == [1, 2], "the second event")


@fault("F29")
def test_a_group_that_is_set_back_handles_again(real, handled, run):
    publish(1, 2)
    run()
    wait_until_settled(real.client)
    real.client.xgroup_setid(KEYS.stream, "billing", "0")
    wait_for(lambda: sorted(handled) == [1, 1, 2, 2], "both events again")
    wait_until_settled(real.client)


@fault("F30")
def test_a_key_of_another_type_ends_the_consumer_with_the_reason(real, handled, run):
    running = run()
    publish(1)
    wait_until_settled(real.client)
    real.client.delete(KEYS.stream)
    real.client.set(KEYS.stream, "text")
    with pytest.raises(ConfigurationError, match="is not a stream"):
        running.wait()


@fault("F19")
@pytest.mark.parametrize(
    ("hurt", "heal"),
    [
        ((["CONFIG", "SET", "min-replicas-to-write", "1"],), (["CONFIG", "SET", "min-replicas-to-write", "0"],)),
        ((["REPLICAOF", "127.0.0.1", "1"],), (["REPLICAOF", "NO", "ONE"],)),
        ((["ACL", "SETUSER", "default", "-xreadgroup"],), (["ACL", "SETUSER", "default", "+xreadgroup"],)),
        ((["ACL", "SETUSER", "default", "-@scripting"],), (["ACL", "SETUSER", "default", "+@scripting"],)),
    ],
    ids=["no replicas", "a replica", "no reading", "no scripts"],
)
def test_a_server_that_refuses_is_waited_for_visibly(real, handled, run, caplog, hurt, heal):
    running = run()
    publish(1)
    wait_until_settled(real.client)
    for command in hurt:
        real.client.execute_command(*command)
    wait_for(lambda: "redis_unavailable" in caplog.text or "lease_not_renewed" in caplog.text, "the complaint")
    assert running.is_running
    for command in heal:
        real.client.execute_command(*command)
    publish(2)
    wait_for(lambda: handled == [1, 2], "the second event")
    assert len([one for one in caplog.records if "redis_unavailable" in one.message]) < 30  # it does not spin


@fault("F19")
def test_a_new_password_is_asked_for_visibly(real, handled, run, caplog):
    run()
    publish(1)
    wait_until_settled(real.client)
    real.client.config_set("requirepass", "new")
    real.client.client_kill_filter(_type="normal", skipme=True)
    wait_for(lambda: "uthenticat" in caplog.text, "the complaint")
    real.client.config_set("requirepass", "")
    publish(2)
    wait_for(lambda: handled == [1, 2], "the second event")


@fault("F19")
def test_leases_live_at_maxmemory_and_a_dead_letter_that_is_refused_waits(real, handled, run, caplog):
    def reject(event):
        raise Reject

    handled.hook = reject
    publish(1)
    real.client.xgroup_create(KEYS.stream, "billing", id="0")
    real.client.config_set("maxmemory", "1")
    first, second = run(), run()
    wait_for(lambda: "dead_letter_refused" in caplog.text, "the refusal")
    wait_for(lambda: all(lease > 0 for _, lease in leases(real.client)), "leases")
    threading.Event().wait(2)  # longer than a lease
    assert {name for name, lease in leases(real.client) if lease > 0} == {first.name, second.name}
    assert "entries_adopted" not in caplog.text
    real.client.config_set("maxmemory", "0")
    wait_until_settled(real.client)
    assert len(dead_letters(real.client)) == 1


def leases(client):
    seconds, micros = client.time()
    now = seconds * 1000 + micros / 1000
    return [(name.decode(), score - now) for name, score in client.zrange(KEYS.consumers, 0, -1, withscores=True)]


@fault("F32")
def test_an_entry_trimmed_while_it_waits_is_counted(real, handled, run, caplog):
    def fail(event):
        raise Retry(after=1)

    handled.hook = fail
    publish(1)
    running = run()
    wait_for(lambda: real.client.zcard(KEYS.retry) == 1, "the waiting entry")
    real.client.xtrim(KEYS.stream, maxlen=0, approximate=False)
    wait_for(lambda: pending(real.client) == 0, "an empty pending list")
    assert running.stop().trimmed == 1
    assert "entries_trimmed" in caplog.text


@fault("F32")
def test_an_entry_trimmed_while_it_fails_becomes_a_dead_letter(real, handled, run):
    def trim_and_fail(event):
        real.client.xtrim(KEYS.stream, maxlen=0, approximate=False)
        raise ValueError("no")

    handled.hook = trim_and_fail
    publish(1)
    run()
    wait_for(lambda: pending(real.client) == 0 and dead_letters(real.client), "the dead letter")
    (letter,) = dead_letters(real.client)
    assert letter[b"dead_reason"] == b"trimmed"
    assert b'"obj_id": 1' in letter[b"payload"] or b'"obj_id":1' in letter[b"payload"]


@fault("F34", "F35", "F36")
def test_what_cannot_be_handled_is_a_dead_letter_and_the_rest_is_handled(real, handled, run, configure):
    configure(real.url, MAX_PAYLOAD=1000)
    publish(1)
    real.client.xadd(KEYS.stream, {"payload": b"\xff\xfe"})
    real.client.xadd(KEYS.stream, {"payload": "[1]"})
    real.client.xadd(KEYS.stream, {"other": "x"})
    real.client.xadd(KEYS.stream, {"payload": '{"obj_id": 2}' + " " * 2000})
    real.client.xadd(KEYS.stream, {f"field{number}": "x" for number in range(5000)})
    real.client.xadd(KEYS.stream, {"payload": '{"obj_id": 3, "colour": "red"}', "from": "a newer version"})
    run()
    wait_until_settled(real.client)
    assert sorted(handled) == [1, 3]
    letters = dead_letters(real.client)
    assert sorted(letter[b"dead_reason"] for letter in letters) == [b"oversized"] * 2 + [b"undecodable"] * 3
    assert all(letter[b"dead_error"] and letter[b"dead_entry_id"] for letter in letters)


@fault("F37")
def test_two_consumers_asked_to_have_one_name_have_two(real, handled, run):
    publish(*range(100))
    first, second = run(consumer="web"), run(consumer="web")
    wait_until_settled(real.client)
    assert first.name != second.name
    assert sorted(handled) == list(range(100))


@fault("F38", "F39", "F43")
def test_several_consumers_adopt_from_a_dead_one_without_repeating(real, handled, run):
    real.client.xgroup_create(KEYS.stream, "billing", id="0", mkstream=True)
    publish(*range(300))
    real.client.xreadgroup("billing", "dead", {KEYS.stream: ">"}, count=300)
    real.client.zadd(KEYS.consumers, {"dead": 1})
    runs = [run(count=20) for _ in range(3)]
    wait_until_settled(real.client)
    assert sorted(handled) == list(range(300))
    wait_for(lambda: b"dead" not in consumers(real.client), "the removal of the dead consumer")
    assert sum(one.stop().adopted for one in runs) >= 300


def consumers(client):
    return {one["name"] for one in client.xinfo_consumers(KEYS.stream, "billing")}


@fault("F40")
def test_an_idle_consumer_is_removed_only_when_it_holds_nothing(real, handled, run):
    real.client.xgroup_create(KEYS.stream, "billing", id="0", mkstream=True)
    publish(1)
    real.client.xreadgroup("billing", "another program", {KEYS.stream: ">"})
    real.client.xgroup_createconsumer(KEYS.stream, "billing", "gone")
    real.client.zadd(KEYS.consumers, {"gone": 1})
    run()
    wait_for(lambda: b"gone" not in consumers(real.client), "the removal of the one that holds nothing")
    wait_until_settled(real.client)
    assert handled == [1]


@fault("F44")
def test_a_group_made_while_others_publish_misses_nothing(real, handled, run):
    publisher = threading.Thread(target=lambda: [publish(number) for number in range(200)])
    publisher.start()
    run()
    publisher.join()
    wait_for(lambda: len(handled) == 200, "all events")
    assert sorted(handled) == list(range(200))


@fault("F51")
def test_a_failing_entry_keeps_nothing_else_waiting(real, handled, run):
    def fail(event):
        if event.obj_id == 0:
            raise Retry(after=60)

    handled.hook = fail
    publish(*range(1000))
    run()
    wait_for(lambda: len(handled) == 1000 and pending(real.client) == 1, "all but one")
    assert sorted(handled) == list(range(1000))
    assert real.client.zcard(KEYS.retry) == 1


def test_an_entry_that_always_fails_is_a_dead_letter_after_max_deliveries(real, handled, run, configure):
    configure(real.url, MAX_DELIVERIES=3, BACKOFF=0.01)

    def fail(event):
        if event.obj_id == 1:
            raise ValueError("never works")

    handled.hook = fail
    publish(0, 1, 2)
    run(consumer="web")
    wait_for(lambda: dead_letters(real.client), "the dead letter")
    wait_until_settled(real.client)
    assert sorted(handled) == [0, 1, 1, 1, 2]
    (letter,) = dead_letters(real.client)
    assert letter[b"dead_reason"] == b"max_deliveries"
    assert letter[b"dead_error"] == b"ValueError: never works"
    assert b"Traceback" in letter[b"dead_traceback"]
    assert letter[b"dead_handler"] == b"handled"
    assert letter[b"dead_delivery_count"] == b"3"
    assert letter[b"dead_consumer"].startswith(b"web-")
    assert letter[b"event_id"]
    assert not real.client.exists(KEYS.retry, KEYS.progress)


def test_too_many_waiting_entries_stop_new_ones_until_they_are_handled(real, handled, run, configure, caplog):
    configure(real.url, MAX_WAITING=5)

    def fail(event):
        if event.obj_id < 10 and handled.count(event.obj_id) == 1:
            raise Retry(after=2)

    handled.hook = fail
    publish(*range(10))
    run(count=5)
    wait_for(lambda: "waiting_entries" in caplog.text, "the complaint")
    publish(*range(10, 20))
    wait_until_settled(real.client)
    assert set(handled) == set(range(20))


def test_redis_errors_of_handlers_are_their_own(real, handled, run):
    def fail(event):
        if handled.count(event.obj_id) == 1:
            raise redis.ConnectionError("the handler's own Redis")

    handled.hook = fail
    publish(1, 2)
    running = run()
    wait_until_settled(real.client)
    assert running.stop().failed == 2
