from django.apps import AppConfig


class CustomerCareConfig(AppConfig):
    """Opens a ticket when there is something to talk about with a customer, in the group ``customer_care``."""

    name = "demo_project.customer_care"
    verbose_name = "Customer care"
