"""Every way to write, with every option, in every kind of transaction: exactly these events, in this order."""

import contextlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from typing import NamedTuple

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connections, transaction
from django.db.models import QuerySet
from django.test import override_settings

from stream_events import suppress
from stream_events.publishing.outbox import outbox_rows
from stream_events.publishing.relay import Relay
from tests.publishing import bulk_paths, relation_paths, single_paths  # noqa: F401 - they fill the table
from tests.publishing.paths import PATHS, TAGS, A, B, C, Path, Told, row
from tests.shop.wares import FAMILIES, Box, Tag


class Option(NamedTuple):
    """What a publisher is told, or its project or caller, and what becomes of a path's events.

    ``view`` is given the path, and whether it is written in one transaction.
    """

    family: str
    view: Callable[[Path, bool], list[Told]]
    around: Callable[[], AbstractContextManager] = nullcontext
    is_simple: bool = False  # what kind of transaction it is makes no difference to it


def _disabled():
    return override_settings(STREAM_EVENTS={**django_settings.STREAM_EVENTS, "ENABLED": False})


def _labelled(path, is_one):
    events = path.told if path.undeclared is None else path.undeclared
    return [one._replace(data={"label": one.data["name"]}) if "name" in one.data else one for one in events]


def _merged(path, is_one):
    return path.merged if is_one and path.merged is not None else path.told


def _both(path, is_one):
    return path.both if is_one and path.both is not None else path.with_changes


OPTIONS = {
    "plain": Option("plain", lambda path, is_one: path.told),
    "outbox": Option("outbox", lambda path, is_one: path.told),
    "changes": Option("changes", lambda path, is_one: path.with_changes),
    "when": Option("when", lambda path, is_one: [one for one in path.told if one.obj != "b"], is_simple=True),
    "serializer": Option("serializer", _labelled, is_simple=True),
    "version": Option("version", lambda path, is_one: path.told, is_simple=True),
    "coalesce": Option("coalesce", _merged),
    "outbox, coalesce, changes": Option("both", _both),
    "suppressed": Option("plain", lambda path, is_one: [], suppress, True),
    "suppressed outbox": Option("outbox", lambda path, is_one: [], lambda: suppress("wares-outbox"), True),
    "disabled": Option("plain", lambda path, is_one: [], _disabled, True),
}


class Rollback(Exception):
    pass


@contextlib.contextmanager
def _rolled_back(using):
    with contextlib.suppress(Rollback), transaction.atomic(using):
        yield
        raise Rollback


@contextlib.contextmanager
def _savepoint(wares):
    with transaction.atomic(wares.db), transaction.atomic(wares.db):
        yield


@contextlib.contextmanager
def _rolled_back_savepoint(wares):
    with transaction.atomic(wares.db):
        wares.create(code="before", name="before")
        with _rolled_back(wares.db):
            yield
        wares.create(code="after", name="after")


class Setting(NamedTuple):
    """Where a write takes place; ``leaves`` is what is told if it is not the path's own events."""

    around: Callable[[QuerySet], AbstractContextManager]
    is_one_transaction: bool = True
    using: str = "default"
    leaves: Path | None = None


NOTHING = Path(lambda wares: None, [])
AROUND = Path(lambda wares: None, [Told("new1", "create", row("before")), Told("new2", "create", row("after"))])

SETTINGS = {
    "autocommit": Setting(lambda wares: nullcontext(), is_one_transaction=False),
    "commit": Setting(lambda wares: transaction.atomic(wares.db)),
    "savepoint": Setting(_savepoint),
    "rollback": Setting(lambda wares: _rolled_back(wares.db), leaves=NOTHING),
    "savepoint rollback": Setting(_rolled_back_savepoint, leaves=AROUND),
    "second database": Setting(lambda wares: _rolled_back("default"), is_one_transaction=False, using="other"),
}


