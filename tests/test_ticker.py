"""Something that is done again and again, and how late it is."""

import threading

from stream_events.ticker import Ticker
from tests.conftest import wait_for


def test_one_whose_call_does_not_return_gets_overdue():
    going, returned = threading.Event(), threading.Event()

    def tick():
        if going.wait() and returned.is_set():
            return 600.0
        returned.set()
        return 0.0

    ticker = Ticker("test", tick, lambda error: None)
    wait_for(lambda: ticker.overdue() > 0.2, "the delay")
    going.set()
    wait_for(lambda: ticker.overdue() == 0.0, "the next call, which is not due")
    ticker.close()
