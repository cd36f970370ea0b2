"""How far a run has come, in a file from which it goes on after it was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_events.durable import replace_file
from stream_events.exceptions import SelectionError

_KEY = "after"


class Bookmark:
    """The last key of ``run`` in the file ``path``; ``run`` says which run it is, in words of JSON."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self._run = dict(run)

    def read(self) -> str | None:
        """The recorded key; None when there is none yet.

        Raises ``SelectionError`` when the file is of another run, or cannot be read.
        """
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            key = found.pop(_KEY)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise SelectionError(f"{self.path} cannot be read as the state of a run: {error!r}") from error
        for name in self._run:
            if found.get(name) != self._run[name]:
                raise SelectionError(
                    f"{self.path} is the state of another run: its {name} is {found.get(name)!r}, not"
                    f" {self._run[name]!r}. Repeat that run, or delete the file to forget it."
                )
        return None if key is None else str(key)

    def record(self, key: str | None) -> None:
        """Replace what is recorded, all or nothing, also if the machine fails; raises ``OSError``."""
        replace_file(self.path, json.dumps({**self._run, _KEY: key}, indent=2))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
