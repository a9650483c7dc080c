"""The admin listener: who may ask, what it answers, when a process is ready."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from cognito_guard import UserPool
from cognito_guard.gateway.observing.admin import Admin, Readiness
from cognito_guard.gateway.observing.metrics import Metrics
from cognito_guard.testing import LocalUserPool

LOCAL = (b"host", b"127.0.0.1:9090")
Ask = Callable[..., tuple[int, dict[bytes, bytes], bytes]]


@pytest.fixture(scope="module")
def admin() -> Admin:
    pool = LocalUserPool()
    guard = pool.guard()
    guard.warm_up()
    readiness = Readiness([pool.user_pool.access_tokens(client=pool.client)], guard.key_status)
    return Admin(readiness, Metrics().exposition)


def ask(admin: Admin, path: str = "/livez", *headers: tuple[bytes, bytes], method: str = "GET", raw: bytes | None = None) -> Any:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": list(headers or (LOCAL,)),
        "query_string": b"",
    }
    if raw is not None:
        scope["raw_path"] = raw
    asyncio.run(admin(scope, None, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_alive_ready_and_metrics(admin: Admin) -> None:
    """Three paths; nothing of it is kept by any cache."""
    assert ask(admin, "/livez")[2] == b'{"status":"alive"}'
    assert ask(admin, "/readyz")[2] == b'{"status":"ready"}'
    status, headers, body = ask(admin, "/metrics")
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert b"cognito_guard_build_info" in body
    for path in ("/livez", "/readyz", "/metrics", "/nothing"):
        status, headers, body = ask(admin, path)
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"content-length"] == b"%d" % len(body)
        status_of_head, headers_of_head, nothing = ask(admin, path, method="HEAD")
        assert (status_of_head, nothing) == (status, b"")
        assert headers_of_head[b"content-type"] == headers[b"content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/livez/",
        "/livez/x",
        "//livez",
        "/LIVEZ",
        "/livez;x",
        "/metrics/../livez",
        "/readyz%00",
        "/_cognito_guard/livez",
        "livez",
        "*",
    ],
)
def test_any_other_path_is_not_found(admin: Admin, path: str) -> None:
    """T52: exact paths, no prefix, no normalisation."""
    assert ask(admin, path)[0] == 404


def test_an_encoded_path_is_not_the_path(admin: Admin) -> None:
    """T52: what counts are the octets that were sent."""
    assert ask(admin, "/livez", raw=b"/%6civez")[0] == 404
    assert ask(admin, "/livez", raw=b"/livez")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "TRACE"])
def test_any_other_method_is_refused(admin: Admin, method: str) -> None:
    """T52: nothing here changes anything."""
    status, headers, _ = ask(admin, "/metrics", method=method)
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")


@pytest.mark.parametrize(
    "headers",
    [
        [LOCAL, (b"origin", b"https://evil.example")],
        [LOCAL, (b"Origin", b"null")],
        [LOCAL, (b"origin", b"http://127.0.0.1:9090")],
        [LOCAL, (b"origin", b"")],
        [LOCAL, (b"sec-fetch-site", b"cross-site")],
        [LOCAL, (b"sec-fetch-site", b"same-site")],
        [LOCAL, (b"sec-fetch-site", b"same-origin")],
        [LOCAL, (b"sec-fetch-site", b"none"), (b"Sec-Fetch-Site", b"cross-site")],
    ],
)
def test_pages_in_browsers_are_refused(admin: Admin, headers: Any) -> None:
    """T52: whatever a page can send from a script, a form or an image, same origin included."""
    for path in ("/livez", "/metrics", "/nothing"):
        assert ask(admin, path, *headers)[0] == 403


@pytest.mark.parametrize("site", [b"none"])
def test_a_person_may_look(admin: Admin, site: bytes) -> None:
    """An address that was typed into a browser."""
    assert ask(admin, "/metrics", LOCAL, (b"sec-fetch-site", site))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"evil.example:9090", b"localhost.evil.example", b"127.0.0.1.evil.example", b"127.0.0.1@evil.example",
        b"", b" ", b"127.1", b"2130706433", b"0x7f.0.0.1", b"[127.0.0.1]", b"::1", b"[::1", b"[::1]x", b"[fe80::1%25eth0]",
        b"127.0.0.1:", b"127.0.0.1:x", b"127.0.0.1:123456", b"127.0.0.1/x", b"localhost.", b"\xff", b"127.0.0.256",
    ],
)  # fmt: skip
def test_a_name_as_host_is_refused(admin: Admin, host: bytes) -> None:
    """T52: DNS rebinding: a name of the attacker's that points here. Ask by address; odd spellings of addresses are none."""
    assert ask(admin, "/metrics", (b"host", host))[0] == 403


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"127.0.0.1:9090", b"10.1.2.3:9090", b"[::1]:9090", b"[2001:db8::7]", b"localhost", b"LOCALHOST:1"]
)
def test_addresses_are_answered(admin: Admin, host: bytes) -> None:
    """Loopback, a pod's own address (probes, Prometheus), and localhost."""
    assert ask(admin, "/metrics", (b"host", host))[0] == 200


