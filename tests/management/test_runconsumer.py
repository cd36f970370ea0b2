"""The command, as real processes of the demo project."""

import signal
import socket
from pathlib import Path

import pytest

from tests.conftest import ROOT, wait_for

ORDERS = """
from django.db import transaction
from demo_project.shop.models import Order
for number in range({count}):
    with transaction.atomic():
        order = Order.objects.create(number=f"{prefix}{{number}}", customer="Ada")
        if {lines}:
            order.lines.create(product="Tea", unit_price="4.20")
"""


def place_orders(project, count, prefix="A", lines=True):
    project.shell(ORDERS.format(count=count, prefix=prefix, lines=lines))


def write_handlers(folder, app, text):
    """An app with nothing but a handler module; returns the module's path."""
    (folder / app).mkdir()
    (folder / app / "__init__.py").touch()
    path = folder / app / "stream_handlers.py"
    path.write_text(text)
    return path


def change_settings(project, folder, text):
    """Let ``project`` run with the demo's settings, changed by ``text``, and with the apps in ``folder``."""
    (folder / "changed_settings.py").write_text(f"from demo_project.settings import *\n{text}\n")
    project.environment.update(PYTHONPATH=f"{folder}:{ROOT}", DJANGO_SETTINGS_MODULE="changed_settings")


def invoices(project):
    return int(
        project.shell("from demo_project.billing.models import Invoice; print(Invoice.objects.count())").strip()
    )


class Output:
    """What a process prints, collected while it runs."""

    def __init__(self, process, path):
        self.process = process
        self.path = path

    def text(self):
        return self.path.read_text()

    def wait_for(self, text, timeout=30):
        return wait_for(lambda: text in self.text(), f"{text!r} in the output", timeout)


@pytest.fixture
def consume(project, tmp_path):
    """Starts ``runconsumer`` with its output in a file."""

    def start(*options):
        path = tmp_path / f"output-{len(project.processes)}"
        with path.open("w") as file:
            process = project.start("runconsumer", "orders", "billing", *options, stdout=file)
        return Output(process, path)

    return start


def test_says_what_runs_where_and_handles_what_is_there(project):
    place_orders(project, 2)
    code, output = project.run("runconsumer", "orders", "billing", "--drain")
    assert code == 0
    assert "Django" in output
    assert f"redis     {project.url}" in output
    assert "orders  group billing (created now)  handlers 1  lag 2  pending 0" in output
    assert "demo_project.billing.invoicing.create_invoice" in output
    assert invoices(project) == 2


def test_a_saved_order_becomes_an_invoice_in_another_process(project, consume):
    output = consume("--no-reload")
    output.wait_for("Consuming.")
    place_orders(project, 1)
    wait_for(lambda: project.redis().xinfo_groups("orders")[0]["entries-read"] == 1, "the event read")
    wait_for(lambda: invoices(project) == 1, "the invoice")
    output.process.send_signal(signal.SIGTERM)
    assert output.process.wait(10) == 0
    assert "Traceback" not in output.text()


def test_says_that_migrations_are_missing(project, tmp_path):
    (tmp_path / "db.sqlite3").unlink()
    code, output = project.run("runconsumer", "orders", "billing", "--drain")
    assert code == 0
    assert "unapplied migration(s)" in output


def test_a_database_that_is_away_keeps_no_consumer_from_starting(project, tmp_path):
    project.environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/no/such/folder/db.sqlite3"
    assert project.run("runconsumer", "orders", "billing", "--drain")[0] == 0


def test_what_is_left_after_draining_makes_exit_code_3(project):
    place_orders(project, 1, lines=False)
    code, output = project.run("runconsumer", "orders", "billing", "--drain")
    assert code == 3
    assert "OrderHasNoLinesError" in output
    assert "Still pending in the group: 1." in output
    assert "unclosed" not in output


@pytest.mark.parametrize("names", [("orders", "biling"), ("order", "billing")])
def test_a_wrong_name_says_what_is_registered_and_exits_78(project, names):
    code, output = project.run("runconsumer", *names)
    assert code == 78
    assert "Did you mean: orders billing?" in output
    assert "Registered:\n  orders billing" in output


@pytest.mark.parametrize("options", [(), ("--skip-checks",)])
def test_a_broken_handler_module_exits_78_even_without_checks(project, options, tmp_path):
    write_handlers(tmp_path, "broken_app", "import no_such_module\n")
    change_settings(project, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'broken_app']")
    code, output = project.run("runconsumer", "orders", "billing", *options)
    assert code == 78
    assert "broken_app.stream_handlers does not import: ModuleNotFoundError" in output
    assert "stream_handlers.py, line 1" in output
    assert project.run("check")[0] == 1


def test_a_failing_system_check_exits_78(project, tmp_path):
    change_settings(project, tmp_path, "STREAM_EVENTS = {**STREAM_EVENTS, 'CLAIM_IDEL': 5}")
    code, output = project.run("runconsumer", "orders", "billing", "--drain")
    assert code == 78
    assert "Did you mean 'CLAIM_IDLE'?" in output


def test_a_url_that_cannot_be_used_exits_78_and_shows_no_password(project):
    project.environment["REDIS_URL"] = "http://:hunter2@cache"
    code, output = project.run("runconsumer", "orders", "billing", "--drain", "--skip-checks")
    assert code == 78
    assert "redis://host:6379/0" in output
    assert "hunter2" not in output


