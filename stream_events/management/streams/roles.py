"""``manage.py streams createroles``: groups of users who may look, operate, or do everything."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import CommandError, CommandParser

from stream_events.management.exit_codes import CONFIGURATION
from stream_events.management.streams.output import Output, Section, add_format

HELP = (
    "Makes the user groups “Stream viewer”, “Stream operator” and “Stream admin” with their permissions. What is"
    " there stays; permissions that they lack are added."
)

VIEWER = (
    "view_stream",
    "view_consumergroup",
    "view_pendingentry",
    "view_deadletter",
    "view_consumer",
    "view_outboxevent",
)
OPERATOR = (
    *VIEWER,
    "view_payload",
    "publish_stream",
    "ack_pendingentry",
    "claim_pendingentry",
    "retry_pendingentry",
    "deadletter_pendingentry",
    "requeue_deadletter",
)
ADMIN = (
    *OPERATOR,
    "replay_stream",
    "trim_stream",
    "delete_stream",
    "reset_consumergroup",
    "delete_consumergroup",
    "delete_deadletter",
    "delete_consumer",
)
ROLES = {"Stream viewer": VIEWER, "Stream operator": OPERATOR, "Stream admin": ADMIN}


def add_arguments(parser: CommandParser) -> None:
    add_format(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    if not apps.is_installed("django.contrib.auth"):
        raise CommandError(
            "User groups are those of django.contrib.auth, which INSTALLED_APPS does not have.",
            returncode=CONFIGURATION,
        )
    found = [_make(name, codenames) for name, codenames in ROLES.items()]
    rows = [
        {
            "ROLE": one["role"],
            "GROUP": "made" if one["made"] else "was there",
            "PERMISSIONS": str(len(ROLES[one["role"]])),
            "ADDED": str(len(one["added"])),
        }
        for one in found
    ]
    output.write(Section("roles", found, rows, numbers=frozenset({"PERMISSIONS", "ADDED"})))


def _make(name: str, codenames: tuple[str, ...]) -> dict[str, Any]:
    from django.contrib.auth.models import Group, Permission  # an app that a project may not have

    permissions = Permission.objects.filter(content_type__app_label="stream_events", codename__in=codenames)
    missing = set(codenames) - {one.codename for one in permissions}
    if missing:
        raise CommandError(
            f"There are no permissions {', '.join(sorted(missing))} yet: run manage.py migrate.",
            returncode=CONFIGURATION,
        )
    group, made = Group.objects.get_or_create(name=name)
    known = set(group.permissions.values_list("pk", flat=True))
    added = [one for one in permissions if one.pk not in known]
    group.permissions.add(*added)
    return {
        "role": name,
        "made": made,
        "permissions": sorted(codenames),
        "added": sorted(one.codename for one in added),
    }
