"""What became of the events of this process, in numbers."""

from __future__ import annotations

from stream_events.tally import Tally

# published: Redis has it · spilled: it waits in the outbox, because Redis failed · lost: only the log has it ·
# rejected: it could not be encoded, and only the log has that
# What a call raises before there is anything to lose is its caller's, and not counted.
OUTCOMES = ("published", "spilled", "lost", "rejected")

outcomes = Tally()
