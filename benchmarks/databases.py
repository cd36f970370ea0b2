"""The databases of the benchmarks, each as the value of a key in ``DATABASES``."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.postgres import Postgres

NAMES = ("sqlite", "postgres")


def database(name: str, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """A file in ``folder``, or a PostgreSQL server that is started here and ends with ``stack``."""
    if name == "postgres":
        server = Postgres()
        stack.callback(server.close)
        server.start()
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": str(server.folder),
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "db.sqlite3"),
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
