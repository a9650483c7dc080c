"""A real uvicorn with our protocol, on either event loop, asked with raw octets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol


class Served:
    """An application behind our protocol."""

    def __init__(self, server: uvicorn.Server, address: Any, thread: threading.Thread) -> None:
        self.server = server
        self.address = address
        self.thread = thread

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        """A connection; none of its operations may take longer than ten seconds."""
        connection = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(10)
        connection.connect(self.address)
        return connection

    def talk(self, *octets: bytes) -> bytes:
        """Sends each as a segment of its own, and gives everything that comes until the server closes."""
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for segment in octets:
                try:
                    connection.sendall(segment)
                except OSError:
                    break  # refused at an earlier segment
            return self.until_closed(connection)

    @staticmethod
    def until_closed(connection: socket.socket) -> bytes:
        """Everything that comes until the peer closes, or resets, the connection."""
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)

    @staticmethod
    def until(connection: socket.socket, end: bytes) -> bytes:
        """Everything that comes, up to `end` and with it."""
        octets = b""
        while not octets.endswith(end):
            part = connection.recv(65536)
            assert part, f"closed after {octets[-200:]!r}"
            octets += part
        return octets

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive()


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers, each in a thread, and ends them at the end of the module: `serve(app, limits, loop="uvloop", unix=False)`."""
    running: list[Served] = []

    def start(app: Any, limits: Limits | None = None, *, loop: str = "uvloop", unix: bool = False, **settings: Any) -> Served:
        settings = {
            "log_config": None,
            "lifespan": "off",
            "ws": "none",
            "proxy_headers": False,
            "timeout_graceful_shutdown": 2,
        } | settings
        server = uvicorn.Server(uvicorn.Config(app, http=protocol(limits or Limits()), loop=loop, **settings))
        if unix:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(tmp_path_factory.mktemp("s") / "s"))
            listening.listen()
        else:
            listening = socket.create_server(("127.0.0.1", 0))  # connections queue up from here on: nothing to wait for
        address = listening.getsockname()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append(Served(server, address, thread))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(params=["uvloop", "asyncio"], scope="module")
def loop(request: pytest.FixtureRequest) -> str:
    """Both event loops that the gateway runs on."""
    return str(request.param)
