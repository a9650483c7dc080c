"""A raw upstream that records what reaches it, octet for octet. For `conftest.py`."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable
from typing import Any

Pairs = list[tuple[bytes, bytes]]


class Received:
    """A request as it reached the upstream, octet for octet; `headers` as they were spelled."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.method, self.target, _ = line.split(b" ")
        self.headers: Pairs = [(name, value) for name, _, value in (field.partition(b": ") for field in fields)]

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field, its name in any case."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


def read_head(stream: Any) -> bytes:
    """From a buffered stream up to the empty line; what there is where it ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return head
        head += line
    return head


def read_chunked(stream: Any) -> bytes:
    """The content of a chunked body; its trailers are read past."""
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        assert stream.readline() == b"\r\n"
    while stream.readline() not in (b"\r\n", b""):
        pass
    return body


def answering_the_subject(received: Received, connection: socket.socket) -> bool:
    """Answers 200 with what X-Cognito-Subject said; a websocket gets that as its first message, and is closed."""
    subject = b"".join(received.values(b"x-cognito-subject"))
    if received.values(b"upgrade") == [b"websocket"]:
        key = received.values(b"sec-websocket-key")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        connection.sendall(b"Sec-WebSocket-Accept: %b\r\n\r\n\x81%c%b\x88\x00" % (accept, len(subject), subject))
        return False
    body = b"" if received.method == b"HEAD" else subject
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(subject), body))
    return True


class Recorder:
    """An upstream on loopback. `received` is what reached it, in order; `answer` writes an answer and says whether to go on."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.answer: Callable[[Received, socket.socket], bool] = answering_the_subject
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def take(self) -> list[Received]:
        """What came since the last time."""
        taken, self.received = self.received, []
        return taken

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while (head := read_head(stream)).endswith(b"\r\n\r\n"):
                received = Received(head, b"")
                if length := received.values(b"content-length"):
                    received.body = stream.read(int(length[0]))
                elif received.values(b"transfer-encoding"):
                    received.body = read_chunked(stream)
                self.received.append(received)
                if not self.answer(received, connection):
                    break
        self._open.discard(connection)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(10)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
