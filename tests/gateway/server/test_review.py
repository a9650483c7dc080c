"""What a hostile client could do to the server between requests, found in review: pile up answers, hold on, and pass for a unix peer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import Any

import pytest
import uvicorn

from cognito_guard.gateway.server.connection import EXTENSION
from cognito_guard.gateway.server.head import read
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = 60_000


class Answering:
    """An application that answers at once, and remembers whom."""

    def __init__(self) -> None:
        self.clients: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.clients.append(scope["client"])
        scope["extensions"][EXTENSION].answer(200, [], b"x" * ANSWER)


def test_answers_that_nobody_reads_do_not_pile_up(serve: Any, loop: str) -> None:
    """A24, A16: of pipelined requests no further one is served while the answers before wait for their reader; then all of them are."""
    app = Answering()
    served = serve(app, Limits(), loop=loop)
    count = 600
    with served.connect(receive_buffer=4096) as connection:
        connection.sendall(ASKED * (count - 1) + ASKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        settled, before = 0, -1
        until = time.monotonic() + 8
        while settled < 10 and time.monotonic() < until:  # until no more are being served
            settled = settled + 1 if len(app.clients) == before else 0
            before = len(app.clients)
            time.sleep(0.02)
        assert 0 < before < 150, "what is served goes on without a reader"  # the kernel's buffers take some
        octets = served.until_closed(connection)
    assert len(app.clients) == count
    assert octets.count(b"HTTP/1.1 200 OK\r\n") == count
    assert octets.endswith(b"x" * ANSWER)


def test_empty_lines_do_not_hold_a_connection(serve: Any, loop: str) -> None:
    """A24: the head's time begins with the empty line that may stand before it, and there is one such line."""
    served = serve(Answering(), Limits(head_seconds=0.5), loop=loop)
    assert served.talk(b"\r\n", b"\r\n").startswith(b"HTTP/1.1 400 ")
    with served.connect() as connection:
        connection.sendall(b"\r\n")
        began = time.monotonic()
        assert served.until_closed(connection).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 5
    assert served.talk(b"\r\n", ASKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_client_that_reset_is_not_a_unix_peer(loop: str) -> None:
    """T6: one that left before it was accepted has no address any more, and what it sent must not pass for a unix socket's word."""
    app = Answering()
    server = uvicorn.Server(
        uvicorn.Config(app, http=protocol(Limits()), loop=loop, log_config=None, lifespan="off", ws="none", proxy_headers=False)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with socket.create_connection(address) as left:
            left.sendall(ASKED)
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with socket.create_connection(address, timeout=10) as stays:  # served after the one before it
                stays.sendall(ASKED)
                assert stays.recv(15) == b"HTTP/1.1 200 OK"
        finally:
            server.should_exit = True
            thread.join(10)
    assert app.clients
    assert None not in app.clients


@pytest.mark.parametrize("line", [b"TRACE %b HTTP/1.1", b"get %b HTTP/1.1"])
def test_a_method_is_no_failure_of_ours_to_envoy(line: bytes) -> None:
    """Section 6: Envoy asks with the client's method, and a 5xx for it would open the gate under `failure_mode_allow`."""
    asked = read(line % b"/_cognito_guard/verify/envoy/x" + b"\r\nhost: x")
    assert getattr(asked, "status", None) == 405
    assert getattr(read(line % b"/x" + b"\r\nhost: x"), "status", None) == 501
