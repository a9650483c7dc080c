"""What the tests of carrying share: a raw client, and an upstream whose answers a test writes octet by octet."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from cognito_guard.testing import LocalUserPool

PATIENCE = 15.0
POOL = LocalUserPool()
TOKEN = POOL.access(username="ada", subject="subject-of-ada")
BEARER = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"


def request(target: str = "/", *fields: str, method: str = "GET", token: str | None = TOKEN, host: str = "app.test") -> bytes:
    """A request's head; fields are lines without their end."""
    bearer = [] if token is None else [f"Authorization: Bearer {token}"]
    return "".join(f"{line}\r\n" for line in (f"{method} {target} HTTP/1.1", f"Host: {host}", *bearer, *fields, "")).encode()


def base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def eventually(what: Callable[[], Any], within: float = PATIENCE) -> Any:
    """Asks until the answer is true; gives it. Fails with the question's name."""
    until = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < until, f"{getattr(what, '__name__', what)} did not come true"
        time.sleep(0.01)
    return found


class Client:
    """A connection to the gateway, or to whatever listens there; what it reads, it reads whole or fails."""

    def __init__(
        self,
        where: tuple[str, int] | str | socket.socket,
        *,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        if isinstance(where, socket.socket):
            self.socket = where
        else:
            self.socket = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(PATIENCE)
            try:
                self.socket.connect(where)
            except OSError:
                self.socket.close()
                raise
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.settimeout(PATIENCE)
        self.left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> Client:
        self.socket.sendall(octets)
        return self

    def more(self) -> bytes:
        """What is there, or comes next; b"" at the end."""
        if self.left:
            octets, self.left = self.left, b""
            return octets
        return self.socket.recv(1 << 16)

    def until(self, mark: bytes) -> bytes:
        octets = self.left
        while mark not in octets:
            news = self.socket.recv(1 << 16)
            if not news:
                raise EOFError(octets)
            octets += news
        octets, _, self.left = octets.partition(mark)
        return octets + mark

    def exactly(self, count: int) -> bytes:
        parts, have = [self.left], len(self.left)
        while have < count:
            news = self.socket.recv(min(1 << 20, count - have))
            if not news:
                raise EOFError(b"".join(parts))
            parts.append(news)
            have += len(news)
        octets = b"".join(parts)
        self.left = octets[count:]
        return octets[:count]

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """The next head: status, and fields with names in lower case."""
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        return int(first.split(" ")[1]), [
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
        ]

    def answer(self, *, bodiless: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The next answer, whole: interim ones are passed over. `EOFError` if it breaks off."""
        status, fields = self.head()
        while status < 200:
            status, fields = self.head()
        known = dict(fields)
        if bodiless or status in (204, 304):
            return status, known, b""
        if known.get("transfer-encoding") == "chunked":
            return status, known, b"".join(self.chunks())
        if "content-length" in known:
            return status, known, self.exactly(int(known["content-length"]))
        return status, known, self.rest()

    def chunks(self) -> Iterator[bytes]:
        """A chunked body's chunks, as they come; trailers are kept in `trailers`."""
        while size := int(self.until(b"\r\n"), 16):
            yield self.exactly(size)
            self.exactly(2)
        self.trailers = b""
        while (line := self.until(b"\r\n")) != b"\r\n":
            self.trailers += line

    def rest(self) -> bytes:
        """Everything up to the end of the stream, clean or reset."""
        octets = self.left
        with contextlib.suppress(ConnectionResetError):
            while news := self.socket.recv(1 << 20):
                octets += news
        self.left = b""
        return octets

    def gone(self) -> bool:
        """Whether the other side has closed, now."""
        return bool(select.select([self.socket], [], [], 0)[0]) and self._at_end()

    def _at_end(self) -> bool:
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Closes with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


Script = Callable[["Client", bytes], object]


class Upstream:
    """Calls `script(peer, head)` for each request head; true keeps the connection for the next. `heads` are all heads in order.

    `said` is for what scripts tell the test, `asked` for what the test tells them.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = script or ok
        self.heads: list[bytes] = []
        self.said: queue.Queue[Any] = queue.Queue()
        self.asked: queue.Queue[Any] = queue.Queue()
        self.open = 0
        self.accepted = self._accepted_before = 0
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", port))
        self._tls = tls
        self.port = self._listening.getsockname()[1]
        self._peers: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def hear(self) -> Any:
        """What a script has said next."""
        return self.said.get(timeout=PATIENCE)

    def forget(self) -> None:
        """As new, for the next test."""
        self.script = ok
        self.heads.clear()
        self.said, self.asked = queue.Queue(), queue.Queue()
        self._accepted_before = self.accepted

    def accepted_since(self) -> int:
        """Connections accepted since `forget`."""
        return self.accepted - self._accepted_before

    def reset(self) -> None:
        """Breaks every connection off, as a killed process does."""
        with self._lock:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.reset()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listening.accept()
                peer.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
                )  # what is sent second must not wait for an ACK of the first
                thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
                with self._lock:
                    self._peers.add(peer)
                    self.open += 1
                    self.accepted += 1
                self._threads = [each for each in self._threads if each.is_alive()]
                self._threads.append(thread)
                thread.start()

    def _serve(self, peer: socket.socket) -> None:
        stream = peer
        with contextlib.suppress(EOFError, OSError):
            if self._tls is not None:
                stream = self._tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
                self._peers.add(stream)  # which is detached from the other
                stream.do_handshake()
            client = Client(stream)
            while True:
                head = client.until(b"\r\n\r\n")
                self.heads.append(head)
                if not self.script(client, head):
                    break
        with self._lock:
            self._peers -= {peer, stream}
            self.open -= 1
        stream.close()
        peer.close()


def ok(peer: Client, _head: bytes) -> bool:
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    return True


def peak_memory(pid: int) -> int:
    """The most that was ever resident, in octets."""
    return _status(pid, "VmHWM")


def memory(pid: int) -> int:
    """Resident octets."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> int:
    found = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name))
    return int(found.split()[1]) * 1024


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
