"""What Prometheus is told."""

import socket
import sys
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stream_events.exceptions import ConfigurationError
from stream_events.operations.metrics import Metrics
from stream_events.publishing.counts import outcomes
from tests.conftest import wait_for
from tests.outboxes import let_wait, take_table_away


def exposed():
    registry = CollectorRegistry()
    registry.register(Metrics())
    return generate_latest(registry).decode()


def value(text, name):
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.django_db(databases=["default", "other"])
class TestOutbox:
    def test_every_database_has_its_count_and_its_age(self):
        let_wait(2, "other", age=90)
        text = exposed()
        assert 'stream_events_outbox_events{database="default"} 0.0' in text
        assert 'stream_events_outbox_oldest_age_seconds{database="default"} 0.0' in text
        assert 'stream_events_outbox_events{database="other"} 2.0' in text
        assert value(text, 'stream_events_outbox_oldest_age_seconds{database="other"}') >= 90

    def test_one_that_does_not_answer_has_no_samples(self):
        take_table_away("other")
        text = exposed()
        assert 'database="default"' in text
        assert 'database="other"' not in text

    def test_what_was_published_is_counted_by_outcome(self):
        before = value(exposed(), 'stream_events_publishing_total{outcome="spilled"}')
        outcomes.add("spilled", 3)
        text = exposed()
        assert value(text, 'stream_events_publishing_total{outcome="spilled"}') == before + 3
        assert all(f'outcome="{name}"' in text for name in ("published", "lost", "rejected"))


def test_registering_asks_no_database():
    CollectorRegistry(auto_describe=True).register(Metrics())  # pytest-django forbids it here


def test_without_the_extra_it_says_which_one_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"stream_events\[metrics\]"):
        Metrics()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            return response.read().decode()
    except OSError:
        return ""


class TestServed:
    def test_a_consumer_answers_prometheus_while_it_runs(self, project, port):
        process = project.start("runconsumer", "orders", "billing", "--no-reload", "--metrics-port", str(port))
        text = wait_for(lambda: ask(port), "the metrics")
        assert 'stream_events_outbox_events{database="default"} 0.0' in text
        assert "python_info" in text
        process.terminate()
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output
        assert "Traceback" not in output
        assert "Warning" not in output
        assert not ask(port)

    def test_each_worker_has_a_port_of_its_own(self, project, port):
        options = ("--no-reload", "--workers", "2", "--metrics-port", str(port))
        process = project.start("runconsumer", "orders", "billing", *options)
        assert wait_for(lambda: ask(port), "the first worker's metrics")
        assert wait_for(lambda: ask(port + 1), "the second worker's metrics")
        process.terminate()
        assert process.wait(20) == 0

    def test_a_port_that_is_taken_exits_78(self, project):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, output = project.run("runconsumer", "orders", "billing", "--drain", "--metrics-port", str(port))
        assert code == 78
        assert f"cannot be served at 127.0.0.1:{port}" in output

    @pytest.mark.parametrize("port", ["0", "x", "65536", "-1"])
    def test_what_is_no_port_exits_2(self, project, port):
        code, output = project.run("runconsumer", "orders", "billing", f"--metrics-port={port}")
        assert code == 2
        assert "is not a port" in output


def test_a_look_leaves_no_connection_behind(project):
    output = project.shell(
        "import threading\n"
        "from django.db import connections\n"
        "from prometheus_client import REGISTRY, generate_latest\n"
        "from stream_events.operations.metrics import Metrics\n"
        "REGISTRY.register(Metrics())\n"
        "def look():\n"
        "    text = generate_latest(REGISTRY).decode()\n"
        "    print('default' in text, [one.connection for one in connections.all(initialized_only=True)])\n"
        "thread = threading.Thread(target=look); thread.start(); thread.join()\n"
    )
    assert output.strip() == "True [None]"
