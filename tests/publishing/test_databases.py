"""What is tried with SQLite every day, on the other databases that Django projects use."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.mariadb import MariaDB
from tests.faults.postgres import Postgres

WHAT = {
    "every day": ["tests/publishing"],
    "every combination": ["tests/publishing/test_write_paths.py", "-m", "slow"],
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WHAT.values(), ids=WHAT)
@pytest.mark.parametrize("kind", [Postgres, MariaDB])
def test_publishing_is_the_same_on(kind, what):
    server = kind()
    try:
        server.start()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *what, "-q", "-p", "no:cacheprovider"],
            cwd=ROOT,
            env={
                **os.environ,
                "TEST_DATABASE_URL": server.database("one"),
                "TEST_OTHER_DATABASE_URL": server.database("two"),
            },
            capture_output=True,
            text=True,
            timeout=1200,
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stdout + done.stderr
