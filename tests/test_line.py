"""Conversations with real servers, and with one that says what a test wants."""

import contextlib
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from stream_events.conf import Settings
from stream_events.connections import make_client
from stream_events.line import Line
from tests.conftest import wait_for


def make_line(timeout=5.0, url=None, **options):
    pool = make_client(Settings(url=url, options=options), timeout=timeout).connection_pool
    return Line(lambda: pool.connection_class(**pool.connection_kwargs), timeout)


@pytest.fixture
def line(_server, server):
    line = make_line(url=f"embedded://{_server.folder}")
    yield line
    line.close()


@pytest.fixture
def scripted():
    """Lines to a server whose side of every connection is the function ``behave``, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = []

    def start(behave, timeout=0.3):
        def accept():
            while True:
                try:
                    sockets.append(listener.accept()[0])
                except OSError:
                    return
                threading.Thread(target=serve, args=[behave, sockets[-1]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        options = {"protocol": 2, "driver_info": None}  # so that a new connection says nothing by itself
        return make_line(timeout, f"redis://127.0.0.1:{listener.getsockname()[1]}/0", **options)

    yield start
    listener.close()
    for one in sockets:
        one.close()


def serve(behave, connection):
    with contextlib.suppress(OSError):
        behave(connection)


def client_id(line):
    return line.converse([("CLIENT", "ID")])[0]


def test_gives_each_command_its_reply_in_order(line):
    assert line.converse([("SET", "a", "1"), ("GET", "a"), ("INCR", "a"), ("LRANGE", "l", 0, -1)]) == [
        b"OK",
        b"1",
        2,
        [],
    ]


def test_a_refused_command_gives_its_error_and_the_others_their_replies(line, server):
    first = client_id(line)
    ok, refused, value = line.converse([("SET", "a", "text"), ("INCR", "a"), ("GET", "a")])
    assert (ok, value) == (b"OK", b"text")
    assert isinstance(refused, redis.ResponseError)
    assert client_id(line) == first  # that is no reason to leave the connection


def test_one_thread_has_one_connection(line):
    assert len({client_id(line) for _ in range(20)}) == 1


def test_a_connection_that_the_server_has_closed_is_replaced_before_anything_is_sent(line, server):
    first = client_id(line)
    server.client_kill_filter(_id=first)
    assert line.converse([("INCR", "a")]) == [1]
    assert client_id(line) != first


def test_a_connection_with_unasked_replies_is_not_used(scripted):
    def one_too_many(connection):
        while connection.recv(1000):
            connection.sendall(b"+first\r\n+second\r\n")

    line = scripted(one_too_many)
    assert [line.converse([("PING",)]) for _ in range(3)] == [[b"first"]] * 3


def test_a_connection_whose_reply_was_late_is_not_used_again(scripted):
    late = threading.Event()

    def slow_at_first(connection):
        connection.recv(1000)
        if not late.is_set():
            late.set()
            late_reply.wait(10)
            connection.sendall(b"+late\r\n")
            return
        connection.sendall(b"+in time\r\n")

    late_reply = threading.Event()
    line = scripted(slow_at_first)
    with pytest.raises(redis.TimeoutError):
        line.converse([("PING",)])
    late_reply.set()
    assert line.converse([("PING",)]) == [b"in time"]


def test_all_replies_together_have_one_timeout(scripted):
    def a_reply_now_and_then(connection):
        connection.recv(100_000)
        while True:
            connection.sendall(b"+OK\r\n")
            pause.wait(0.1)

    pause = threading.Event()
    line = scripted(a_reply_now_and_then, timeout=0.5)
    with pytest.raises(redis.TimeoutError):  # if each had one, all of them would come
        line.converse([("PING",)] * 30)


def test_a_server_that_ends_in_the_middle_is_a_connection_error(scripted):
    def end(connection):
        connection.recv(1000)
        connection.sendall(b"+OK\r\n")
        connection.close()

    with pytest.raises(redis.ConnectionError):
        scripted(end).converse([("PING",), ("PING",)])


def test_nothing_is_ever_sent_again(scripted):
    received = []

    def end(connection):
        received.append(connection.recv(1000))
        connection.close()

    line = scripted(end)
    with pytest.raises(redis.ConnectionError):
        line.converse([("INCR", "a")])
    assert len(received) == 1


def test_an_interrupted_conversation_leaves_no_replies_for_the_next(line, server):
    def interrupt_when_it_waits():
        wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the wait for the reply")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    first = client_id(line)
    usual = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(interrupt_when_it_waits)
            with pytest.raises(KeyboardInterrupt):
                line.converse([("BLPOP", "list", 30), ("ECHO", "other")])
    finally:
        signal.signal(signal.SIGUSR1, usual)
    assert line.converse([("ECHO", "me")]) == [b"me"]
    assert client_id(line) != first


def test_threads_that_talk_at_once_have_connections_of_their_own(line, server):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(line.converse, [("BLPOP", "list", 5)])
        wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the thread that waits")
        line.converse([("RPUSH", "list", "x")])
        assert waiting.result(10) == [[b"list", b"x"]]
    known = {one["id"] for one in server.client_list()}
    with ThreadPoolExecutor(2) as pool:
        used = set(pool.map(lambda _: str(client_id(line)), range(50)))
    assert used <= known  # those two are used again


def test_many_threads_get_their_own_replies(line):
    def talk(number):
        return line.converse([("ECHO", f"{number}.{at}") for at in range(20)])

    with ThreadPoolExecutor(8) as pool:
        for number, replies in enumerate(pool.map(talk, range(400))):
            assert replies == [f"{number}.{at}".encode() for at in range(20)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(line):
    first = client_id(line)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, str(client_id(line)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reading, 100)) != first
    os.close(reading)
    os.close(writing)
    assert client_id(line) == first  # and has not ended the parent's


def test_a_closed_line_has_no_open_connection_and_opens_a_new_one(line, server):
    first = client_id(line)
    line.close()
    wait_for(lambda: str(first) not in {one["id"] for one in server.client_list()}, "the end of the connection")
    assert client_id(line) != first
