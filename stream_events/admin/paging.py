"""The way through a long list: links, and how far it was looked through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from stream_events.admin.display import number
from stream_events.admin.place import SIZE, SIZES, Place
from stream_events.operations.pages import Page


@dataclass(frozen=True, slots=True)
class Paging:
    """What stands below a list; ``opts`` are those of the model that names its rows."""

    request: HttpRequest
    place: Place
    page: Page[Any]
    opts: Any

    @property
    def first(self) -> str:
        return "" if self.place.is_first else self._query(self.place.first())

    @property
    def previous(self) -> str:
        found = self.place.previous()
        return "" if found is None else self._query(found)

    @property
    def next(self) -> str:
        return "" if self.page.after is None else self._query(self.place.next(self.page.after))

    @property
    def sizes(self) -> list[tuple[int, str]]:
        """Every size of a page with its link, that of the present one empty; none for a list that has one page."""
        if self.page.total <= SIZES[0] and self.place.is_first:
            return []
        first = self.place.first()
        return [(size, "" if size == self.place.size else self._query({**first, SIZE: str(size)})) for size in SIZES]

    @property
    def total(self) -> str:
        """How long the list is, filters left out of account."""
        name = self.opts.verbose_name if self.page.total == 1 else self.opts.verbose_name_plural
        return f"{number(self.page.total)} {name}"

    @property
    def cut(self) -> str:
        """How much of the list the filter has looked at, if that was not all."""
        if not self.page.is_cut:
            return ""
        if self.page.rows:
            text = _("%(found)s found in %(scanned)s of %(total)s %(name)s.")
        else:
            text = _("No match in %(scanned)s of %(total)s %(name)s.")
        return text % {
            "found": number(len(self.page.rows)),
            "scanned": self.scanned,
            "total": number(self.page.total),
            "name": self.opts.verbose_name_plural,
        }

    @property
    def scanned(self) -> str:
        """How much of the list was looked at."""
        return number(self.page.scanned)

    def _query(self, changes: dict[str, str | None]) -> str:
        query = self.request.GET.copy()
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query[name] = value
        return f"?{query.urlencode()}"
