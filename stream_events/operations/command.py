"""An order as one types it on the command line."""

from __future__ import annotations

import shlex

from stream_events.operations.orders import Order, Verb

SWITCHES = ("force", "move", "dead_letters")  # options without a value
FLAGS = {(Verb.CLAIM, "consumer"): "--to-consumer"}  # --consumer is who holds the entries now


def command_for(order: Order) -> str:
    """``order`` as a command that ``manage.py streams`` takes, quoted for a shell."""
    words = ["python", "manage.py", "streams", order.verb.value, order.stream]
    words += [order.group] if order.group else []
    for target in order.targets:
        words += ["--id", target.id]
    if order.where is not None and not any(order.where.values()):
        words.append("--all")
    for name, value in (order.where or {}).items():
        words += [_option(name), value] if value else []
    for name, value in order.options.items():
        if name in SWITCHES:
            words += [_option(name)] if value == "yes" else []
        elif value:
            words += [FLAGS.get((order.verb, name), _option(name)), value]
    if order.requeued:
        words.append("--requeued")
    return " ".join(map(shlex.quote, words))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
