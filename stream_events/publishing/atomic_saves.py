"""Saves that write more than one row: the object's and its events' in the outbox."""

from __future__ import annotations

import functools
from typing import Any

from django.db import router, transaction
from django.db.models import Model


def make_saves_atomic(model: type[Model]) -> None:
    """Have each save of ``model`` be a transaction, or a part of the one that is going on."""
    save_base = model.save_base
    if getattr(save_base, "_is_atomic", False):
        return

    @functools.wraps(save_base)
    def atomic_save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or (args[3] if len(args) > 3 else None)
        using = using or router.db_for_write(type(self), instance=self)
        if transaction.get_connection(using).in_atomic_block:
            save_base(self, *args, **kwargs)
        else:
            with transaction.atomic(using=using, savepoint=False):
                save_base(self, *args, **kwargs)

    atomic_save_base._is_atomic = True  # type: ignore[attr-defined]
    model.save_base = atomic_save_base  # type: ignore[method-assign]
