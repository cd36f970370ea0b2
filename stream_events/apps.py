"""Wires the app into Django: system checks, the watch on writes, and the handler modules of installed apps."""

from __future__ import annotations

from importlib import import_module
from itertools import product

from django.apps import AppConfig, apps
from django.core import checks
from django.db.backends.signals import connection_created
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _


class StreamEventsConfig(AppConfig):
    name = "stream_events"
    verbose_name = _("Stream events")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from stream_events import checks as own
        from stream_events.operations import history
        from stream_events.plugins import load_plugins
        from stream_events.publishing import housekeeping, unseen
        from stream_events.signals import housekeeping as time_to_keep_house

        for check in own.CHECKS:
            checks.register(check, "stream_events")
        for check in own.DEPLOYMENT_CHECKS:
            checks.register(check, "stream_events", deploy=True)
        connection_created.connect(unseen.watch, dispatch_uid="stream_events.unseen")
        time_to_keep_house.connect(housekeeping.send_what_waits, dispatch_uid="stream_events.outbox")
        time_to_keep_house.connect(history.keep, dispatch_uid="stream_events.history")
        import_handler_modules()
        load_plugins()


def import_handler_modules() -> None:
    """Import the modules that ``HANDLER_MODULES`` names from every installed app that has one.

    One that fails to import is reported to the registry instead of raised: the site goes on, ``check`` shows an
    error, and consumers refuse to start.
    """
    from stream_events.conf import get_settings
    from stream_events.exceptions import ConfigurationError
    from stream_events.registry import Problem, handlers

    try:
        names = get_settings().handler_modules
    except ConfigurationError:
        return  # the check on settings says what is wrong
    for config, name in product(apps.get_app_configs(), names):
        path = f"{config.name}.{name}"
        try:
            if module_has_submodule(config.module, name):
                import_module(path)
        except Exception as error:  # noqa: BLE001 - whatever a module raises, consumers must not start
            hint = "Mend the module; consumers do not start without it."
            handlers.report(Problem.raised(f"{path} does not import", error, hint))
