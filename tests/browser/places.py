"""Every page of the section, for a project that a Scene has filled."""

import contextlib
import os
import signal

from playwright.sync_api import expect

from tests.conftest import wait_for

SECTION = "/admin/stream_events"
BATCH = 2500  # dead letters, more than are requeued at once


def places(scene):
    """The pages that an address leads to, by name."""
    entry, pending = scene.ids["orders"][-1], f"{SECTION}/pendingentry"
    letter = scene.client.xrevrange("{orders}:billing:dead", count=1)[0][0].decode()
    group, consumer = f"{SECTION}/consumergroup/orders~billing", "orders~billing~billing-2-4190-aa71d3"
    stream = f"{SECTION}/stream/orders"
    return {
        "streams": f"{SECTION}/stream/",
        "discovery": f"{SECTION}/stream/?discover=1",
        "stream": f"{stream}/change/",
        "entries": f"{stream}/entries/?group=billing",
        "entry": f"{stream}~{entry}/entry/",
        "danger": f"{stream}/danger/",
        "log": f"{stream}/history/",
        "publish": f"{SECTION}/stream/publish/",
        "groups": f"{SECTION}/consumergroup/",
        "group": f"{group}/change/",
        "stalled-group": f"{SECTION}/consumergroup/stock~warehouse/change/",
        "pending-chooser": f"{pending}/",
        "pending": f"{pending}/?group=orders~billing",
        "pending-entry": f"{pending}/orders~billing~{entry}/change/",
        "dead-letters-chooser": f"{SECTION}/deadletter/",
        "dead-letters": f"{SECTION}/deadletter/?group=orders~billing",
        "dead-letter": f"{SECTION}/deadletter/orders~billing~{letter}/change/",
        "consumers": f"{SECTION}/consumer/",
        "consumer": f"{SECTION}/consumer/{consumer}/change/",
        "outbox": f"{SECTION}/outboxevent/",
        "outbox-event": f"{SECTION}/outboxevent/1/change/",
        "options-publish": f"{stream}/order/publish/",
        "options-claim": f"{pending}/orders~billing/order/claim/",
        "options-reset": f"{group}/order/reset/",
        "options-trim": f"{stream}/order/trim/",
        "options-delete-consumer": f"{SECTION}/consumer/{consumer}/order/delete-consumer/",
        "options-delete-group": f"{group}/order/delete-group/",
        "confirmation": f"{pending}/orders~billing~{entry}/order/retry/",
        "confirmation-with-name": f"{stream}/order/delete-stream/",
        "gone": f"{pending}/orders~billing~1-1/change/",
    }


def orders(page, scene):
    """Goes through pages that only forms lead to, and yields the name of each."""
    stream, pending = f"{SECTION}/stream/orders", f"{SECTION}/pendingentry"
    page.goto(f"{stream}/order/trim/")
    page.get_by_role("button", name="Show what would happen").click()
    yield "options-with-errors"
    page.get_by_label("this many of the newest entries").check()
    page.get_by_label("Number of entries").fill("4")
    page.get_by_role("button", name="Show what would happen").click()
    yield "confirmation-trim"
    page.get_by_label("Type “orders”").fill("order")
    page.get_by_role("button", name="Yes, do it").click()
    yield "confirmation-with-wrong-name"
    page.goto(f"{pending}/?group=orders~billing")
    page.locator("#action-toggle").check()
    page.get_by_label("Action:").select_option("dead")
    page.get_by_role("button", name="Go", exact=True).first.click()
    yield "confirmation-of-many"
    scene.client.xack("orders", "billing", scene.ids["orders"][-2])
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status")).to_contain_text("Done:")
    yield "report"
    yield from _batch(page, scene)


def _batch(page, scene):
    pipeline = scene.client.pipeline(transaction=False)
    for number in range(BATCH):
        pipeline.xadd(
            "{payments}:ledger:dead", {"payload": "{}", "dead_error": "ValueError: no", "dead_entry_id": f"{number}-0"}
        )
    pipeline.execute()
    page.goto(f"{SECTION}/deadletter/?group=payments~ledger")
    page.get_by_label("Action:").select_option("requeue")
    page.get_by_label("With:").select_option("all")
    page.get_by_role("button", name="Go", exact=True).first.click()
    yield "confirmation-of-all"
    page.get_by_label("Type “ledger”").fill("ledger")
    posts = []
    page.on("request", lambda request: request.method == "POST" and posts.append(request))
    page.route("**/order/requeue/", lambda route: route.abort() if len(posts) > 1 else route.continue_())
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_text("The last step got no answer.")).to_be_visible()
    yield "batch"


@contextlib.contextmanager
def without_redis(client):
    """Redis answers nothing meanwhile."""
    process = client.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
        wait_for(client.ping, "Redis")
