"""Every word of the pages can be translated, and is in German."""

import re
from html import unescape

import pytest
from django.utils import translation
from django.utils.translation import trans_real

from stream_events.operations.inspection import known_streams
from tests.admin.forms import act, boxes, form_of

pytestmark = pytest.mark.django_db(databases=["default", "other"])

# What is data on the pages below, or the same in every language.
DATA = {
    "api",
    "billing",
    "consumer",
    "json",
    "kb",
    "min",
    "ms",
    "ndjson",
    "orders",
    "other",
    "python",
    "redis",
    "root",
}
DATA |= {
    "builtins",
    "default",
    "django",
    "event_id",
    "obj_id",
    "print",
    "stream",
    "strange",
    "url",
    "valkey",
    "worker",
}
DATA |= {"create", "order", "search", "shop"}  # an example, and what Django has not translated
OUTSIDE = re.compile(
    r"<(script|style|pre|code|svg|textarea)\b.*?</\1>|<!--.*?-->|\b[0-9a-f]{8}-[0-9a-f-]{27}\b", re.DOTALL
)
SHOWN = re.compile(
    r'\s(?:title|aria-label|placeholder|alt|data-(?:waiting|updated|rows|failed|paused|idle))="([^"]*)"'
)
TAG = re.compile(r"<[^>]*>")
WORD = re.compile(r"[A-Za-z_]{2,}")

LISTS = ["stream", "stream/?discover=1", "consumergroup", "pendingentry/?group=orders~billing"]
LISTS += [
    "deadletter/?group=orders~billing",
    "consumer",
    "outboxevent",
    "pendingentry/?group=orders~billing&state=gone",
]
EMPTY = ["stream", "consumergroup", "pendingentry", "deadletter", "consumer", "outboxevent"]
DETAILS = ["stream/orders/change", "stream/orders/entries", "stream/orders/entries/?contains=nothing&group=billing"]
DETAILS += [
    "stream/orders/danger",
    "stream/publish",
    "stream/orders~ENTRY/entry",
    "consumergroup/orders~billing/change",
]
DETAILS += ["consumer/orders~billing~worker/change", "pendingentry/orders~billing~ENTRY/change"]
DETAILS += ["deadletter/orders~billing~5-0/change"]
ORDERS = ["stream/orders/order/publish", "stream/orders/order/trim", "stream/orders/order/delete-stream"]
ORDERS += ["consumergroup/orders~billing/order/reset", "consumergroup/orders~billing/order/delete-group"]
ORDERS += ["consumer/orders~billing~worker/order/delete-consumer", "stream/orders/order/replay/?ids=ENTRY"]
ORDERS += [f"pendingentry/orders~billing~ENTRY/order/{verb}" for verb in ("ack", "claim", "retry", "dead")]
ORDERS += [f"deadletter/orders~billing~5-0/order/{verb}" for verb in ("requeue", "discard", "replay")]
GONE = ["stream/nowhere/change", "pendingentry/orders~billing~1-0/change", "consumer/orders~billing~nobody/change"]


class Marked:
    """A catalogue whose every text stands between ⟦ and ⟧."""

    def __init__(self, catalogue):
        self._catalogue = catalogue

    def get(self, key, default=None):
        found = self._catalogue.get(key, default)
        return f"⟦{found}⟧" if isinstance(found, str) and found else found

    def plural(self, key, number):
        return f"⟦{self._catalogue.plural(key, number)}⟧"

    def __getattr__(self, name):
        return getattr(self._catalogue, name)


@pytest.fixture
def marked(monkeypatch, settings):
    settings.LANGUAGE_CODE = "de"
    german = trans_real.translation("de")
    with translation.override("de"):
        monkeypatch.setattr(german, "_catalog", Marked(german._catalog))
        yield


@pytest.fixture
def german(settings):
    at = settings.MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware")
    middleware = [*settings.MIDDLEWARE]
    middleware.insert(at, "django.middleware.locale.LocaleMiddleware")
    settings.MIDDLEWARE = middleware
    yield
    translation.deactivate()  # the middleware has chosen a language for this thread


