"""CognitoWSGI behind a real gunicorn (gthread) and waitress, asked with raw octets and by a real client (THREATS A18, A19, A26, T9, T40)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import waitress

from cognito_guard.adapters.wsgi import PRINCIPAL, CognitoWSGI
from cognito_guard.testing import LocalUserPool, behaviour, sample_settings, settings_behaviour, settings_routes
from cognito_guard.web import Public

TOP = Path(__file__).parents[2]
REACHED = b"x-reached"
Answer = tuple[int, dict[bytes, bytes], bytes]


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers with the principal's subject, and says that it was called; it does not read the body."""
    principal = environ[PRINCIPAL]
    body = b"" if principal is None else principal.subject.encode()
    start_response("200 OK", [("X-Reached", "yes"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class Served:
    """A server, asked with raw octets."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.url = f"http://{address[0]}:{address[1]}"

    def ask(self, octets: bytes) -> Answer:
        """One request on a connection of its own; the answer's status, header fields and body."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(octets)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        start, _, body = answer.partition(b"\r\n\r\n")
        if b" 100 " in start.split(b"\r\n")[0]:
            start, _, body = body.partition(b"\r\n\r\n")
        status, *fields = start.split(b"\r\n")
        pairs = [field.partition(b": ") for field in fields]
        return int(status.split(b" ")[1]), {name.lower(): value for name, _, value in pairs}, body

    def get(self, target: bytes, *fields: bytes, method: bytes = b"GET") -> Answer:
        host = [] if any(field.startswith(b"Host:") for field in fields) else [b"Host: test"]
        head = [method + b" " + target + b" HTTP/1.1", *host, b"Connection: close", *fields]
        return self.ask(b"\r\n".join([*head, b"", b""]))


@contextmanager
def under_waitress(app: Any) -> Iterator[Served]:
    """In a thread; connections queue up from the start, so there is nothing to wait for."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(app, sockets=[listening], threads=2)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Served(listening.getsockname())
    finally:
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)  # in its own thread, where no select is under way
        thread.join(10)
        server.trigger.close()
        assert not thread.is_alive()


@contextmanager
def under_gunicorn(program: str, folder: Path, **environment: str) -> Iterator[Served]:
    """In a process of its own, which inherits the socket; `program` is a module with the application `app`."""
    (folder / "served.py").write_text(program)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "served:app",
            "-k",
            "gthread",
            "--threads",
            "2",
            "-b",
            f"fd://{listening.fileno()}",
        ]
        path = os.pathsep.join([str(folder), str(TOP), *filter(None, [os.environ.get("PYTHONPATH")])])
        running = subprocess.Popen(
            [*command, "--log-level", "critical", "--no-control-socket"],
            pass_fds=[listening.fileno()],
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        try:
            yield Served(listening.getsockname())
        finally:
            running.terminate()
            assert running.wait(10) == 0


POOL = LocalUserPool()
PROGRAM = """
import os
from cognito_guard import Guard, UserPool
from cognito_guard.adapters.wsgi import PRINCIPAL, CognitoWSGI
from cognito_guard.testing import sample_settings, settings_routes

def application(environ, start_response):
    principal = environ[PRINCIPAL]
    body = b"" if principal is None else principal.subject.encode()
    start_response("200 OK", [("X-Reached", "yes"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

pool = UserPool("eu-west-1_Local0001", issuer=os.environ["ISSUER"])
app = CognitoWSGI(application, Guard(pool.access_tokens(client=os.environ["CLIENT"])), routes=settings_routes(), **sample_settings())
"""


@pytest.fixture(scope="module")
def published() -> Iterator[LocalUserPool]:
    with POOL.serve_jwks() as over_http:
        yield over_http


@pytest.fixture(scope="module")
def gunicorn(published: LocalUserPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with under_gunicorn(
        PROGRAM, tmp_path_factory.mktemp("gunicorn"), ISSUER=published.user_pool.issuers[0].url, CLIENT=published.client
    ) as server:
        yield server


@pytest.fixture(scope="module")
def waitress_server(published: LocalUserPool) -> Iterator[Served]:
    with under_waitress(CognitoWSGI(application, published.guard(), routes=settings_routes(), **sample_settings())) as server:
        yield server


@pytest.fixture(params=["gunicorn", "waitress_server"])
def served(request: pytest.FixtureRequest) -> Served:
    server: Served = request.getfixturevalue(request.param)
    return server


def test_the_behaviour_table_under_a_real_server(served: Served, published: LocalUserPool) -> None:
    """Every row that a real server lets through to us, as octets on a socket; the keys come over HTTP."""
    wrong = []
    for case in (*behaviour(published), *settings_behaviour(published)):
        if case.keys_unavailable or case.large or case.name == "cookie_fetch_same_origin":
            continue
        fields = [name.encode() + b": " + value.encode("latin-1") for name, value in case.headers]
        status, headers, body = served.get(case.target.encode(), *fields, method=case.method.encode())
        wrong += [(case.name, problem) for problem in case.check(status, headers.items(), body, reached=REACHED in headers)]
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
    b"/open/x%ff",
    b"/open/x%00",
    b"/open//private",
    b"//private",
    b"//open/../private",
    b"/open/x#/private",
    b"/open/x#",
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
    b"http:/open/x/../../private",
    b"open/x",
    b"?/open/x",
    b"*",
    b"/maybe/../private",
]


@pytest.mark.parametrize("target", NASTY)
def test_nasty_targets_under_a_real_server(target: bytes, served: Served) -> None:
    """T9: never 200 without a token for what is not open, and the application is not called."""
    for method in (b"GET", b"HEAD", b"OPTIONS"):
        status, headers, _ = served.get(target, method=method)
        assert (status in (400, 401), REACHED in headers) == (True, False)


def test_encoded_targets_that_have_one_reading(served: Served) -> None:
    """Percent-encoded UTF-8, an encoded percent sign, and the absolute form."""
    for target in (b"/open/caf%c3%a9", b"/open/a%25b", b"/%6fpen/x", b"http://elsewhere/open/x", b"/open/x?a=%2f#"):
        assert served.get(target)[0] == 200


def test_header_spoofing_under_a_real_server(served: Served, published: LocalUserPool) -> None:
    """Other spellings of our fields and of the environment's own keys: none is believed."""
    good = published.access().encode()
    for name in (
        b"HTTP_AUTHORIZATION",
        b"HTTP-Authorization",
        b"Authorization_",
        b"Proxy-Authorization",
        b"X_Authorization",
        b"cognito_guard.principal",
        b"HTTP_COGNITO_GUARD.PRINCIPAL",
    ):
        status, headers, _ = served.get(b"/private", name + b": Bearer " + good)
        assert (status in (400, 401), REACHED in headers) == (True, False)
    for field in (b"SCRIPT_NAME: /private", b"PATH_INFO: /open/x", b"RAW_URI: /open/x", b"REQUEST_METHOD: OPTIONS"):
        status, headers, _ = served.get(b"/private", field)
        assert (status >= 400, REACHED in headers) == (True, False)


def test_a_refused_upload_is_answered_without_its_body(gunicorn: Served) -> None:
    """401 goes out although the body never comes, and nothing of it becomes the next request. waitress reads the body first."""
    status, headers, body = gunicorn.get(b"/private", b"Content-Length: 1000000", method=b"POST")
    assert status == 401
    assert int(headers[b"content-length"]) == len(body)


def test_a_refused_body_is_not_the_next_request(served: Served) -> None:
    """The body, read or not, is skipped: a request hidden in it is never answered (T21)."""
    hidden = b"GET /open/x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    first = b"POST /private HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    last = b"GET /private HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    status, headers, rest = served.ask(first + hidden + last)
    assert status == 401
    assert b"x-reached" not in rest.lower()
    assert int(headers[b"content-length"]) <= len(rest)


def test_head_under_a_real_server(served: Served) -> None:
    """The length of the body that GET would get, and none of it."""
    status, headers, body = served.get(b"/private", method=b"HEAD")
    assert (status, body) == (401, b"")
    assert int(headers[b"content-length"]) > 0


def test_a_real_client_keeps_its_connection(served: Served, published: LocalUserPool) -> None:
    """httpx, over one kept connection: refusals between good answers, with bodies of both."""
    headers = {"Authorization": f"Bearer {published.access()}"}
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        for _ in range(3):
            assert client.post("/private", content=b"x" * 20000).json()["code"] == "credentials_missing"
            assert client.get("/private", headers=headers).status_code == 200
            assert client.head("/private").status_code == 401


@pytest.fixture(scope="module")
def httpbin(published: LocalUserPool) -> Iterator[httpx.Client]:
    """httpbin, which nobody here wrote: its own application object, wrapped and otherwise as installed."""
    app = pytest.importorskip("httpbin").app
    routes = [Public("/status/*"), Public("/anything/open/*")]
    with under_waitress(CognitoWSGI(app, published.guard(), routes=routes)) as server:  # noqa: SIM117
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            yield client


def test_httpbin_is_protected(httpbin: httpx.Client, published: LocalUserPool) -> None:
    """Requests with a good token work as without us: bodies, streams, status codes, redirects; all others are answered by us."""
    bearer = {"Authorization": f"Bearer {published.access()}"}
    for method, path in [
        ("GET", "/get"),
        ("POST", "/post"),
        ("GET", "/stream/3"),
        ("GET", "/anything/opening"),
        ("DELETE", "/delete"),
    ]:
        refused = httpbin.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (401, "credentials_missing")
        assert httpbin.request(method, path, headers=bearer).status_code == 200
    assert httpbin.post("/post", headers=bearer, json={"a": [1]}).json()["json"] == {"a": [1]}
    assert [json.loads(line)["id"] for line in httpbin.get("/stream/3", headers=bearer).text.splitlines()] == [0, 1, 2]
    assert httpbin.get("/gzip", headers=bearer).json()["gzipped"] is True
    assert httpbin.get("/status/418").status_code == 418
    assert httpbin.get("/anything/open/a%20b").json()["url"].endswith("/anything/open/a%20b")
    assert httpbin.get("/anything/open/a%2fb").json()["code"] == "target_ambiguous"
    assert httpbin.get("/get", headers={"Authorization": f"Bearer {published.bad('expired')}"}).json()["code"] == "expired"
