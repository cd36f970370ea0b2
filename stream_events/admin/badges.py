"""States as a sign and a word, so that none is told by its colour alone."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, pgettext_lazy

from stream_events.operations.consumers import ConsumerState
from stream_events.operations.entries import Delivery
from stream_events.operations.inspection import Health
from stream_events.operations.pending import EntryState

GOOD, QUIET, WARNING, DANGER = "good", "quiet", "warning", "danger"

State = Health | ConsumerState | Delivery | EntryState

_LOOKS: tuple[tuple[State, tuple[str, str, Any]], ...] = (
    (Health.OK, (GOOD, "✓", pgettext_lazy("health", "ok"))),
    (Health.IDLE, (QUIET, "○", pgettext_lazy("health", "idle"))),
    (Health.BEHIND, (WARNING, "▼", pgettext_lazy("health", "behind"))),
    (Health.FAILING, (WARNING, "▲", pgettext_lazy("health", "failing"))),
    (Health.STALLED, (DANGER, "■", pgettext_lazy("health", "stalled"))),
    (Health.BROKEN, (DANGER, "✕", pgettext_lazy("health", "broken"))),
    (ConsumerState.RUNNING, (GOOD, "✓", gettext_lazy("running"))),
    (ConsumerState.GONE, (DANGER, "✕", gettext_lazy("gone"))),
    (ConsumerState.FOREIGN, (QUIET, "◇", gettext_lazy("of another program"))),
    (ConsumerState.WAITING, (QUIET, "○", gettext_lazy("waiting for a retry"))),
    (Delivery.UNREAD, (QUIET, "○", gettext_lazy("not read yet"))),
    (Delivery.PENDING, (WARNING, "▶", gettext_lazy("pending"))),
    (Delivery.DONE, (GOOD, "✓", gettext_lazy("done"))),
    (Delivery.DEAD, (DANGER, "✕", gettext_lazy("dead letter"))),
    (Delivery.UNKNOWN, (QUIET, "?", gettext_lazy("unknown"))),
    (EntryState.PROCESSING, (GOOD, "▶", gettext_lazy("being processed"))),
    (EntryState.WAITING, (QUIET, "○", gettext_lazy("waiting for a retry"))),
    (EntryState.OVERDUE, (WARNING, "▲", gettext_lazy("overdue"))),
    (EntryState.ABANDONED, (DANGER, "■", gettext_lazy("abandoned"))),
    (EntryState.RELEASED, (WARNING, "◇", gettext_lazy("released"))),
    (EntryState.DELETED, (QUIET, "✕", gettext_lazy("payload deleted"))),
)
# By the type as well: members of two enumerations are equal if their values are.
LOOKS = {(type(state), state.value): (kind, sign, text) for state, (kind, sign, text) in _LOOKS}


def word(state: State) -> str:
    """What ``state`` is called."""
    return str(LOOKS[type(state), state.value][2])


def severity(state: State) -> str:
    """How bad ``state`` is: the name of its colours in the style sheet."""
    return LOOKS[type(state), state.value][0]


def badge(state: State) -> SafeString:
    """``state`` for people."""
    kind, sign, text = LOOKS[type(state), state.value]
    return format_html('<span class="se-badge se-{}"><span aria-hidden="true">{}</span> {}</span>', kind, sign, text)
