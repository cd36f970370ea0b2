"""History as lines: sparklines in lists, and the charts of one stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.display import UNKNOWN, number
from stream_events.conf import get_settings
from stream_events.keys import NO_GROUP
from stream_events.operations.history import Point, Series, Span, many_series, recent_series

SPAN = "span"
COLOURS = 6  # of groups; the stylesheet has as many
ROWS = 144  # of the table, and points of a line that the server draws

Values = Sequence[float | None]
Names = tuple[str, str]  # of a stream and a group

SPANS: dict[Span, str | Promise] = {
    Span.HOUR: gettext_lazy("1 hour"),
    Span.DAY: gettext_lazy("24 hours"),
    Span.WEEK: gettext_lazy("7 days"),
}
PANELS: tuple[tuple[str, str | Promise], ...] = (
    ("handled", gettext_lazy("Entries a minute")),
    ("lag", gettext_lazy("Lag in entries")),
    ("pending", gettext_lazy("Pending entries")),
)
COLUMNS = (gettext_lazy("handled"), gettext_lazy("lag"), gettext_lazy("pending"))


def sparkline(values: Values, label: str) -> SafeString:
    """``values`` as a small line that is broken where one is None; ``label`` says what they are of."""
    known = [value for value in values if value is not None]
    if not known:
        return format_html('<span class="se-quiet" title="{}">–</span>', _("%s: no history yet") % label)
    shown = {"label": label, "last": rounded(known[-1]), "highest": rounded(max(known))}
    sentence = _("%(label)s: %(last)s now, %(highest)s at most in the last hour") % shown
    return format_html(
        '<svg class="se-sparkline" viewBox="-1 -1 82 22" width="82" height="22" aria-hidden="true"><title>{}</title>{}'
        '</svg><span class="visually-hidden">{}</span>',
        sentence,
        _polylines(values, max(known), (80, 20), "se-line"),
        sentence,
    )


def histories(names: Iterable[Names]) -> dict[Names, tuple[Point, ...]]:
    """The last hour of many streams and groups, asked for at once; none where no history is kept."""
    wanted = list(names)
    if not wanted or not get_settings().metrics.enabled:
        return {}
    return {name: found.points for name, found in recent_series(wanted).items()}


def chart(request: HttpRequest, stream: str, groups: Iterable[str]) -> dict[str, Any]:
    """What ``chart.html`` draws of ``stream`` and its ``groups``, over the time that ?span= names."""
    span = chosen_span(request)
    names = [(stream, group) for group in (NO_GROUP, *groups)]
    known = many_series(names, span) if get_settings().metrics.enabled else {}
    found = [known[name] for name in names if name in known]
    thin = [_thinned(one.points) for one in found]
    return {
        "stream": stream,
        "is_enabled": get_settings().metrics.enabled,
        "is_empty": all(point.pending is None and point.incoming is None for one in found for point in one.points),
        "spans": [(one.value[0], label, one is span) for one, label in SPANS.items()],
        "legend": [(_label(one), _colour(at)) for at, one in enumerate(found)],
        "pictures": [(title, *_picture(field, thin)) for field, title in PANELS],
        "columns": [_label(one) for one in found[:1]]
        + [f"{one.group}: {title}" for one in found[1:] for title in COLUMNS],
        "table": _table(found, thin),
        "data": _data(found, span),
    }


def chosen_span(request: HttpRequest) -> Span:
    """What ?span= names, or the last hour."""
    wanted = request.GET.get(SPAN)
    return next((span for span in Span if span.value[0] == wanted), Span.HOUR)


def rounded(value: float) -> str:
    """``value`` for people: small ones with a digit after the point."""
    return formats.number_format(value, 1, use_l10n=True) if 0 < value < 9.95 and value % 1 else number(round(value))


def _label(series: Series) -> str:
    return series.group or _("added")


def _colour(at: int) -> str:
    return f"se-line-{(at - 1) % COLOURS + 1 if at else 0}"


def _values(points: Sequence[Point], field: str) -> list[float | None]:
    return [getattr(point, field) for point in points]


def _lines(field: str, lines: Sequence[Sequence[Point]]) -> Iterator[tuple[int, list[float | None]]]:
    """What is drawn of ``field``, each with its place in the legend; what is handled beside what is added."""
    for at, points in enumerate(lines):
        if at:
            yield at, _values(points, field)
        elif field == "handled":
            yield at, _values(points, "incoming")


def _data(found: Sequence[Series], span: Span) -> dict[str, Any]:
    """What the script draws."""
    lines = [one.points for one in found]
    panels = [
        {"title": str(title), "lines": [{"legend": at, "values": values} for at, values in _lines(field, lines)]}
        for field, title in PANELS
    ]
    return {
        "start": int(lines[0][0].at.timestamp()) if lines else 0,
        "step": span.value[2],
        "isFilling": span is Span.WEEK,  # a minute is sampled once, and so complete
        "zone": timezone.get_current_timezone_name(),
        "legend": [_label(one) for one in found],
        "panels": panels,
    }


def _picture(field: str, lines: Sequence[Sequence[Point]]) -> tuple[str, SafeString]:
    """The highest value of a panel, and its lines."""
    drawn = list(_lines(field, lines))
    highest = max((value for _at, values in drawn for value in values if value is not None), default=0.0)
    svg = format_html_join(
        "", "{}", ((_polylines(values, highest, (600, 100), f"se-line {_colour(at)}"),) for at, values in drawn)
    )
    return rounded(highest), svg


def _polylines(values: Values, highest: float, size: tuple[int, int], css: str) -> SafeString:
    """A line for each run of values that has no gap; a lonely one is a dot."""
    width, height = size
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            x, y = at * width / max(len(values) - 1, 1), height - value * height / (highest or 1)
            runs[-1].append(f"{x:.1f},{y:.1f}")
    return format_html_join(
        "",
        '<polyline class="{}" points="{}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"'
        ' stroke-linejoin="round" vector-effect="non-scaling-stroke"/>',
        ((css, " ".join(run if len(run) > 1 else run * 2)) for run in runs if run),
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """``ROWS`` points at most: of those that become one, the mean of the rates and the last of the gauges."""
    size = -(-len(points) // ROWS)
    return [_merged(points[at : at + size]) for at in range(0, len(points), size)] if size > 1 else list(points)


def _merged(points: Sequence[Point]) -> Point:
    def mean(field: str) -> float | None:
        known = [value for value in _values(points, field) if value is not None]
        return sum(known) / len(known) if known else None

    def latest(field: str) -> float | None:
        return next((value for value in reversed(_values(points, field)) if value is not None), None)

    return Point(
        at=points[0].at,
        incoming=mean("incoming"),
        handled=mean("handled"),
        lag=latest("lag"),
        time_lag=latest("time_lag"),
        pending=latest("pending"),
    )


def _table(found: Sequence[Series], thin: Sequence[Sequence[Point]]) -> list[tuple[Any, list[str]]]:
    """The newest rows first: a moment, what was added, and of each group what the panels show."""
    rows = []
    for points in zip(*thin, strict=True):
        values = [points[0].incoming, *(getattr(point, field) for point in points[1:] for field, _title in PANELS)]
        if any(value is not None for value in values):
            rows.append((points[0].at, [UNKNOWN if value is None else rounded(value) for value in values]))
    return rows[::-1]
