"""Requests as ASGI scopes tell them, and refusals as ASGI messages (ASGI specification; THREATS A26)."""

from __future__ import annotations

from typing import Any

from cognito_guard.testing import LocalUserPool
from cognito_guard.web.asgi_scope import Caller, conceal, from_scope, refusal, sent
from cognito_guard.web.challenge import Challenge, challenge

MISSING: Challenge = challenge(None, realm="api")


def websocket(**more: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": "/feed", "headers": [], **more}


def test_the_facts_of_a_scope() -> None:
    """What the specification makes optional may be absent; a websocket's handshake is a GET."""
    request = from_scope(websocket(), [])
    assert (request.method, request.path, request.raw_path, request.root_path) == ("GET", "/feed", None, "")
    assert (request.kind, request.query) == ("websocket", b"")
    scope = {"type": "http", "method": "PUT", "path": "/a/x", "raw_path": b"/a/x", "root_path": "/a", "query_string": b"q=1"}
    request = from_scope(scope, [(b"a", b"b")])
    assert (request.method, request.raw_path, request.root_path, request.query) == ("PUT", b"/a/x", "/a", b"q=1")
    assert request.headers == [(b"a", b"b")]


def test_a_caller_is_the_principal_or_nobody() -> None:
    """A person by username, a machine by client id; nobody is false, empty, and holds no scope, not even "authenticated"."""
    pool = LocalUserPool()
    guard = pool.guard()
    person = Caller(guard.authenticate(pool.access(username="jane", scopes=["b", "a"])))
    assert (bool(person), person.is_authenticated, person.display_name) == (True, True, "jane")
    assert person.principal is not None
    assert person.identity == person.principal.subject
    assert person.scopes == ["authenticated", "a", "b"]
    assert Caller(guard.authenticate(pool.machine())).display_name == pool.client
    nobody = Caller(None)
    assert (bool(nobody), nobody.is_authenticated, nobody.display_name, nobody.identity, nobody.scopes) == (
        False,
        False,
        "",
        "",
        [],
    )


def test_a_refused_http_request_gets_one_start_and_one_body() -> None:
    """To HEAD, the headers that GET would get and no body."""
    scope = {"type": "http", "method": "GET"}
    start, body = refusal(scope, MISSING)
    assert start == {"type": "http.response.start", "status": 401, "headers": list(MISSING.headers)}
    assert body == {"type": "http.response.body", "body": MISSING.body}
    assert refusal(scope | {"method": "HEAD"}, MISSING) == [start, {"type": "http.response.body", "body": b""}]


def test_a_refused_websocket_gets_the_answer_where_the_server_can_carry_it() -> None:
    """The extension "websocket.http.response"; elsewhere a close, its code from the range for private use."""
    start, body = refusal(websocket(extensions={"websocket.http.response": {}}), MISSING)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert body == {"type": "websocket.http.response.body", "body": MISSING.body}
    for without in ({}, {"extensions": None}, {"extensions": {}}):
        assert refusal(websocket(**without), MISSING) == [
            {"type": "websocket.close", "code": 4401, "reason": "credentials_missing"}
        ]


def test_several_demands_see_what_was_sent_and_the_application_does_not() -> None:
    """What `conceal` took out of a websocket's scope is still there for the next demand, and prints nowhere."""
    scope = websocket(query_string=b"token=secret", subprotocols=["chat"])
    request = sent(scope)
    conceal(scope, request, request.replaced(query=b""))
    assert (scope["query_string"], scope["subprotocols"]) == (b"", ["chat"])
    assert sent(scope) is request
    assert sent(scope).query == b"token=secret"
    assert "secret" not in str(scope)


def test_an_http_request_keeps_its_scope() -> None:
    """Its header fields are the application's to read."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [(b"authorization", b"Bearer x")]}
    before = dict(scope)
    conceal(scope, sent(scope), sent(scope))
    assert scope == before
