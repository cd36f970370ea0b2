"""The command, as real processes of the demo project."""

import json
import os
import pty
import shlex
import signal

import pytest
from django.core.management import CommandError, call_command

from stream_events import suppress
from tests.conftest import wait_for
from tests.management.test_runconsumer import change_settings
from tests.shop.models import Order

ROWS = """
from demo_project.shop.models import Order
from stream_events import suppress
with suppress("orders"):
    Order.objects.bulk_create([Order(number=f"A{{number}}", customer="Ada") for number in range({count})])
"""


@pytest.fixture
def place(project):
    """Makes orders that nobody has published."""

    def place(count):
        project.shell(ROWS.format(count=count))

    return place


@pytest.fixture
def published(project):
    """The keys of the orders of which there are events, in order."""

    def read():
        return [json.loads(fields[b"payload"])["obj_id"] for _, fields in project.redis().xrange("orders")]

    return read


def publish(project, *options):
    return project.run("publish_events", "shop.Order", *options)


def start_slowly(project, published, *options):
    """A run that has published something and has time left to be disturbed."""
    process = project.start("publish_events", "shop.Order", "--rate", "20", *options)
    wait_for(published, "the first event")
    return process


def continuation(output):
    """The arguments of the command that a stopped run asks to be repeated."""
    words = shlex.split(output.partition("Continue with:\n")[2])
    return words[words.index("publish_events") + 1 :]


def test_publishes_every_row_and_says_how_many(project, place, published):
    place(1200)
    code, output = publish(project, "--stream", "orders")
    assert code == 0
    assert "1,200 published in " in output
    assert published() == list(range(1, 1201))


def test_a_dry_run_shows_the_first_event_and_publishes_nothing(project, place, published, tmp_path):
    place(3)
    state = tmp_path / "state.json"
    code, output = publish(
        project, "--dry-run", "--filter", "number__in=A1,A2", "--action", "seen", f"--state={state}"
    )
    assert code == 0
    assert "2 rows; nothing was published." in output
    payload = json.loads(output[output.index("{") :])
    assert payload == {
        "obj_id": 2,
        "obj_type": "shop.order",
        "action": "seen",
        "data": {"number": "A1", "status": "placed"},
    }
    assert published() == []
    assert not state.exists()


def test_killed_it_goes_on_after_the_last_chunk(project, place, published, tmp_path):
    place(20)
    state = tmp_path / "state.json"
    process = start_slowly(project, published, f"--state={state}")
    wait_for(lambda: len(published()) >= 8, "a few chunks")
    process.kill()
    process.wait()
    before = published()
    code, _ = publish(project, f"--state={state}", "--rate", "20000")
    assert code == 0
    assert set(published()) == set(range(1, 21))
    assert len(before) < 20
    assert len(published()) <= 24  # a chunk of this rate has four events
    assert not state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_how_to_continue(project, place, published, number):
    place(20)
    process = start_slowly(project, published, "--exclude", "status=shipped, or lost")
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped as asked." in output
    assert "Traceback" not in output
    arguments = continuation(output)
    assert arguments[-3:] == ["--exclude", "status=shipped, or lost", f"--after={published()[-1]}"]
    assert project.run("publish_events", *arguments)[0] == 0
    assert published() == list(range(1, 21))


@pytest.mark.slow
def test_a_stop_is_obeyed_in_the_longest_pause(project, place, published):
    place(2)
    process = start_slowly(project, published, "--rate", "0.001")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "1 published. Continue with:" in output


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(project, place, published, tmp_path):
    place(2)
    sleepy = (
        "import time\n"
        "from django.db.models.signals import post_init\n"
        "def sleep(sender, **_):\n"
        "    if sender.__name__ == 'Order':\n"
        "        print('reading', flush=True)\n"
        "        time.sleep(600)\n"
        "post_init.connect(sleep)\n"
    )
    change_settings(project, tmp_path, sleepy)
    process = project.start("publish_events", "shop.Order")
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped at once.\n0 published. Continue with:" in output
    assert published() == []


def test_with_a_state_the_same_command_continues(project, place, published, tmp_path):
    place(20)
    options = ("--state", str(tmp_path / "state.json"))
    process = start_slowly(project, published, *options)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert continuation(output) == ["shop.Order", "--rate", "20", *options]


