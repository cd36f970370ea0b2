import subprocess
import sys
import threading

from stream_events.locks import ForkSafeLock


def test_keeps_another_thread_out():
    lock, entered = ForkSafeLock(), threading.Event()

    def enter():
        with lock:
            entered.set()

    with lock:
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.1)
    thread.join(10)
    assert entered.is_set()


FORK = """
import os
from stream_events.locks import ForkSafeLock
lock = ForkSafeLock()
with lock:
    pid = os.fork()
    if not pid:
        os._exit(0 if lock._lock.acquire(timeout=5) else 1)
raise SystemExit(os.waitpid(pid, 0)[1])
"""


def test_is_free_in_a_child_although_it_was_held_when_it_forked():
    assert subprocess.run([sys.executable, "-c", FORK], check=False).returncode == 0
