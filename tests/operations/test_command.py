"""Orders as commands."""

import pytest

from stream_events.operations.command import command_for
from tests.operations.acting import order


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (order("ack", ["1-1", "2-1"]), "ack orders billing --id 1-1 --id 2-1"),
        (order("ack", where={"consumer": "", "state": ""}), "ack orders billing --all"),
        (
            order("claim", where={"consumer": "web-1", "min_idle": "300"}, consumer="web 2", requeued=True),
            "claim orders billing --consumer web-1 --min-idle 300 --to-consumer 'web 2' --requeued",
        ),
        (order("retry", where={"error": "-x"}), "retry orders billing --error=-x"),
        (order("replay", ["1-1"], group=""), "replay orders --id 1-1"),
        (order("replay", ["1-1"]), "replay orders billing --id 1-1"),
        (order("reset", to="$", force="yes"), "reset orders billing --to '$' --force"),
        (order("trim", group="", maxlen="0", before=""), "trim orders --maxlen 0"),
        (
            order("delete-consumer", consumer="web-1", move="yes"),
            "delete-consumer orders billing --consumer web-1 --move",
        ),
        (order("delete-group", dead_letters="no"), "delete-group orders billing"),
        (order("delete-group", dead_letters="yes"), "delete-group orders billing --dead-letters"),
        (order("publish", group="", payload='{"a": 1}'), """publish orders --payload '{"a": 1}'"""),
    ],
    ids=str,
)
def test_an_order_is_a_command_that_a_shell_takes(given, command):
    assert command_for(given) == f"python manage.py streams {command}"
