"""What the key tests share: JWK Sets of real RSA keys, a clock that is moved by hand, an issuer in memory, a server on loopback."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from cognito_guard.keys import Fetched


@cache
def _modulus(number: int) -> int:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    assert number < 3
    return generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers().n


def _jwk(kid: str, number: int) -> dict[str, str]:
    octets = _modulus(number).to_bytes(256, "big")
    return {
        "kid": kid,
        "alg": "RS256",
        "kty": "RSA",
        "e": "AQAB",
        "n": base64.urlsafe_b64encode(octets).rstrip(b"=").decode(),
        "use": "sig",
    }


@pytest.fixture
def jwk() -> Callable[[str, int], dict[str, str]]:
    """`jwk(kid, number)`: a JWK of the RSA key of that number (0 to 2)."""
    return _jwk


@pytest.fixture
def jwks() -> Callable[..., bytes]:
    """`jwks(a=0, b=1)`: a JWK Set of kids and the numbers of their keys."""
    return lambda **kids: json.dumps({"keys": [_jwk(kid, number) for kid, number in kids.items()]}).encode()


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> _Clock:
    """A monotonic clock that moves by `advance(seconds)` only."""
    return _Clock()


class _Endpoint:
    """A `Fetch` in memory: answers `answer` (a Fetched, or an exception to raise), holding it back until `open` is set."""

    def __init__(self, body: bytes) -> None:
        self.answer: object = Fetched(200, body)
        self.open = threading.Event()
        self.open.set()
        self.arrived = threading.Semaphore(0)
        self.urls: list[str] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    @property
    def fetches(self) -> int:
        return len(self.urls)

    def publish(self, body: bytes, cache_control: str = "") -> None:
        self.answer = Fetched(200, body, cache_control)

    def __call__(self, url: str) -> Fetched:
        with self._lock:
            self.urls.append(url)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        answer, gate = self.answer, self.open
        self.arrived.release()
        try:
            assert gate.wait(30)
            if isinstance(answer, BaseException):
                raise answer
            return answer  # type: ignore[return-value]
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def endpoint(jwks: Callable[..., bytes]) -> Iterator[_Endpoint]:
    """An issuer in memory that publishes `a` and `b`."""
    endpoint = _Endpoint(jwks(a=0, b=1))
    yield endpoint
    endpoint.open.set()
    for thread in threading.enumerate():
        if thread.name == "cognito-guard-keys":
            thread.join(10)


class _Origin:
    """A TCP server on loopback. `behave(connection, request)` plays the answer, in a thread for each connection."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/jwks.json"
        self.requests: list[bytes] = []
        self.behave: Callable[[socket.socket, bytes], None] = lambda connection, request: None
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def answer(self, status: str, body: bytes = b"", *fields: str, length: bool = True) -> None:
        """Answer every request with this response from now on."""
        lines = [f"HTTP/1.1 {status}", *fields, *([f"Content-Length: {len(body)}"] if length else []), "Connection: close"]
        octets = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.behave = lambda connection, request: connection.sendall(octets)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            request = b""
            try:
                while b"\r\n\r\n" not in request and (read := connection.recv(4096)):
                    request += read
                self.requests.append(request)
                self.behave(connection, request)
            except OSError:
                pass  # the client hung up, as some tests want it to

    def close(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def origin() -> Iterator[_Origin]:
    """A real server; set `behave`, or call `answer(...)`."""
    origin = _Origin()
    yield origin
    origin.close()
