from django.apps import AppConfig

from stream_events import StreamPublisher


class ShopConfig(AppConfig):
    name = "tests.shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        self.users = StreamPublisher("users", fields=["username"]).connect("auth.User")
