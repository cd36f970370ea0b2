"""Plugins of packages that are installed in a folder of the test."""

import sys

import pytest

from stream_events import checks, plugins
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Source
from tests.packages import install

MODULE = """
from stream_events import handler

@handler("orders", group="parcels")
def pack(event):
    pass
"""

FUNCTION = """
def pack(event):
    pass

calls = []

def register(handlers):
    calls.append(handlers)
    handlers.register(pack, stream="orders", group="parcels")

async def register_later(handlers):
    pass

def fail(handlers):
    handlers.register(pack, stream="orders", group="parcels")
    raise ValueError("no licence")

def leave(handlers):
    raise SystemExit(0)

def register_nonsense(handlers):
    handlers.register(register_later, stream="orders", group="parcels", batch=0)

def misspell(handlers):
    handlers.register(pack, stream="orders", group="parcels", bacth=5)

WEIGHT = 5
"""


def line(text):
    """The number of the line in ``FUNCTION`` that holds ``text``."""
    return [text in one for one in FUNCTION.splitlines()].index(True) + 1


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder in which packages are installed."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.fixture
def load(registry, settings, monkeypatch):
    """Loads the plugins of these names as a process that starts; gives the registry."""
    monkeypatch.setattr(plugins, "_tried", set())

    def start(*names):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "PLUGINS": names}
        plugins.load_plugins()
        return registry

    return start


@pytest.mark.parametrize(
    ("value", "text"), [("acme", MODULE), ("acme:register", FUNCTION)], ids=["a module", "a function"]
)
def test_a_plugin_is_a_module_or_a_function(site, load, value, text):
    install(site, "acme-parcels", [f"parcels = {value}"], version="1.2", acme=text)
    (found,) = load("parcels").usable("orders", "parcels")
    assert found.origin == "acme.pack"
    assert found.source == Source("parcels", "acme-parcels", "1.2")


def test_a_plugin_that_is_not_named_is_not_imported(site, load):
    install(site, "acme", ["parcels = acme", "tours = acme_tours"], acme=MODULE, acme_tours=FUNCTION)
    load("tours")
    assert ("acme" in sys.modules, "acme_tours" in sys.modules) == (False, True)


def test_nothing_is_looked_for_unless_plugins_are_named(site, load):
    install(site, "acme", ["this is no entry point"])
    assert not load().problems
    (problem,) = load("parcels").problems
    assert "entry points of the installed packages cannot be read" in problem.text


def test_a_plugin_is_loaded_once_in_a_process(site, load):
    install(site, "acme", ["parcels = acme:register"], acme=FUNCTION)
    load("parcels", "parcels")
    load("parcels", "missing")
    registry = load("parcels", "missing")
    assert sys.modules["acme"].calls == [registry]
    assert len(registry.problems) == 1


def test_what_a_plugin_and_the_project_register_alike_is_no_error(site, load, registry):
    install(site, "acme", ["parcels = acme:register"], acme=FUNCTION)
    from acme import pack

    registry.register(pack, stream="orders", group="parcels")
    load("parcels")
    assert [str(one.source) for one in registry.usable("orders", "parcels")] == [__name__]


def test_a_package_that_is_installed_in_two_folders_is_the_first_of_them(site, load, monkeypatch):
    install(site, "acme", ["parcels = acme"], version="1.0", acme=MODULE)
    (site / "first").mkdir()
    install(site / "first", "Acme", ["parcels = acme"], version="2.0", acme=MODULE)
    monkeypatch.syspath_prepend(site / "first")
    (found,) = load("parcels").usable("orders", "parcels")
    assert str(found.source) == "plugin 'parcels' of Acme 2.0"


