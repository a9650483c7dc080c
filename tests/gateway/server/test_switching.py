"""Connections that leave HTTP by a 101 (THREATS A22)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cognito_guard.gateway.server.answer import BadAnswer
from cognito_guard.gateway.server.connection import EXTENSION

HANDSHAKE = (
    b"GET /%b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPTED = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]


class Echo(asyncio.Protocol):
    """Sends back what it gets, and tells of its end."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.shut = threading.Event()
        self.lost = threading.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def shutdown(self) -> None:
        self.shut.set()
        self.transport.write(b"bye")
        self.transport.close()


class App:
    """Accepts or refuses websockets by the path."""

    def __init__(self) -> None:
        self.echo = Echo()
        self.raised: list[str] = []
        self.go = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection = scope["extensions"][EXTENSION]
        match scope["path"]:
            case "/refused":
                assert connection.is_websocket
                connection.answer(403, [], b"no")
            case "/late":
                await asyncio.to_thread(self.go.wait, 10)
                connection.switch(ACCEPTED, self.echo)
            case "/split":
                try:
                    connection.switch([(b"x", b"a\r\nb: c")], self.echo)
                except BadAnswer:
                    connection.answer(502, [], b"bad")
            case _:
                assert scope["type"] == "http"
                try:
                    connection.switch(ACCEPTED, self.echo)
                except RuntimeError as error:
                    self.raised.append(str(error))
                    connection.answer(200, [], b"plain")


def test_after_101_the_octets_are_the_successors(serve: Any, loop: str) -> None:
    """A22: the head of the 101 is the application's; from then on HTTP is over, whatever comes."""
    app = App()
    served = serve(app, loop=loop)
    with served.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        assert served.until(connection, b"\r\n\r\n") == (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert served.until(connection, b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
    assert app.echo.lost.wait(10)
    assert not app.echo.shut.is_set()


def test_early_octets_reach_the_successor_first(serve: Any, loop: str) -> None:
    """T21: what a client sends before the 101 is neither lost nor read as a request, in however many segments it comes."""
    app = App()
    served = serve(app, loop=loop)
    with served.connect() as connection:
        connection.sendall(HANDSHAKE % b"late" + b"early ")
        connection.sendall(b"x" * 200_000)
        app.go.set()
        connection.sendall(b"end")
        assert served.until(connection, b"end").partition(b"\r\n\r\n")[2] == b"early " + b"x" * 200_000 + b"end"


def test_a_refused_handshake_ends_the_connection(serve: Any, loop: str) -> None:
    """A22: nothing behind it is read; a proxy in front may believe in a tunnel."""
    answer = serve(App(), loop=loop).talk(HANDSHAKE % b"refused" + HANDSHAKE % b"")
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert answer.endswith(b"connection: close\r\n\r\nno")


def test_a_head_that_would_be_split_switches_nothing(serve: Any) -> None:
    """A23: the application still has a request to answer."""
    assert serve(App()).talk(HANDSHAKE % b"split").startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("fields", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket\r\n"])
def test_only_a_handshake_can_be_switched(serve: Any, fields: bytes) -> None:
    """A22: no other request opens a tunnel, whatever the application asks."""
    app = App()
    answer = serve(app).talk(b"GET / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\nGET / HTTP/1.0\r\nHost: h\r\n\r\n")
    assert answer.count(b"plain") == 2
    assert len(app.raised) == 2


def test_a_shutdown_asks_successors_to_end_and_waits_for_them(serve: Any, loop: str) -> None:
    """A24: the server ends when the tunnels have."""
    app = App()
    served = serve(app, loop=loop)
    with served.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        served.until(connection, b"\r\n\r\n")
        served.server.should_exit = True
        assert served.until_closed(connection) == b"bye"
    served.stop()
    assert app.echo.shut.is_set()
    assert not served.server.server_state.connections
