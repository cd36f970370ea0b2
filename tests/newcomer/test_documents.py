"""What the documents show, typed in: the Python of docs/clients.md and docs/cache.md, run on the embedded server."""

import ast
import asyncio
import inspect
import re

import pytest
from django.conf import settings

from stream_events.clients import EventsPublisher
from tests.conftest import ROOT, wait_for

URL = settings.STREAM_EVENTS["URL"]

# Addresses of servers in the documents, and what stands there instead.
ADDRESSES = {
    'url="redis://localhost:6379/0"': f'url="{URL}"',
    'url="redis://redis.example:6379/0"': f'url="{URL}"',
    '"redis://cache:6379/1"': f'"{URL}"',
    '"redis.example", 6379': f'url="{URL}"',
    '{"host": "redis.example"}': f'{{"url": "{URL}"}}',
}


def code_of(document, section="# "):
    """The first block of Python of a section, with addresses that are here."""
    text = (ROOT / "docs" / document).read_text().partition(section)[2]
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    for theirs, ours in ADDRESSES.items():
        code = code.replace(theirs, ours)
    assert "redis://" not in code
    return code


async def type_in(code, names):
    """Run ``code`` statement by statement; a comment that is a value says what its expression gives."""
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        kind = ast.Expression(statement.value) if isinstance(statement, ast.Expr) else ast.Module([statement], [])
        mode = "eval" if isinstance(statement, ast.Expr) else "exec"
        result = eval(compile(kind, "<document>", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.iscoroutine(result):
            result = await result
        comment = lines[statement.end_lineno - 1].partition("  # ")[2]
        try:
            expected = ast.literal_eval(comment)
        except (SyntaxError, ValueError):
            continue
        assert result == expected, lines[statement.end_lineno - 1]


def run(code, names):
    asyncio.run(asyncio.wait_for(type_in(code, names), 60))


@pytest.fixture
def published(server):
    """Three orders in the stream."""
    with EventsPublisher("orders") as publisher:
        publisher.batch_add([{"obj_id": number, "obj_type": "shop.order", "action": "create"} for number in (1, 2, 3)])


def test_the_cache(server):
    names = {"name": "7"}
    run(code_of("cache.md"), names)
    assert names["cache"].get("rates") is None
    assert server.keys() == []


def test_the_publisher(server, entries):
    names = {"payloads": [{"obj_id": 2}, {"obj_id": 3, "bad": object()}]}
    run(code_of("clients.md", "## EventsPublisher"), names)
    assert (names["obj_id"], len(names["entry_ids"]), names["failed"]) == (1, 1, [3])
    assert entries("orders") == [{"obj_id": 2}]


def test_the_reader(published, server):
    seen = []
    names = {}

    def handle(payload):
        seen.append(payload)
        if len(seen) == 3:
            names["reader"].stop()
        return len(seen) > 1

    names["handle"] = handle
    run(code_of("clients.md", "## RedisStreamReader"), names)
    assert len(seen) == 3
    assert server.xpending("t:orders", "billing")["pending"] == 1


def test_the_async_consumer(published, server):
    charged = []
    names = {}

    async def charge(payload):
        charged.append(payload)
        if len(charged) == 3:
            await names["consumer"].stop()

    names["charge"] = charge
    run(code_of("clients.md", "## AsyncRedisStreamConsumer"), names)
    assert len(charged) == 3
    assert server.xpending("t:orders", "billing")["pending"] == 0


def test_the_consumer_without_a_group(published, tmp_path):
    shown = []
    code = code_of("clients.md", "## EventsConsumer").replace("/var/lib/board", str(tmp_path))
    code = code.replace("\n...\n", "\nwait()\n")
    run(code, {"show": shown.append, "wait": lambda: wait_for(lambda: len(shown) == 3, "the events")})
    assert [event.obj_id for event in shown] == [1, 2, 3]
    assert (tmp_path / "orders.position").exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_the_service(published, server):
    handled = []
    names = {}

    def handle(event):
        handled.append(event.obj_id)
        if len(handled) == 3:
            names["service"].stop()

    names["handle"] = handle
    run(code_of("clients.md", "## RedisService"), names)
    assert sorted(handled) == [1, 2, 3]
