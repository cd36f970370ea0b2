"""Why something was not done, in words for people."""

from __future__ import annotations

import redis
from django.utils.translation import gettext as _

from stream_events.connections import explain
from stream_events.consuming.replies import is_group_gone, is_out_of_memory
from stream_events.keys import RETRY_OWNER

GONE = "gone"  # what the script ``act`` answers for an entry that is not pending
DELETED = "deleted"


def skip_reason(outcome: str) -> str:
    """What an outcome of the script ``act`` means."""
    kind, _colon, owner = outcome.partition(":")
    match kind:
        case "gone":
            return _("acknowledged already")
        case "count":
            return _("delivered again since you looked")
        case "deleted":
            return _("its payload was deleted; acknowledge it instead")
        case "busy":
            return _("%(consumer)s is handling it now; it would run twice") % {"consumer": owner}
        case "no consumer":
            return _("the group has no such consumer")
    if owner == RETRY_OWNER:
        return _("waiting for a retry since you looked")
    if not owner:
        return _("given up by its consumer since you looked")
    return _("taken by %(consumer)s since you looked") % {"consumer": owner}


def refusal(error: redis.ResponseError) -> str:
    """What Redis means by ``error``."""
    return refusal_text(str(error))


def refusal_text(text: str) -> str:
    """The same of an error that a script gave as text."""
    error = redis.ResponseError(text)
    if is_group_gone(error):
        return _("the group, or its stream, is not there")
    if "WRONGTYPE" in text:
        return _("the key holds something else than a stream")
    if is_out_of_memory(error) or text.startswith("OOM"):
        return _("Redis is out of memory (maxmemory)")
    if "NOPERM" in text or "has no permissions" in text:
        return _("this user of Redis may not do that (%(error)s)") % {"error": explain(error)}
    return explain(error)
