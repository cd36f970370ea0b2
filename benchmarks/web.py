"""One web process: each request saves an order, and is answered with the seconds that this took."""

from time import perf_counter

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.faults.web import main


def save_order(request: HttpRequest) -> HttpResponse:
    from benchmarks.models import Published  # once the apps are loaded

    connection.ensure_connection()  # each request has a thread of its own, so this is not what is measured
    start = perf_counter()
    with transaction.atomic():
        Published(number="1", status="new").save()
    return HttpResponse(str(perf_counter() - start))


urlpatterns = [path("", save_order)]

if __name__ == "__main__":
    main()
