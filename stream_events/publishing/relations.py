"""Changes of many-to-many relations, told as events of the object that has the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import ManyToManyField, Model, QuerySet
from django.db.models.signals import m2m_changed

from stream_events.publishing.model_events import json_key

if TYPE_CHECKING:
    from stream_events.publishing.attachment import Attachment

ACTIONS = ("m2m_add", "m2m_remove", "m2m_clear")

_STASH = "stream_events_links"  # the attribute of an instance's _state, between the two signals of a removal

Links = set[tuple[Any, Any]]  # key of the object that has the field, key of the related one


class Relation:
    """One many-to-many field of a model with a publisher."""

    def __init__(self, attachment: Attachment, field: ManyToManyField[Any, Any]) -> None:
        self.attachment = attachment
        self.field = field

    def listen(self) -> None:
        through: Any = self.field.remote_field.through
        if isinstance(through, str) and "." not in through:
            through = f"{self.field.model._meta.app_label}.{through}"
        uid = f"stream_events.{id(self.attachment)}.{self.field.name}"
        m2m_changed.connect(self.changed, sender=through, weak=False, dispatch_uid=uid)

    def changed(
        self, *, sender: type[Model], instance: Model, action: str, pk_set: set[Any] | None, **details: Any
    ) -> None:
        moment, _, verb = action.partition("_")
        action = f"m2m_{verb}"
        if action not in self.attachment.publisher.actions or self.attachment.publisher.is_silent():
            return
        using, is_reverse = details["using"], details["reverse"]
        if action == "m2m_add":
            if moment == "post" and pk_set:
                pairs = ((key, instance.pk) if is_reverse else (instance.pk, key) for key in pk_set)
                self._record(action, set(pairs), instance, using)
            return
        # A manager that filters removes less than it was told to: what is gone is what was there and is not any more.
        links = self._links(sender, instance, pk_set, using, is_reverse)
        stash: dict[Any, Links] = instance._state.__dict__.setdefault(_STASH, {})
        if moment == "pre":
            stash[self] = links
        else:
            self._record(action, stash.pop(self, set()) - links, instance, using)

    def _links(
        self, through: type[Model], instance: Model, keys: Iterable[Any] | None, using: str, is_reverse: bool
    ) -> Links:
        own, other = self.field.m2m_field_name(), self.field.m2m_reverse_field_name()
        near, far = (other, own) if is_reverse else (own, other)
        conditions: dict[str, Any] = {near: instance.pk}
        if keys is not None:
            conditions[f"{far}__in"] = keys
        rows: QuerySet[Any, Any] = QuerySet(through).using(using).filter(**conditions)
        return set(rows.values_list(f"{own}__pk", f"{other}__pk"))

    def _record(self, action: str, links: Links, instance: Model, using: str) -> None:
        related: dict[Any, list[Any]] = {}
        for key, other in sorted(links, key=repr):
            related.setdefault(key, []).append(other)
        for owner in self._owners(related, instance, using):
            keys = sorted(related[owner.pk])
            data = {"field": self.field.name, "ids": [json_key(key) for key in keys]}
            self.attachment.record([owner], action, using, data=data)

    def _owners(self, related: Mapping[Any, Any], instance: Model, using: str) -> Iterable[Model]:
        model = self.attachment.model
        if isinstance(instance, model) and instance.pk in related and len(related) == 1:
            return [instance]
        rows: QuerySet[Any, Any] = QuerySet(model).using(using).filter(pk__in=related).order_by("pk")
        return list(rows) if related else []
