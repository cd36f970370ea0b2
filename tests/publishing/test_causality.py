"""Events that are published while another is handled name their cause, and loops are warned of."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from stream_events import StreamPublisher
from stream_events.consuming import Consumer
from stream_events.publishing import causality
from stream_events.publishing.relay import Relay
from tests.market.models import Item, Payment, Token
from tests.shop.models import Parcel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_warned(monkeypatch):
    monkeypatch.setattr(causality, "_warned", set())


@pytest.fixture
def headers(server):
    """The fields beside the payload of the entries in a stream."""

    def read(stream):
        found = [fields for _, fields in server.xrange(f"t:{stream}")]
        return [{name.decode(): fields[name].decode() for name in fields if name != b"payload"} for fields in found]

    return read


@pytest.fixture
def handle(registry, server):
    """Registers a handler of one stream and has a consumer handle what is in that."""

    def run(func, stream="orders", **options):
        registry.register(func, stream=stream, group="billing", name=f"{stream}-{len(list(registry))}", **options)
        return Consumer(stream, "billing", drain=True).run()

    return run


def order(**payload):
    StreamPublisher("orders").add({"obj_id": 1, "obj_type": "shop.order", "action": "create", **payload})


def create_token(event):
    Token.objects.create(name="t")


async def create_token_later(event):
    await asyncio.sleep(0)
    await Token.objects.acreate(name="t")


async def create_token_in_a_thread(event):
    await sync_to_async(create_token)(event)


def test_what_nothing_caused_says_nothing(server, headers):
    Token.objects.create(name="t")
    order()
    assert [set(one) for one in headers("tokens") + headers("orders")] == [{"event_id"}] * 2


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (create_token, {}),
        (create_token, {"atomic": True}),
        (create_token, {"once": True}),
        (create_token, {"batch": 1}),
        (create_token_later, {}),
        (create_token_in_a_thread, {}),
    ],
    ids=["plain", "atomic", "once", "batch of one", "async", "async with a thread"],
)
def test_an_event_names_the_one_that_caused_it(headers, handle, handler, options):
    order()
    assert handle(handler, **options).left == 0
    (first,), (second,) = headers("orders"), headers("tokens")
    assert second["causation_id"] == second["correlation_id"] == first["event_id"]


def test_a_chain_of_three_keeps_the_first(headers, handle):
    order()
    handle(create_token)
    handle(lambda event: Item.objects.create(name="i"), stream="tokens")
    first, second, third = headers("orders")[0], headers("tokens")[0], headers("items")[0]
    assert third["causation_id"] == second["event_id"]
    assert third["correlation_id"] == second["correlation_id"] == first["event_id"]


def test_an_entry_without_an_id_is_named_by_its_place(server, headers, handle):
    entry_id = server.xadd("t:orders", {"payload": '{"obj_id": 1}'}).decode()
    handle(create_token)
    assert headers("tokens")[0]["causation_id"] == f"orders/{entry_id}"


def test_a_correlation_that_somebody_else_began_goes_on(server, headers, handle):
    server.xadd("t:orders", {"payload": '{"obj_id": 1}', "event_id": "e", "correlation_id": "request-5"})
    handle(create_token)
    assert headers("tokens")[0].items() >= {"causation_id": "e", "correlation_id": "request-5"}.items()


@pytest.mark.parametrize(
    "publish",
    [
        lambda: StreamPublisher("tokens").add({"obj_id": 2}),
        lambda: StreamPublisher("tokens").batch_add([{"obj_id": 2}]),
        lambda: Token.events.publish(Token(name="t"), "seen"),
    ],
    ids=["add", "batch_add", "publish"],
)
def test_every_way_to_publish_names_the_cause(headers, handle, publish):
    order()
    handle(lambda event: publish())
    assert headers("tokens")[0]["causation_id"] == headers("orders")[0]["event_id"]


def test_a_batch_of_several_is_nobodys_cause(headers, handle):
    order()
    order(obj_id=2)
    handle(lambda events: create_token(events[0]), batch=10)
    assert [set(one) for one in headers("tokens")] == [{"event_id"}]


def test_what_follows_a_handler_has_no_cause(headers, handle):
    order()
    handle(lambda event: None)
    create_token(None)
    assert set(headers("tokens")[0]) == {"event_id"}


def test_the_cause_goes_through_the_outbox(headers, handle, monkeypatch):
    monkeypatch.setattr(Token.events, "via", "outbox")
    order()
    handle(create_token)
    Relay("default").run()
    assert headers("tokens")[0]["causation_id"] == headers("orders")[0]["event_id"]


def test_the_cause_is_that_of_the_write_and_not_of_the_commit(headers, handle):
    order()
    handle(lambda event: [create_token(event), create_token(event)], atomic=True)
    assert {one["causation_id"] for one in headers("tokens")} == {headers("orders")[0]["event_id"]}


class TestLoops:
    @pytest.fixture
    def token(self, server):
        return Token.objects.create(name="t")

    @pytest.fixture
    def warnings(self, caplog):
        return lambda: [
            record.getMessage() for record in caplog.records if record.getMessage().startswith("event_loop")
        ]

    @staticmethod
    def save(event):
        token = event.get_object()
        if token.name != "done":
            token.name = "done"
            token.save()

    def test_a_handler_that_publishes_what_it_handles_is_warned_of(self, token, handle, warnings):
        handle(self.save, stream="tokens")
        (warning,) = warnings()
        assert "stream=tokens group=billing handler=tokens-0 obj_type=market.token action=update" in warning
        assert "allow_loop=True" in warning

    def test_once_for_each_kind_of_event(self, token, handle, warnings):
        Token.objects.create(name="u")
        handle(
            lambda event: event.get_object().events.publish("seen") if event.action == "create" else None,
            stream="tokens",
        )
        assert len(warnings()) == 1

    def test_not_when_the_handler_would_not_get_it(self, token, handle, warnings):
        handle(self.save, stream="tokens", actions=["create"])
        assert warnings() == []

    def test_not_when_it_wants_another_type(self, token, handle, warnings):
        handle(self.save, stream="tokens", obj_type="market.other")
        assert warnings() == []

    def test_not_when_it_is_meant(self, token, handle, warnings):
        handle(self.save, stream="tokens", allow_loop=True)
        assert warnings() == []

    def test_not_for_another_object(self, token, handle, warnings):
        handle(lambda event: Token.objects.create(name="u") if Token.objects.count() == 1 else None, stream="tokens")
        assert warnings() == []

    def test_not_for_another_stream(self, token, handle, warnings):
        handle(lambda event: StreamPublisher("seen").add({**event.payload}), stream="tokens")
        assert warnings() == []

    def test_for_a_payload_written_by_hand(self, token, handle, warnings):
        def publish(event):
            if event.action == "create":
                StreamPublisher("tokens").add({"obj_id": event.obj_id, "obj_type": event.obj_type, "action": "seen"})

        handle(publish, stream="tokens")
        assert len(warnings()) == 1

    def test_what_is_remembered_has_a_limit(self, token, handle, warnings, monkeypatch):
        monkeypatch.setattr(causality, "KNOWN_LOOPS", 0)
        handle(self.save, stream="tokens")
        assert warnings() == []


def test_models_of_other_apps_are_caused_alike(headers, handle):
    order()
    handle(lambda event: [Parcel.objects.create(name="p"), Payment.objects.create()])
    causes = {one["causation_id"] for stream in ("tracked", "decided", "described") for one in headers(stream)}
    assert causes == {headers("orders")[0]["event_id"]}
