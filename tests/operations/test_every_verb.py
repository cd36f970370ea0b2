"""Every verb, in every reply shape of the client and on every kind of server."""

import json

import pytest

from stream_events.keys import TOMBSTONE
from stream_events.operations.plans import Progress, Target, plan
from tests.consuming.test_group import SHAPES
from tests.faults.servers import Server
from tests.operations.acting import (
    KEY,
    KEYS,
    REQUEUED,
    bury,
    do,
    finish,
    let_live,
    let_wait,
    make_group,
    order,
    pending,
    publish,
    read,
)


def walk_through(client):
    """Perform every verb once, picked and filtered, and see what it has done."""
    ids = publish(12)
    make_group(client)
    read(client)
    client.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(client, "web-1", -60)
    let_live(client, "web-2", -60)
    let_wait(client, ids[0], error="ValueError: x", traceback="", handlers=["a"])

    assert do("ack", [ids[1], Target(ids[2], "web-1", 1), Target(ids[3], "web-9", 1)]).report() == (
        "2 acknowledged · 1 skipped"
    )
    assert do("retry", where={"state": "waiting"}).done == 1
    assert do("retry", [ids[3]]).done == 1
    assert do("claim", where={"consumer": "web-1"}, consumer="web-2").done == 8
    assert do("dead", where={"error": "ValueError"}).done == 1
    assert do("dead", ids[4:6]).done == 2
    assert do("requeue", where={"reason": "operator"}).done == 3
    assert do("ack", where={}, requeued=True).done == 0  # nobody has read them
    client.xreadgroup("billing", "web-2", {REQUEUED.stream: ">"})
    assert plan(order("delete-consumer", consumer="web-2")).refusal.startswith("It holds 9 entries")
    assert do("delete-consumer", consumer="web-2", move="yes").done == 1
    assert do("ack", where={}, requeued=True).done == 3
    assert set(pending(client).values()) == {("~retry", 1)}

    assert do("discard", bury(client, 2)[:1]).done == 1
    assert do("replay", where={}).done == 1
    assert do("replay", ids[:2], group="").done == 2
    assert plan(order("reset", to=ids[5])).count == 6
    assert do("reset", to=ids[5]).done == 1
    assert len(read(client)) == 9
    assert do("trim", group="", before=ids[10]).done == 10
    published = finish(Progress(order=plan(order("publish", group="", payload=json.dumps({"obj_id": 7}))).order))
    assert published.lines[0].startswith("Published as ")
    assert client.xlen(KEY) == 6
    assert do("delete-group").done == 1
    assert client.get(KEYS.cursor) == TOMBSTONE.encode()
    assert do("delete-stream", group="").done == 1
    assert not client.exists(KEY)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in_every_reply_shape(server, settings, registry, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    walk_through(server)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", ["redis-6.2", "redis-7.0", "redis-8"])
def test_on_every_kind_of_server(tmp_path, settings, registry, kind, protocol):
    server = Server(kind, tmp_path / "server")
    try:
        server.start()
        options = {"OPTIONS": {"protocol": protocol}, "PUBLISH_TIMEOUT": 5}
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, **options, "URL": server.url}
        walk_through(server.client)
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["redis-6.2", "redis-8"])
def test_what_removes_is_done_at_maxmemory(tmp_path, settings, registry, kind):
    server = Server(kind, tmp_path / "server")
    try:
        server.start()
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "PUBLISH_TIMEOUT": 5, "URL": server.url}
        publish(3)
        make_group(server.client)
        read(server.client)
        let_live(server.client, "web-1", -60)
        server.client.config_set("maxmemory", 1)
        assert do("delete-consumer", consumer="web-1", move="yes").report() == "1 consumer deleted"
        assert [one["name"] for one in server.client.xinfo_consumers(KEY, "billing")] == [b"~retry"]
        assert do("delete-group").report() == "1 group deleted"
        assert server.client.xinfo_groups(KEY) == []
    finally:
        server.close()