def test_no_host_or_two_are_refused(admin: Admin) -> None:
    """Whichever would count."""
    assert ask(admin, "/metrics", (b"accept", b"*/*"))[0] == 403
    assert ask(admin, "/metrics", LOCAL, (b"host", b"evil.example"))[0] == 403


def test_other_scopes_are_not_served(admin: Admin) -> None:
    """ASGI: what is not supported raises."""
    for kind in ("websocket", "lifespan"):
        with pytest.raises(NotImplementedError):
            asyncio.run(admin({"type": kind}, None, None))  # type: ignore[arg-type]


def test_ready_means_keys_for_every_pool() -> None:
    """Not before the first fetch, not past the time that keys are trusted, not while draining; one issuer form of a pool is enough."""
    now = [0.0]
    first, second = LocalUserPool(issuer_form="updated"), LocalUserPool("us-east-1_Second22")
    profiles = [pool.user_pool.access_tokens(client=pool.client) for pool in (first, second)]

    def fetch(url: str) -> Any:
        return (second if "Second22" in url else first).fetch(url)

    guard = first.guard(*profiles, fetch=fetch, monotonic=lambda: now[0])
    readiness = Readiness(profiles, guard.key_status)
    admin = Admin(readiness, Metrics().exposition)

    def reasons() -> Any:
        status, _, body = ask(admin, "/readyz")
        told = json.loads(body)
        assert (status == 200) == ("reasons" not in told)
        return told.get("reasons", [])

    lacking = [f"no usable keys for {pool.user_pool.id}" for pool in (first, second)]
    assert reasons() == lacking
    guard.authenticate(first.access())
    assert reasons() == lacking[1:]
    guard.warm_up()
    assert reasons() == []
    readiness.draining = True
    assert reasons() == ["draining"]
    assert ask(admin, "/livez")[0] == 200
    readiness.draining = False
    now[0] += 86400
    with first.outage(), second.outage():
        assert reasons() == lacking


def test_bundled_keys_are_ready_at_once(tmp_path: Path) -> None:
    """A file, or a document: nothing to wait for."""
    local = LocalUserPool()
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(local.jwks()))
    for jwks in (str(file), local.jwks()):
        profile = UserPool(local.user_pool.id, jwks=jwks).id_tokens(client="abc")
        assert Readiness([profile], local.guard(profile).key_status).obstacles() == []


@pytest.fixture(scope="module")
def served(admin: Admin) -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(admin, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def test_over_a_real_server(served: int) -> None:
    """Probes and scrapes as they come over a socket; a query changes nothing; HEAD leaves the connection usable."""
    connection = HTTPConnection("127.0.0.1", served, timeout=5)
    for method, path, status in (
        ("GET", "/livez?verbose", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/readyz", 200),
        ("GET", "/%6civez", 404),
        ("POST", "/livez", 405),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, method == "HEAD") == (status, not answer.read())
    connection.request("GET", "/metrics", headers={"Origin": "http://127.0.0.1"})
    assert connection.getresponse().status == 403
    connection.close()
