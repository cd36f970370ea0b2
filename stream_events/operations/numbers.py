"""How counts look in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import formats

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


def number(value: int) -> str:
    """``value`` with the separators of the active language."""
    return formats.number_format(value, use_l10n=True, force_grouping=True)


def counted(text: StrPromise, value: int, shown: str = "", **named: Any) -> str:
    """``text``, made by ``ngettext_lazy(…, "number")``, with its %(count)s: ``value``, or what is ``shown`` for it."""
    return str(text % {"number": value, "count": shown or number(value), **named})
