import pytest
from django.test import override_settings

from stream_events.conf import get_settings, unknown_keys
from stream_events.connections import parse
from stream_events.exceptions import ConfigurationError


@override_settings()
def test_has_defaults_without_a_setting(settings):
    del settings.STREAM_EVENTS
    assert get_settings().url == "redis://localhost:6379/0"
    assert (get_settings().count, get_settings().block, get_settings().claim_idle) == (100, 2.0, 900.0)
    assert get_settings().plugins == ()


def test_sees_a_changed_setting():
    with override_settings(STREAM_EVENTS={"COUNT": 7}):
        assert get_settings().count == 7
    with override_settings(STREAM_EVENTS={"COUNT": 8}):
        assert get_settings().count == 8


def test_is_one_frozen_value_while_nothing_changes():
    assert get_settings() is get_settings()
    with pytest.raises(AttributeError):
        get_settings().count = 5


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("COUNT", 0, "whole number"),
        ("COUNT", "100", "whole number"),
        ("COUNT", True, "whole number"),
        ("BLOCK", 0, "seconds above 0"),
        ("BLOCK", "2", "seconds above 0"),
        ("ENABLED", "yes", "True or False"),
        ("ON_FAILURE", "ignore", "'outbox', 'raise', 'log'"),
        ("HANDLER_MODULES", "stream_handlers", "a list of names"),
        ("PLUGINS", "parcels", "a list of names"),
        ("OPTIONS", [], "a dictionary"),
        ("OUTBOX", ["default"], "a dictionary"),
        ("OUTBOX", {"DATABASES": "default"}, "a list of names"),
        ("OUTBOX", {"DATABASE": ["default"]}, "'DATABASES'"),
        ("KEY_PREFIX", None, "a string"),
    ],
)
def test_says_which_value_cannot_be_used(key, value, wanted):
    with override_settings(STREAM_EVENTS={key: value}), pytest.raises(ConfigurationError, match=wanted) as caught:
        get_settings()
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("group", "key", "value", "wanted"),
    [
        ("ADMIN", "READ_ONLY", "yes", "True or False"),
        ("ADMIN", "ENVIRONMENT", "production", "such as ('production', 'danger')"),
        ("ADMIN", "ENVIRONMENT", None, "such as ('production', 'danger')"),
        ("ADMIN", "ENVIRONMENT", ("production", "red"), "one of 'danger', 'warning', 'info'"),
        ("ADMIN", "PAYLOAD_FORMATTER", 5, "a string"),
        ("ADMIN", "MIN_REFRESH", 0, "seconds above 0"),
        ("ADMIN", "SCAN_BUDGET", 1.5, "whole number"),
        ("METRICS", "ENABLED", 1, "True or False"),
    ],
    ids=str,
)
def test_says_where_a_value_within_a_dictionary_cannot_be_used(group, key, value, wanted):
    with override_settings(STREAM_EVENTS={group: {key: value}}), pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert str(caught.value).startswith(f"STREAM_EVENTS['{group}']['{key}'] must be ")
    assert wanted in str(caught.value)


@override_settings(STREAM_EVENTS={"URL": ["redis://:hunter2@host"]})
def test_shows_no_password_of_a_url_of_the_wrong_type():
    with pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert "hunter2" not in str(caught.value)


@override_settings(STREAM_EVENTS=["URL"])
def test_the_setting_is_a_dictionary():
    with pytest.raises(ConfigurationError, match="must be a dictionary"):
        get_settings()


@override_settings(STREAM_EVENTS={"CLAIM_IDEL": 5, "zzz": 1, "COUNT": 3})
def test_names_unknown_keys_with_the_closest_known_one():
    assert unknown_keys() == {"CLAIM_IDEL": "CLAIM_IDLE", "zzz": None}
    assert get_settings().count == 3


def test_the_embedded_folder_lies_in_the_project(tmp_path):
    odd = tmp_path / "c# ? %"
    with override_settings(BASE_DIR=odd, STREAM_EVENTS={"URL": "embedded://"}):
        assert parse(get_settings().url)["folder"] == odd / ".stream_events"