@pytest.mark.slow
def test_the_state_of_another_run_is_refused(project, place, published, tmp_path):
    place(1)
    state = tmp_path / "state.json"
    described = {"model": "shop.Order", "stream": "orders", "action": "seen", "database": "default"}
    state.write_text(json.dumps({**described, "filter": [], "exclude": [], "after": "0"}))
    code, output = publish(project, f"--state={state}")
    assert code == 2
    assert "state of another run: its action is 'seen', not 'update'" in output
    assert published() == []
    assert publish(project, f"--state={state}", "--action=seen")[0] == 0


def test_without_redis_it_exits_69_and_says_how_to_continue(project, place):
    place(1)
    project.environment["REDIS_URL"] = "redis://user:hunter2@127.0.0.1:1/0"
    code, output = publish(project)
    assert code == 69
    assert "Redis at redis://127.0.0.1:1/0 cannot be reached" in output
    assert "hunter2" not in output
    assert continuation(output) == ["shop.Order"]


def test_an_event_that_redis_refuses_exits_1_and_says_how_to_continue(project, place):
    place(1)
    project.redis().set("orders", "no stream")
    code, output = publish(project)
    assert code == 1
    assert "Redis refused an event: WRONGTYPE" in output
    assert "0 published. Continue with:" in output


def test_a_row_without_an_event_exits_1_and_says_how_to_pass_over_it(project, place, published, tmp_path):
    place(2)
    change_settings(project, tmp_path, "STREAM_EVENTS = {**STREAM_EVENTS, 'MAX_PAYLOAD': 10}")
    code, output = publish(project)
    assert code == 1
    assert "No event can be made of the row 1 (--after=1 passes over it): " in output
    assert "MAX_PAYLOAD" in output


def test_without_its_table_it_says_what_the_database_says(project, tmp_path):
    (tmp_path / "db.sqlite3").unlink()
    for options in ((), ("--dry-run",)):
        code, output = publish(project, *options)
        assert code == 1
        assert "no such table: shop_order" in output
        assert "Traceback" not in output


@pytest.mark.slow
def test_it_refuses_to_publish_nothing_when_publishing_is_off(project, place, tmp_path):
    place(1)
    change_settings(project, tmp_path, "STREAM_EVENTS = {**STREAM_EVENTS, 'ENABLED': False}")
    code, output = publish(project)
    assert code == 78
    assert "STREAM_EVENTS['ENABLED'] is False" in output
    assert publish(project, "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["shop.Oder"], "Did you mean shop.Order?"),
        (["shop.Order", "--stream=order"], "Did you mean orders?"),
        (["shop.Order", "--filter=stats=placed"], "Did you mean status?"),
        (["shop.Order", "--filter=id=many"], "expected a number"),
        (["shop.Order", "--filter=placed"], "is not LOOKUP=VALUE"),
        (["shop.Order", "--rate=0"], "is not a number of events a second above 0"),
        (["shop.Order", "--chunk=x"], "is not a whole number"),
        (["shop.Order", "--after=x"], "'x' is no key of shop.Order"),
        (["shop.Order", "--action="], "An action is a non-empty string"),
        (["shop.Order", "--database=other"], "There is no database 'other'"),
    ],
)
def test_what_cannot_be_meant_exits_2(project, arguments, reason):
    code, output = project.run("publish_events", *arguments)
    assert code == 2
    assert reason in output


@pytest.mark.slow
class TestProgress:
    def test_a_terminal_shows_a_bar(self, project, place):
        place(4)
        assert "4/4" in self.on_a_terminal(project)

    def test_without_the_library_a_terminal_shows_lines(self, project, place, tmp_path):
        place(30)
        change_settings(project, tmp_path, "import sys; sys.modules['rich'] = None")
        assert " of 30 (" in self.on_a_terminal(project)

    def test_quiet_it_says_nothing(self, project, place):
        place(1)
        assert publish(project, "--verbosity", "0") == (0, "")

    def on_a_terminal(self, project):
        """What a run shows on a terminal that is its stderr."""
        terminal, end = pty.openpty()
        process = project.start("publish_events", "shop.Order", "--rate", "20", stderr=end)
        os.close(end)
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # how Linux says that nobody writes any more
            pass
        finally:
            os.close(terminal)
        assert process.wait(30) == 0
        return shown.decode()


@pytest.mark.django_db(transaction=True)
def test_a_program_can_call_it(entries, capsys):
    with suppress("orders"):
        Order.objects.bulk_create([Order(number="A1"), Order(number="A2")])
    call_command("publish_events", "shop.Order")
    assert [event["action"] for event in entries("orders")] == ["update", "update"]
    assert "2 published" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Did you mean orders"):
        call_command("publish_events", "shop.Order", stream="order")
