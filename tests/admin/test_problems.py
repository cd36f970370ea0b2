"""What pages say when Redis does not answer as it should."""

import pytest
import redis
from redis import exceptions

from stream_events.admin.problems import problem
from stream_events.exceptions import ConfigurationError


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.STREAM_EVENTS = {"URL": "redis://user:hunter2@127.0.0.1:1/0"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (redis.ConnectionError("refused"), "Cannot reach Redis at redis://127.0.0.1:1/0."),
        (redis.TimeoutError("late"), "did not answer in time"),
        (redis.BusyLoadingError("LOADING"), "is loading its data"),
        (exceptions.OutOfMemoryError("command not allowed"), "out of memory"),
        (redis.ReadOnlyError("You can't write"), "read-only replica"),
        (exceptions.MovedError("1 127.0.0.1:7000"), "node of a cluster"),
        (exceptions.MasterDownError("Link down"), "lost its master"),
        (redis.AuthenticationError("invalid"), "does not accept the user or the password"),
        (exceptions.AuthorizationError("refused"), "does not accept the user or the password"),
        (redis.ResponseError("NOAUTH Authentication required."), "wants a password"),
        (redis.ResponseError("WRONGTYPE Operation"), "something else than a stream"),
        (redis.ResponseError("ERR odd"), "refuses what this page asks for"),
        (ConfigurationError("COUNT"), "not set up"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_has_a_sentence_of_its_own(error, sentence):
    found = problem(error)
    assert sentence in found.reason
    assert "hunter2" not in found.reason + found.error


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("this user has no permissions to run the 'xinfo|stream' command", "may not run XINFO STREAM."),
        ("User ana has no permissions to run the 'xpending' command", "may not run XPENDING."),
        ("No permissions to access a key", "may not read the keys of this page."),
    ],
    ids=["subcommand", "command", "key"],
)
def test_a_missing_permission_names_the_command(text, sentence):
    assert sentence in problem(exceptions.NoPermissionError(text)).reason


@pytest.fixture
def may_not(server, settings):
    """Connects as a user who may not run ``command``."""

    def connect(command):
        socket = server.connection_pool.connection_kwargs["path"]
        server.execute_command("ACL", "SETUSER", "viewer", "on", ">secret", "~*", "+@all", f"-{command}")
        settings.STREAM_EVENTS = {"URL": f"unix://viewer:secret@{socket}", "KEY_PREFIX": "t:"}

    yield connect
    server.execute_command("ACL", "DELUSER", "viewer")


@pytest.mark.django_db
def test_a_command_that_the_user_may_not_run_is_named_on_the_page(admin, registry, server, may_not):
    registry.register(print, stream="orders", group="billing")
    server.xadd("t:orders", {"payload": "{}"})
    server.xgroup_create("t:orders", "billing", id="0")
    server.xreadgroup("billing", "consumer-1", {"t:orders": ">"})
    may_not("xpending")
    response = admin.get("/admin/stream_events/consumer/")
    assert response.status_code == 503
    assert "The user in the settings may not run XPENDING." in response.content.decode()
    assert "secret" not in response.content.decode()


@pytest.mark.django_db
def test_a_page_shows_what_the_user_may_see(admin, may_not):
    may_not("info")
    response = admin.get("/admin/stream_events/stream/")
    assert response.status_code == 200
    assert "The user in the settings may not run INFO." in response.content.decode()
