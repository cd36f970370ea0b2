"""The translations: complete, of the sources as they are, and true to their placeholders."""

import gettext
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

import stream_events

PACKAGE = Path(stream_events.__file__).parent
CATALOGUES = sorted(PACKAGE.glob("locale/*/LC_MESSAGES/django.po"))
_PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%%s|%[sd]|\{[a-z_]*\}")

each_language = pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parts[-3])


def messages(path):
    """What a compiled catalogue has: (msgid, form) to msgstr; form is None where there is no plural."""
    with path.open("rb") as file:
        found = gettext.GNUTranslations(file)._catalog
    return {key if isinstance(key, tuple) else (key, None): text for key, text in found.items() if key}


def tool(name):
    if shutil.which(name):
        return name
    if os.environ.get("CI") == "true":
        raise AssertionError(f"There is no {name}; .ci/servers installs gettext.")
    return pytest.skip(f"there is no {name}; .ci/servers installs gettext")


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_one():
    assert [path.parts[-3] for path in CATALOGUES] == ["de"]


@each_language
def test_everything_in_the_sources_is_translated(catalogue, tmp_path, monkeypatch):
    tool("xgettext")
    shutil.copytree(PACKAGE, tmp_path / "stream_events", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    monkeypatch.chdir(tmp_path / "stream_events")
    call_command("makemessages", locale=[catalogue.parts[-3]], verbosity=0, stdout=io.StringIO())
    made = tmp_path / "stream_events" / catalogue.relative_to(PACKAGE)
    assert run("msgattrib", "--untranslated", made) == ""
    assert run("msgattrib", "--only-fuzzy", made) == ""
    assert run("msgattrib", "--only-obsolete", made) == ""


@each_language
def test_what_is_compiled_is_what_is_written(catalogue, tmp_path):
    run(tool("msgfmt"), "--check-format", "-o", tmp_path / "django.mo", catalogue)
    assert messages(tmp_path / "django.mo") == messages(catalogue.with_suffix(".mo"))


@each_language
def test_placeholders_stay(catalogue):
    for (msgid, form), text in messages(catalogue.with_suffix(".mo")).items():
        wanted, found = (sorted(_PLACEHOLDER.findall(one)) for one in (msgid, text))
        # A form for one may say so without the number; that for many has all that the singular has.
        assert found == wanted or (form is not None and set(wanted) <= {*found, "%(count)s", "%s"}), (msgid, text)
