"""Changes of many-to-many relations, told as events of the object that has the field."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from traceback import walk_stack
from typing import TYPE_CHECKING, Any

from django.core.serializers.base import DeserializedObject
from django.db.models import ManyToManyField, Model, QuerySet
from django.db.models.signals import m2m_changed

from stream_events.publishing.model_events import json_key
from stream_events.publishing.stash import stash_of

if TYPE_CHECKING:
    from stream_events.publishing.attachment import Attachment

M2M_ACTIONS = ("m2m_add", "m2m_remove", "m2m_clear")

_DESERIALIZED = DeserializedObject.save.__code__

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
        publisher = self.attachment.publisher
        if action not in publisher.actions or publisher.is_silent() or _is_fixture(instance):
            return
        using, is_reverse = details["using"], details["reverse"]
        owner = None if is_reverse else instance
        if action == "m2m_add":
            if moment == "post" and pk_set:
                self._record(action, self._added(sender, instance, pk_set, using, is_reverse), owner, using)
            return
        # A manager that filters removes less than it was told to: what is gone is what was there and is not any more.
        links = self._links(sender, instance, pk_set, using, is_reverse)
        if moment == "pre":
            stash_of(instance)[self] = links
        else:
            self._record(action, stash_of(instance).pop(self, set()) - links, owner, using)

    def _added(
        self, through: type[Model], instance: Model, keys: Iterable[Any], using: str, is_reverse: bool
    ) -> Links:
        names = self.field.m2m_field_name(), self.field.m2m_reverse_field_name()
        fields: list[Any] = [through._meta.get_field(name) for name in names]
        if not all(field.target_field.primary_key for field in fields):
            return self._links(through, instance, keys, using, is_reverse)  # these keys are others
        key = getattr(instance, fields[is_reverse].target_field.attname)
        return {(other, key) if is_reverse else (key, other) for other in keys}

    def _links(
        self, through: type[Model], instance: Model, keys: Iterable[Any] | None, using: str, is_reverse: bool
    ) -> Links:
        own, other = self.field.m2m_field_name(), self.field.m2m_reverse_field_name()
        near, far = (other, own) if is_reverse else (own, other)
        conditions: dict[str, Any] = {near: instance}
        if keys is not None:
            conditions[f"{far}__in"] = keys
        rows: QuerySet[Any, Any] = QuerySet(through).using(using).filter(**conditions)
        return set(rows.values_list(f"{own}__pk", f"{other}__pk"))

    def _record(self, action: str, links: Links, owner: Model | None, using: str) -> None:
        if self.field.remote_field.symmetrical:  # both have the field, and in both it has changed
            links = links | {(other, key) for key, other in links}
        related: dict[Any, list[Any]] = {}
        for key, other in links:
            related.setdefault(key, []).append(other)
        for key, one in self._owners(related, owner, using):
            data = {"field": self.field.name, "ids": [json_key(other) for other in sorted(related[key])]}
            self.attachment.record([one], action, using, data=data)

    def _owners(self, keys: Iterable[Any], owner: Model | None, using: str) -> Iterator[tuple[Any, Model]]:
        """The objects with ``keys``; ``owner`` may be one of them."""
        model = self.attachment.model
        attribute = model._meta.pk.attname
        missing = set(keys)
        if isinstance(owner, model) and (key := getattr(owner, attribute)) in missing:
            missing.remove(key)
            yield key, owner
        if missing:
            rows: QuerySet[Any, Any] = QuerySet(model).using(using).filter(pk__in=missing).order_by("pk")
            yield from ((row.pk, row) for row in rows)


def _is_fixture(instance: Model) -> bool:
    """Whether ``instance`` is being loaded from a fixture, which Django tells of its row but not of its relations."""
    frames = (frame for frame, _ in walk_stack(sys._getframe(1)))
    return any(frame.f_code is _DESERIALIZED and frame.f_locals["self"].object is instance for frame in frames)
