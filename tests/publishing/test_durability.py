"""Published means confirmed, by replicas and append-only files, where the settings want it."""

import pytest

from stream_events import StreamPublisher
from stream_events.exceptions import NotDurableError
from stream_events.models import OutboxEvent
from stream_events.publishing.breaker import breaker
from stream_events.publishing.entries import make_entry
from stream_events.publishing.outbox import write_outbox
from stream_events.publishing.relay import Relay
from stream_events.publishing.spill import spilled
from tests.conftest import wait_for
from tests.faults.servers import Server
from tests.shop.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EVENT = {"obj_id": 1, "obj_type": "shop.order", "action": "create"}


def add():
    return StreamPublisher("orders").add(EVENT)


@pytest.fixture
def replica(real, tmp_path):
    real.client.config_set("repl-diskless-sync-delay", 0)
    replica = Server("valkey-9", tmp_path / "replica", "--replicaof", f"127.0.0.1 {real.port}").start()
    wait_for(lambda: replica.client.info("replication")["master_link_status"] == "up", "the replica's link")
    wait_for(lambda: real.client.info("replication")["slave0"]["state"] == "online", "the replica to be online")
    yield replica
    replica.go_on()
    replica.close()


def set_durability(settings, **wanted):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, **wanted}


class TestReplicas:
    @pytest.fixture(autouse=True)
    def _wanted(self, real, replica, settings):
        set_durability(settings, WAIT_REPLICAS=1)
        add()

    def test_what_was_published_is_on_the_replica(self, replica):
        entry_id, _ = add()
        assert replica.client.xrange("orders")[-1][0].decode() == entry_id

    def test_what_is_not_confirmed_raises_and_is_not_even_sent_again(self, real, replica):
        replica.pause()
        for _ in range(5):
            with pytest.raises(NotDurableError, match=r"WAIT: wanted \[1\], confirmed \[0\]"):
                add()
        assert real.client.xlen("orders") == 2  # the one before, and one that nobody confirmed

    def test_more_replicas_than_there_are_confirm_nothing(self, real, settings):
        set_durability(settings, WAIT_REPLICAS=2)
        with pytest.raises(NotDurableError):
            add()
        assert real.client.xlen("orders") == 1

    def test_a_batch_that_is_not_confirmed_has_failed(self, replica):
        replica.pause()
        assert StreamPublisher("orders").batch_add([{**EVENT, "obj_id": 1}, {**EVENT, "obj_id": 2}]) == ([], [1, 2])

    @pytest.mark.parametrize("hurt", ["pause", pytest.param("kill", marks=pytest.mark.slow)])
    def test_events_are_spilled_and_arrive_when_the_replica_is_back(self, real, replica, arrived, hurt, caplog):
        getattr(replica, hurt)()
        for number in range(20):
            Order.objects.create(number=number)
        assert OutboxEvent.objects.count() == 20
        wait_for(lambda: caplog.text.count("recovery_failed") > 1, "some attempts")
        assert real.client.xlen("orders") <= 1 + 1 + 20  # what each connection has tried once
        replica.go_on() if hurt == "pause" else replica.start()
        wait_for(lambda: not spilled, "the sending of what was spilled")
        entries = [one["event_id"] for one in arrived("orders")[1:]]
        assert len(set(entries)) == 20
        assert not OutboxEvent.objects.exists()
        wait_for(lambda: replica.client.xlen("orders") == real.client.xlen("orders"), "all of them on the replica")

    def test_a_relay_tries_once_and_then_waits_for_the_replica(self, real, replica):
        replica.pause()
        Order.objects.create(number="1")
        relay = Relay("default")
        for _ in range(3):
            with pytest.raises(NotDurableError):
                relay.run_once()
        assert real.client.xlen("orders") <= 3


class TestFiles:
    def test_the_servers_own_file_confirms(self, real, settings):
        set_durability(settings, WAIT_AOF=1)
        add()
        assert real.client.xlen("orders") == 1

    @pytest.fixture
    def filed(self, real, replica):
        """The replica once it has a file, of which it speaks every second."""
        real.client.set("any", "write")
        wait_for(lambda: real.client.waitaof(1, 1, 100) == [1, 1], "the replica's first file")
        return replica

    def test_that_of_a_replica_as_well(self, filed, settings):
        set_durability(settings, WAIT_AOF=2, PUBLISH_TIMEOUT=4)
        add()
        filed.pause()
        set_durability(settings, PUBLISH_TIMEOUT=0.5)
        with pytest.raises(NotDurableError, match=r"WAITAOF: wanted \[1, 1\], confirmed \[1, 0\]"):
            add()

    def test_relays_have_more_patience_than_requests(self, real, filed, settings):
        set_durability(settings, WAIT_AOF=2, PUBLISH_TIMEOUT=0.01)
        write_outbox([make_entry("orders", EVENT)], "default")
        assert Relay("default").run() == 1
        assert real.client.xlen("orders") == 1

    def test_a_server_without_one_confirms_nothing_and_says_so(self, real, settings, caplog):
        real.client.config_set("appendonly", "no")
        set_durability(settings, WAIT_AOF=1)
        with pytest.raises(NotDurableError, match="appendonly is disabled"):
            add()
        assert real.client.xlen("orders") == 0
        Order.objects.create(number="1")
        assert "events_spilled" in caplog.text
        assert "appendonly is disabled" in caplog.text
        real.client.config_set("appendonly", "yes")
        wait_for(lambda: not spilled, "the sending of what was spilled")
        assert real.client.xlen("orders") == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["redis-6.2", "redis-7.0"])
    def test_a_server_that_knows_no_waiting_says_so(self, tmp_path, settings, kind):
        server = Server(kind, tmp_path / "old").start()
        try:
            settings.STREAM_EVENTS = {"URL": server.url, "WAIT_AOF": 1}
            with pytest.raises(NotDurableError, match="unknown command"):
                add()
            assert server.client.xlen("orders") == 0
        finally:
            server.close()


def test_both_can_be_wanted(real, replica, settings):
    set_durability(settings, WAIT_AOF=1, WAIT_REPLICAS=1)
    entry_id, _ = add()
    assert replica.client.xrange("orders")[-1][0].decode() == entry_id


def test_that_nobody_confirms_either_is_no_outage(real, replica, settings):
    set_durability(settings, WAIT_AOF=2, WAIT_REPLICAS=1)
    replica.pause()
    for _ in range(2):
        with pytest.raises(NotDurableError):
            add()
    assert not breaker.is_open
