import pytest

from stream_events.exceptions import ConfigurationError
from stream_events.keys import check_group, check_stream, position_key, stream_key


@pytest.mark.parametrize("stream", ["orders", "shop:orders", "{shop}:orders", "a b"])
def test_accepts_stream_names(stream):
    check_stream(stream)


@pytest.mark.parametrize("stream", ["", " ", None, 5, "a{b", "{}a", "{a}{b}", "a~b"])
def test_refuses_names_that_cannot_be_streams(stream):
    with pytest.raises(ConfigurationError):
        check_stream(stream)


@pytest.mark.parametrize("group", ["", None, "a:b", "a b", "a{b", "}", "~retry", "stats", "a\tb"])
def test_refuses_names_that_cannot_be_groups(group):
    with pytest.raises(ConfigurationError):
        check_group(group)


def test_the_prefix_comes_before_the_stream():
    assert stream_key("orders", "app:") == "app:orders"


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("orders", "{app:orders}:~position:board"), ("{shop}:orders", "app:{shop}:orders:~position:board")],
)
def test_a_position_lies_in_the_slot_of_its_stream(stream, expected):
    assert position_key(stream, "board", "app:") == expected
