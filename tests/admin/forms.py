"""What tests of orders share: filling in and sending the forms of their pages, as a browser without scripts does."""

import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.test import Client

PENDING = "/admin/stream_events/pendingentry/"
LETTERS = "/admin/stream_events/deadletter/"
PENDING_LIST = f"{PENDING}?group=orders~billing"
OPERATOR = ("view_pendingentry", "ack_pendingentry", "retry_pendingentry", "claim_pendingentry")

_FORM = re.compile(r'<form method="post" action="([^"]*)" class="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
_BOX = re.compile(r'<input type="checkbox" name="_selected_action" value="([^"]*)"')
_TAG = re.compile(r"<[^>]*>")
_SECTION = re.compile(r'<section class="se-order".*?</section>', re.DOTALL)


def order_url(verb, *names, model="pendingentry"):
    """Where ``verb`` is ordered, for an entry of orders/billing, or with no id for the group."""
    return f"/admin/stream_events/{model}/{'~'.join(names)}/order/{verb}/"


def text(response):
    """The words of the page of an order."""
    found = _SECTION.search(response.content.decode())
    return " ".join(unescape(_TAG.sub(" ", found[0] if found else response.content.decode())).split())


def form_of(response, kind):
    """Where the form of a page goes, and what is in it."""
    for action, classes, body in _FORM.findall(response.content.decode()):
        if classes == kind:
            hidden = {name: unescape(value) for name, value in _HIDDEN.findall(body)}
            hidden.pop("csrfmiddlewaretoken", None)
            return unescape(action).partition("#")[0], hidden
    return None


def send(client, response, kind, **values):
    """Send a form of the page: “se-options”, “se-confirm” or “se-continue”."""
    url, hidden = form_of(response, kind)
    return client.post(url, hidden | values, follow=True)


def confirm(client, response, **values):
    return send(client, response, "se-confirm", confirm="yes", **values)


def go_on(client, response):
    return send(client, response, "se-continue", **{"continue": "yes"})


def boxes(response):
    """The values of the boxes of a list, in its order."""
    return [unescape(value) for value in _BOX.findall(response.content.decode())]


def act(client, url, action, picked=(), **values):
    """Choose an action of the list at ``url``."""
    return client.post(url, {"action": action, "_selected_action": list(picked), "index": "0", **values})


def sign_in(name, *permissions, **options):
    """A browser in which a staff user is logged in who may do nothing but ``permissions``."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(**options)
    client.force_login(user)
    return client
