"""The pages by which an operator orders a change: options, plan, performance, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from stream_events.admin.access import has_order_permission, is_read_only
from stream_events.admin.names import object_id, object_parts
from stream_events.admin.orders.forms import FORMS, OptionsForm
from stream_events.admin.orders.log import log_progress
from stream_events.admin.orders.returns import NEXT, way_back
from stream_events.admin.orders.seals import BATCH, BrokenSeal, Seal
from stream_events.admin.orders.words import plan_words, report_words, subject, title
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.problems import problem
from stream_events.connections import UNAVAILABLE
from stream_events.exceptions import ConfigurationError
from stream_events.operations.orders import new_nonce
from stream_events.operations.plans import Actor, Level, Limit, Order, Plan, Progress, Verb, confirm, perform, plan

AT_ONCE = Limit(rows=1000, seconds=3.0)  # more than that becomes a batch
SLICE = Limit(rows=2000, seconds=3.0)

RESULT = "result"  # the id of what changed on a page: where the browser goes after a POST
LONGEST_URL = 3500  # characters; servers take at least 4,000


class OrdersAdmin(RedisAdmin):
    """Pages with orders. Subclasses say in ``verbs`` which, and in ``order`` what of a URL."""

    verbs: tuple[Verb, ...] = ()

    class Media:
        css = {"all": ("stream_events/orders.css",)}

    def get_urls(self) -> list[URLPattern]:
        name = f"stream_events_{self.opts.model_name}_order"
        view = self.admin_site.admin_view(self.order_view)
        return [path("<path:object_id>/order/<slug:verb>/", view, name=name), *super().get_urls()]

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        """What ``verb`` is ordered for by the URL that names ``parts``; None if that is nothing."""
        raise TypeError(f"{type(self).__name__} does not say in order() what its URLs order.")

    def order_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Every page of an order; only POST changes anything, and asks all permissions again."""
        found = next((one for one in self.verbs if one.value == verb), None)
        if found is None:
            raise Http404
        parts = object_parts(unquote(object_id))
        return self.take_order(request, found, parts, lambda page: page.answer())

    def take_order(
        self, request: HttpRequest, verb: Verb, parts: list[str], view: Callable[[OrderPage], HttpResponse]
    ) -> HttpResponse:
        """What ``view`` makes of the page of an order, for who may order ``verb`` while anybody may anything."""
        if not has_order_permission(request, verb):
            raise PermissionDenied

        def page() -> HttpResponse:
            if is_read_only():
                return self.unavailable(request, _("Read-only: nothing is changed from these pages."), status=403)
            return view(OrderPage(self, request, verb, parts))

        return self.guarded(request, page)


