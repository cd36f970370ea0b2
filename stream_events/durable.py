"""Files that hold what must outlive the process, and the machine's failure."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Let ``path`` hold ``text``, all or nothing, also if the machine fails; raises ``OSError``."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
