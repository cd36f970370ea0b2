"""Calls ``manage.py streams``, in this process, and says how it ended."""

import io
import json
from typing import NamedTuple

from django.core.management import CommandError, call_command


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def streams(*arguments, stdout=None):
    out, err = stdout or io.StringIO(), io.StringIO()
    code, said = 0, ""
    try:
        call_command("streams", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        code, said = error.returncode, str(error)
    return Ran(code, out.getvalue(), err.getvalue() + said)
