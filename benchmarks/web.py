"""One web process: each request saves an order, and is answered with the seconds that this took."""

import sys
import threading
from socketserver import ThreadingMixIn
from time import perf_counter
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path


def save_order(request: HttpRequest) -> HttpResponse:
    from benchmarks.models import Published  # once the apps are loaded

    connection.ensure_connection()  # each request has a thread of its own, so this is not what is measured
    start = perf_counter()
    with transaction.atomic():
        Published(number="1", status="new").save()
    return HttpResponse(str(perf_counter() - start))


urlpatterns = [path("", save_order)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Serve on a free port, which is printed, until standard input is closed: the parent's end is ours."""
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, QuietHandler) as server:
        print(server.server_port, flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
