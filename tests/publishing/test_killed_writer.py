"""A process that is killed while it writes an object and its outbox row leaves both, or neither."""

import contextlib
import os
import subprocess
import sys

import pytest
from django.db import ConnectionHandler
from environ import Env

from tests.conftest import ROOT
from tests.faults.postgres import Postgres
from tests.outboxes import TABLE
from tests.shop.wares import FAMILIES

MOMENTS = {"before the outbox row": 0, "before the commit": 0, "after the commit": 1}


class Database:
    """A database with the tables of the tests, for other processes."""

    def __init__(self, url):
        self._connection = ConnectionHandler({"default": Env.db_url_config(url)})["default"]
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": url,
        }
        migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=self.environment, check=True)

    def kill_writer(self, *arguments):
        """Start a writer, and kill it when it has stopped."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.publishing.writer", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            line = process.stdout.readline()
            process.kill()
        assert line == "stopped\n"

    def count(self, table, column, value):
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE {column} LIKE %s", [value])
            return cursor.fetchone()[0]

    def close(self):
        self._connection.close()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request, tmp_path_factory, django_db_blocker):
    with django_db_blocker.unblock(), contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('killed') / 'db.sqlite3'}"
        if request.param == "postgres":
            server = Postgres()
            stack.callback(server.close)
            url = server.start().database("postgres")
        yield stack.enter_context(contextlib.closing(Database(url)))


@pytest.mark.parametrize("surroundings", ["autocommit", pytest.param("atomic", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("moment", "expected"), MOMENTS.items())
def test_both_or_neither(database, moment, expected, surroundings):
    code = f"{list(MOMENTS).index(moment)} {surroundings}"
    database.kill_writer(code, moment, surroundings)
    assert database.count(FAMILIES["outbox"].plain._meta.db_table, "code", code) == expected
    assert database.count(TABLE, "payload", f'%"{code}"%') == expected
