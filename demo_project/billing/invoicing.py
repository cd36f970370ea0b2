from demo_project.billing.models import Invoice
from demo_project.shop.models import Order
from stream_events import Event


class OrderHasNoLinesError(Exception):
    """There is nothing to invoice yet; the event stays pending until somebody adds a line."""


def create_invoice(event: Event) -> None:
    """Write the invoice of a new order. An event can come twice, an invoice is written once."""
    order = event.get_object()
    if not isinstance(order, Order):
        return  # deleted in the meantime
    if not order.lines.exists():
        raise OrderHasNoLinesError(order.number)
    Invoice.objects.get_or_create(order_number=order.number, defaults={"total": order.total})
