"""A MariaDB server for one test: on a unix socket, with its data in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import wait_for
from tests.faults.servers import missing


class MariaDB:
    def __init__(self):
        if not shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or not find_spec("MySQLdb"):
            missing("MariaDB or its driver is not installed; .ci/servers installs them")
        # As with PostgreSQL, it is somebody else's if we are root.
        self._as = ["setpriv", "--reuid=mysql", "--regid=mysql", "--init-groups"] if os.getuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="stream_events-mariadb-"))
        if self._as:
            shutil.chown(self.folder, "mysql", "mysql")
        self._socket = self.folder / "socket"
        self._process = None

    def database(self, name):
        """The URL of a database, which need not be there yet."""
        return f"mysql://root@/{name}?unix_socket={self._socket}"

    def start(self):
        data = f"--datadir={self.folder / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        self._start(*install, "--skip-test-db").wait()
        self._process = self._start(
            "/usr/sbin/mariadbd",
            "--no-defaults",
            data,
            f"--socket={self._socket}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
        )
        wait_for(self._answers, "an answer of MariaDB")
        return self

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder)

    def _answers(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        ping = ["mariadb-admin", "--no-defaults", f"--socket={self._socket}", "--user=root", "ping"]
        return subprocess.run(ping, capture_output=True).returncode == 0

    def _start(self, *command):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen([*self._as, *command], cwd=self.folder, stdout=log, stderr=log)
