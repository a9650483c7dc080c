"""CognitoASGI behind a real uvicorn, asked with raw octets (THREATS T9, T13, T40; section 4)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from cognito_guard.adapters.asgi import PRINCIPAL, CognitoASGI
from cognito_guard.policy import InGroup
from cognito_guard.testing import LocalUserPool, behaviour, sample_routes
from cognito_guard.web import EncodedSlash, Protect, Public

POOL = LocalUserPool()
CASES = behaviour(POOL)


class Recorder:
    """An application that notes its requests and answers with the principal's subject, without reading the body."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.scopes.append(scope)
        principal = scope[PRINCIPAL]
        body = b"" if principal is None else principal.subject.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Served:
    """The application behind a real uvicorn, asked with raw octets."""

    def __init__(self, app: Recorder, address: tuple[str, int]) -> None:
        self.app = app
        self.address = address

    def ask(self, head: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """One request on a connection of its own; the answer's status, header fields and body."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(head)
            octets = b"".join(iter(lambda: connection.recv(65536), b""))
        start, _, body = octets.partition(b"\r\n\r\n")
        status, *fields = start.split(b"\r\n")
        return int(status.split(b" ")[1]), dict(_pair(field) for field in fields), body

    def get(self, target: bytes, *fields: bytes, method: bytes = b"GET") -> tuple[int, dict[bytes, bytes], bytes]:
        return self.ask(
            b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: test", b"Connection: close", *fields, b"", b""])
        )


def _pair(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.partition(b": ")
    return name.lower(), value


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Starts servers, each on a free port and in a thread; ends them all at the end of the module."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(routes: Any, root_path: str = "") -> Served:
        app = Recorder()
        settings = uvicorn.Config(
            CognitoASGI(app, POOL.guard(), routes=routes),
            ws="none",
            http="h11",
            lifespan="on",
            log_config=None,
            root_path=root_path,
        )
        server = uvicorn.Server(settings)
        listening = socket.create_server(("127.0.0.1", 0))  # connections queue up from here on: nothing to wait for
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        return Served(app, listening.getsockname())

    yield start
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    return serve(sample_routes())


def test_the_behaviour_table_under_uvicorn(served: Served) -> None:
    """Every row that a real server lets through to us, as octets on a socket."""
    wrong = []
    for case in CASES:
        if case.keys_unavailable or case.large:
            continue
        served.app.scopes = []
        fields = [name.encode() + b": " + value.encode("latin-1") for name, value in case.headers]
        status, headers, body = served.get(case.target.encode(), *fields, method=case.method.encode())
        wrong += [(case.name, problem) for problem in case.check(status, headers.items(), body, reached=bool(served.app.scopes))]
    assert wrong == []


NASTY = [
    b"/open/../private",
    b"/open/%2e%2e/private",
    b"/open/..%2fprivate",
    b"/open%2f..%2fprivate",
    b"/open/..%5cprivate",
    b"/open/..;/private",
    b"/open/%252e%252e/private",
    b"/open/%c0%ae%c0%ae/private",
    b"/open/x%00",
    b"/open//private",
    b"//private",
    b"/open/x#/private",
    b"/open/%u002e%u002e/private",
    b"/%6fpen;/private",
    b"/private;/open/x",
    b"/private?x=/open/x",
    b"/private%3f/open/x",
    b"/openX/x",
    b"/OPEN/x",
    b"/open",
    b"http://test/private",
    b"http://test/open/../private",
    b"http://private",
    b"open/x",
    b"?/open/x",
    b"*",
    b"/maybe/../private",
]


@pytest.mark.parametrize("target", NASTY)
@pytest.mark.parametrize("root_path", ["", "/api"])
def test_nasty_targets_under_uvicorn(target: bytes, root_path: str, served: Served, served_below_api: Served) -> None:
    """T9: never 200 without a token for what is not open, and the application is not called."""
    server = served_below_api if root_path else served
    for method in (b"GET", b"HEAD", b"OPTIONS"):
        server.app.scopes = []
        assert server.get(target, method=method)[0] in (400, 401)
        assert server.app.scopes == []


@pytest.fixture(scope="module")
def served_below_api(serve: Serve) -> Served:
    return serve(sample_routes(), root_path="/api")


def test_root_path_under_uvicorn(served_below_api: Served) -> None:
    """uvicorn puts it in front of path and raw_path; routes see what lies below."""
    assert served_below_api.get(b"/open/caf%c3%a9")[0] == 200
    assert served_below_api.get(b"/api/open/x")[0] == 401
    assert served_below_api.get(b"/private")[0] == 401


def test_an_encoded_slash_under_uvicorn(serve: Serve) -> None:
    """Taken on by name only, and the rule of that route is asked."""
    server = serve([Protect("/repos/*", InGroup("staff"), accepts=EncodedSlash), Public("/open/*")])
    staff, plain = (b"Authorization: Bearer " + token.encode() for token in (POOL.access(groups=["staff"]), POOL.access()))
    assert server.get(b"/repos/a%2fb", staff)[0] == 200
    assert server.get(b"/repos/a%2fb", plain)[0] == 403
    assert server.get(b"/open/a%2fb", staff)[0] == server.get(b"/repos/..%2fopen/x", staff)[0] == 400
    assert len(server.app.scopes) == 1


def test_a_refused_upload_is_answered_without_its_body(served: Served) -> None:
    """401 goes out although the body never comes; `Expect: 100-continue` is answered by 401, not by 100."""
    fields = [b"Content-Length: 1000000", b"Expect: 100-continue"]
    status, headers, body = served.get(b"/private", *fields, method=b"POST")
    assert status == 401
    assert int(headers[b"content-length"]) == len(body)


def test_head_under_uvicorn(served: Served) -> None:
    """The length of the body that GET would get, and none of it."""
    status, headers, body = served.get(b"/private", method=b"HEAD")
    assert (status, body) == (401, b"")
    assert int(headers[b"content-length"]) > 0
