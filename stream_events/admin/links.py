"""Links between the pages of one admin site, to those that exist there and that the user may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from stream_events.admin.access import has_order_permission
from stream_events.admin.names import object_id
from stream_events.operations.plans import Verb


@dataclass(slots=True)
class Links:
    """URLs as one user may follow them on ``site``; each is empty if there is nothing for them."""

    request: HttpRequest
    site: AdminSite
    _visible: dict[type[Model], bool] = field(default_factory=dict)

    def all(self, model: type[Model], **query: str) -> str:
        """The list page of ``model``, filtered by ``query``."""
        return self._url(model, "changelist", (), query)

    def detail(self, model: type[Model], *parts: str, **query: str) -> str:
        """The page of the one thing that ``parts`` name."""
        return self._url(model, "change", (quote(object_id(*parts)),), query)

    def page(self, model: type[Model], name: str, *parts: str, **query: str) -> str:
        """Another page of the thing that ``parts`` name, such as the entries of a stream."""
        return self._url(model, name, (quote(object_id(*parts)),), query)

    def order(self, model: type[Model], verb: Verb, *parts: str, **query: str) -> str:
        """The page where ``verb`` is ordered for what ``parts`` name."""
        if not has_order_permission(self.request, verb):
            return ""
        return self._url(model, "order", (quote(object_id(*parts)), verb.value), query)

    def orders(
        self, model: type[Model], words: Mapping[Verb, str], *parts: str, **query: str
    ) -> list[tuple[str, str]]:
        """A button, as its text and its URL, for each verb in ``words`` that the user may order."""
        found = [(text, self.order(model, verb, *parts, **query)) for verb, text in words.items()]
        return [(text, url) for text, url in found if url]

    def pages(self) -> list[tuple[str, str, bool]]:
        """Every list of the section: its name, its URL, and whether the present page belongs to it."""
        models = apps.get_app_config("stream_events").get_models()
        found = [(str(model._meta.verbose_name_plural), self.all(model)) for model in models]
        return [(name, url, self.request.path.startswith(url)) for name, url in found if url]

    def _url(self, model: type[Model], name: str, args: tuple[str, ...], query: dict[str, Any]) -> str:
        if not self._may_see(model):
            return ""
        path = f"admin:stream_events_{model._meta.model_name}_{name}"
        try:
            url = reverse(path, args=args, current_app=self.site.name)
        except NoReverseMatch:
            return ""  # the project has replaced the page by one of its own
        return f"{url}?{urlencode(query)}" if query else url

    def _may_see(self, model: type[Model]) -> bool:
        if model not in self._visible:
            is_there = self.site.is_registered(model)
            self._visible[model] = is_there and self.site.get_model_admin(model).has_view_permission(self.request)
        return self._visible[model]
