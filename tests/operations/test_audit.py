"""What is kept of what operators did."""

import logging

import pytest

from stream_events.operations import audit
from stream_events.operations.audit import acts
from stream_events.operations.plans import Actor, Limit
from stream_events.signals import operated
from tests.operations.acting import KEY, begin, do, finish, make_group, publish, read

AUDIT = "t:~audit"


@pytest.fixture
def group(server, registry):
    ids = publish(5)
    make_group(server)
    read(server)
    return ids


def test_says_who_did_what_newest_first(server, group):
    do("ack", [*group[:2], "1-1"])
    finish(begin("ack", where={"consumer": "web-1"}), Actor(name="bob@host", via="command line"))
    newest, oldest = acts().rows
    assert (oldest.actor, oldest.via, oldest.verb, oldest.stream, oldest.group) == (
        *("ana", "admin", "ack"),
        *("orders", "billing"),
    )
    assert (oldest.done, oldest.skipped, oldest.detail) == (2, 1, f"{group[0]} {group[1]} 1-1")
    assert (newest.actor, newest.detail) == ("bob@host", f"consumer=web-1 until={group[-1]}")
    assert newest.at >= oldest.at
    assert newest.batch
    assert newest.batch != oldest.batch


def test_what_changed_nothing_is_not_audited(server, group):
    do("ack", ["1-1"])
    assert acts().rows == ()


def test_pages(server, group):
    finish(begin("ack", where={}), limit=Limit(rows=1))
    page = acts(size=2)
    assert (len(page.rows), page.total, page.after) == (2, 5, page.rows[-1].id)
    rest = acts(size=3, before=page.after)
    assert (len(rest.rows), rest.after) == (3, None)


def test_of_one_stream(server, group):
    for number in range(1200):
        server.xadd(AUDIT, {"stream": "others", "verb": "ack", "done": number})
    do("ack", group[:1])
    server.xadd(AUDIT, {"stream": "others"})
    assert [act.stream for act in acts(stream="orders").rows] == ["orders"]
    assert acts(stream="others", size=3).rows[1].done == 1199
    assert acts(stream="nothing").after is None


def test_it_is_capped(server, group, monkeypatch):
    monkeypatch.setattr(audit, "KEPT", 100)
    for _ in range(300):
        server.xadd(AUDIT, {"stream": "orders"})
    do("ack", group[:1])
    assert server.xlen(AUDIT) <= 200


def test_is_logged_without_payloads(server, registry, caplog):
    with caplog.at_level(logging.INFO, "stream_events.audit"):
        do("publish", group="", payload='{"secret": "x"}')
    (record,) = [one for one in caplog.records if one.name == "stream_events.audit"]
    assert "actor='ana' via='admin' verb=publish stream=orders" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_receivers_hear_of_it(server, group):
    heard = []

    def receive(sender, actor, progress, **_):
        heard.append((sender.__name__, actor.name, progress.done))

    operated.connect(receive)
    try:
        do("ack", group)
    finally:
        operated.disconnect(receive)
    assert heard == [("Order", "ana", 5)]


def test_a_receiver_that_fails_undoes_nothing(server, group, caplog):
    def fail(**_):
        raise ValueError("x")

    operated.connect(fail)
    try:
        assert do("ack", group).done == 5
    finally:
        operated.disconnect(fail)
    assert "audit_receiver_failed" in caplog.text


def test_where_redis_refuses_it_the_log_has_it(server, group, caplog):
    server.set(AUDIT, "no stream")
    with caplog.at_level(logging.INFO, "stream_events.audit"):
        assert do("ack", group).done == 5
    assert "operated actor='ana'" in caplog.text
    assert "audit_not_written" in caplog.text
    assert server.xpending(KEY, "billing")["pending"] == 0
