"""Tunnels: transports and a clock of our own, then real websockets through a real server (THREATS A22, A24)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cognito_guard.gateway.server.connection import EXTENSION
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol
from cognito_guard.gateway.tunnel import Tunnel


class Clock:
    """Timers by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        timer = types.SimpleNamespace(when=when, callback=callback)
        timer.cancel = lambda: self.timers.remove(timer) if timer in self.timers else None
        self.timers.append(timer)
        return timer

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer.when <= end), key=lambda timer: timer.when):
            self.timers.remove(due[0])
            self.now = max(self.now, due[0].when)
            due[0].callback()
        self.now = end


class Transport:
    """Notes what is written, and tells its protocol of the end when the test says so."""

    def __init__(self, *, half_close: bool = True) -> None:
        self.written = b""
        self.state = "open"
        self.reading = True
        self.half_close = half_close
        self.protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, octets: bytes) -> None:
        assert self.state == "open"
        self.written += octets

    def can_write_eof(self) -> bool:
        return self.half_close

    def write_eof(self) -> None:
        self.state = "half-closed"

    def close(self) -> None:
        if self.state != "aborted":
            self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def is_closing(self) -> bool:
        return self.state in {"closed", "aborted"}

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Scene:
    """A tunnel between two transports."""

    def __init__(self, leftover: bytes = b"", *, half_close: bool = True, lost: bool = False, **settings: Any) -> None:
        self.clock = Clock()
        self.client, self.upstream = Transport(half_close=half_close), Transport(half_close=half_close)
        self.upstream.reading = False
        if lost:
            self.upstream.close()
        self.endings: list[str] = []
        loop: Any = self.clock
        self.tunnel = Tunnel(self.upstream, leftover, loop=loop, on_end=self.endings.append, **settings)
        self.tunnel.connection_made(self.client)

    def upstream_sends(self, octets: bytes) -> None:
        self.upstream.protocol.data_received(octets)

    def both_lost(self) -> None:
        self.tunnel.connection_lost(None)
        self.upstream.protocol.connection_lost(None)


TEXT = b"\x81\x05hello"


def test_octets_pass_both_ways_as_they_are() -> None:
    """Also what came behind the upstream's 101; they are counted."""
    scene = Scene(TEXT)
    scene.upstream_sends(b"\x82\x01")
    scene.upstream_sends(b"x")
    scene.tunnel.data_received(b"anything")
    assert scene.client.written == TEXT + b"\x82\x01x"
    assert scene.upstream.written == b"anything"
    assert (scene.tunnel.from_client, scene.tunnel.from_upstream) == (8, 10)
    assert scene.upstream.reading


def test_a_slow_side_pauses_the_other() -> None:
    """A24: back-pressure in both directions."""
    scene = Scene()
    scene.tunnel.pause_writing()
    assert not scene.upstream.reading
    scene.tunnel.resume_writing()
    assert scene.upstream.reading
    scene.upstream.protocol.pause_writing()
    assert not scene.client.reading
    scene.upstream.protocol.resume_writing()
    assert scene.client.reading


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_the_end_of_one_side_is_the_end_of_the_other(side: str) -> None:
    """A24: what waits for the other side is written, then it is closed; the end is told once, when both are gone."""
    scene = Scene()
    ends = [scene.tunnel.connection_lost, scene.upstream.protocol.connection_lost]
    if side == "upstream":
        ends.reverse()
    ends[0](None)
    assert (scene.upstream if side == "client" else scene.client).state == "closed"
    assert scene.endings == []
    ends[1](None)
    ends[1](None)
    assert scene.endings == [side]
    assert scene.clock.timers == []


def test_a_side_that_does_not_let_itself_be_closed_is_cut_off() -> None:
    """A24: five seconds after the other one left."""
    scene = Scene()
    scene.tunnel.connection_lost(None)
    scene.clock.pass_by(5)
    assert scene.upstream.state == "aborted"


