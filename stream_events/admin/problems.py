"""Why a page has nothing to show: one sentence for each thing that Redis may answer."""

from __future__ import annotations

import re
from typing import NamedTuple

import redis
from django.utils.translation import gettext as _

from stream_events.conf import get_settings
from stream_events.connections import UNAVAILABLE, explain, safe_url
from stream_events.exceptions import StreamEventsError

PROBLEMS = (redis.RedisError, StreamEventsError)

_COMMAND = re.compile(r"'([a-z|]+)'", re.IGNORECASE)


class Problem(NamedTuple):
    """One error for people: what is wrong, and what the server said."""

    reason: str
    error: str


def problem(error: Exception) -> Problem:
    """What ``error``, one of ``PROBLEMS``, means for who looks at a page."""
    return Problem(_reason(error), explain(error))


def _reason(error: Exception) -> str:
    if not isinstance(error, redis.RedisError):
        return _("Stream events is not set up to reach Redis.")
    shown = safe_url(get_settings().url)
    text = str(error)
    match error:
        case redis.BusyLoadingError():
            return _("Redis at %s is loading its data after a start. Try again in a moment.") % shown
        case redis.AuthenticationError() | redis.exceptions.AuthorizationError():
            return _("Redis at %s does not accept the user or the password in the settings.") % shown
        case redis.TimeoutError():
            return _("Redis at %s did not answer in time. It may be busy with a slow command, or overloaded.") % shown
        case _ if isinstance(error, UNAVAILABLE):
            return _("Cannot reach Redis at %s.") % shown
        case redis.exceptions.OutOfMemoryError():
            return _("Redis is out of memory (maxmemory): it answers questions and refuses every change.")
        case redis.ReadOnlyError():
            return _("Redis at %s is a read-only replica: it answers questions and refuses every change.") % shown
        case redis.exceptions.MovedError() | redis.exceptions.AskError():
            return _("Redis at %s is a node of a cluster that has moved this key to another node.") % shown
        case redis.exceptions.NoPermissionError():
            return _refused(text)
        case redis.exceptions.MasterDownError():
            return _("Redis at %s is a replica that has lost its master.") % shown
    if text.startswith("NOAUTH"):
        return _("Redis at %s wants a password, and the settings have none.") % shown
    if text.startswith("WRONGTYPE"):
        return _("The key exists and is something else than a stream.")
    return _("Redis refuses what this page asks for.")


def _refused(text: str) -> str:
    command = _COMMAND.search(text)
    if command is None:
        return _("The user in the settings may not read the keys of this page. Allow them in the ACL of Redis.")
    name = command[1].replace("|", " ").upper()
    return _("The user in the settings may not run %s. Allow it in the ACL of Redis.") % name
