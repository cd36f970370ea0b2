"""The way back from the pages of an order to the list that it came from."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.models import DeadLetter, PendingEntry
from stream_events.operations.plans import Verb

DELETING = (Verb.DELETE_CONSUMER, Verb.DELETE_GROUP, Verb.DELETE_STREAM)
NEXT = "next"  # the URL of the list, filters and all


def way_back(request: HttpRequest, admin: Any, verb: Verb, parts: list[str]) -> str:
    """The URL in the request if it is one of this site, else the page or the list that the order belongs to."""
    wanted = request.POST.get(NEXT) or request.GET.get(NEXT, "")
    if not wanted and request.path == admin.links(request).all(admin.model):
        wanted = request.get_full_path()  # the order was begun on the list itself
    allowed = {request.get_host()}
    if wanted and url_has_allowed_host_and_scheme(wanted, allowed_hosts=allowed, require_https=request.is_secure()):
        return wanted
    links: Links = admin.links(request)
    if admin.model in (PendingEntry, DeadLetter):
        return links.all(admin.model, group=object_id(*parts[:2]))
    return links.all(admin.model) if verb in DELETING else links.detail(admin.model, *parts)
