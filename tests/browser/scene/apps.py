from django.apps import AppConfig


def work(event):
    """Stands for a handler of another app."""


class SceneConfig(AppConfig):
    """More groups and streams beside those of the demo, so that pages have something to compare."""

    name = "tests.browser.scene"
    label = "scene"

    def ready(self):
        from stream_events import handlers

        for stream, group in (("stock", "warehouse"), ("stock", "forecasts"), ("payments", "ledger")):
            handlers.register(work, stream=stream, group=group)
