"""A command whose errors say by their exit code what an operator has to do."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, SystemCheckError

from stream_events.conf import get_settings
from stream_events.connections import explain, safe_url
from stream_events.exceptions import ConfigurationError, EmbeddedServerError, RedisUnavailableError, SelectionError
from stream_events.management.exit_codes import CONFIGURATION, UNAVAILABLE, USAGE


def unreachable(error: Exception) -> str:
    """What to say when Redis does not answer."""
    return f"Redis at {safe_url(get_settings().url)} cannot be reached: {explain(error)}"


class CheckedCommand(BaseCommand):
    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the system checks; a failure exits with the code for configuration."""
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as error:
            error.returncode = CONFIGURATION
            raise

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; errors of this package that an operator can mend become ``CommandError``."""
        try:
            return super().execute(*args, **options)
        except SelectionError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except (ConfigurationError, EmbeddedServerError) as error:
            raise CommandError(str(error), returncode=CONFIGURATION) from error
        except RedisUnavailableError as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from error
