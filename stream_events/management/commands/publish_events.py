"""``manage.py publish_events MODEL``: events for rows that exist already."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any, NoReturn

import redis
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.utils.autoreload import get_child_arguments

from stream_events.arguments import condition, positive_int, rate
from stream_events.conf import get_settings
from stream_events.connections import UNAVAILABLE as REDIS_UNAVAILABLE
from stream_events.connections import explain, safe_url
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.exceptions import ConfigurationError, EventEncodeError, SelectionError
from stream_events.management.checked import CheckedCommand
from stream_events.management.exit_codes import ABORTED, UNAVAILABLE
from stream_events.management.progress import showing
from stream_events.publishing.backfill import Backfill
from stream_events.publishing.bookmark import Bookmark
from stream_events.publishing.selection import Selection, select

CHUNK = 500


class Command(CheckedCommand):
    help = (
        "Publishes an event for each row of MODEL that exists, in the order of the primary key: for a new group, or"
        " after writes that nobody saw. Rows that the model's managers hide are published as well. They are counted"
        " first, which takes a database a while where they are many millions."
    )

    _is_by_itself = False  # else a program calls it, whose command line is another

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="app_label.ModelName")
        parser.add_argument("--stream", help="which of the model's publishers, if it has several")
        for option, what in (("filter", "only rows"), ("exclude", "no rows")):
            parser.add_argument(
                f"--{option}",
                type=condition,
                action="append",
                default=[],
                metavar="LOOKUP=VALUE",
                help=f"{what} that Django's lookup finds, as status=placed, placed_at__gte=2026-01-31,"
                " status__in=placed,paid or customer__isnull=true; may be repeated",
            )
        parser.add_argument("--action", default="update", help="what the events say has happened (default: update)")
        parser.add_argument("--rate", type=rate, metavar="N", help="events a second, at most")
        parser.add_argument(
            "--chunk",
            type=positive_int,
            default=CHUNK,
            metavar="N",
            help=f"rows that are read, and events that leave, at a time (default: {CHUNK}; less with a low --rate)",
        )
        parser.add_argument("--database", metavar="ALIAS", help="where to read (default: where the model is written)")
        parser.add_argument("--after", metavar="KEY", help="only rows with a greater primary key")
        parser.add_argument(
            "--state",
            type=Path,
            metavar="FILE",
            help="keeps the last key; the same command goes on after it, and deletes the file at the end",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count the rows and show the first event; publish nothing"
        )

    def run_from_argv(self, argv: list[str]) -> None:
        self._is_by_itself = True
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backfill = self._backfill(options)
            if options["dry_run"]:
                self._show(backfill, options)
                return
            if not get_settings().enabled:
                raise ConfigurationError("STREAM_EVENTS['ENABLED'] is False: no event would be published.")
            self._publish(backfill, options)
        except (DatabaseError, EventEncodeError) as error:
            raise CommandError(explain(error)) from error

    def _backfill(self, options: dict[str, Any]) -> Backfill:
        if not options["action"]:
            raise SelectionError("An action is a non-empty string.")
        selection = select(
            options["model"],
            options["stream"],
            using=options["database"],
            filters=options["filter"],
            excludes=options["exclude"],
        )
        bookmark = options["state"] and Bookmark(options["state"], _described(selection, options["action"]))
        return Backfill(selection, options["action"], after=options["after"], bookmark=bookmark)

    def _show(self, backfill: Backfill, options: dict[str, Any]) -> None:
        payload = backfill.first_payload(options["chunk"])
        self.stdout.write(f"{backfill.count():,} rows; nothing was published.")
        if payload is not None:
            self.stdout.write(f"The first event would be:\n{json.dumps(payload, indent=2, ensure_ascii=False)}")

    def _publish(self, backfill: Backfill, options: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            with stop_on_signals(backfill.stop, at_once=interrupt):
                self._run(backfill, options)
        except KeyboardInterrupt:
            self._give_up(backfill, options, "Stopped at once", ABORTED)
        except REDIS_UNAVAILABLE as error:
            reason = f"Redis at {safe_url(get_settings().url)} cannot be reached: {explain(error)}"
            self._give_up(backfill, options, reason, UNAVAILABLE)
        except redis.RedisError as error:
            self._give_up(backfill, options, f"Redis refused an event: {explain(error)}", 1)
        except EventEncodeError as error:
            reason = f"No event can be made of the row {backfill.unfit} (--after={backfill.unfit} passes over it)"
            self._give_up(backfill, options, f"{reason}: {explain(error)}", 1)
        except (DatabaseError, OSError) as error:
            self._give_up(backfill, options, explain(error), 1)
        if not backfill.finished:
            self._give_up(backfill, options, "Stopped as asked", ABORTED)
        if options["verbosity"] > 0:
            self.stdout.write(_summary(backfill, time.monotonic() - started))

    def _run(self, backfill: Backfill, options: dict[str, Any]) -> None:
        chunks = backfill.run(options["chunk"], options["rate"])
        if options["verbosity"] == 0:
            for _ in chunks:
                pass
            return
        with showing(self.stderr, backfill.count(), color=not options["no_color"]) as advance:
            for count in chunks:
                advance(count)

    def _give_up(self, backfill: Backfill, options: dict[str, Any], reason: str, code: int) -> NoReturn:
        raise CommandError(
            f"{reason.rstrip('.')}.\n{_numbers(backfill)}. Continue with:\n  {self._continuation(backfill, options)}",
            returncode=code,
        )

    def _continuation(self, backfill: Backfill, options: dict[str, Any]) -> str:
        """The command that does what is left."""
        words = get_child_arguments() if self._is_by_itself else ["publish_events", "..."]
        if options["state"] is None and backfill.last is not None:
            # Another --after that is written differently is overridden by the one that comes last.
            words = [word for word in words if not word.startswith("--after=")] + [f"--after={backfill.last}"]
        return shlex.join(words)


def _described(selection: Selection, action: str) -> dict[str, Any]:
    """Which run it is, for its state."""
    return {
        "model": selection.model._meta.label,
        "stream": selection.attachment.publisher.stream,
        "action": action,
        "database": selection.using,
        "filter": sorted("=".join(one) for one in selection.filters),
        "exclude": sorted("=".join(one) for one in selection.excludes),
    }


def _numbers(backfill: Backfill) -> str:
    skipped = f", {backfill.skipped:,} skipped because of when=" if backfill.skipped else ""
    return f"{backfill.published:,} published{skipped}"


def _summary(backfill: Backfill, seconds: float) -> str:
    return f"{_numbers(backfill)} in {seconds:.1f} s ({backfill.published / max(seconds, 1e-9):,.0f} a second)."
