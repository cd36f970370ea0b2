"""Connections on which a batch of commands is sent and answered."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import redis


class Line:
    """Talks to one server, on as many connections as there are threads that talk at once.

    It does without redis-py's layer of commands, which costs as much as a short command itself; packing, reading,
    authentication and TLS are redis-py's. Nothing is ever sent again.
    """

    def __init__(self, make_connection: Callable[[], Any], timeout: float) -> None:
        self._make_connection = make_connection
        self.timeout = timeout
        self._idle: deque[Any] = deque()
        self._process = os.getpid()

    def converse(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send ``commands`` in one go; for each the reply, or the ``redis.ResponseError`` it was refused with.

        The replies together may take as long as the line's timeout, in seconds. Raises ``redis.ConnectionError`` or
        ``redis.TimeoutError`` when they do not come: then nobody knows which commands were carried out.
        """
        connection = self._take()
        try:
            replies = self._converse(connection, commands)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return replies

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()

    def _converse(self, connection: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
        packed = connection.pack_commands(commands) if len(commands) > 1 else connection.pack_command(*commands[0])
        connection.send_packed_command(packed, check_health=False)
        deadline = time.monotonic() + self.timeout
        replies = [_reply(connection)]  # for which the connection waits as long as the line does
        replies += (_reply(connection, timeout=max(deadline - time.monotonic(), 0.001)) for _ in commands[1:])
        return replies

    def _take(self) -> Any:
        if self._process != os.getpid():  # a forked child has the parent's sockets: they are not for use
            self._idle, self._process = deque(), os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._make_connection()
        if _is_stale(connection):
            connection.disconnect()  # it connects again with the next command
        return connection


def _is_stale(connection: Any) -> bool:
    try:
        return bool(connection.can_read())  # nothing was asked, so it can only be the end
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True


def _reply(connection: Any, **options: float) -> Any:
    try:
        return connection.read_response(**options)
    except redis.ResponseError as error:
        return error
