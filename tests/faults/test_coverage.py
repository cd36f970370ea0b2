"""docs/faults.md and the tests speak of the same faults."""

import re
from pathlib import Path

from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "faults.md").read_text()


def numbers(text):
    """All that are named, alone or as a range."""
    found = set()
    for first, _, last in re.findall(r"F(\d+)(–F(\d+))?", text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_fault_is_answered_or_left_to_later():
    assert numbers(DOCUMENT) >= set(range(1, 54))


def test_every_answer_has_a_test():
    marked = set()
    for path in Path(ROOT / "tests").rglob("test_*.py"):
        for mark in re.findall(r"fault\(([^)]*)\)", path.read_text()):
            marked |= numbers(mark.replace('"', ""))
    answered = numbers(DOCUMENT.partition("Left to later")[0])
    assert answered - marked == set()
    assert not marked - answered
