"""The behaviour table through the gateway as a process, with raw octets (THREATS A18, A19, A27; T14, T22 to T25)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from cognito_guard.testing import Case, LocalUserPool, behaviour, settings_behaviour, websocket_behaviour
from cognito_guard.testing.table import LEVEL

ROUTES = f"""
[[route]]
path = "/orders"
access = "preflights"
[[route]]
path = "/open/*"
access = "public"
[[route]]
path = "/maybe"
access = "identify"
[[route]]
path = "/orders"
require = "scope:orders/read"
[[route]]
path = "/staff"
require = "group:staff"
[[route]]
path = "/both"
require = "scope:orders/read and group:staff"
[[route]]
path = "/either"
require = "scope:orders/read or group:staff"
[[route]]
path = "/recent"
require = "authenticated-within:3600"
[[route]]
path = "/strong"
require = "acr>={LEVEL}"
[[route]]
path = "/staff-recent"
require = "group:staff and authenticated-within:3600"
"""
SETTINGS = """
[[credential]]
cookie = "session"
[[credential]]
header = "X-Access-Token"
[[credential]]
query = "ticket"
[[credential]]
subprotocol = true
[resource]
url = "https://api.example.com/shop"
scopes = ["orders/read", "orders/write"]
"""


def mistakes(running, upstream, cases: Iterable[Case]) -> list[tuple[str, str]]:
    """What differs from the table, sent octet by octet; whether the application was reached is judged where it stands."""
    wrong: list[tuple[str, str]] = []
    for case in cases:
        upstream.take()
        fields = [f"{name}: {value}".encode("latin-1") for name, value in case.headers]
        hosts = [value.encode() for name, value in case.headers if name == "Host"]
        host, fields = (hosts or [b"app.test"])[0], [field for field in fields if not field.startswith(b"Host: ")]
        target = case.target.encode()
        if case.kind == "websocket":
            answer = running.handshake(target, *fields, host=host)
        else:
            answer = running.get(target, *fields, method=case.method.encode(), host=host)
        reached = upstream.take()
        if answer.status == 431 and case.large and not reached:
            continue  # refused by its size, before it is read
        status = 200 if answer.status == 101 else answer.status
        wrong += [(case.name, told) for told in case.check(status, answer.headers, answer.body, reached=bool(reached))]
        if case.subject is not None and [r.values(b"x-cognito-subject") for r in reached] != [[case.subject.encode()]]:
            wrong.append((case.name, "the upstream was told another subject, or not exactly once"))
    return wrong


@pytest.fixture(scope="module")
def plain(gateway):
    return gateway(ROUTES)


@pytest.fixture(scope="module")
def set_up(gateway):
    return gateway(SETTINGS + ROUTES)


def with_keys(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if not case.keys_unavailable]


def test_every_row(pool: LocalUserPool, plain, upstream) -> None:
    """A18, T14, T17, T22, T23, T25, T28: status, code, challenge, subject, and whether the application was reached."""
    cases = with_keys(behaviour(pool))
    assert len(cases) > 150
    assert mistakes(plain, upstream, cases) == []


def test_every_row_of_the_settings(pool: LocalUserPool, set_up, upstream) -> None:
    """A27: cookies only where no other site can send them; another field; RFC 9728; preflights. And the plain rows hold with it."""
    cases = with_keys(settings_behaviour(pool))
    assert len(cases) > 50
    assert mistakes(set_up, upstream, cases) == []


def test_every_row_as_a_websocket(pool: LocalUserPool, set_up, upstream) -> None:
    """A18, A22, A27: a handshake is judged as any request, before anything is opened upstream."""
    cases = with_keys(websocket_behaviour(pool))
    assert len(cases) > 150
    assert mistakes(set_up, upstream, cases) == []


def test_every_row_without_keys(pool: LocalUserPool, gateway, upstream) -> None:
    """T26: while there never were keys, 503 with Retry-After where a key is needed, and only there; nothing passes."""
    toml = f'[[pool]]\nid = "{pool.user_pool.id}"\nclients = ["{pool.client}"]\njwks = "http://127.0.0.1:1/jwks.json"\n'
    running = gateway(SETTINGS + ROUTES + toml)
    cases = [case for case in (*behaviour(pool), *websocket_behaviour(pool)) if case.keys_unavailable]
    assert len(cases) > 10
    assert mistakes(running, upstream, cases) == []
    assert running.get(b"/readyz", host=b"localhost", admin=True).status == 503


def test_the_log_tells_each_decision_and_no_token(pool: LocalUserPool, gateway) -> None:
    """T29, T54: one line a request with verdict, code and rule, and neither query nor token."""
    running = gateway(ROUTES)
    token = pool.access(username="jane", scopes=["orders/read"]).encode()
    bearer = b"Authorization: Bearer " + token
    running.get(b"/orders?a=" + token, bearer)
    running.get(b"/staff", bearer)
    running.get(b"/private")
    running.get(b'/open/"%0d%0aX', b'User-Agent: a"\xe9')
    lines = running.log(4)
    assert [(line["status"], line.get("code"), line.get("upstream_status")) for line in lines] == [
        (200, "granted", 200),
        (403, "insufficient_scope", None),
        (401, "credentials_missing", None),
        (400, "target_ambiguous", None),
    ]
    assert lines[0]["path"] == "/orders"
    assert lines[0]["rule"] == "scope:orders/read"
    assert all(line["method"] == "GET" and line["host"] == "app.test" and line["client"] == "127.0.0.1" for line in lines)
    assert token.split(b".")[2] not in running.get(b"/metrics", host=b"localhost", admin=True).body
