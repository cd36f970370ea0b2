"""What stands above the list of streams: the server, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import redis
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stream_events.admin.badges import DANGER, WARNING
from stream_events.admin.display import number
from stream_events.admin.filters import DEAD, HEALTH
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.problems import problem
from stream_events.models import ConsumerGroup, DeadLetter, Stream
from stream_events.operations.inspection import GroupState, Health, StreamState, server_facts


class Trouble(NamedTuple):
    """One thing that somebody should look at."""

    severity: str
    text: str
    url: str


def overview(states: Sequence[StreamState], links: Links) -> dict[str, Any]:
    """What the template shows of all streams together."""
    return {"facts": _facts(), "troubles": list(_troubles(states, links))}


def _facts() -> list[tuple[str, str]]:
    try:
        facts = server_facts()
    except redis.ResponseError as error:  # a user that may look at streams need not be one that may ask for these
        return [(_("Server"), problem(error).reason)]
    memory = filesizeformat(facts.used_memory)
    if facts.max_memory:
        shown = {"used": memory, "most": filesizeformat(facts.max_memory)}
        memory = _("%(used)s of %(most)s") % shown
    return [
        (_("Server"), facts.version),
        (_("Memory"), memory),
        (_("Latency"), _("%s ms") % (number(round(facts.latency)) if facts.latency >= 1 else "< 1")),
    ]


def _troubles(states: Sequence[StreamState], links: Links) -> Iterator[Trouble]:
    groups = [group for state in states for group in state.groups]
    if count := sum(bool(state.problem) for state in states):
        text = ngettext("%s stream broken", "%s streams broken", count)
        yield Trouble(DANGER, text % number(count), links.all(Stream, **{HEALTH: Health.BROKEN.value}))
    if count := _with(groups, Health.STALLED):
        text = ngettext("%s group stalled", "%s groups stalled", count)
        yield Trouble(DANGER, text % number(count), links.all(ConsumerGroup, **{HEALTH: Health.STALLED.value}))
    if count := _with(groups, Health.FAILING):
        text = ngettext("%s group failing", "%s groups failing", count)
        yield Trouble(WARNING, text % number(count), links.all(ConsumerGroup, **{HEALTH: Health.FAILING.value}))
    if count := _with(groups, Health.BEHIND):
        text = ngettext("%s group behind", "%s groups behind", count)
        yield Trouble(WARNING, text % number(count), links.all(ConsumerGroup, **{HEALTH: Health.BEHIND.value}))
    if count := sum(group.dead for group in groups):
        text = ngettext("%s dead letter", "%s dead letters", count)
        yield Trouble(WARNING, text % number(count), _dead_letters(groups, links))


def _with(groups: Sequence[GroupState], health: Health) -> int:
    return sum(group.health is health for group in groups)


def _dead_letters(groups: Sequence[GroupState], links: Links) -> str:
    """Those of the group that has some; where several have, the streams with dead letters."""
    dead = [group for group in groups if group.dead]
    if len(dead) == 1:
        return links.all(DeadLetter, group=object_id(dead[0].stream, dead[0].name))
    return links.all(Stream, **{DEAD: "yes"})
