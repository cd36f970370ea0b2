"""Real packages with plugins: built, installed, and used by real processes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.management.test_runconsumer import change_settings, place_orders

SOURCES = Path(__file__).parent / "plugin_packages"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder with both packages as an installer leaves them, built from copies of their sources."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(SOURCES, folder / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    sources = sorted(str(path) for path in (folder / "sources").iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", folder / "site", *sources],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture
def enable(project, tmp_path, site):
    """Gives the project the installed packages, and enables the plugins of these names."""

    def change(*names):
        change_settings(project, tmp_path, f"STREAM_EVENTS = {{**STREAM_EVENTS, 'PLUGINS': {names!r}}}")
        project.environment["PYTHONPATH"] = f"{site}:{project.environment['PYTHONPATH']}"

    return change


@pytest.mark.parametrize(
    ("group", "said"),
    [("parcels", "a parcel for order 1\n"), ("audit", "noted order 1\n")],
    ids=["module", "function"],
)
def test_a_consumer_handles_events_with_an_installed_plugin(project, enable, group, said):
    enable("parcels", "parcels-audit")
    place_orders(project, 1)
    code, output = project.run("runconsumer", "orders", group, "--drain")
    assert code == 0, output
    assert said in output


def test_a_plugin_that_is_not_named_is_listed_and_handles_nothing(project, enable):
    enable("parcels-audit")
    assert project.run("runconsumer", "orders", "parcels", "--drain")[0] == 78
    code, output = project.run("streams", "handlers", "--format", "json")
    assert code == 0
    listing = json.loads(output)
    assert {one["source"]["name"] for one in listing["handlers"]} == {
        "parcels-audit",
        "demo_project.billing.apps",
        "demo_project.customer_care.stream_handlers",
    }
    assert {one["name"]: one["enabled"] for one in listing["plugins"]} == {
        "broken": False,
        "parcels": False,
        "parcels-audit": True,
    }


def test_a_broken_plugin_is_named_and_keeps_consumers_from_starting(project, enable, site):
    enable("broken")
    said = (
        f"plugin 'broken' of acme-broken 0.3 does not load: RuntimeError: no licence ({site}/acme_broken.py, line 11)"
    )
    commands = {
        ("check",): 1,
        ("runconsumer", "orders", "billing"): 78,
        ("runconsumer", "orders", "billing", "--skip-checks"): 78,
        ("streams", "handlers"): 78,
    }
    for command, code in commands.items():
        found, output = project.run(*command)
        assert (found, said in output) == (code, True), output
    assert "acme_broken.swallow" in output
