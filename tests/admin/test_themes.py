"""The section under another theme, which replaces all templates and style sheets of the admin."""

import re

from tests.management.test_runconsumer import change_settings

UNFOLD = """
INSTALLED_APPS = ["unfold", *INSTALLED_APPS]
STREAM_EVENTS = {**STREAM_EVENTS, "ADMIN": {"BASE_CLASS": "unfold.admin.ModelAdmin"}}
ALLOWED_HOSTS = ["testserver"]
"""
SEED = """
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.test import Client
from stream_events import StreamPublisher
from stream_events.connections import inspecting_client
from stream_events.models import Stream

ids, _ = StreamPublisher("orders").batch_add([{"obj_id": 1}, {"obj_id": 2}])
redis = inspecting_client()
redis.xgroup_create("orders", "billing", id="0")
redis.xreadgroup("billing", "worker", {"orders": ">"})
redis.xadd("{orders}:billing:dead", {"payload": "{}", "dead_entry_id": ids[0], "dead_error": "E: no"}, id="5-0")
client = Client()
client.force_login(User.objects.create_superuser("root"))
print(type(site.get_model_admin(Stream)).__mro__)
for path in PATHS:
    response = client.get(f"/admin/stream_events/{path}".replace("ENTRY", ids[0]))
    page = response.content.decode()
    if "pendingentry/?" in path:
        print("MENU", all(found in page for found in ('x-model="action"', 'name="scope"', 'value="retry"')))
    print("PAGE", path, response.status_code, "unfold/css" in page, page.count("<h1"), "se-" in page)
"""
PATHS = [
    "stream/",
    "stream/?discover=1",
    "stream/orders/change/",
    "stream/orders/entries/",
    "stream/orders/danger/",
    "stream/orders/history/",
    "stream/orders~ENTRY/entry/",
    "consumergroup/",
    "consumergroup/orders~billing/change/",
    "consumergroup/orders~billing/order/reset/",
    "pendingentry/?group=orders~billing",
    "pendingentry/orders~billing~ENTRY/change/",
    "pendingentry/orders~billing~ENTRY/order/ack/",
    "deadletter/?group=orders~billing",
    "deadletter/orders~billing~5-0/change/",
    "consumer/",
    "consumer/orders~billing~worker/change/",
    "outboxevent/",
]


def test_every_page_is_one_of_the_theme(project, tmp_path):
    change_settings(project, tmp_path, UNFOLD)
    output = project.shell(f"PATHS = {PATHS!r}\n{SEED}")
    assert "unfold.admin.ModelAdmin" in output
    found = re.findall(r"^PAGE (\S+) (.*)$", output, re.MULTILINE)
    assert dict(found) == dict.fromkeys(PATHS, "200 True 1 True")
    assert "MENU True" in output


def test_a_base_class_that_is_none_is_reported_and_the_pages_do_without(project, tmp_path):
    change_settings(
        project, tmp_path, 'STREAM_EVENTS = {**STREAM_EVENTS, "ADMIN": {"BASE_CLASS": "django.db.models.Model"}}'
    )
    returncode, output = project.run("check")
    assert returncode == 1
    assert "STREAM_EVENTS['ADMIN']['BASE_CLASS'] is 'django.db.models.Model', which is no ModelAdmin." in output
    code = "from django.contrib import admin; print([str(one) for one in admin.site._registry])"
    returncode, output = project.run("shell", "-c", code)
    assert returncode == 0
    assert "stream_events.models.Stream" in output


def test_the_default_site_can_be_left_alone(project, tmp_path):
    change_settings(project, tmp_path, 'STREAM_EVENTS = {**STREAM_EVENTS, "ADMIN": {"REGISTER": False}}')
    output = project.shell(
        "from django.contrib.admin import site\n"
        "from stream_events.models import Stream\n"
        "print('registered', site.is_registered(Stream))\n"
    )
    assert "registered False" in output
