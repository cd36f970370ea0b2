"""The demo's web server, in a process of its own."""

import contextlib
import http.client
import socket

from tests.conftest import wait_for

LIMIT = 30  # seconds


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """The web server of ``project``, always on the same port; its administrator is admin, with that password."""

    def __init__(self, project):
        self.project = project
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = project.folder / "web.log"
        self.cookie = project.shell(
            "from django.contrib.auth import get_user_model\n"
            "from django.test import Client\n"
            "client = Client()\n"
            "client.force_login(get_user_model().objects.create_superuser('admin', password='admin'))\n"
            "print(client.cookies['sessionid'].OutputString())\n"
        )

    def start(self):
        with self.log.open("a") as log:
            self.process = self.project.start("runserver", "--noreload", f"127.0.0.1:{self.port}", stdout=log)
        wait_for(self._answers, "the web server")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def look(self, path):
        """As ``get``, for the administrator."""
        return self.get(path, Cookie=self.cookie.partition(";")[0])

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            with self.get("/admin/login/") as response:
                return response.status == 200
        except OSError:
            return False
