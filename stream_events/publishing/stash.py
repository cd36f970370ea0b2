"""What is noted on an instance between two signals of one write."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

_STASH = "stream_events_stash"  # the attribute of an instance's _state


class Stash(dict[Any, Any]):
    """Notes of the receivers that listen to one instance; its copies and pickles come without them."""

    def __init__(self, owner: int = 0) -> None:
        super().__init__()
        self.owner = owner

    def __reduce__(self) -> tuple[type[Stash], tuple[()]]:
        return Stash, ()


def stash_of(instance: Model) -> Stash:
    held = instance._state.__dict__
    stash: Stash | None = held.get(_STASH)
    if stash is None or stash.owner != id(instance):
        stash = held[_STASH] = Stash(id(instance))
    return stash
