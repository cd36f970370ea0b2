"""A proxy before a server that loses the reply of the nth command of a kind, and the connection with it."""

import contextlib
import socket
import threading


class Proxy:
    """Listens on ``port`` for ``target``, a port or the path of a socket; ``drop("XADD", 2)`` loses the reply of the
    second XADD from now on.
    """

    def __init__(self, target):
        self._target = target
        self._drops = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.dropped = []
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self, command, nth=1):
        self._drops[command.encode()] = nth

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            lost = threading.Event()
            threading.Thread(target=self._pump, args=[client, server, lost, True], daemon=True).start()
            threading.Thread(target=self._pump, args=[server, client, lost, False], daemon=True).start()

    def _connect(self):
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _pump(self, source, target, lost, is_request):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_request and self._is_unlucky(data):
                    lost.set()
                elif not is_request and lost.is_set():
                    break  # the server has done it, and nobody hears of it
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _is_unlucky(self, data):
        for command, left in list(self._drops.items()):
            if b"\r\n%s\r\n" % command in data.upper():
                self._drops[command] = left - 1
                if left == 1:
                    del self._drops[command]
                    self.dropped.append(command.decode())
                    return True
        return False
