"""Real servers on loopback: the endpoint and a recording application under uvicorn, and nginx or Caddy in front, from `examples/`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from cognito_guard.front import Front
from cognito_guard.gateway.forward_auth.endpoint import ForwardAuth
from cognito_guard.gateway.policy import Policy
from cognito_guard.gateway.rewriting.identity import IdentityHeaders
from cognito_guard.testing import Case, LocalUserPool, sample_settings, settings_routes
from cognito_guard.web import Public

EXAMPLES = Path(__file__).parents[3] / "examples"
IDENTITY = IdentityHeaders()
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def part(name: str) -> str:
    """The path of a program; in CI a part that is missing is an error, not a skip."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        reason = f"this test needs Debian's {name}"
        return pytest.fail(reason) if os.environ.get("COGNITO_GUARD_CI") == "1" else pytest.skip(reason)
    return found


class Application:
    """Notes what reaches it, and answers with the subject that it was told, as applications behind a proxy do; websockets likewise."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        subject = b"".join(value for name, value in scope["headers"] if name == b"x-cognito-subject")
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "bytes": subject})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(subject))]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else subject})


class Switch:
    """The endpoint, under whose address another can stand for a while; notes the questions."""

    def __init__(self, app: ForwardAuth) -> None:
        self.app = app
        self.questions: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.questions.append(scope)
        await self.app(scope, receive, send)


class Stack:
    """A proxy between raw octets and the two servers."""

    def __init__(self, kind: str, pool: LocalUserPool, address: tuple[str, int], endpoint: Switch, app: Application) -> None:
        self.kind, self.pool, self.address, self.endpoint, self.app = kind, pool, address, endpoint, app

    def ask(self, head: bytes) -> Answer:
        """One request on a connection of its own; status, header pairs (names in lower case) and body."""
        self.app.scopes.clear()
        self.endpoint.questions.clear()
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(head)
            octets = b"".join(iter(lambda: connection.recv(65536), b""))
        start, _, body = octets.partition(b"\r\n\r\n")
        status, *fields = start.split(b"\r\n")
        pairs = [field.partition(b":")[::2] for field in fields]
        return int(status.split(b" ")[1]), [(name.lower(), value.strip(b" ")) for name, value in pairs], body

    def get(self, target: bytes, *fields: bytes, method: bytes = b"GET") -> Answer:
        lines = [method + b" " + target + b" HTTP/1.1", b"Connection: close", *fields, b"", b""]
        if not any(field.lower().startswith(b"host:") for field in fields):
            lines.insert(1, b"Host: test")
        return self.ask(b"\r\n".join(lines))

    def case(self, case: Case) -> Answer:
        fields = [name.encode() + b": " + value.encode("latin-1") for name, value in case.headers]
        return self.get(case.target.encode(), *fields, method=case.method.encode())

    def seen(self) -> list[tuple[bytes, bytes]]:
        """The header pairs of the one request that reached the application."""
        (scope,) = self.app.scopes
        return list(scope["headers"])

    @contextmanager
    def judged_by(self, app: ForwardAuth) -> Iterator[None]:
        """Another endpoint, while the block runs."""
        before, self.endpoint.app = self.endpoint.app, app
        try:
            yield
        finally:
            self.endpoint.app = before


def endpoint(kind: Any, pool: LocalUserPool, front: Any = None, **settings: Any) -> ForwardAuth:
    """The endpoint for one kind, by the table's routes and settings unless `front` is given."""
    judge = front or Front(pool.guard(), settings_routes(), **sample_settings())
    given = {"kinds": [kind], "trusts": lambda peer: peer == "127.0.0.1", "identity": IDENTITY.pairs} | settings
    return ForwardAuth(judge, **given)


@contextmanager
def serving(app: Any, **settings: Any) -> Iterator[int]:
    """The port of a uvicorn that runs in a thread until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, proxy_headers=False, **settings
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A proxy's process, from when it listens until the block ends."""
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        try:
            for _ in range(500):  # neither nginx nor Caddy tells from outside when it listens
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=10).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            else:
                raise AssertionError((folder / "log").read_text())
            yield
        finally:
            process.terminate()
            process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def nginx_command(example: str, port: int, folder: Path) -> list[str]:
    """nginx on an example, with other ports, and writing into `folder` only."""
    places = " ".join(f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    example = _replaced(example, "listen 80;", f"listen 127.0.0.1:{port};")
    example = _replaced(example, "worker_processes auto;", "worker_processes 1;")
    example = _replaced(example, "http {\n", f"http {{\n    access_log off; {places}\n")
    (folder / "nginx.conf").write_text(example)
    told = f"daemon off; pid {folder}/pid; error_log {folder}/error.log warn;"
    return [part("nginx"), "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf", "-g", told]


def caddy_command(example: str, port: int, folder: Path) -> list[str]:
    """Caddy on an example, with other ports, on loopback only."""
    example = _replaced(example, "\n:80 {", f"\n:{port} {{")
    example = _replaced(example, "\tadmin off\n", "\tadmin off\n\tdefault_bind 127.0.0.1\n")
    (folder / "Caddyfile").write_text(example)
    return [part("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


COMMANDS = {"nginx": ("nginx.conf", nginx_command), "caddy": ("Caddyfile", caddy_command)}


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, f"the example has no {old!r}"
    return text.replace(old, new)


Start = Callable[..., Stack]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(kind)`: nginx or Caddy as in `examples/`, or changed by `change(text)`. All end at the end of the module."""
    with ExitStack() as stack:

        def begin(kind: str, change: Callable[[str], str] = str, **settings: Any) -> Stack:
            name, command_for = COMMANDS[kind]
            part(kind)
            pool = LocalUserPool()
            app, switch = Application(), Switch(endpoint(kind, pool, **settings))
            app_port = stack.enter_context(serving(app, ws="wsproto"))
            port_of_ours = stack.enter_context(serving(switch, ws="none"))
            text = change((EXAMPLES / name).read_text())
            text = _replaced(text, "127.0.0.1:8080", f"127.0.0.1:{port_of_ours}")
            text = _replaced(text, "127.0.0.1:8000", f"127.0.0.1:{app_port}")
            folder, port = tmp_path_factory.mktemp(kind), free_port()
            stack.enter_context(running(command_for(text, port, folder), port, folder))
            return Stack(kind, pool, ("127.0.0.1", port), switch, app)

        yield begin


@pytest.fixture(scope="session")
def ask_of() -> Callable[..., ForwardAuth]:
    """`endpoint`, for the tests."""
    return endpoint


@pytest.fixture(scope="session")
def by_host() -> Callable[..., ForwardAuth]:
    """An endpoint whose routes differ by host: everything is open at open.example, and protected elsewhere."""

    def make(kind: Any, pool: LocalUserPool, **settings: Any) -> ForwardAuth:
        guard = pool.guard()
        policy = Policy(guard, [(Public("/*"), ["open.example"])])
        return endpoint(kind, pool, policy.front, **settings)

    return make