@pytest.mark.parametrize("option", ["--count=0", "--block=x", "--max-seconds=-1", "--max-events=many"])
def test_options_that_make_no_sense_exit_2(project, option):
    code, output = project.run("runconsumer", "orders", "billing", option)
    assert code == 2
    assert "is not a" in output


def test_draining_without_redis_exits_69(project):
    project.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    code, output = project.run("runconsumer", "orders", "billing", "--drain")
    assert code == 69
    assert "cannot be reached" in output


def test_options_may_stand_between_the_stream_and_the_group(project):
    place_orders(project, 1)
    code, output = project.run("runconsumer", "orders", "--drain", "billing", "--no-reload")
    assert code == 0, output
    assert "started=1" in output


def test_waits_visibly_for_redis_and_comes_back(project, consume, tmp_path):
    place_orders(project, 1)
    redis_socket = tmp_path / "late.sock"
    project.environment["REDIS_URL"] = f"unix://{redis_socket}"
    output = consume("--max-events", "1", "--no-reload")
    output.wait_for("redis_unavailable")
    output.wait_for("waiting, next attempt in")
    assert "Consuming" not in output.text()
    project.redis()  # the project's server, reachable under the other name from now on
    redis_socket.symlink_to(Path(project.url.removeprefix("embedded://")) / "server.sock")
    assert output.process.wait(30) == 0
    assert "redis_available" in output.text()
    assert "Consuming." in output.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_signal_ends_it_with_0(project, consume, number, reload):
    output = consume(reload, "--block", "60")
    output.wait_for("Consuming.")
    output.process.send_signal(number)
    assert output.process.wait(10) == 0
    assert "Traceback" not in output.text()


def test_a_second_signal_ends_it_at_once(project, consume, tmp_path):
    slow_project(project, tmp_path)
    place_orders(project, 2)
    output = consume("--no-reload")
    output.wait_for("handling")
    output.process.send_signal(signal.SIGINT)
    output.wait_for("consumer_stopping")
    output.process.send_signal(signal.SIGINT)
    assert output.process.wait(10) == 130
    assert "what was in hand stays pending" in output.text()
    counts = [one["times_delivered"] for one in project.redis().xpending_range("orders", "billing", "-", "+", 10)]
    assert counts == [1, 0]  # the one that ran, and the one that was handed back untouched


def test_the_first_signal_lets_the_running_entry_finish(project, consume, tmp_path):
    slow_project(project, tmp_path)
    place_orders(project, 2)
    output = consume("--no-reload")
    output.wait_for("handling")
    output.process.send_signal(signal.SIGTERM)
    output.wait_for("consumer_stopping")
    (tmp_path / "go").touch()
    assert output.process.wait(10) == 0
    assert project.redis().xpending("orders", "billing")["pending"] == 1


def slow_project(project, tmp_path):
    """Makes the consumer's only handler wait for a file named ``go``."""
    write_handlers(
        tmp_path,
        "slow_app",
        "import time\nfrom pathlib import Path\nfrom stream_events import handler\n"
        "@handler('orders', group='billing')\n"
        "def wait(event):\n"
        "    print('handling', flush=True)\n"
        f"    while not Path({str(tmp_path / 'go')!r}).exists():\n"
        "        time.sleep(0.02)\n",
    )
    apps = "INSTALLED_APPS = [*(a for a in INSTALLED_APPS if 'billing' not in a), 'slow_app']"
    change_settings(project, tmp_path, apps)


class TestReload:
    @pytest.fixture
    def module(self, project, tmp_path):
        """A handler module that can be edited while the consumer runs."""
        path = write_handlers(tmp_path, "edited_app", "")
        change_settings(project, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'edited_app']")
        project.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self.write(path, "first")
        return path

    def write(self, path, word):
        path.write_text(
            "from stream_events import handler\n"
            "@handler('orders', group='billing', name='edited')\n"
            f"def say(event):\n    print('{word} version', flush=True)\n"
        )

    def test_restarts_with_the_new_code(self, project, consume, module):
        output = consume()
        output.wait_for("Consuming.")
        place_orders(project, 1)
        output.wait_for("first version")
        self.write(module, "second")
        wait_for(lambda: output.text().count("Consuming.") == 2, "the restart")
        place_orders(project, 1, prefix="B")
        output.wait_for("second version")
        assert output.text().count("first version") == 1

    def test_waits_for_code_that_does_not_start_to_be_mended(self, project, consume, module):
        output = consume()
        output.wait_for("Consuming.")
        module.write_text("this is no Python\n")
        output.wait_for("waiting for a file to change")
        self.write(module, "mended")
        wait_for(lambda: output.text().count("Consuming.") == 2, "the restart")

    def test_a_consumer_whose_parent_was_killed_ends(self, project, consume, module):
        output = consume()
        output.wait_for("Consuming.")
        output.process.kill()
        output.wait_for("consumer_stopping")
        wait_for(lambda: not project.redis().xinfo_consumers("orders", "billing"), "the consumer gone")


def test_an_unreachable_port_is_named_without_credentials(project, consume):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        project.environment["REDIS_URL"] = f"redis://user:hunter2@127.0.0.1:{port}/0"
        output = consume("--no-reload")
        output.wait_for(f"redis://127.0.0.1:{port}/0")
        output.process.send_signal(signal.SIGTERM)
        assert output.process.wait(10) == 0
    assert "hunter2" not in output.text()
