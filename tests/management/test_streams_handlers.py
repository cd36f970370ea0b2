"""``streams handlers``: what it lists, and how."""

import io
import json
import os
import subprocess

import pytest
from django.core.management import CommandError, call_command

from stream_events.management.streams.tables import aligned
from tests.packages import install


def create_invoice(event):
    pass


def double(count):
    return 2.0**count


@pytest.fixture
def handlers(registry):
    registry.register(create_invoice, stream="orders", group="billing", obj_type="shop.order", actions=["create"])
    registry.register(
        create_invoice, stream="orders", group="search", name="index", once=True, backoff=double, max_deliveries=3
    )
    registry.register(create_invoice, stream="users", group="crm")
    return registry


class Terminal(io.StringIO):
    def isatty(self):
        return True


def look(*arguments, stdout=None, **options):
    """What the command has written to stdout, and to stderr."""
    out, err = stdout or io.StringIO(), io.StringIO()
    call_command("streams", "handlers", *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_json_is_one_document_with_everything(handlers):
    document = json.loads(look("--format", "json")[0])
    assert [*document] == ["handlers", "plugins", "problems"]
    assert document["handlers"][1] == {
        "stream": "orders",
        "group": "search",
        "name": "index",
        "origin": f"{__name__}.create_invoice",
        "obj_types": None,
        "actions": None,
        "options": {"max_deliveries": 3, "backoff": f"{__name__}.double", "once": True, "atomic": "default"},
        "source": {"kind": "module", "name": __name__, "package": None, "version": None},
    }


def test_a_handler_without_a_group_has_none_in_json(registry):
    registry.register(create_invoice, stream="orders", group=None)
    (record,) = json.loads(look("--format", "json")[0])["handlers"]
    assert record["group"] is None


def test_ndjson_is_one_object_a_line(handlers):
    records = [json.loads(line) for line in look("--format", "ndjson")[0].splitlines()]
    assert [(one["section"], one["group"]) for one in records] == [
        ("handlers", "billing"),
        ("handlers", "search"),
        ("handlers", "crm"),
    ]


def test_plain_lines_have_tabs_and_no_title(handlers):
    first, second, _ = look("--format", "plain")[0].splitlines()
    origin = f"{__name__}.create_invoice"
    assert first.split("\t") == ["orders", "billing", origin, "", "shop.order", "create", "", __name__]
    assert second.split("\t")[3:7] == [
        "index",
        "",
        "",
        f"max_deliveries=3 backoff={__name__}.double once atomic=default",
    ]


def test_a_table_has_no_colour_and_no_broken_line_where_nobody_watches(handlers):
    title, *rows = look()[0].splitlines()
    assert title.split() == ["STREAM", "GROUP", "HANDLER", "NAME", "OBJ_TYPES", "ACTIONS", "OPTIONS", "SOURCE"]
    assert [row.split()[:2] for row in rows] == [["orders", "billing"], ["orders", "search"], ["users", "crm"]]


def test_a_column_without_anything_in_it_is_left_out(handlers):
    assert look("users")[0].splitlines()[0].split() == ["STREAM", "GROUP", "HANDLER", "SOURCE"]


@pytest.mark.parametrize(("options", "styled"), [({}, True), ({"no_color": True}, False)], ids=["color", "no color"])
def test_a_terminal_gets_a_table_of_rich(handlers, monkeypatch, options, styled):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text, _ = look(stdout=Terminal(), **options)
    assert "billing" in text
    assert ("\x1b[1m" in text) is styled


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((), ["billing", "search", "crm"]), (("orders",), ["billing", "search"]), (("orders", "search"), ["search"])],
    ids=["all", "stream", "group"],
)
def test_a_stream_and_a_group_narrow_the_list(handlers, arguments, expected):
    document = json.loads(look(*arguments, "--format", "json")[0])
    assert [one["group"] for one in document["handlers"]] == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("odrers",), "No handler is registered for stream 'odrers'. Did you mean: orders?\n"),
        (("orders", "biling"), "for stream 'orders', group 'biling'. Did you mean: orders billing?\n"),
    ],
    ids=["stream", "group"],
)
def test_a_wrong_name_is_answered_with_the_closest(handlers, arguments, said):
    assert look(*arguments)[1].endswith(said)


def test_a_project_without_handlers_is_told_so(registry):
    assert look()[1] == "No handler is registered.\n"


def test_plugins_are_listed_with_what_enables_them(registry, settings, tmp_path, monkeypatch):
    install(tmp_path, "acme", ["parcels = acme", "tours = acme"], version="1.2")
    monkeypatch.syspath_prepend(tmp_path)
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "PLUGINS": ["tours"]}
    _, parcels, tours = look()[0].splitlines()
    assert parcels.split(maxsplit=3) == [
        "parcels",
        "acme",
        "1.2",
        "no; add 'parcels' to STREAM_EVENTS['PLUGINS'] to enable it",
    ]
    assert tours.split() == ["tours", "acme", "1.2", "yes"]


def broken():
    pass


@pytest.mark.parametrize(
    ("setting", "options", "said"),
    [
        ({}, {}, "cannot be called with one event"),
        ({"COUNT": 0}, {}, "STREAM_EVENTS['COUNT']"),
        ({}, {"atomic": "nowhere"}, "there is no database 'nowhere'"),
    ],
    ids=["registration", "settings", "database"],
)
def test_problems_exit_78_and_everything_else_is_listed(handlers, settings, setting, options, said):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, **setting}
    if not setting:
        handlers.register(create_invoice if options else broken, stream="orders", group="shipping", **options)
    out = io.StringIO()
    with pytest.raises(CommandError, match="Consumers do not start") as caught:
        look("--format", "json", stdout=out)
    assert caught.value.returncode == 78
    assert said in str(caught.value)
    document = json.loads(out.getvalue())
    assert len(document["handlers"]) >= 3
    assert said in document["problems"][0]["text"]


def test_whoever_reads_may_stop_reading(project):
    reading, writing = os.pipe()
    os.close(reading)
    process = project.start("streams", "handlers", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_djangos_options_may_stand_on_both_sides_of_the_verb(project):
    project.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"  # which nobody asks
    code, output = project.run("streams", "--traceback", "handlers", "--no-color", "--verbosity", "0")
    assert code == 0
    assert "create_invoice" in output


def test_a_cell_stays_on_its_line():
    assert aligned([{"NAME": "a\tb\x1b"}]) == ["NAME", "a b"]
