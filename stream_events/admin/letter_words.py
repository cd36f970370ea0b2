"""What the pages say about dead letters."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from stream_events.admin.display import UNKNOWN, number
from stream_events.consuming import policy
from stream_events.operations.dead_letters import DeadLetter

REASONS = {
    policy.MAX_DELIVERIES: gettext_lazy("failed too often"),
    policy.REJECTED: gettext_lazy("rejected by its handler"),
    policy.CRASHED: gettext_lazy("its handler ended the process"),
    policy.UNDECODABLE: gettext_lazy("no event"),
    policy.OVERSIZED: gettext_lazy("too large"),
    policy.UNHANDLED: gettext_lazy("wanted by no handler"),
    policy.TRIMMED: gettext_lazy("trimmed while it was pending"),
    policy.OPERATOR: gettext_lazy("by an operator"),
}


def reason_word(reason: str) -> str:
    """``reason``, a word of the policy, for people."""
    return str(REASONS.get(reason, reason or UNKNOWN))


def requeues(letter: DeadLetter) -> str:
    """“requeued 2 times, last by ana, failed again”; empty for what never was."""
    count = len(letter.history)
    if not count:
        return ""
    words = {"count": number(count), "by": letter.history[-1].by}
    if not words["by"]:
        text = ngettext("requeued once, failed again", "requeued %(count)s times, failed again", count)
        return text % words
    once = _("requeued by %(by)s, failed again")
    return (once if count == 1 else _("requeued %(count)s times, last by %(by)s, failed again")) % words
