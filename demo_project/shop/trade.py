"""A day in the shop: what the demo has customers do."""

import random
import time
from collections import deque
from itertools import cycle

from django.db import transaction

from demo_project.shop.models import Order

CUSTOMERS = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances")
PRODUCTS = (("Tea", "4.20"), ("Kettle", "39.00"), ("Cup", "7.50"), ("Honey", "6.80"))
OPEN_ORDERS = 2  # so many wait before the first of them is shipped


class Trade:
    """Orders that are placed, and some time later shipped, cancelled or sent back; never those of other people."""

    def __init__(self) -> None:
        self._placed: deque[Order] = deque()
        self._fates = cycle((_ship, _cancel, _ship_in_vain))

    def place_order(self) -> Order:
        with transaction.atomic():
            order = Order.objects.create(number=_number(), customer=random.choice(CUSTOMERS))
            for product, price in random.sample(PRODUCTS, k=random.randint(1, 3)):
                order.lines.create(product=product, unit_price=price, quantity=random.randint(1, 4))
        self._placed.append(order)
        return order

    def move_on(self) -> Order | None:
        """Decide about the oldest order, unless it is too early or somebody in the admin was faster."""
        if len(self._placed) <= OPEN_ORDERS:
            return None
        order = Order.objects.filter(pk=self._placed.popleft().pk, status=Order.Status.PLACED).first()
        if order is not None:
            next(self._fates)(order)
        return order


def _number() -> str:
    return f"A{time.time_ns() // 1_000_000 % 10**9}"  # the same again in eleven days


def _ship(order: Order) -> None:
    order.status = Order.Status.SHIPPED
    order.save(update_fields=["status"])


def _cancel(order: Order) -> None:
    order.status = Order.Status.CANCELLED
    order.save(update_fields=["status"])


def _ship_in_vain(order: Order) -> None:
    _ship(order)
    order.events.publish("refund_requested")