class OrderPage:
    """One request to the pages of one order."""

    def __init__(self, admin: OrdersAdmin, request: HttpRequest, verb: Verb, parts: list[str]) -> None:
        self.admin, self.request, self.verb, self.parts = admin, request, verb, parts
        self.name = object_id(*parts)
        purpose = (admin.opts.model_name or "", verb.value, self.name)
        self.drafts = Seal(request, "draft", *purpose)
        self.plans = Seal(request, "plan", *purpose)
        self.batches = Seal(request, "batch", *purpose)

    def answer(self) -> HttpResponse:
        """The page for the request."""
        match self.request.method:
            case "GET" | "HEAD":
                return self._explained(self._from_url)
            case "POST":
                return self._explained(lambda: self._from_form(self.request.POST))
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])

    def begin(self, order: Order) -> HttpResponse:
        """The first page of ``order``, which did not come from the URL."""
        return self._explained(lambda: self._begin(order))

    def _explained(self, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What ``view`` answers, or a page that says why this cannot be ordered."""
        try:
            return view()
        except BrokenSeal as error:
            return self._refuse(str(error), 400)
        except ConfigurationError as error:
            return self._refuse(f"{error} {error.hint or ''}".strip(), 400)

    def _begin(self, order: Order) -> HttpResponse:
        """Its options, or where there are none its plan."""
        form = FORMS.get(self.verb)
        if form is None:
            return self._show_plan(plan(order))
        order = replace(order, nonce=new_nonce())  # so that a form which is sent twice is one order
        return self._show_options(form(order=order), order)

    def _from_url(self) -> HttpResponse:
        if "batch" in self.request.GET:
            return self._report(self._batch(self.request.GET), is_stopped="stop" in self.request.GET)
        order = self.admin.order(self.request, self.verb, *self.parts)
        if order is None:
            return self.admin.unavailable(self.request, self.admin.gone(*self.parts), status=404)
        return self._begin(order)

    def _from_form(self, posted: Mapping[str, str]) -> HttpResponse:
        if "draft" in posted:
            return self._take_options(posted)
        if "plan" in posted:
            return self._confirm(posted)
        if "batch" not in posted:
            return self._refuse(_("This form is not complete. Begin again."), 400)
        progress = self._batch(posted)
        return self._go_to_report(progress, stop="yes") if "stop" in posted else self._perform(progress, SLICE)

    def _batch(self, sent: Mapping[str, str]) -> Progress:
        return Progress.load(self.batches.open(sent["batch"], BATCH))

    def _take_options(self, posted: Mapping[str, str]) -> HttpResponse:
        order = Order.load(self.drafts.open(posted["draft"]))
        form = FORMS[self.verb](posted, order=order)
        if not form.is_valid():
            return self._show_options(form, order)
        try:
            found = plan(form.completed())
        except ConfigurationError as error:
            form.add_error(None, forms.ValidationError(str(error)))
            return self._show_options(form, order)
        if found.level is not Level.PLAIN or found.refusal:
            return self._show_plan(found)
        self._check(found.permission)
        return self._perform(Progress(order=found.order), AT_ONCE)

    def _confirm(self, posted: Mapping[str, str]) -> HttpResponse:
        text, name, permission = self.plans.open(posted["plan"])
        self._check(permission)
        order = Order.load(text)
        if name and posted.get("name", "").strip() != name:
            wrong = _("Type “%(name)s” to confirm. Nothing was changed.") % {"name": name}
            return self._show_plan(plan(order), wrong)
        if not confirm(order):
            again = _("This was confirmed before, and is not done again. What it would do now:")
            return self._show_plan(plan(replace(order, nonce="")), again)
        return self._perform(Progress(order=order), AT_ONCE)

    def _perform(self, progress: Progress, limit: Limit) -> HttpResponse:
        """Do one slice. Whatever goes wrong, the page has a form that goes on from where this began."""
        actor = Actor(name=self.request.user.get_username(), via="admin")
        try:
            after = perform(progress, actor, limit)
        except UNAVAILABLE as error:
            return self._report(progress, error=error)
        log_progress(self.request, self.admin.model, before=progress, after=after)
        return self._go_to_report(after)

    def _go_to_report(self, progress: Progress, **query: str) -> HttpResponse:
        """Send the browser to a page that can be reloaded: it has all of the report in its URL."""
        short = replace(progress, order=replace(progress.order, targets=(), where=None, options={}))
        sealed = self.batches.close((short if progress.is_complete else progress).dump())
        back = way_back(self.request, self.admin, self.verb, self.parts)
        url = f"{self._url()}?{urlencode({'batch': sealed, NEXT: back, **query})}"
        if len(url) > LONGEST_URL:
            return self._report(progress, is_stopped="stop" in query)
        return HttpResponseRedirect(f"{url}#{RESULT}")

    def _show_options(self, form: OptionsForm, order: Order) -> HttpResponse:
        draft = self.drafts.close(order.dump())
        status = 400 if form.errors else 200
        words = {"subject": subject(order), "is_plain": self.verb is Verb.PUBLISH}
        return self._page("order/options.html", form=form, draft=draft, status=status, **words)

    def _show_plan(self, found: Plan, wrong: str = "") -> HttpResponse:
        self._check(found.permission)
        name = found.name if found.level is Level.TYPE_NAME else ""
        sealed = "" if found.refusal else self.plans.close([found.order.dump(), name, found.permission])
        words = plan_words(found, self.admin.links(self.request), self.admin.model)
        return self._page("order/plan.html", plan=found, sealed=sealed, name=name, wrong=wrong, **words)

    def _report(self, progress: Progress, *, is_stopped: bool = False, error: Exception | None = None) -> HttpResponse:
        is_open = not progress.is_complete
        context = {
            "progress": progress,
            "sealed": self.batches.close(progress.dump()) if is_open else "",
            "goes_on": is_open and not is_stopped and error is None,
            "is_stopped": is_open and is_stopped,
            "problem": problem(error) if error else None,
            **report_words(progress, self.admin.links(self.request), self.admin.model),
        }
        return self._page("order/report.html", status=503 if error else 200, **context)

    def _refuse(self, reason: str, status: int) -> HttpResponse:
        return self._page("order/refused.html", reason=reason, status=status)

    def _page(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        request = self.request
        back, form_url = way_back(request, self.admin, self.verb, self.parts), f"{self._url()}#{RESULT}"
        page = self.admin.page_context(
            request, title=title(self.verb), form_url=form_url, back=back, next_name=NEXT, **context
        )
        return TemplateResponse(request, f"admin/stream_events/{template}", page, status=status)

    def _url(self) -> str:
        name, site = f"admin:stream_events_{self.admin.opts.model_name}_order", self.admin.admin_site.name
        return reverse(name, args=(quote(self.name), self.verb.value), current_app=site)

    def _check(self, permission: str) -> None:
        if not self.request.user.has_perm(permission):
            raise PermissionDenied