def test_either_side_may_stop_sending_first() -> None:
    """Half-close is passed on; the other direction stays open until it ends too, or is silent for thirty seconds."""
    scene = Scene()
    assert scene.tunnel.eof_received() is True
    assert scene.upstream.state == "half-closed"
    scene.upstream_sends(TEXT)
    assert scene.client.written == TEXT
    assert scene.upstream.protocol.eof_received() is False
    scene.both_lost()
    assert scene.endings == ["upstream"]
    scene = Scene()
    assert scene.upstream.protocol.eof_received() is True
    assert scene.client.state == "half-closed"


def test_half_open_is_no_state_to_stay_in() -> None:
    """A24: without idle=, too."""
    scene = Scene()
    scene.tunnel.eof_received()
    scene.clock.pass_by(30)
    assert scene.client.written == b"\x88\x06\x03\xe9idle"
    scene.clock.pass_by(5)
    assert (scene.client.state, scene.upstream.state) == ("aborted", "aborted")


def test_tls_knows_no_half_close() -> None:
    """The transport of a side that stopped sending closes, and the other one after it."""
    scene = Scene(half_close=False)
    assert scene.tunnel.eof_received() is False


def test_silence_ends_it() -> None:
    """A24: octets in either direction count; the client is told, and has five seconds."""
    scene = Scene(idle=60)
    for step in (scene.tunnel.data_received, scene.upstream_sends):
        scene.clock.pass_by(59)
        step(TEXT)
    scene.clock.pass_by(59.9)
    assert scene.client.written == TEXT
    scene.clock.pass_by(0.1)
    assert scene.client.written == TEXT + b"\x88\x06\x03\xe9idle"
    scene.both_lost()
    assert scene.endings == ["idle"]


def test_without_idle_silence_ends_nothing() -> None:
    """And costs no timer."""
    scene = Scene()
    scene.clock.pass_by(86400)
    assert (scene.client.written, scene.clock.timers) == (b"", [])


GOING = b"\x88\x0c\x03\xe9going away"


def test_a_shutdown_says_1001_between_two_frames() -> None:
    """The Close waits for the frame that is under way; what the upstream sends behind it is dropped; the client's answer passes."""
    scene = Scene()
    scene.upstream_sends(TEXT + b"\x81\x7e\x01\x00" + b"x" * 100)
    scene.tunnel.shutdown()
    assert scene.client.written == TEXT + b"\x81\x7e\x01\x00" + b"x" * 100
    scene.upstream_sends(b"x" * 156 + TEXT)
    assert scene.client.written.endswith(b"x" + GOING)
    scene.upstream_sends(TEXT)
    assert scene.client.written.endswith(b"x" + GOING)
    scene.tunnel.data_received(b"\x88\x82mask..")
    assert scene.upstream.written == b"\x88\x82mask.."
    scene.tunnel.shutdown()
    scene.clock.pass_by(4)
    assert not scene.client.is_closing()
    scene.both_lost()
    assert scene.endings == ["shutdown"]


def test_a_frame_without_end_does_not_hold_a_shutdown_up() -> None:
    """A24: five seconds, then it is cut off without a Close."""
    scene = Scene()
    scene.upstream_sends(b"\x81\x7e")
    scene.tunnel.shutdown()
    scene.clock.pass_by(5)
    assert (scene.client.written, scene.client.state, scene.upstream.state) == (b"\x81\x7e", "aborted", "aborted")


def test_the_expiry_of_the_token_says_3000() -> None:
    """The moment is the loop's time; traffic does not put it off."""
    scene = Scene(close_at=160.0, idle=60)
    for _ in range(3):
        scene.clock.pass_by(19)
        scene.upstream_sends(TEXT)
    scene.clock.pass_by(3)
    assert scene.client.written == TEXT * 3 + b"\x88\x0f\x0b\xb8token expired"
    scene.both_lost()
    assert scene.endings == ["expired"]


def test_a_token_that_has_expired_already_opens_nothing() -> None:
    """A moment that has passed counts at once."""
    assert Scene(close_at=99.0).client.written == b"\x88\x0f\x0b\xb8token expired"