@pytest.mark.parametrize("name", ["parcel", "acme-parcels"])
def test_a_name_that_nothing_has_is_answered_with_what_is_installed(site, load, name):
    install(site, "acme-parcels", ["parcels = acme"])
    install(site, "tours", ["tours = acme"], version="2.0")
    (problem,) = load(name).problems
    assert f"names {name!r}" in problem.text
    assert "Did you mean 'parcels'?" in problem.text
    assert "'parcels' of acme-parcels 1.0, 'tours' of tours 2.0" in problem.text


def test_a_package_that_does_not_say_what_it_is_can_have_plugins(site, load):
    install(site, "acme", ["parcels = acme"], acme=MODULE)
    (site / "acme-1.0.dist-info" / "METADATA").unlink()
    (found,) = load("parcels").usable("orders", "parcels")
    assert str(found.source) == "plugin 'parcels' of an unknown package ?"


def test_a_name_that_two_packages_have_is_a_problem(site, load):
    install(site, "acme", ["parcels = acme"], acme=MODULE)
    install(site, "bolt", ["parcels = acme"])
    (problem,) = load("parcels").problems
    assert problem.text == "The plugin 'parcels' is offered by acme 1.0 and bolt 1.0."
    assert "acme" not in sys.modules


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("acme:fail", f"ValueError: no licence ({{site}}/acme.py, line {line('ValueError')})"),
        ("acme:leave", f"SystemExit: 0 ({{site}}/acme.py, line {line('SystemExit')})"),
        ("acme:misspell", "a handler has no option 'bacth'"),
        ("acme:register_later", "neither a module nor a plain function"),
        ("acme:WEIGHT", "neither a module nor a plain function"),
        ("acme:no_such", "AttributeError: module 'acme' has no attribute 'no_such'"),
        ("no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("acme_decorated:pack", "a handler, not the module that registers it"),
        ("not a module", "does not load"),
    ],
    ids=str,
)
def test_a_plugin_that_fails_is_a_check_error_that_names_the_package(site, load, value, reason):
    install(site, "acme-parcels", [f"parcels = {value}"], version="1.2", acme=FUNCTION, acme_decorated=MODULE)
    load("parcels")
    (message,) = checks.check_handlers(None)
    assert message.id == checks.BAD_HANDLER
    assert message.msg.startswith("plugin 'parcels' of acme-parcels 1.2 does not load: ")
    assert reason.format(site=site) in message.msg
    assert "PLUGINS" in message.hint


def test_what_a_plugin_registered_before_it_failed_does_not_run(site, load):
    install(site, "acme", ["parcels = acme:fail"], acme=FUNCTION)
    registry = load("parcels")
    assert registry.groups() == [("orders", "parcels")]
    with pytest.raises(ConfigurationError, match="no licence"):
        registry.usable("orders", "parcels")


def test_the_file_is_named_also_of_a_package_whose_name_begins_like_ours(site, load):
    install(site, "stream_events_acme", ["parcels = stream_events_acme"], stream_events_acme="import no_such_module")
    (problem,) = load("parcels").problems
    assert f"({site}/stream_events_acme.py, line 1)" in problem.text


def test_a_broken_registration_names_its_plugin_and_its_line(site, load):
    install(site, "acme", ["parcels = acme:register_nonsense"], acme=FUNCTION)
    (problem,) = load("parcels").problems
    assert "acme.register_later" in problem.text
    assert "plugin 'parcels' of acme 1.0" in problem.text
    assert f"({site}/acme.py, line {line('batch=0')})" in problem.text


def test_a_name_of_a_handler_that_is_taken_names_both_sides(site, load, registry):
    install(site, "acme", ["parcels = acme:register"], acme=FUNCTION)
    registry.register(print, stream="orders", group="parcels", name="acme.pack")
    (problem,) = load("parcels").problems
    assert "plugin 'parcels' of acme 1.0" in problem.text
    assert f"taken by builtins.print, registered by {__name__}" in problem.text


def test_settings_that_cannot_be_used_are_left_to_their_own_check(settings, load):
    settings.STREAM_EVENTS = {"COUNT": 0}
    assert not load("parcels").problems
