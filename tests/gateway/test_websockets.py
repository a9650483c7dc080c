"""Websockets through the gateway: judged like any request, then carried frame by frame, and ended in order (THREATS A22, A24)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import runpy
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, request, TOKEN = shared.Client, shared.request, shared.TOKEN
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
HANDSHAKE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n\r\n" % ACCEPT
)


def _chat(_websocket: Any, offered: Any) -> Any:
    return "chat" if "chat" in offered else None


class Echo:
    """A websocket application; `asked` holds the handshakes, `closed` how each ended. "close 4002" makes it close with that code."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.closed: list[tuple[int | None, str | None]] = []
        self._server = serve(self._echo, "127.0.0.1", 0, select_subprotocol=_chat, max_size=None)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _echo(self, websocket: Any) -> None:
        self.asked.append(websocket.request)
        with contextlib.suppress(ConnectionClosed):
            for message in websocket:
                if message == "close 4002":
                    websocket.close(4002, "as asked")
                else:
                    websocket.send(message)
        self.closed.append((websocket.close_code, websocket.close_reason))

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.stop()


@pytest.fixture(scope="module")
def origin() -> Iterator[Any]:
    origin = shared.Upstream()
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def settings(echo: Echo, origin: Any) -> str:
    return f"""
[[credential]]
subprotocol = true
[[credential]]
query = "t"
[[upstream]]
url = "http://127.0.0.1:{origin.port}"
[[upstream]]
url = "http://127.0.0.1:{echo.port}"
path = "/ws/*"
[[route]]
path = "/ws/expiring"
close_at_expiry = true
[[route]]
path = "/ws/staff"
require = "group:staff"
"""


@pytest.fixture(scope="module")
def running(gateway: Any, settings: str) -> Any:
    running = gateway(settings)
    running.secrets.add(TOKEN.rpartition(".")[2].encode())
    return running


def url(running: Any, path: str) -> str:
    return f"ws://127.0.0.1:{running.address[1]}{path}"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_all_kinds(running: Any, compression: str | None) -> None:
    """Text, binary, empty, 5 MiB and fragmented messages come back as sent, with compression agreed on end to end, and without."""
    with connect(url(running, "/ws/x"), additional_headers=BEARER, compression=compression, max_size=None) as websocket:
        assert bool(websocket.protocol.extensions) is (compression is not None)
        for message in ("text \N{SNOWMAN}", b"\x00binary", "", "x" * 5_000_000, bytes(range(256)) * 4096):
            websocket.send(message)
            assert websocket.recv(15) == message
        websocket.send(part for part in ("one ", "two ", "three"))
        assert websocket.recv(15) == "one two three"
        assert websocket.ping().wait(15)


def test_close_codes_pass_both_ways(running: Any, echo: Echo) -> None:
    """The code and the reason of a Close are those that the other side gave."""
    with connect(url(running, "/ws/x"), additional_headers=BEARER) as websocket:
        websocket.close(4001, "done here")
    shared.eventually(lambda: (4001, "done here") in echo.closed)
    with connect(url(running, "/ws/x"), additional_headers=BEARER) as websocket:
        websocket.send("close 4002")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(15)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4002, "as asked")


@pytest.mark.parametrize(
    ("path", "how", "target", "protocol"),
    [
        ("/ws/x", {"additional_headers": BEARER}, "/ws/x", None),
        ("/ws/x", {"subprotocols": ["cognito-guard.bearer", TOKEN, "chat"]}, "/ws/x", "chat"),
        ("/ws/x", {"subprotocols": ["cognito-guard.bearer", TOKEN]}, "/ws/x", None),
        (f"/ws/x?a=1&t={TOKEN}&b=%20", {}, "/ws/x?a=1&b=%20", None),
        (f"/ws/x?t={TOKEN}", {}, "/ws/x", None),
    ],
    ids=["header", "subprotocol and another", "subprotocol", "query and more", "query"],
)
def test_where_a_token_may_stand(running: Any, echo: Echo, path: str, how: Any, target: str, protocol: str | None) -> None:
    """Header, subprotocol, query: the upstream sees who asks, and the token only where it is kept; it is never echoed (A20, T48)."""
    with connect(url(running, path), **how) as websocket:
        websocket.send("there")
        assert websocket.recv(15) == "there"
        assert websocket.subprotocol == protocol
        assert "cognito-guard.bearer" not in str(websocket.response.headers)
    asked = echo.asked[-1]
    assert asked.path == target
    assert asked.headers["Host"] == f"127.0.0.1:{running.address[1]}"
    assert asked.headers["X-Cognito-Subject"] == "subject-of-ada"
    assert (TOKEN in str(asked.headers)) is ("additional_headers" in how)
    assert asked.headers.get("Sec-WebSocket-Protocol") == protocol


@pytest.mark.parametrize(
    ("path", "token", "status"), [("/ws/x", None, 401), ("/ws/x", TOKEN[:-9] + "AAAAAAAAA", 401), ("/ws/staff", TOKEN, 403)]
)
def test_a_handshake_that_is_refused(running: Any, echo: Echo, path: str, token: str | None, status: int) -> None:
    """Who may not pass gets a status and a problem document instead of 101, and the upstream hears nothing (A26)."""
    before = len(echo.asked)
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(url(running, path), additional_headers={"Authorization": f"Bearer {token}"} if token else {}),
    ):
        pass
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["Content-Type"] == "application/problem+json"
    assert len(echo.asked) == before


