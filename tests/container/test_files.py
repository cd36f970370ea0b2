"""What can be said of Dockerfile and compose.yaml without running them."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from stream_events.conf import get_settings
from tests.conftest import ROOT
from tests.container.compose import services
from tests.faults.servers import missing


def check(program, *arguments):
    path = Path(sysconfig.get_path("scripts"), program)
    if not path.exists():
        missing(f"{program} is not installed; .ci/run installs it")
    done = subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_nothing_in_the_dockerfile():
    check("hadolint", "Dockerfile")


def test_compose_follows_its_schema():
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_every_group_of_the_demo_has_a_service_that_can_be_scaled(project):
    groups = project.shell("from stream_events import handlers; print(*map(' '.join, handlers.groups()), sep=',')")
    commands = [service["command"] for service in services().values() if service.get("profiles") == ["scaled"]]
    started = {" ".join(command[1:3]) for command in commands}
    assert set(groups.strip().split(",")) <= started


def test_what_stops_gets_longer_than_its_own_time_to_stop():
    grace = {
        name: int(re.fullmatch(r"(\d+)s", service["stop_grace_period"])[1]) for name, service in services().items()
    }
    assert {name for name, period in grace.items() if period <= get_settings().shutdown_timeout} == set()


@pytest.mark.parametrize("name", ["SECRET_KEY", "POSTGRES_PASSWORD"])
def test_no_secret_has_a_default(name):
    uses = re.findall(r"\$\{?" + name + r"\b.", (ROOT / "compose.yaml").read_text())
    assert set(uses) == {"${" + name + ":"}, "written as ${NAME:?what to do}"