@pytest.fixture
def entry(registry, hand_out, server):
    """A stream with everything on it; the id of an entry."""
    registry.register(print, stream="orders", group="billing")
    ids = hand_out(3, consumer="worker")
    fields = {"payload": "{}", "dead_entry_id": ids[0], "dead_error": "E: no", "dead_reason": "max_deliveries"}
    server.xadd("{t:orders}:billing:dead", fields, id="5-0")
    server.xadd("t:strange", {"a": "b"})
    return ids[0]


def url(path, entry=""):
    path, mark, query = path.replace("ENTRY", entry).partition("/?")
    return f"/admin/stream_events/{path}/{mark and '?'}{query}"


def unmarked(response):
    """The words of a page that no catalogue has seen."""
    page = OUTSIDE.sub(" ", response.content.decode().partition("</head>")[2])
    names = DATA | {part.casefold() for name in known_streams() for part in WORD.findall(name)}
    texts = [unescape(TAG.sub("\n", page)), *map(unescape, SHOWN.findall(page))]
    return {word for text in texts for word in WORD.findall(outside_of_marks(text)) if word.casefold() not in names}


def outside_of_marks(text):
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", " ", text)) != text:
        text = shorter
    return text


@pytest.mark.parametrize("path", [*LISTS, *DETAILS, *ORDERS, *GONE])
def test_every_word_of_a_page_is_looked_up(marked, admin, entry, path):
    assert unmarked(admin.get(url(path, entry))) == set()


@pytest.mark.parametrize("path", EMPTY)
def test_so_is_that_of_an_empty_page(marked, admin, path):
    assert unmarked(admin.get(url(path))) == set()


@pytest.mark.parametrize("path", [*EMPTY, "stream/orders/change"])
def test_so_is_that_of_a_page_without_redis(marked, admin, settings, path):
    settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
    assert unmarked(admin.get(url(path))) == set()


@pytest.mark.parametrize("verb", ["ack", "retry", "dead"])
def test_so_is_that_of_a_plan_and_a_report(marked, admin, entry, verb):
    place = url("pendingentry/?group=orders~billing")
    plan = act(admin, place, verb, boxes(admin.get(place)))
    assert unmarked(plan) == set()
    action, hidden = form_of(plan, "se-confirm")
    assert unmarked(admin.post(action, hidden | {"confirm": "yes"}, follow=True)) == set()
    assert unmarked(admin.get(url("stream/orders/history"))) == set()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("stream", ["Streams", "Befinden", "steht still", "Nichts liest diesen Stream."]),
        ("pendingentry/?group=orders~billing", ["3 ausstehende Einträge", "Jetzt verarbeiten lassen …", "verwaist"]),
        ("deadletter/?group=orders~billing", ["zu oft gescheitert", "1 Dead Letter", "Grund"]),
        ("pendingentry/orders~billing~ENTRY/order/ack", ["1 Eintrag von orders/billing bestätigen.", "Ja, ausführen"]),
        ("consumergroup/orders~billing/order/reset", ["Weiterlesen ab", "Zeigen, was geschehen würde"]),
    ],
    ids=lambda value: value.partition("/")[0] if isinstance(value, str) else None,
)
def test_speaks_the_language_of_the_browser(german, admin, registry, entry, path, words):
    registry.register(print, stream="strange", group="billing")
    page = " ".join(admin.get(url(path, entry), headers={"accept-language": "de"}).content.decode().split())
    assert '<html lang="de"' in page
    assert [word for word in words if word not in page] == []
    assert entry in page or "~ENTRY" not in path  # ids are no numbers


def test_says_in_german_that_redis_is_away(german, admin, settings):
    settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
    response = admin.get(url("stream"), headers={"accept-language": "de"})
    assert response.status_code == 503
    assert "Redis unter redis://127.0.0.1:1/0 ist nicht erreichbar." in response.content.decode()
    assert "Erneut versuchen" in response.content.decode()