class Bench:
    """The wares of one kind, on one database, and what has become of their events."""

    def __init__(self, family, kind, using, server):
        self.wares = getattr(family, kind).objects.using(using)
        self._family = family
        self._kind = kind
        self._stream = f"t:{family.stream}"
        self._server = server
        server.delete(self._stream)
        self._codes = {}

    @property
    def tables(self):
        """Those that its wares are in, the one that refers to others first."""
        model = self.wares.model
        links = [field.remote_field.through for field in model._meta.many_to_many]
        return [*links, model, *model._meta.parents, Box, Tag, outbox_rows(self.wares.db).model]

    def fill(self):
        """Write the rows that are there before."""
        using, model = self.wares.db, self.wares.model
        with suppress(), transaction.atomic(using):
            Box.objects.using(using).create(name="old")
            wares = [model(code=one["name"], **{**one, "box": None}, box_id=one["box"]) for one in (A, B, C)]
            if self._kind == "child":  # Django creates those one by one only
                for ware in wares:
                    ware.save(using=using)
            else:
                self.wares.bulk_create(wares)
            self._codes = {json.dumps(ware.pk, default=str): ware.code for ware in wares}
            if hasattr(model, "tags"):
                tags = Tag.objects.using(using).bulk_create(Tag(name=name) for name in ("red", "green", "blue"))
                through = model.tags.through
                owner = model.tags.field.m2m_field_name()
                QuerySet(through).using(using).bulk_create(
                    through(**{owner: ware, "tag": tag})
                    for ware in wares
                    for tag in tags
                    if tag.name in TAGS[ware.code]
                )

    def empty(self):
        with suppress():
            for model in self.tables:
                QuerySet(model).using(self.wares.db)._raw_delete(self.wares.db)

    def entries(self):
        """The payloads in the stream, and their event ids."""
        fields = [fields for _, fields in self._server.xrange(self._stream)]
        ids = [one[b"event_id"].decode() for one in fields]
        return [self._named(json.loads(one[b"payload"])) for one in fields], ids

    def rows(self):
        """The payloads in the outbox, and their event ids."""
        rows = list(outbox_rows(self.wares.db).order_by("position"))
        payloads = [json.loads(row.payload) for row in rows]
        assert [(row.aggregatetype, row.type) for row in rows] == [
            (self._family.stream, payload["action"]) for payload in payloads
        ]
        return [self._named(payload) for payload in payloads], [str(row.event_id) for row in rows]

    def payloads(self, events):
        """The payloads that ``events`` of the table have."""
        model = self._family.plain if self._kind in ("proxy", "child") else self.wares.model
        version = model.events.version
        payloads = []
        for obj, action, data, changed, previous in events:
            payload = {"obj_id": obj, "obj_type": model._meta.label_lower, "action": action, "data": data}
            further = {"changed": changed, "previous": previous, "version": version}
            payloads.append(payload | {key: value for key, value in further.items() if value is not None})
        return payloads

    def _named(self, payload):
        key = json.dumps(payload["obj_id"])
        return payload | {"obj_id": self._codes.setdefault(key, f"new{len(self._codes) - 2}")}


@pytest.fixture(scope="module")
def client(_server):
    """One for all tests: making it takes as long as some of them."""
    with redis.Redis(unix_socket_path=str(_server.socket)) as client:
        yield client


@pytest.fixture
def make_bench(client, django_db_setup, django_db_blocker):
    """Makes a bench that is emptied after the test; emptying all tables would take far longer."""
    with django_db_blocker.unblock(), contextlib.ExitStack() as stack:

        def make(family, kind, using):
            bench = Bench(family, kind, using, client)
            stack.callback(bench.empty)
            bench.fill()
            return bench

        yield make


def _cases():
    """All combinations; those that are special in one way run every day with an ordinary commit only."""
    for path in PATHS:
        for kind, (option_name, option), (setting_name, setting) in product(
            path.kinds, OPTIONS.items(), SETTINGS.items()
        ):
            is_special = kind != "plain" or option.is_simple or path.is_long or setting_name == "savepoint"
            marks = [pytest.mark.slow] if is_special and setting_name != "commit" else []
            name = f"{path.write.__name__}-{kind}-{option_name}-{setting_name}"
            yield pytest.param(path, kind, option, setting, id=name, marks=marks)


@pytest.mark.parametrize(("path", "kind", "option", "setting"), list(_cases()))
def test_exactly_these_events_in_this_order(path, kind, option, setting, make_bench):
    bench = make_bench(FAMILIES[option.family], kind, setting.using)
    connection = connections[setting.using]
    error = path.refused.get(connection.vendor)
    with option.around(), setting.around(bench.wares):
        with pytest.raises(error) if error else nullcontext():
            path.write(bench.wares)
        assert not connection.in_atomic_block or bench.entries() == ([], [])
    outcome = setting.leaves or (NOTHING if error else path)
    expected = bench.payloads(option.view(outcome, setting.is_one_transaction))
    rows, ids = bench.rows()
    assert rows == (expected if bench.wares.model.events.via == "outbox" else [])
    Relay(setting.using).run()
    assert bench.entries()[0] == expected
    assert not ids or bench.entries()[1] == ids
    assert bench.rows() == ([], [])
