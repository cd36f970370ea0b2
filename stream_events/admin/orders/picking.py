"""Lists whose rows can be picked, to order something for them or for all that match the filter."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.access import has_order_permission, is_read_only
from stream_events.admin.chosen import chosen_group
from stream_events.admin.orders.pages import OrdersAdmin
from stream_events.admin.orders.seals import BrokenSeal, Seal
from stream_events.operations.plans import Order, Target, Verb

SCOPE = "scope"
PICKED, ALL = "picked", "all"


class ScopeForm(forms.Form):
    """With what something is done. “All” is a choice and no number, because nobody knows how many match."""

    scope = forms.ChoiceField(
        label=gettext_lazy("With:"),
        required=False,
        choices=[(PICKED, gettext_lazy("what is selected")), (ALL, gettext_lazy("all that match the filter"))],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        classes = self.fields["action"].widget.attrs.get("class")  # as the theme has it
        self.fields["scope"].widget.attrs |= {"class": classes} if classes else {}


class PickingAdmin(OrdersAdmin):
    """A list of one group, whose actions begin orders."""

    @property
    def action_form(self) -> Any:
        """That of Django, or of the theme, which also asks what is meant."""
        return type("ActionForm", (ScopeForm, super().action_form), {})

    def target(self, item: Any) -> Target:
        """``item``, one of the rows, as the operator sees it."""
        raise TypeError(f"{type(self).__name__} does not say in target() what its rows are to orders.")

    def where(self, request: HttpRequest) -> dict[str, str]:
        """The filter in the URL, as orders have it."""
        raise TypeError(f"{type(self).__name__} does not say in where() how its list is filtered.")

    def is_requeued(self, request: HttpRequest) -> bool:
        """Whether the list shows the entries that were requeued to the group."""
        return False

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """Whether the menu has ``verb``."""
        return has_order_permission(request, verb) and not is_read_only()

    @admin.display(description=SafeString('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, row: Any) -> SafeString:
        """The box of a row. It carries what the operator saw, signed, so that it can be looked at again."""
        label = _("Select this object for an action - %s") % row
        value = self._marks(row.request).mark(list(self.target(row.state)))
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            helpers.ACTION_CHECKBOX_NAME,
            value,
            label,
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            return self.guarded(request, lambda: self._act(request))
        return super().changelist_view(request, extra_context)

    def order_picked(self, request: HttpRequest, verb: Verb) -> HttpResponse | None:
        """Begin an order for what is picked; None, with a message, if that is nothing."""
        group = chosen_group(request)
        scope = request.POST.get(SCOPE)
        try:
            targets = self._picked(request) if group and scope != ALL else ()
        except BrokenSeal as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        if group is None or (scope != ALL and not targets):
            self.message_user(request, _("Nothing is selected, so nothing was changed."), messages.WARNING)
            return None
        order = Order(
            verb=verb,
            stream=group.stream,
            group=group.name,
            targets=targets,
            where=self.where(request) if scope == ALL else None,
            requeued=self.is_requeued(request),
        )
        return self.take_order(request, verb, [group.stream, group.name], lambda page: page.begin(order))

    def _act(self, request: HttpRequest) -> HttpResponse:
        """What Django does with the form of a list, without looking for the rows again."""
        name = request.POST.get("action", "")
        if not name:
            self.message_user(request, _("No action selected."), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        actions: dict[str, Any] = self.get_actions(request)
        if name not in actions:
            raise PermissionDenied
        response: HttpResponse | None = actions[name][0](self, request, self.get_queryset(request))
        return response or HttpResponseRedirect(request.get_full_path())

    def _picked(self, request: HttpRequest) -> tuple[Target, ...]:
        marks = self._marks(request)
        return tuple(Target(*marks.read(text)) for text in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME))

    def _marks(self, request: HttpRequest) -> Seal:
        group = chosen_group(request)
        names = (group.stream, group.name) if group else ()
        return Seal(request, self.opts.model_name or "", *names, str(self.is_requeued(request)))
