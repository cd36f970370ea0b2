"""The handlers of the group ``customer_care``, which is told of every order as ``billing`` is, and on its own.

Consumers find this module by its name. An event can come twice; with ``once=True`` its ticket is written once.
"""

from demo_project.customer_care.models import Ticket
from stream_events import Event, handler


@handler("orders", group="customer_care", obj_type="shop.order", actions=["update"], once=True)
def ask_why(event: Event) -> None:
    """Open a ticket when an order is cancelled, and not again when a cancelled one is saved."""
    if "status" in (event.changed or ()) and event.data["status"] == "cancelled":
        Ticket.objects.create(order_number=event.data["number"], reason=Ticket.Reason.CANCELLED)


@handler("orders", group="customer_care", obj_type="shop.order", actions=["refund_requested"], once=True)
def decide_on_refund(event: Event) -> None:
    """Open a ticket for a customer who wants the money back."""
    Ticket.objects.create(order_number=event.data["number"], reason=Ticket.Reason.REFUND)
