"""A PostgreSQL server for one test: on a unix socket, with its data in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.faults.servers import missing


def _programs():
    return max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)


class Postgres:
    def __init__(self):
        initdb = _programs()
        if initdb is None:
            missing("PostgreSQL is not installed; .ci/servers installs it")
        self._bin = initdb.parent
        # It refuses to run as root, so the folder has to be somebody else's, in a place that everybody may enter.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="stream_events-postgres-"))
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        self.url = self.database("postgres")

    def database(self, name):
        """The URL of a database, which need not be there yet."""
        return f"postgres://postgres@/{name}?host={self.folder}"

    def start(self):
        self._run(
            "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-N"
        )
        self.go_on()
        return self

    def go_on(self):
        # Without fsync: what it has written outlives its process, and the machine stays up.
        self._control("start", "-o", f"-c listen_addresses='' -k {self.folder} -F")

    def crash(self):
        self._control("stop", "-m", "immediate")

    def execute(self, statement):
        self._run("psql", "-h", self.folder, "-U", "postgres", "-q", "-c", statement)

    def close(self):
        if (self.folder / "data" / "postmaster.pid").exists():
            self.crash()
        shutil.rmtree(self.folder)

    def _control(self, verb, *options):
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", verb, *options)

    def _run(self, program, *arguments):
        command = [*self._as, self._bin / program, *arguments]
        subprocess.run([str(one) for one in command], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
