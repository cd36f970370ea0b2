"""The Lua scripts beside this module, and which of a group's keys each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from stream_events.keys import GroupKeys

KEYS = {
    "act": ("stream", "retry", "progress", "errors", "consumers"),
    "adopt": ("stream", "consumers"),
    "bury_group": ("cursor",),
    "create": ("stream", "retry", "lost", "errors"),
    "destroy": ("stream", "retry"),
    "due": ("stream", "retry", "lost", "requeue", "progress", "errors"),
    "finish": ("stream", "retry", "progress", "errors"),
    "hand_back": ("stream", "retry"),
    "leave": ("consumers", "stream", "requeue"),
    "mark": ("stream", "cursor"),
    "mend": ("stream", "retry"),
    "owned": ("stream",),
    "renew": ("consumers",),
    "replay": ("stream",),
    "requeue": ("dead", "requeue"),
    "settle": ("stream", "dead", "retry", "progress", "errors"),
    "start": ("stream", "progress", "errors"),
}

_FOLDER = Path(__file__).parent
_COMMON = (_FOLDER / "common.lua").read_text()
_TEXTS = {name: _COMMON + (_FOLDER / f"{name}.lua").read_text() for name in KEYS}


class Scripts:
    """Runs the scripts on ``client`` with the keys of one group."""

    def __init__(self, client: redis.Redis, keys: GroupKeys) -> None:
        self._scripts = {name: client.register_script(text) for name, text in _TEXTS.items()}
        self._keys = {name: [getattr(keys, one) for one in names] for name, names in KEYS.items()}

    def run(
        self, name: str, arguments: Sequence[Any], client: redis.Redis | None = None, *, further: Sequence[Any] = ()
    ) -> Any:
        """What the script ``name`` answers; it is sent whole only if the server does not know it.

        With a pipeline for ``client``, it answers there. ``further`` are keys beside those of the group.
        """
        return self._scripts[name](keys=[*self._keys[name], *further], args=list(arguments), client=client)
