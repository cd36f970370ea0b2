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


@pytest.mark.django_db
def test_a_command_that_the_user_may_not_run_is_named_on_the_page(admin, server, settings):
    server.execute_command("ACL", "SETUSER", "viewer", "on", ">secret", "~*", "+@all", "-info")
    socket = server.connection_pool.connection_kwargs["path"]
    settings.STREAM_EVENTS = {"URL": f"unix://viewer:secret@{socket}", "KEY_PREFIX": "t:"}
    try:
        response = admin.get("/admin/stream_events/stream/")
        page = response.content.decode()
        assert response.status_code == 503
        assert "The user in the settings may not run INFO." in page
        assert "secret" not in page
    finally:
        server.execute_command("ACL", "DELUSER", "viewer")
