"""A web process: each request saves a visit. It prints its port, and ends with its input."""

import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path


def visit(request, number):
    from tests.faults.models import Visit

    Visit.objects.create(number=number)
    return HttpResponse("done")


urlpatterns = [path("<int:number>", visit)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 100


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, QuietHandler) as server:
        print(server.server_port, flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