def test_an_upstream_that_was_lost_before_it_was_joined() -> None:
    """A24: between the upstream's 101 and ours."""
    scene = Scene(lost=True)
    assert scene.client.state == "closed"
    scene.tunnel.connection_lost(None)
    assert scene.endings == ["upstream"]


class Handshake(asyncio.Protocol):
    """The upstream's connection until its 101."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self.answer = answer
        self.octets = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.octets += data
        if b"\r\n\r\n" in self.octets:
            self.transport.pause_reading()
            self.answer.set_result(self.octets)


class Gateway:
    """Joins each websocket with one of an upstream, as the proxy does."""

    def __init__(self) -> None:
        self.port = 0
        self.settings: dict[str, Any] = {}
        self.endings: list[str] = []
        self.ended = threading.Event()

    def end(self, ending: str) -> None:
        self.endings.append(ending)
        self.ended.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        transport, handshake = await loop.create_connection(lambda: Handshake(loop.create_future()), "127.0.0.1", self.port)
        transport.write(b"GET / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in scope["headers"]) + b"\r\n")
        head, _, leftover = (await handshake.answer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
        settings = dict(self.settings)
        if "seconds" in settings:
            settings["close_at"] = loop.time() + settings.pop("seconds")
        scope["extensions"][EXTENSION].switch(headers, Tunnel(transport, leftover, on_end=self.end, **settings))


async def _echo(connection: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.send("welcome")
        async for message in connection:
            await connection.send(message)


def _drain(client: Any) -> None:
    while True:
        client.recv(10)


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A websocket server, and in front of it ours."""
    app = Gateway()
    ready, loops = threading.Event(), []

    async def upstream() -> None:
        loops.append((asyncio.get_running_loop(), asyncio.Event()))
        async with serve_websockets(_echo, "127.0.0.1", 0, max_size=None) as server:
            app.port = server.sockets[0].getsockname()[1]
            ready.set()
            await loops[0][1].wait()

    behind = threading.Thread(target=asyncio.run, args=(upstream(),))
    behind.start()
    assert ready.wait(10)
    server = uvicorn.Server(
        uvicorn.Config(
            app, http=protocol(Limits()), ws="none", lifespan="off", loop=request.param, log_config=None, proxy_headers=False
        )
    )
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
    front = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    front.start()
    yield types.SimpleNamespace(app=app, server=server, address=address, front=front)
    server.should_exit = True
    front.join(10)
    assert not front.is_alive()
    loops[0][0].call_soon_threadsafe(loops[0][1].set)
    behind.join(10)
    assert not behind.is_alive()


both_loops = pytest.mark.parametrize("gateway", ["asyncio", "uvloop"], indirect=True)


@both_loops
def test_real_websockets_pass(gateway: Any) -> None:
    """Messages small and large, with compression, and the client's own Close."""
    with connect(gateway.address, max_size=None) as client:
        assert client.recv() == "welcome"
        for message in ("hello", "x" * 70_000, b"\0" * 3_000_000):
            client.send(message)
            assert client.recv() == message
    assert gateway.app.ended.wait(10)
    assert gateway.app.endings[0] in {"client", "upstream"}


@both_loops
def test_a_real_client_sees_the_expiry(gateway: Any) -> None:
    """Close 3000 with its reason, answered by the client, so that both sides end without being cut off."""
    gateway.app.settings = {"seconds": 0.05}
    with connect(gateway.address) as client:
        with pytest.raises(ConnectionClosed) as closed:
            _drain(client)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (3000, "token expired")
    assert gateway.app.ended.wait(10)
    assert gateway.app.endings == ["expired"]


@both_loops
def test_a_real_client_sees_the_shutdown(gateway: Any) -> None:
    """Close 1001, and the server ends as soon as the tunnels have."""
    with connect(gateway.address) as client:
        assert client.recv() == "welcome"
        gateway.server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    gateway.front.join(10)
    assert not gateway.front.is_alive()
    assert gateway.app.endings == ["shutdown"]
