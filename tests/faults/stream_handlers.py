"""Handlers of consumers in processes of their own: which one is registered comes from the environment."""

import ctypes
import multiprocessing
import os
import random
import time

from stream_events import handler

POISON = {int(one) for one in os.environ.get("POISON", "").split(",") if one}
FAILURES = float(os.environ.get("FAILURES", "0"))
OPTIONS = {"group": "billing", "name": "handled", "max_deliveries": int(os.environ.get("MAX_DELIVERIES", "8"))}

log = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event):
    """One write of a short line: complete, or not at all, whenever the process is killed."""
    os.write(log, f"{event.obj_id}\n".encode())


def fail_sometimes(event):
    time.sleep(0.001)  # some work, in the middle of which a process can be killed
    if event.obj_id in POISON:
        raise ValueError("poison")
    if random.random() < FAILURES:
        raise RuntimeError("bad luck")


def plain(event):
    note(event)


def unlucky(event):
    fail_sometimes(event)
    note(event)


def deadly(event):
    note(event)
    if event.obj_id in POISON:
        os._exit(9)


def slow(event):
    note(event)
    time.sleep(0.2)


def stubborn(event):
    """Holds the interpreter's lock, and with it every other thread, for as long as it sleeps."""
    note(event)
    if event.obj_id in POISON:
        ctypes.PyDLL(None).usleep(3_000_000)


def forking(event):
    child = multiprocessing.get_context("fork").Process(target=note, args=[event])
    child.start()
    child.join()


def endless(event):
    note(event)
    if event.obj_id in POISON:
        time.sleep(3600)


def once(event):
    from tests.faults.models import Effect

    fail_sometimes(event)
    Effect.objects.create(obj_id=event.obj_id)


def once_in_batches(events):
    from tests.faults.models import Effect

    for event in events:
        fail_sometimes(event)
    Effect.objects.bulk_create([Effect(obj_id=event.obj_id) for event in events])


match os.environ["HANDLER"]:
    case "once":
        handler("orders", once=True, **OPTIONS)(once)
    case "once_in_batches":
        handler("orders", once=True, batch=100, **OPTIONS)(once_in_batches)
    case "endless":
        handler("orders", timeout=1, **OPTIONS)(endless)
    case name:
        handler("orders", **OPTIONS)(globals()[name])
