"""Names of other programs, as text and back."""

import pytest

from stream_events.operations.names import raw, readable


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"billing", "billing"),
        ("größe".encode(), "größe"),
        (b"\xff", "\\xff"),
        (b"\\xff", "\\x5cxff"),
        (b"\\\xff", "\\\\xff"),
        (b"\\x5\xff", "\\x5\\xff"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"a:b~c\n", "a:b~c\n"),
        (b"", ""),
    ],
    ids=ascii,
)
def test_every_name_is_text_that_says_all_of_it(name, text):
    assert readable(name) == text
    assert raw(text) == name


def test_all_pairs_of_bytes_come_back():
    names = [b"\\x" + bytes([one, other]) for one in range(256) for other in range(256)]
    assert [raw(readable(name)) for name in names] == names


def test_half_a_character_is_no_error():
    assert raw("\ud800") == b"\\ud800"
