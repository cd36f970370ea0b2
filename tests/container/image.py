"""The image, built and run by buildah without a daemon: in a chroot, on the network of this machine."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import ROOT, wait_for
from tests.faults.servers import FOLDER, free_port, missing

NAME = "localhost/stream_events-demo"
OFFLINE = "[global]\nno-index = true\nfind-links = /wheels\n"


class Image:
    """The image and one container of it, in a storage of their own in ``folder``."""

    def __init__(self, folder):
        self.folder = folder
        if os.geteuid() != 0 or not shutil.which("buildah"):
            missing("buildah is not installed, or this is not root; .ci/servers installs it")
        self._buildah = ["buildah", "--root", folder / "storage", "--runroot", folder / "run"]

    def build(self):
        (version,) = re.findall(r"^ARG PYTHON_VERSION=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        base, wheels = FOLDER / f"python-{version}.tar", FOLDER / f"python-{version}-wheels"
        if not base.exists():
            missing(f"the base of the image, {base}, is not there; .ci/servers makes it")
        self._import(base, f"docker.io/library/python:{version}-slim")
        (self.folder / "pip.conf").write_text(OFFLINE)
        self._run(
            *("build", "--isolation=chroot", "--pull-never", "--tag", NAME),
            "--format=docker",  # the only one with a health check
            *("--volume", f"{wheels}:/wheels:ro", "--volume", f"{self.folder}/pip.conf:/etc/pip.conf:ro"),
            ROOT,
        )
        self.config = json.loads(self._run("inspect", "--type=image", NAME))["Docker"]["config"]
        self._container = self._run("from", "--pull-never", NAME)
        return self

    def run(self, command, **options):
        """Run a command to its end: the code, and what it said."""
        done = subprocess.run(
            self.inside(command, **options), capture_output=True, text=True, check=False, timeout=120
        )
        return done.returncode, done.stdout + done.stderr

    def inside(self, command, mounts=(), environment=None):
        """The command line that runs a command in the container, as the user that the image names."""
        options = [f"--volume={mount}" for mount in mounts]
        options += [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return [*self._buildah, "run", "--isolation=chroot", *options, self._container, "--", *command]

    def close(self):
        """Unmount what is mounted, so that the folder can be removed."""
        self._run("rm", "--all")

    def _import(self, archive, name):
        container = self._run("from", "scratch")
        self._run("add", container, archive, "/")
        self._run("config", "--env=PATH=/usr/local/bin:/usr/bin:/usr/sbin", container)
        self._run("commit", "--rm", container, name)

    def _run(self, *arguments):
        done = subprocess.run([*self._buildah, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


class Service:
    """A service of compose.yaml, run in the container of the image, with a folder /tmp of its own."""

    def __init__(self, image, definition, environment, mounts):
        self._image = image
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._command = definition.get("entrypoint", image.config["Entrypoint"]) + definition["command"]
        self._check = definition.get("healthcheck", {}).get("test") or image.config["Healthcheck"]["Test"]
        folder = Path(tempfile.mkdtemp(dir=image.folder))
        shutil.chown(folder, *map(int, image.config["User"].split(":")))
        self._log = image.folder / f"{folder.name}.log"
        self._options = {
            "mounts": [*mounts, f"{folder}:/tmp"],
            "environment": {name: environment[name] for name in definition["environment"]},
        }
        self._process = None

    def run(self, *command):
        """Run a command to its end: the code, and what it said."""
        return self._image.run(self._here(command), **self._options)

    def start(self):
        with open(self._log, "wb") as log:
            command = self._image.inside(self._here(self._command), **self._options)
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def is_healthy(self):
        assert self._process.poll() is None, self.output()
        assert self._check[0] == "CMD"
        return self.run(*self._check[1:])[0] == 0

    def tell_to_end(self):
        os.kill(self._pid(), signal.Signals[self._image.config["StopSignal"]])

    def wait(self):
        """Its code."""
        return self._process.wait(60)

    def output(self):
        return self._log.read_text(errors="replace")

    def close(self):
        if self._process and self._process.poll() is None:
            os.kill(self._pid(), signal.SIGKILL)
            self._process.wait(60)

    def _here(self, command):
        # The network is that of this machine, on which nobody else is to be served.
        return [word.replace("0.0.0.0", "127.0.0.1").replace("8000", str(self._port)) for word in command]

    def _pid(self):
        """The first process below those of buildah itself, which would be process 1 elsewhere."""
        pid = self._process.pid
        while _program(pid).startswith("buildah"):
            pid = wait_for(lambda pid=pid: next(_children(pid), None), "the process of the container")
        return pid


def _children(pid):
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def _program(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0]
