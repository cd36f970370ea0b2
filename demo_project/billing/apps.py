from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Writes an invoice for every order, in the group ``billing`` of the stream ``orders``."""

    name = "demo_project.billing"

    def ready(self) -> None:
        from demo_project.billing.invoicing import create_invoice
        from stream_events import handlers

        handlers.register(create_invoice, stream="orders", group="billing", obj_type="shop.order", actions=["create"])
