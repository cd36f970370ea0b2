"""Changes counters in several threads, until its input is closed: ``python -m tests.faults.writer``."""

import random
import sys
import threading

import django
from django.db import transaction
from django.db.models import F

THREADS = 5
AT_ONCE = 6  # counters in one transaction, at most


class Rollback(Exception):
    pass


def write(stopped, count):
    from tests.faults.models import Counter

    while not stopped.is_set():
        try:
            with transaction.atomic():
                change(Counter, random.sample(range(1, count + 1), random.randint(1, AT_ONCE)))
        except Rollback:
            pass


def change(model, keys):
    """One transaction, in which everything happens that a transaction can do."""
    counters = model.objects.filter(pk__in=keys).order_by("pk")
    locked = list(counters.select_for_update())
    for counter in locked:
        act = random.choices([save, save_in_vain, replace], [8, 1, 1])[0]
        act(counter)
    if random.random() < 0.3:
        counters.filter(pk__in=[one.pk for one in locked]).update(value=F("value") + 1)
    if random.random() < 0.1:
        raise Rollback


def save(counter):
    counter.value += 1
    counter.save()


def save_in_vain(counter):
    """A savepoint is rolled back, and the next change has the value that was taken back."""
    try:
        with transaction.atomic():
            type(counter).objects.get(pk=counter.pk).delete()
            save(type(counter)(pk=counter.pk, value=counter.value))
            raise Rollback
    except Rollback:
        save(counter)


def replace(counter):
    """The object goes and comes back, which are two events."""
    again = type(counter)(pk=counter.pk, value=counter.value + 1)
    counter.delete()
    again.save(force_insert=True)


def main():
    django.setup()
    stopped = threading.Event()
    threads = [threading.Thread(target=write, args=[stopped, int(sys.argv[1])]) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
