"""A verb that changes something: its plan is shown and confirmed, then performed with progress."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import dataclass, replace
from typing import Any

import redis
from django.core.management.base import CommandError, CommandParser

from stream_events.arguments import pace, positive_int
from stream_events.connections import UNAVAILABLE as REDIS_UNAVAILABLE
from stream_events.connections import explain
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.exceptions import ConfigurationError, SelectionError
from stream_events.management.checked import unreachable
from stream_events.management.exit_codes import ABORTED, PARTIAL, UNAVAILABLE, USAGE
from stream_events.management.progress import Advance, showing
from stream_events.management.streams import asking
from stream_events.management.streams.display import number
from stream_events.management.streams.names import check_group_of, find_stream
from stream_events.management.streams.orders import Shape
from stream_events.management.streams.output import Output, Section, add_format
from stream_events.management.streams.performing import BATCH, Performing, resumed, token
from stream_events.operations.plans import Plan, Progress, Verb, plan

MOST_REASONS = 20  # of what was skipped, for people


@dataclass(frozen=True, slots=True)
class Writing:
    """The verb of one shape."""

    shape: Shape

    @property
    def HELP(self) -> str:
        return self.shape.help

    def add_arguments(self, parser: CommandParser) -> None:
        self.shape.add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="show the plan; change nothing")
        parser.add_argument("--yes", action="store_true", help="do it without asking")
        if self.shape.where is not None:
            parser.add_argument("--limit", type=positive_int, metavar="N", help="so many at most")
            parser.add_argument("--rate", type=pace, metavar="N", help="so many a second at most, as 500/s")
            parser.add_argument(
                "--batch", type=positive_int, default=BATCH, metavar="N", help=f"so many at a time (default: {BATCH})"
            )
            parser.add_argument("--resume", metavar="TOKEN", help="go on where a stopped command ended")
        add_format(parser)

    def run(self, output: Output, options: dict[str, Any]) -> None:
        self._check_names(options)
        progress, planned = self._plan(options)
        output.note(asking.described(planned, output.notes_width))
        if planned.refusal:
            self._write_plan(output, planned)
            raise CommandError(planned.refusal, returncode=USAGE)
        if options["dry_run"]:
            self._write_plan(output, planned)
            output.note("Dry run: nothing was changed.")
        elif planned.count == 0 and self.shape.is_of_entries:
            self._write_result(output, planned, replace(progress, place=None), 0.0)
            output.note("There is nothing to do.")
        else:
            asking.confirm(output, planned, yes=options["yes"])
            self._perform(output, planned, progress, options)

    def _check_names(self, options: dict[str, Any]) -> None:
        state = find_stream(options["stream"])
        if options.get("group"):
            check_group_of(state, options["group"])
        elif state.problem and self.shape.verb is not Verb.DELETE_STREAM:
            raise SelectionError(f"{state.name!r} cannot be changed: {state.problem.rstrip('.')}.")

    def _plan(self, options: dict[str, Any]) -> tuple[Progress, Plan]:
        """Where to begin, and what is ahead; raises ``SelectionError`` for an order that makes no sense."""
        try:
            if options.get("resume"):
                progress = self._resumed(options)
                return progress, plan(progress.order)
            planned = plan(self.shape.order(options))
        except ConfigurationError as error:
            raise SelectionError(str(error)) from error
        return Progress(order=planned.order), planned

    def _resumed(self, options: dict[str, Any]) -> Progress:
        if self.shape.given(options):
            raise SelectionError("--resume brings its own ids, filters and options; leave them away.")
        progress = resumed(options["resume"])
        wanted = (self.shape.verb, options["stream"], options.get("group") or "")
        order = progress.order
        if (order.verb, order.stream, order.group) != wanted:
            told = " ".join(filter(None, (order.verb, order.stream, order.group)))
            raise SelectionError(f"This --resume is of “streams {told}”.")
        return progress

    def _perform(self, output: Output, planned: Plan, progress: Progress, options: dict[str, Any]) -> None:
        performing = Performing(
            progress, limit=options.get("limit"), rate=options.get("rate"), batch=options.get("batch", BATCH)
        )
        started = time.monotonic()
        trouble, code = _run(performing, output, _is_long(planned, options))
        progress = performing.progress
        self._write_result(output, planned, progress, time.monotonic() - started)
        if trouble:
            raise CommandError(f"{trouble}.{self._continuation(progress)}", returncode=code)
        if not progress.is_complete:
            output.note(f"Stopped at --limit.{self._continuation(progress)}")
        if progress.skipped:
            raise CommandError(_skipped(progress), returncode=PARTIAL)

    def _write_plan(self, output: Output, planned: Plan) -> None:
        """For programs; people have seen it."""
        if output.is_for_programs:
            output.write(Section("plan", asking.record(planned)))

    def _write_result(self, output: Output, planned: Plan, progress: Progress, seconds: float) -> None:
        result = {
            "verb": self.shape.verb.value,
            "stream": progress.order.stream,
            "group": progress.order.group or None,
            "done": progress.done,
            "skipped": progress.skipped,
            "scanned": progress.scanned,
            "complete": progress.is_complete,
            "seconds": round(seconds, 3),
            "lines": list(progress.lines),
            "resume": None if progress.is_complete else token(progress),
        }
        row = {"DONE": str(progress.done), "SKIPPED": str(progress.skipped), "LINES": " ".join(progress.lines)}
        output.write(
            Section("result", result, [row], text="\n".join([f"{progress.report()}.", *progress.lines])),
            Section("skipped", [{"id": one.id, "reason": one.reason} for one in progress.reasons]),
            Section("plan", asking.record(planned)),
        )

    def _continuation(self, progress: Progress) -> str:
        """The command that does what is left, if something is."""
        if progress.is_complete:
            return ""
        order = progress.order
        words = ["manage.py", "streams", order.verb, order.stream, order.group, "--resume", token(progress)]
        return f" Continue with:\n  {shlex.join(filter(None, words))}"


def _is_long(planned: Plan, options: dict[str, Any]) -> bool:
    """Whether somebody will want to know how far it is."""
    batch = options.get("batch", BATCH)
    return planned.count is None or planned.count > batch or bool(options.get("rate"))


def _run(performing: Performing, output: Output, is_long: bool) -> tuple[str, int]:
    """Perform it; returns why it ended early, and the exit code for that."""
    progress = performing.progress
    try:
        with stop_on_signals(performing.stop, at_once=interrupt), contextlib.ExitStack() as stack:
            advance: Advance = _untold
            if is_long:
                shown = showing(output.notes, progress.total, done=progress.scanned, color=output.color)
                advance = stack.enter_context(shown)
            performing.run(advance)
    except KeyboardInterrupt:
        return "Stopped at once", ABORTED
    except REDIS_UNAVAILABLE as error:
        return unreachable(error), UNAVAILABLE
    except redis.RedisError as error:
        return f"Redis refused: {explain(error)}", 1
    except ConfigurationError as error:
        return str(error).rstrip("."), USAGE
    if not performing.progress.is_complete and not performing.has_reached_limit:
        return "Stopped as asked", ABORTED
    return "", 0


def _untold(count: int, *, total: int | None = None, note: str = "") -> None:
    """Nobody wants to know of so few."""


def _skipped(progress: Progress) -> str:
    """Why some were left alone."""
    shown = progress.reasons[:MOST_REASONS]
    lines = [f"Skipped {number(progress.skipped)}:", *(f"  {one.id}: {one.reason}" for one in shown)]
    if progress.skipped > len(shown):
        lines.append(f"  and {number(progress.skipped - len(shown))} more")
    return "\n".join(lines)
