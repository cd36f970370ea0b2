"""Where in a long list a page is, as its URL says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.http import HttpRequest

SIZES = (50, 100, 200)
TRAIL = "trail"
SIZE = "size"


_BEGIN = "-"  # the first page, in a trail
_LONGEST = 20  # places that a trail remembers
_PLACE = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")  # 19 digits always fit into Redis's 64 bits


def checked(value: str) -> str:
    """``value`` if it can be a place in a list, and nothing otherwise."""
    return value if _PLACE.fullmatch(value) else ""


def page_size(request: HttpRequest) -> int:
    """How many rows the user wants on a page."""
    wanted = request.GET.get(SIZE, "")
    return int(wanted) if wanted in map(str, SIZES) else SIZES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``at`` is the last id of the page before, empty on the first page; ``trail`` the places before that."""

    parameter: str  # “after”, or “before” in a list that shows the newest first
    at: str = ""
    trail: tuple[str, ...] = ()
    size: int = SIZES[0]

    @classmethod
    def of(cls, request: HttpRequest, parameter: str = "after") -> Place:
        """The place in the URL of ``request``; whatever makes no sense in it is the first page."""
        trail = [one for one in request.GET.get(TRAIL, "").split("_") if one == _BEGIN or checked(one)]
        return cls(
            parameter=parameter,
            at=checked(request.GET.get(parameter, "")),
            trail=tuple(trail[-_LONGEST:]),
            size=page_size(request),
        )

    @property
    def is_first(self) -> bool:
        return not self.at

    def first(self) -> dict[str, str | None]:
        """The parameters of the first page."""
        return {"after": None, "before": None, TRAIL: None}

    def next(self, after: str) -> dict[str, str | None]:
        """Those of the page that begins behind ``after``."""
        trail = (*self.trail, self.at or _BEGIN)[-_LONGEST:]
        return {self.parameter: after, TRAIL: "_".join(trail)}

    def previous(self) -> dict[str, str | None] | None:
        """Those of the page that this one was reached from; None where nobody knows."""
        if self.is_first or not self.trail:
            return None
        *rest, at = self.trail
        return {self.parameter: None if at == _BEGIN else at, TRAIL: "_".join(rest) or None}
