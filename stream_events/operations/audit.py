"""Who has changed what: a capped stream in Redis, a logger and a signal."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis

from stream_events.conf import get_settings
from stream_events.connections import explain, inspecting_client
from stream_events.events import entry_time
from stream_events.keys import audit_key
from stream_events.operations.orders import Order
from stream_events.operations.pages import Page
from stream_events.operations.progress import Actor, Progress
from stream_events.signals import operated

logger = logging.getLogger("stream_events.audit")

KEPT = 10_000  # slices, about
LONGEST_DETAIL = 500
_SHOWN_IDS = 5
_PAGE = 500  # entries in one command


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One slice of what an operator did."""

    id: str
    at: datetime
    actor: str
    via: str
    verb: str
    stream: str
    group: str
    done: int
    skipped: int
    batch: str = ""
    detail: str = ""  # the filter, or the first ids


def acts(*, stream: str = "", before: str = "", size: int = 50) -> Page[Act]:
    """What operators did, newest first; with ``stream``, to that one. ``before`` is the id of an act."""
    client, key = inspecting_client(), audit_key(get_settings().key_prefix)
    found: list[Act] = []
    scanned = 0
    end = f"({before}" if before else "+"
    while True:
        rows: Any = client.xrevrange(key, end, "-", _PAGE if stream else size + 1)
        scanned += len(rows)
        found += [act for act in map(_act, rows) if not stream or act.stream == stream]
        if len(found) > size or len(rows) < _PAGE:
            break
        end = f"({rows[-1][0].decode()}"
    after = found[size - 1].id if len(found) > size else None
    return Page(rows=tuple(found[:size]), total=int(client.xlen(key)), after=after, scanned=scanned)


def record(progress: Progress, actor: Actor, *, done: int, skipped: int) -> None:
    """Note a slice that has come as far as ``progress``; never raises, because what was done is done."""
    order = progress.order
    fields: dict[str, Any] = {
        "actor": actor.name,
        "via": actor.via,
        "verb": order.verb.value,
        "stream": order.stream,
        "group": order.group,
        "done": done,
        "skipped": skipped,
        "batch": progress.batch,
        "detail": _detail(order),
    }
    logger.info(
        "operated actor=%r via=%r verb=%s stream=%s group=%s done=%s skipped=%s batch=%s detail=%r", *fields.values()
    )
    try:
        encoded: dict[Any, Any] = {
            name: value.encode(errors="backslashreplace") if isinstance(value, str) else value
            for name, value in fields.items()
        }
        inspecting_client().xadd(audit_key(get_settings().key_prefix), encoded, maxlen=KEPT, approximate=True)
    except redis.RedisError as error:
        logger.warning("audit_not_written batch=%s error=%r: this log has it", progress.batch, explain(error))
    for receiver, answer in operated.send_robust(sender=type(order), actor=actor, progress=progress):
        if isinstance(answer, Exception):
            logger.error("audit_receiver_failed receiver=%r error=%r", receiver, answer)


def doubt(order: Order, actor: Actor, error: redis.RedisError) -> None:
    """Note that Redis did not answer a slice: what it asked for may have been done, or not."""
    logger.warning(
        "operated_perhaps actor=%r via=%r verb=%s stream=%s group=%s batch=%s detail=%r error=%r: when it is performed"
        " again, what was done is not done twice",
        *(actor.name, actor.via, order.verb.value, order.stream, order.group, order.nonce, _detail(order)),
        explain(error),
    )


def _detail(order: Order) -> str:
    """What was picked, without payloads."""
    named = {**(order.where or {}), **order.options}
    parts = [f"{name}={value}" for name, value in named.items() if value and name != "payload"]
    parts += [target.id for target in order.targets[:_SHOWN_IDS]]
    if len(order.targets) > _SHOWN_IDS:
        parts.append("…")
    return " ".join(parts)[:LONGEST_DETAIL]


def _act(row: Any) -> Act:
    entry_id, raw = row[0].decode(), row[1]
    fields = {name.decode(): value.decode(errors="replace") for name, value in raw.items()}
    texts = {name: fields.get(name, "") for name in ("actor", "via", "verb", "stream", "group", "batch", "detail")}
    return Act(
        id=entry_id,
        at=entry_time(entry_id),
        done=int(fields.get("done", 0)),
        skipped=int(fields.get("skipped", 0)),
        **texts,
    )
