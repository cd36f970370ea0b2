"""What the parts of one running consumer share."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_events.conf import Settings
from stream_events.consuming.halt import Halt
from stream_events.consuming.hand import Hand
from stream_events.consuming.lease import Lease
from stream_events.consuming.mark import Mark
from stream_events.consuming.options import ConsumerOptions
from stream_events.consuming.pace import Pace
from stream_events.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """``hand`` holds entries of the stream, ``requeued`` those that were addressed to the group alone."""

    stream: str
    group: str
    settings: Settings
    options: ConsumerOptions
    hand: Hand
    requeued: Hand
    lease: Lease
    mark: Mark
    pace: Pace
    halt: Halt = field(default_factory=Halt)
    tally: Tally = field(default_factory=Tally)

    @property
    def hands(self) -> tuple[Hand, Hand]:
        return self.hand, self.requeued
