"""What is typed becomes an order, and an order's command is what one would type."""

import shlex

import pytest
from django.core.management import load_command_class

from stream_events.management.streams.orders import SHAPES
from stream_events.operations.command import command_for
from stream_events.operations.plans import Order, Target, Verb

COMMAND = load_command_class("stream_events", "streams")


def typed(*words):
    """The order that these words make."""
    options = vars(COMMAND.create_parser("manage.py", "streams").parse_args([*words]))
    return SHAPES[options["verb"]].order(options)


ORDERS = [
    Order(verb=Verb.ACK, stream="orders", group="billing", targets=(Target("1-0"), Target("2-0"))),
    Order(verb=Verb.ACK, stream="orders", group="billing", where={}),
    Order(
        verb=Verb.RETRY,
        stream="orders",
        group="billing",
        where={"state": "waiting", "min_idle": "300", "min_deliveries": "2", "error": "no such", "until": "5-7"},
        requeued=True,
    ),
    Order(
        verb=Verb.CLAIM,
        stream="orders",
        group="billing",
        where={"consumer": "a b"},
        options={"consumer": "web-3:1"},
    ),
    Order(verb=Verb.DEAD, stream="orders", group="billing", where={"min_idle": "1234567.5"}),
    Order(verb=Verb.REQUEUE, stream="orders", group="billing", where={"event": "shop.order create", "since": "1-0"}),
    Order(verb=Verb.REPLAY, stream="orders", targets=(Target("1-0"),)),
    Order(verb=Verb.REPLAY, stream="orders", group="billing", where={"reason": "rejected", "handler": "invoice"}),
    Order(verb=Verb.RESET, stream="orders", group="billing", options={"to": "$", "force": "yes"}),
    Order(verb=Verb.RESET, stream="orders", group="billing", options={"to": "2026-08-22T09:10:00+00:00"}),
    Order(verb=Verb.TRIM, stream="orders", options={"maxlen": "0"}),
    Order(verb=Verb.TRIM, stream="orders", options={"before": "1767225600000-0"}),
    Order(verb=Verb.DELETE_CONSUMER, stream="orders", group="billing", options={"consumer": "one", "move": "yes"}),
    Order(verb=Verb.DELETE_GROUP, stream="orders", group="billing", options={"dead_letters": "yes"}),
    Order(verb=Verb.DELETE_STREAM, stream="orders"),
    Order(verb=Verb.PUBLISH, stream="orders", options={"payload": '{"obj_id": 1}'}),
]


@pytest.mark.parametrize("order", ORDERS, ids=command_for)
def test_the_command_of_an_order_makes_the_same_order(order):
    words = shlex.split(command_for(order))
    assert words[:3] == ["python", "manage.py", "streams"]
    assert typed(*words[3:]) == order


def test_every_verb_can_be_typed():
    assert {shape.verb for shape in SHAPES.values()} == set(Verb)
    assert all(name == shape.verb.value for name, shape in SHAPES.items())


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("earliest", "0"),
        ("latest", "$"),
        ("0", "0"),
        ("5-7", "5-7"),
        ("2026-08-22T09:10Z", "2026-08-22T09:10:00+00:00"),
    ],
)
def test_a_group_is_reset_to_a_place_or_a_time(place, expected):
    assert typed("reset", "orders", "billing", "--to", place).options == {"to": expected}


def test_the_same_id_twice_is_one_target():
    assert typed("ack", "orders", "billing", "--id", "1-0", "--id", "1-0").targets == (Target("1-0"),)


def test_a_payload_comes_from_stdin(monkeypatch, tmp_path):
    (tmp_path / "payload.json").write_text('{"obj_id": 1}')
    with open(tmp_path / "payload.json") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert typed("publish", "orders", "--payload", "-").options == {"payload": '{"obj_id": 1}'}
