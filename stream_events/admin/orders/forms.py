"""The options of orders, as forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from stream_events.exceptions import StreamEventsError
from stream_events.operations.consumers import ConsumerState, group_consumers
from stream_events.operations.places import checked_id
from stream_events.operations.plans import GIVEN, Order, Verb

BEGINNING, END, ENTRY, TIME, LENGTH = "beginning", "end", "entry", "time", "length"


class OptionsForm(forms.Form):
    """What an order needs to be told; ``options`` is that as operations take it."""

    required_css_class = "required"

    def __init__(self, data: Any = None, *, order: Order) -> None:
        self.order = order
        super().__init__(data, label_suffix="")

    def completed(self) -> Order:
        """The order with the options of a valid form."""
        return replace(self.order, options=self.options())

    def options(self) -> dict[str, str]:
        """The options themselves; those that were not given are left out."""
        found = {**self.order.options, **{name: _as_text(value) for name, value in self.cleaned_data.items()}}
        return {name: value for name, value in found.items() if value}


class EntryIdField(forms.CharField):
    """An entry id, such as 1767225600000-0."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        try:
            return checked_id(text) if text else ""
        except StreamEventsError:
            raise forms.ValidationError(
                _("“%(id)s” is no entry id; ids look like 1767225600000-0."), params={"id": text}
            ) from None


class MomentField(forms.DateTimeField):
    """A date and a time of the user's time zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")


class ConsumerForm(OptionsForm):
    consumer = forms.ChoiceField(label=_("Consumer"), help_text=_("Only consumers that run are listed."))

    min_idle = forms.IntegerField(
        label=_("Idle for at least, in seconds"),
        required=False,
        min_value=0,
        help_text=_("Leave it empty for all that match."),
    )

    def __init__(self, data: Any = None, *, order: Order) -> None:
        super().__init__(data, order=order)
        known = group_consumers(self.order.stream, self.order.group)
        names = [one.name for one in known if one.state in (ConsumerState.RUNNING, ConsumerState.FOREIGN)]
        field: Any = self.fields["consumer"]
        field.choices = [(name, name) for name in sorted(names)]
        if self.order.where is None:
            del self.fields["min_idle"]
        else:
            self.fields["min_idle"].initial = self.order.where.get("min_idle")
        if not names:
            field.help_text = _("No consumer of the group runs. Start one, or have the entries handled now instead.")

    def completed(self) -> Order:
        order = replace(self.order, options={"consumer": self.cleaned_data["consumer"]})
        if order.where is None:
            return order
        idle = self.cleaned_data["min_idle"]
        rest = {name: value for name, value in order.where.items() if name != "min_idle"}
        return replace(order, where=rest | ({"min_idle": str(idle)} if idle else {}))


class PlaceForm(OptionsForm):
    """One of some places, and the entry or the time for those that need it."""

    place = forms.ChoiceField(widget=forms.RadioSelect)
    entry = EntryIdField(label=_("Entry id"), required=False)
    time = MomentField(label=_("Time"), required=False, help_text=_("In the time zone of these pages."))

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        place = found.get("place", "")
        if place in self.fields and found.get(place) in (None, "") and not self.has_error(place):
            self.add_error(place, _("Needed for what you chose above."))
        return found

    def chosen(self) -> str:
        """The value of the chosen place; empty if it needs none."""
        return _as_text(self.cleaned_data.get(self.cleaned_data["place"]))


class ResetForm(PlaceForm):
    force = forms.BooleanField(
        label=_("Even while consumers run"),
        required=False,
        help_text=_("They go on with what they hold, and then read from the new position."),
    )

    def __init__(self, data: Any = None, *, order: Order) -> None:
        super().__init__(data, order=order)
        place: Any = self.fields["place"]
        place.label = _("Read on from")
        place.initial = END if self.order.options.get("to") == "$" else None
        place.choices = [
            (BEGINNING, _("the beginning: all entries of the stream are handled again")),
            (END, _("the end: what is there and not read is skipped")),
            (ENTRY, _("behind the entry with this id")),
            (TIME, _("the first entry added at this time or later")),
        ]

    def options(self) -> dict[str, str]:
        to = {BEGINNING: "0", END: "$"}.get(self.cleaned_data["place"]) or self.chosen()
        return {"to": to, **({"force": GIVEN} if self.cleaned_data["force"] else {})}


class TrimForm(PlaceForm):
    length = forms.IntegerField(label=_("Number of entries"), required=False, min_value=0)
    field_order = ("place", "length", "entry", "time")

    def __init__(self, data: Any = None, *, order: Order) -> None:
        super().__init__(data, order=order)
        place: Any = self.fields["place"]
        place.label = _("Keep")
        place.choices = [
            (LENGTH, _("this many of the newest entries")),
            (ENTRY, _("the entry with this id, and what follows it")),
            (TIME, _("what was added at this time or later")),
        ]

    def options(self) -> dict[str, str]:
        return {"maxlen" if self.cleaned_data["place"] == LENGTH else "before": self.chosen()}


class DeleteConsumerForm(OptionsForm):
    move = forms.BooleanField(
        label=_("Hand back what it holds first"),
        required=False,
        initial=True,
        help_text=_("Its entries become due for the other consumers of the group."),
    )


class DeleteGroupForm(OptionsForm):
    dead_letters = forms.BooleanField(
        label=_("Its dead letters as well"), required=False, help_text=_("They are lost for good.")
    )


SKELETON = """{
  "obj_id": 1,
  "obj_type": "",
  "action": "test",
  "data": {}
}"""


class PublishForm(OptionsForm):
    payload = forms.CharField(
        label=_("Payload"),
        help_text=_("A JSON object, such as {“obj_id”: 1}, as a publisher would send it."),
        widget=forms.Textarea(attrs={"rows": 10, "cols": 80, "spellcheck": "false", "class": "vLargeTextField"}),
        initial=SKELETON,
        strip=False,
    )

    def clean_payload(self) -> str:
        text: str = self.cleaned_data["payload"]
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is no JSON: %(error)s."), params={"error": error}) from None
        if not isinstance(payload, dict):
            raise forms.ValidationError(_("This is JSON, but no object in braces."))
        return text


FORMS: dict[Verb, type[OptionsForm]] = {
    Verb.CLAIM: ConsumerForm,
    Verb.RESET: ResetForm,
    Verb.TRIM: TrimForm,
    Verb.DELETE_CONSUMER: DeleteConsumerForm,
    Verb.DELETE_GROUP: DeleteGroupForm,
    Verb.PUBLISH: PublishForm,
}


def _as_text(value: Any) -> str:
    if value is True:
        return GIVEN
    if value is None or value is False:
        return ""
    if hasattr(value, "isoformat"):
        local: str = timezone.localtime(value).isoformat() if timezone.is_aware(value) else value.isoformat()
        return local
    return str(value)
