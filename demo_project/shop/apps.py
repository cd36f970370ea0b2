from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Takes orders, and publishes what happens to them to the stream ``orders``."""

    name = "demo_project.shop"
