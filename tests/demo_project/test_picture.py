"""The whole picture: the shop publishes, two groups and the dashboard are each told everything."""

import re

import pytest

from tests.conftest import wait_for

TRADE = """
from demo_project.shop.models import Order
for number in range(10):
    order = Order.objects.create(number=f"A{number}", customer="Ada")
    order.lines.create(product="Tea", unit_price=1)
    order.status = "cancelled"
    order.save()
    order.save()
    order.events.publish("refund_requested")
"""
RESULTS = """
from demo_project.billing.models import Invoice
from demo_project.customer_care.models import Ticket
print(Invoice.objects.count(), *Ticket.objects.order_by("reason").values_list("reason", flat=True))
"""
REPORTS = """
from stream_events.consuming import Consumer
from stream_events.registration import make_handler
seen = []
handler = make_handler(lambda event: seen.append(event.action), "orders", "reports", {})
Consumer("orders", "reports", handlers=(handler,), drain=True).run()
print(sorted(set((action, seen.count(action)) for action in seen)))
"""
COUNTS = {"create": 10, "refund_requested": 10, "update": 20}


@pytest.mark.slow
def test_each_group_handles_each_event_once_and_the_dashboard_shows_all(site):
    project = site.project
    consumers = [project.start("runconsumer", "orders", group) for group in ("billing", "customer_care")]
    project.shell(TRADE)
    expected = " ".join(["10", *["cancelled"] * 10, *["refund"] * 10])
    wait_for(lambda: project.shell(RESULTS).strip() == expected, "the invoices and tickets", timeout=60)
    for consumer in consumers:
        consumer.terminate()
        output, _ = consumer.communicate(timeout=30)
        assert "started=40 failed=0" in output
    with site.look("/dashboard/") as response:
        found = re.findall(r"<dt>(\w+)</dt><dd>(\d+)</dd>", response.read().decode())
    assert {action: int(count) for action, count in found} == COUNTS
    assert project.shell(REPORTS).strip() == str(sorted(COUNTS.items()))  # a group that comes later catches up