@pytest.mark.parametrize(
    "fields",
    [
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        ("Connection: Upgrade", "Upgrade: TLS/1.2"),
        ("Upgrade: websocket",),
        ("Connection: Upgrade", "Upgrade: foo"),
    ],
)
def test_other_upgrades_are_dropped(running: Any, origin: Any, fields: tuple[str, ...]) -> None:
    """Only a websocket's handshake opens a tunnel: any other Upgrade is no part of the request that goes on (A22)."""
    origin.forget()
    with Client(running.address) as client:
        status, answered, _ = client.send(request("/x", *fields)).answer()
        assert (status in (200, 400), "upgrade" in answered) == (True, False)
        for head in origin.heads:
            assert b"upgrade" not in head.lower()
            assert b"http2-settings" not in head.lower()


@pytest.mark.parametrize("status", [200, 426, 403])
def test_an_upstream_that_answers_instead_of_switching(running: Any, origin: Any, status: int) -> None:
    """No 101: its answer goes to the client as an answer, and nothing on that connection is a tunnel (A22)."""
    origin.forget()
    answer = b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nno" % status
    origin.script = lambda peer, _head: peer.send(answer)
    with Client(running.address) as client:
        got, fields, body = client.send(request("/x", *HANDSHAKE) + request("/smuggled")).answer()
        assert (got, body, fields["connection"]) == (status, b"no", "close")
        assert client.rest() == b""
    assert not [head for head in origin.heads if b"/smuggled" in head]


@pytest.mark.parametrize(
    ("octets", "fields"),
    [
        (ACCEPTED.replace(ACCEPT, b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="), HANDSHAKE),
        (ACCEPTED, ()),
        (ACCEPTED.replace(b"websocket", b"h2c"), HANDSHAKE),
    ],
    ids=["wrong key", "unasked", "another protocol"],
)
def test_a_switch_that_does_not_answer_the_handshake(running: Any, origin: Any, octets: bytes, fields: tuple[str, ...]) -> None:
    """A 101 that was not asked for, or not so: 502 and no tunnel (A22, T21)."""
    origin.forget()
    origin.script = lambda peer, _head: peer.send(octets + b"\x81\x02hi")
    with Client(running.address) as client:
        assert client.send(request("/x", *fields)).answer()[0] == 502


def test_frames_that_are_early(running: Any, origin: Any) -> None:
    """What comes with either side's handshake in one write is part of the tunnel, in order."""
    origin.forget()

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(ACCEPTED + b"\x81\x02hi")
        peer.send(peer.exactly(8))
        return False

    origin.script = script
    with Client(running.address) as client:
        client.send(request("/x", *HANDSHAKE) + b"\x81\x82\0\0\0\0yo")
        assert client.head()[0] == 101
        assert client.rest() == b"\x81\x02hi\x81\x82\0\0\0\0yo"


def test_either_side_may_vanish(running: Any, origin: Any) -> None:
    """A client's reset ends the upstream's side, and an upstream's break the client's (A24)."""
    origin.forget()

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(ACCEPTED)
        if peer.exactly(6) == b"\x81\x80\0\0\0\0":
            return False
        origin.said.put(peer.rest())
        return False

    origin.script = script
    with Client(running.address) as client:
        client.send(request("/x", *HANDSHAKE)).head()
        client.send(b"\x82\x80\0\0\0\0")
        client.reset()
    assert origin.hear() == b""
    with Client(running.address) as client:
        client.send(request("/x", *HANDSHAKE)).head()
        assert client.send(b"\x81\x80\0\0\0\0").rest() == b""


def test_a_token_that_expires_ends_its_websocket(running: Any) -> None:
    """close_at_expiry: Close 3000 when the token expires, not before; another route's websocket stays."""
    brief = {"Authorization": f"Bearer {shared.POOL.access(expires_in=2)}"}
    with (
        connect(url(running, "/ws/expiring"), additional_headers=brief) as ends,
        connect(url(running, "/ws/x"), additional_headers=brief) as stays,
    ):
        ends.send("still")
        assert ends.recv(5) == "still"
        with pytest.raises(ConnectionClosed) as closed:
            ends.recv(5)
        assert closed.value.rcvd.code == 3000
        stays.send("on")
        assert stays.recv(5) == "on"


def test_silence_and_shutdown_end_websockets(gateway: Any, settings: str) -> None:
    """Silence ends a websocket with Close 1001, and so does the gateway's own end, which then needs no more time."""
    running = gateway(settings + "[timeouts]\nidle = 0.5\n")
    with connect(url(running, "/ws/x"), additional_headers=BEARER, ping_interval=None) as websocket:
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(5)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "idle")
    with connect(url(running, "/ws/x"), additional_headers=BEARER, ping_interval=None) as websocket:
        websocket.send("x")
        assert websocket.recv(5) == "x"
        running.process.terminate()
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(5)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "going away")
    running.stop()
