"""CognitoASGI behind hypercorn and granian, asked with raw octets; uvicorn is in test_asgi_served (THREATS section 4)."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cognito_guard.adapters.asgi import PRINCIPAL, CognitoASGI
from cognito_guard.testing import Case, LocalUserPool, behaviour, sample_routes

POOL = LocalUserPool()
SERVERS = ["hypercorn", "granian"]


class Recorder:
    """An application that notes what reaches it and answers with the principal's subject, without reading the body."""

    def __init__(self) -> None:
        self.reached: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.reached.append(scope)
        principal = scope[PRINCIPAL]
        body = b"" if principal is None else principal.subject.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Served:
    """The application behind a real server, which runs on an event loop in a thread of its own until `stop`."""

    def __init__(self, server: str) -> None:
        self.app = Recorder()
        self._guarded = CognitoASGI(self.app, POOL.guard(), routes=sample_routes())
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(getattr(self, f"_{server}")(),))
        self._thread.start()
        for _ in range(500):  # neither server tells from outside when it listens
            try:
                socket.create_connection(self.address, timeout=10).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise AssertionError(f"{server} does not listen")

    def _run(self, serving: Any) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serving)

    async def _hypercorn(self) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = ["{}:{}".format(*self.address)]
        config.errorlog = config.accesslog = None
        config.graceful_timeout = 1
        app: Any = self._guarded
        await serve(app, config, shutdown_trigger=self._stop.wait)  # type: ignore[arg-type]

    async def _granian(self) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        host, port = self.address
        server = Server(self._guarded, address=host, port=port, interface=Interfaces.ASGI, log_enabled=False, websockets=False)
        serving = asyncio.ensure_future(server.serve())
        await self._stop.wait()
        server.stop()
        await serving

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def ask(self, case: Case) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """One request on a connection of its own, as octets; the answer's status, header pairs and body."""
        fields = [name.encode() + b": " + value.encode("latin-1") for name, value in case.headers]
        line = b"%s %s HTTP/1.1" % (case.method.encode(), case.target.encode())
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(b"\r\n".join([line, b"Host: test", b"Connection: close", *fields, b"", b""]))
            octets = b"".join(iter(lambda: connection.recv(65536), b""))
        start, _, body = octets.partition(b"\r\n\r\n")
        status, *answered = start.split(b"\r\n")
        pairs = [tuple(field.split(b": ", 1)) for field in answered]
        return int(status.split(b" ")[1]), [(name, value) for name, value in pairs], body


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    server = Served(request.param)
    yield server
    server.stop()


# servers refuse header fields beyond some kB before anybody sees them; a Guard that has keys cannot show an outage
ROWS = [case for case in behaviour(POOL) if not case.large and not case.keys_unavailable]


def test_the_behaviour_table(served: Served) -> None:
    """Every row that a real server lets through to us."""
    wrong = []
    for case in ROWS:
        served.app.reached.clear()
        status, headers, body = served.ask(case)
        wrong += [(case.name, problem) for problem in case.check(status, headers, body, reached=bool(served.app.reached))]
    assert wrong == []


NASTY = [
    "/open/../private",
    "/open/%2e%2e/private",
    "/open/..%2fprivate",
    "/open/..%5cprivate",
    "/open/..;/private",
    "/open/%252e%252e/private",
    "/open//private",
    "//private",
    "/%6fpen;/private",
    "/open/x%00",
    "http://test/private",
    "/OPEN/x",
    "/maybe/../private",
]


@pytest.mark.parametrize("target", NASTY)
def test_nasty_targets(target: str, served: Served) -> None:
    """T9: never 200 without a token for what is not open, and the application is not called."""
    served.app.reached.clear()
    for method in ("GET", "HEAD", "OPTIONS"):
        status, _, _ = served.ask(Case("nasty", target, status=401, method=method))
        assert status in (400, 401)
    assert served.app.reached == []
