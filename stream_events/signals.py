"""Signals of this package, with which its parts reach each other where they may not import each other."""

from __future__ import annotations

from django.dispatch import Signal

# Sent every second or so by each running consumer, in a thread of its own: the moment for what must not wait for an
# operator. A receiver takes seconds at most.
housekeeping = Signal()

# Sent with the sender ``Order`` after each slice of what an operator has ordered, if that has changed something:
# ``actor`` says who it was, ``progress`` how far it has come.
operated = Signal()
