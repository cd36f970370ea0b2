"""What the pages of the section share: lists and details of what lives in Redis instead of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from stream_events.admin import names
from stream_events.admin.access import is_read_only
from stream_events.admin.links import Links
from stream_events.admin.paging import Paging
from stream_events.admin.place import Place
from stream_events.admin.problems import PROBLEMS, problem
from stream_events.conf import get_settings
from stream_events.exceptions import ConfigurationError
from stream_events.operations.pages import Page

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Pages to look at: nothing is added, changed or deleted, and nothing counts a whole table."""

    show_full_result_count = False
    sortable_by = ()
    actions: Any = None

    class Media:
        css = {"all": ("stream_events/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def links(self, request: HttpRequest) -> Links:
        """Where the user of ``request`` may go from here."""
        return Links(request, self.admin_site)

    def section_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page of the section says about itself. Redis is not asked."""
        try:
            environment, read_only = get_settings().admin.environment, is_read_only()
        except ConfigurationError:
            environment, read_only = (), True  # the page itself says what is wrong
        return {
            "environment": dict(zip(("words", "severity"), environment, strict=False)),
            "is_read_only": read_only,
            "section_pages": self.links(request).pages(),
            "has_sidebar": self.admin_site.enable_nav_sidebar,
        }

    def page_context(self, request: HttpRequest, **context: Any) -> dict[str, Any]:
        """The context of a page that Django does not make itself."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            **self.section_context(request),
            "title": capfirst(self.opts.verbose_name_plural),
            "opts": self.opts,
            "media": self.media,
            "list_url": self.links(request).all(self.model),
            **context,
        }

    def unavailable(
        self, request: HttpRequest, reason: str, error: str = "", *, status: int = 503, **context: Any
    ) -> HttpResponse:
        """A page that says why there is nothing to look at."""
        context = self.page_context(request, reason=reason, error=error, status=status, **context)
        return TemplateResponse(request, "admin/stream_events/unavailable.html", context, status=status)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name_plural), **self.section_context(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"media": self.media, **self.section_context(request), **(extra_context or {})}
        return super().history_view(request, object_id, context)


class RedisChangeList(ChangeList):
    """Django's change list over rows that its admin class fetches."""

    page: Page[Any]
    place: Place

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        known = {getattr(one, "parameter_name", "") for one in self.list_filter if callable(one)}
        return {name: value for name, value in found.items() if name in known}  # any other would be a field lookup

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        for name in Place.of(request).first():
            self.filter_params.pop(name, None)  # another filter begins at the first page
        self.filter_specs, self.has_filters, _remaining, _distinct, self.has_active_filters = self.get_filters(request)
        return self.root_queryset

    def get_results(self, request: HttpRequest) -> None:
        model_admin: Any = self.model_admin
        self.place = Place.of(request, model_admin.place_parameter)
        self.page = model_admin.fetch(request, self.place)
        self.paging = Paging(request, self.place, self.page, self.opts)
        self.result_list = model_admin.rows(request, self.page)
        self.result_count = self.page.total
        self.full_result_count = self.result_count  # the page says it below
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(self.result_list)
        self.paginator = None


class RedisAdmin(ReadOnlyAdmin):
    """List and detail pages. Subclasses say what is on them; templates ask nothing any more."""

    detail_template = ""
    list_display_links = None
    show_facets = admin.ShowFacets.NEVER
    place_parameter = "after"  # or “before”, where the newest come first
    named_by = 1  # parts of an object's name

    def fetch(self, request: HttpRequest, place: Place) -> Page[Any]:
        """The rows of the list at ``place``, as operations know them."""
        raise TypeError(f"{type(self).__name__} does not say in fetch() what is on its list.")

    def name_parts(self, item: Any) -> tuple[str, ...]:
        """What names ``item``, one of the rows: see ``names.object_id``."""
        raise TypeError(f"{type(self).__name__} does not say in name_parts() how its rows are named.")

    def rows(self, request: HttpRequest, page: Page[Any]) -> list[Any]:
        """The objects of a whole page, for lists that want something for all of them at once."""
        return [self.row(request, one) for one in page.rows]

    def row(self, request: HttpRequest, item: Any) -> Model:
        """An object of the admin for ``item``, with what its cells need: ``state``, ``links`` and ``request``."""
        row: Any = self.model(pk=names.object_id(*self.name_parts(item)))
        row.state, row.links, row.request = item, self.links(request), request
        found: Model = row
        return found

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the template of the list needs besides the rows."""
        return {}

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        """What the page of the thing that ``parts`` name shows; None if it is not there."""
        raise TypeError(f"{type(self).__name__} does not say in detail_context() what its detail page shows.")

    def gone(self, *parts: str) -> str:
        """The sentence for what is not there."""
        return _("There is no %(name)s “%(parts)s” (any more).") % {
            "name": self.opts.verbose_name,
            "parts": " · ".join(parts),
        }

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RedisChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, or a page that says why Redis does not answer."""
        view = super().changelist_view
        extra = extra_context or {}
        return self.guarded(request, lambda: view(request, {**self.changelist_context(request), **extra}))

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Model:
        """Whatever is called so, whether it is there or not: for the page “History”."""
        found: Model = self.model(pk=object_id)
        return found

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The detail page. Nothing is changed there."""
        return self.show(request, object_id, self.detail_template, self.detail_context)

    def show(
        self,
        request: HttpRequest,
        object_id: str,
        template: str,
        find: Callable[..., dict[str, Any] | HttpResponse | None],
        named_by: int = 0,
    ) -> HttpResponse:
        """A page of the thing that the URL names as ``object_id``: what ``find`` says of it, in ``template``."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        parts = names.object_parts(unquote(object_id))

        def page() -> HttpResponse:
            found = find(request, *parts) if len(parts) == (named_by or self.named_by) else None
            if found is None:
                return self.unavailable(request, self.gone(*parts), status=404)
            if isinstance(found, HttpResponse):
                return found
            original = self.get_object(request, names.object_id(*parts[: self.named_by]))  # themes make links to it
            return TemplateResponse(request, template, self.page_context(request, original=original, **found))

        return self.guarded(request, page)

    def guarded(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What ``view`` answers to who may see it, or a page that says why Redis does not."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return view()
        except PROBLEMS as error:
            reason, text = problem(error)
            return self.unavailable(request, reason, text)
