"""A process that writes a ware and its outbox row, and stops for ever at one moment of that, to be killed."""

import signal
import sys
from contextlib import nullcontext

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from tests.outboxes import TABLE  # noqa: E402
from tests.shop.wares import FAMILIES  # noqa: E402


def stop():
    print("stopped", flush=True)
    signal.pause()


def stopping_at(moment):
    """A wrapper of what the connection executes."""

    def execute_and_stop(execute, sql, params, many, context):
        if TABLE in sql and moment == "before the outbox row":
            stop()
        result = execute(sql, params, many, context)
        if TABLE in sql and moment == "before the commit":
            stop()
        return result

    return execute_and_stop


def main(code, moment, surroundings):
    around = transaction.atomic() if surroundings == "atomic" else nullcontext()
    with connection.execute_wrapper(stopping_at(moment)), around:
        FAMILIES["outbox"].plain.objects.create(code=code, name=code)
    stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
