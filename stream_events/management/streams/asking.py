"""A plan, as it is shown before it is performed, and the question whether to."""

from __future__ import annotations

import sys
from textwrap import wrap
from typing import Any

from django.core.management.base import CommandError

from stream_events.management.exit_codes import ABORTED, USAGE
from stream_events.management.streams.output import Output
from stream_events.management.streams.tables import aligned
from stream_events.operations.plans import Level, Plan

_INDENT = "      "
_NARROW = 30  # characters, however narrow the terminal is


def described(plan: Plan, width: int | None = None) -> str:
    """``plan`` in lines for people, none of them wider than ``width``."""
    said = [plan.summary, plan.consequence, *(f"! {warning}" for warning in plan.warnings)]
    if plan.count is None and not plan.refusal:
        said.append("How many these are, only doing it tells.")
    lines = [part for text in said if text for part in (_wrapped(text, width) if width else [text])]
    if plan.changes:
        lines += aligned([{"": what, "BEFORE": before, "AFTER": after} for what, before, after in plan.changes])
    text = f"\n{_INDENT}".join(lines)
    return f"Plan  {text}"


def record(plan: Plan) -> dict[str, Any]:
    """``plan`` for programs."""
    return {
        "verb": plan.order.verb.value,
        "stream": plan.order.stream,
        "group": plan.order.group or None,
        "summary": plan.summary,
        "consequence": plan.consequence,
        "count": plan.count,
        "level": int(plan.level),
        "warnings": list(plan.warnings),
        "changes": [{"what": what, "before": before, "after": after} for what, before, after in plan.changes],
        "refusal": plan.refusal or None,
        "command": plan.command,
    }


def confirm(output: Output, plan: Plan, *, yes: bool) -> None:
    """Return if the plan may be performed; raises ``CommandError`` if not, or if there is nobody to ask."""
    if yes or plan.level == Level.PLAIN:
        return
    if sys.stdin is None or not sys.stdin.isatty():  # daemons have none
        raise CommandError(
            "Nothing was changed: there is no terminal to ask at. Add --yes to do it, or --dry-run to only look.",
            returncode=USAGE,
        )
    if plan.level == Level.TYPE_NAME:
        agrees = _ask(output, f"{_INDENT}Type “{plan.name}” to do it: ") == plan.name
    else:
        agrees = _ask(output, f"{_INDENT}Do it? [y/N] ").lower() in ("y", "yes")
    if not agrees:
        raise CommandError("Nothing was changed.", returncode=ABORTED)


def _ask(output: Output, question: str) -> str:
    output.notes.write(question, lambda text: text, ending="")
    output.notes.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):
        output.note("")  # the terminal is still on the line of the question
    return answer.strip()


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(_NARROW, width - len(_INDENT)), subsequent_indent="  " * text.startswith("! "))
