"""What the user of a page may do and see. Redis is not asked."""

from __future__ import annotations

from django.http import HttpRequest

from stream_events.conf import get_settings
from stream_events.operations.plans import Verb

VIEW_PAYLOAD = "stream_events.view_payload"

PERMISSIONS = {
    Verb.ACK: "stream_events.ack_pendingentry",
    Verb.CLAIM: "stream_events.claim_pendingentry",
    Verb.RETRY: "stream_events.retry_pendingentry",
    Verb.DEAD: "stream_events.deadletter_pendingentry",
    Verb.REQUEUE: "stream_events.requeue_deadletter",
    Verb.DISCARD: "stream_events.delete_deadletter",
    Verb.REPLAY: "stream_events.replay_stream",
    Verb.RESET: "stream_events.reset_consumergroup",
    Verb.TRIM: "stream_events.trim_stream",
    Verb.DELETE_CONSUMER: "stream_events.delete_consumer",
    Verb.DELETE_GROUP: "stream_events.delete_consumergroup",
    Verb.DELETE_STREAM: "stream_events.delete_stream",
    Verb.PUBLISH: "stream_events.publish_stream",
}


def is_read_only() -> bool:
    """Whether the settings let nobody change anything from the pages."""
    return get_settings().admin.read_only


def may_see_payload(request: HttpRequest) -> bool:
    """Whether the user may see what events carry; everybody else sees how long it is, and its keys."""
    return bool(request.user.has_perm(VIEW_PAYLOAD))


def has_order_permission(request: HttpRequest, verb: Verb) -> bool:
    """Whether the user may order ``verb`` at all; where nobody may change anything, buttons say so instead."""
    return bool(request.user.has_perm(PERMISSIONS[verb]))
