"""A consumer that is killed in the middle loses nothing."""

import signal

import pytest

from tests.conftest import wait_for

COUNT = 10_000

PLACE = """
from django.db import transaction
from demo_project.shop.models import Order, OrderLine
for start in range(0, {count}, 500):
    with transaction.atomic():
        for number in range(start, start + 500):
            order = Order.objects.create(number=f"K{{number}}", customer="Ada")
            OrderLine.objects.create(order=order, product="Tea", unit_price="4.20")
"""
COUNT_INVOICES = "from demo_project.billing.models import Invoice; print(Invoice.objects.count())"


def stopped_in_a_batch(process, client):
    """Stop ``process``; if it happens to hold nothing, let it go on."""
    process.send_signal(signal.SIGSTOP)
    if client.xpending("orders", "billing")["pending"]:
        return True
    process.send_signal(signal.SIGCONT)
    return False


@pytest.mark.slow
def test_every_order_is_handled_although_the_consumer_was_killed(project):
    project.environment["LEASE"] = "2"
    project.shell(PLACE.format(count=COUNT))
    client = project.redis()
    assert client.xlen("orders") == COUNT

    def handled():
        return int(project.shell(COUNT_INVOICES))

    first = project.start("runconsumer", "orders", "billing", "--no-reload")
    wait_for(lambda: handled() > 1000, "the middle", timeout=120)
    wait_for(lambda: stopped_in_a_batch(first, client), "a consumer that holds a batch")
    first.kill()
    first.wait()
    assert client.xpending("orders", "billing")["pending"] > 0
    assert handled() < COUNT

    second = project.start("runconsumer", "orders", "billing", "--no-reload")
    wait_for(
        lambda: client.xinfo_groups("orders")[0]["lag"] == 0 and client.xpending("orders", "billing")["pending"] == 0,
        "an empty pending list",
        timeout=240,
    )
    assert handled() == COUNT
    second.terminate()
    assert second.wait(20) == 0
