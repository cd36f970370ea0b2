"""Who may import whom: the table in docs/architecture.md, held by reading the imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "stream_events"

# A module may import from rows above its own, and from its own name; "keeper" is a script and stands alone.
LAYERS = [
    {"arguments", "durable", "exceptions", "line", "locks", "pipes", "posix_signals", "tally", "ticker", "version"}
    | {"keeper"},
    {"events", "health", "keys", "embedded"},
    {"conf", "registration"},
    {"connections", "registry", "models", "signals", "cause"},
    {"publishing", "consuming", "plugins", "cache"},
    {"operations", "clients"},
    {"admin", "management", "templatetags", "checks", "__main__"},
    {"apps"},
]
ROW = {name: number for number, row in enumerate(LAYERS) for name in row}

MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts and path.stem
)


def part(path):
    return path.parts[0].removesuffix(".py")


def imports(path):
    """The dotted names under ``stream_events`` that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name != "__init__.py" or len(path.parts) > 1], ids=str
)
def test_imports_point_upwards_only(path):
    own = part(path)
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package != "stream_events":
            continue
        other = rest.partition(".")[0]
        assert other in ROW, f"{path} imports {name} from the package root"
        allowed = other == own or ROW[other] < ROW[own]
        assert allowed, f"{path} ({own}) may not import {name}"


def test_every_module_has_a_row():
    assert {part(path) for path in MODULES} - {"__init__"} == set(ROW)


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("django.conf", {"conf.py"}),
        ("redis.Redis(", {"connections.py"}),
        ("ConnectionPool(", {"connections.py"}),
        ("xreadgroup(", {"consuming/group.py"}),
        ("xack(", {"consuming/group.py"}),
        ("xread(", {"consuming/feed.py"}),
    ],
)
def test_some_things_are_done_in_one_place(text, only):
    assert {str(path) for path in MODULES if text in (PACKAGE / path).read_text()} == only


def test_no_module_has_a_name_that_says_nothing():
    assert not {"utils", "helpers", "common", "misc"} & {path.stem for path in MODULES}
