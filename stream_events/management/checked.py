"""A command for which a failing system check is a matter of configuration."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from stream_events.management.exit_codes import CONFIGURATION


class CheckedCommand(BaseCommand):
    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the system checks; a failure exits with the code for configuration."""
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as error:
            error.returncode = CONFIGURATION
            raise
