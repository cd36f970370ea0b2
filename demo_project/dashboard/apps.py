from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Shows what happens to orders while it happens: a regular consumer of the stream ``orders``, in no group."""

    name = "demo_project.dashboard"
