"""An order as one types it on the command line."""

from __future__ import annotations

import shlex

from stream_events.operations.orders import GIVEN, Order, Verb

_SWITCHES = ("force", "move", "dead_letters")  # options without a value


def command_for(order: Order) -> str:
    """``order`` as a command that ``manage.py streams`` takes, quoted for a shell."""
    words = ["python", "manage.py", "streams", order.verb.value, order.stream]
    words += [order.group] if order.group else []
    for target in order.targets:
        words += ["--id", target.id]
    where = {name: value for name, value in (order.where or {}).items() if value}
    if order.where is not None and not where:
        words.append("--all")
    for name, value in where.items():
        words += _given(_flag(name), value)
    for name, value in order.options.items():
        if name in _SWITCHES:
            words += [_flag(name)] if value == GIVEN else []
        elif value:
            # Of which consumer entries are is one thing, and to whom they go another.
            words += _given("--to-consumer" if order.verb is Verb.CLAIM else _flag(name), value)
    if order.requeued:
        words.append("--requeued")
    return " ".join(map(shlex.quote, words))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(flag: str, value: str) -> list[str]:
    return [f"{flag}={value}"] if value.startswith("-") else [flag, value]
