"""What the pages of the section share: lists whose rows come from Redis instead of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import redis
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from stream_events.conf import get_settings
from stream_events.connections import UNAVAILABLE, explain, safe_url
from stream_events.exceptions import StreamEventsError

AFTER = "after"

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Pages to look at: nothing is added, changed or deleted, and nothing counts a whole table."""

    show_full_result_count = False
    sortable_by = ()
    actions = None

    class Media:
        css = {"all": ("stream_events/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def unavailable(self, request: HttpRequest, reason: str, error: str = "", **context: Any) -> HttpResponse:
        """A page that says why there is nothing to look at."""
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(self.opts.verbose_name_plural),
            "opts": self.opts,
            "media": self.media,
            "reason": reason,
            "error": error,
            **context,
        }
        return TemplateResponse(request, "admin/stream_events/unavailable.html", context, status=503)


class RedisChangeList(ChangeList):
    """Django's change list over rows that its admin class fetches; the page's place is an entry id."""

    next_page: str | None = None

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(AFTER, None)  # an unknown parameter would be taken for a field lookup
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.filter_specs, self.has_filters, _remaining, _distinct, self.has_active_filters = self.get_filters(request)
        return self.root_queryset

    def get_results(self, request: HttpRequest) -> None:
        page = self.model_admin.rows(request, self)  # type: ignore[attr-defined]
        self.result_list, self.result_count, self.next_page = page
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        self.paginator = None


class RedisAdmin(ReadOnlyAdmin):
    """A read-only list page. Subclasses say in ``rows`` what is on it."""

    list_display_links = None

    def rows(self, request: HttpRequest, changelist: RedisChangeList) -> tuple[Sequence[Model], int, str | None]:
        """The rows of the page, how many there are in all, and the entry id that the next page follows."""
        raise TypeError(f"{type(self).__name__} does not say in rows() what is on its page.")

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the template needs besides the rows."""
        return {}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RedisChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, or a page that says why Redis does not answer."""
        try:
            context = {
                "title": capfirst(self.opts.verbose_name_plural),
                **self.changelist_context(request),
                **(extra_context or {}),
            }
            return super().changelist_view(request, context)
        except (redis.RedisError, StreamEventsError) as error:
            return self.unavailable(request, _reason(error), explain(error))


def _reason(error: Exception) -> str:
    if isinstance(error, UNAVAILABLE):
        return _("Cannot reach Redis at %s.") % safe_url(get_settings().url)
    if isinstance(error, redis.RedisError):
        return _("Redis refuses what this page asks for.")
    return _("Stream events is not set up to reach Redis.")
