"""Texts that go through a browser and come back as they were, from the user whom they were made for."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LOOK = 3600  # seconds that what was seen may be acted upon
BATCH = 7 * 86400  # and that a batch may lie until it goes on

_CHANGED = gettext_lazy("This form was changed on its way, or made for somebody else. Begin again.")


class BrokenSeal(Exception):
    """What came back cannot be used; the text says why, for people."""


class Seal:
    """Signs values of JSON for one user and one purpose."""

    def __init__(self, request: HttpRequest, *purpose: str) -> None:
        self._salt = "|".join(("stream_events.admin", str(request.user.pk), *purpose))

    def close(self, value: Any) -> str:
        """``value`` as a text for a form."""
        return signing.dumps(value, salt=self._salt, compress=True)

    def mark(self, value: Any) -> str:
        """As ``close``, but good for ever: the same value is always the same text."""
        return signing.Signer(salt=self._salt).sign_object(value)

    def read(self, text: str) -> Any:
        """The value that ``mark`` made ``text`` of; raises ``BrokenSeal``."""
        try:
            return signing.Signer(salt=self._salt).unsign_object(text)
        except signing.BadSignature:
            raise BrokenSeal(str(_CHANGED)) from None

    def open(self, text: str, seconds: int = LOOK) -> Any:
        """The value in ``text``; raises ``BrokenSeal`` if it is older than ``seconds``, or not what ``close`` made."""
        try:
            return signing.loads(text, salt=self._salt, max_age=seconds)
        except signing.SignatureExpired:
            raise BrokenSeal(_("This form is too old: what it is about may have changed. Begin again.")) from None
        except signing.BadSignature:
            raise BrokenSeal(str(_CHANGED)) from None
