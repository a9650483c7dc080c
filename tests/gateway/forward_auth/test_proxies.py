"""The real nginx and the real Caddy, configured as in `examples/`, between clients and an application (THREATS sections 5 and 6)."""

from __future__ import annotations

import logging
import re
import socket
from typing import Any

import pytest

from cognito_guard.gateway.rewriting.folding import folded
from cognito_guard.gateway.rewriting.identity import DEFAULT_IDENTITY
from cognito_guard.testing import Case, LocalUserPool, behaviour, settings_behaviour
from cognito_guard.testing.claims import subject_of

POOL = LocalUserPool()
GOOD = POOL.access()
BEARER = b"Authorization: Bearer " + GOOD.encode()
JANE = subject_of("jane").encode()
ROWS = [case for case in (*behaviour(POOL), *settings_behaviour(POOL)) if not case.large]


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def stack(request: pytest.FixtureRequest, start: Any) -> Any:
    return start(request.param)


def as_heard(case: Case, kind: str) -> Case:
    """What a client hears through this proxy: of nginx, 401 and 403 are all that a refusal can be; a document comes from elsewhere."""
    status, codes, challenge = case.status, case.codes, case.challenge
    if case.document or case.status == 204:
        status, codes, challenge = 403, ("metadata_elsewhere",), None
    if kind == "nginx":
        status, codes = {400: 401, 503: 500}.get(status, status), ()
        if case.name in ("authorization_twice", "authorization_twice_second_bad"):
            status, challenge = 400, None  # nginx itself refuses them, and asks nobody
    told = None if challenge is None else dict(challenge)
    return Case(
        case.name, case.target, case.headers, status=status, codes=codes, challenge=told, method=case.method, subject=case.subject
    )


def wrong(stack: Any, case: Case) -> list[str]:
    heard = as_heard(case, stack.kind)
    status, headers, body = stack.case(case)
    found = heard.check(status, headers, body, reached=bool(stack.app.scopes))
    if heard.status != 400 and not stack.endpoint.questions:
        found.append("nobody was asked")
    return [f"{case.name}: {problem}" for problem in found]


def test_the_behaviour_table(stack: Any) -> None:
    """Every row that fits into the proxy's buffers: status, challenge, body where the proxy hands it on, and who reached the application."""
    found = [problem for case in ROWS if not case.keys_unavailable for problem in wrong(stack, case)]
    assert found == [], "\n".join(found)


def test_keys_that_cannot_be_had(stack: Any, ask_of: Any) -> None:
    """503 with Retry-After reaches Caddy's client; nginx makes 500 of it. Nobody passes, and what needs no key is answered as ever."""
    for case in (case for case in ROWS if case.keys_unavailable):
        with POOL.outage(), stack.judged_by(ask_of(stack.kind, POOL)):
            assert wrong(stack, case) == []


NAMES = [name.lower().encode() for name in DEFAULT_IDENTITY]
FOREIGN = b"attacker"


def spellings(name: bytes) -> list[bytes]:
    """What applications may take for this name: any case, `_` and `.` for `-`, all or some; WSGI's and CGI's readings among them."""
    head, _, tail = name.partition(b"-")
    more = [
        name.title(),
        name.upper(),
        name.replace(b"-", b"_"),
        name.replace(b"-", b".").title(),
        head + b"_" + tail,
        head + b"-" + tail.replace(b"-", b"_"),
    ]
    return [name, *more]


PASSING = [
    ("token", b"/private", [BEARER], JANE, b"GET"),
    ("post", b"/private", [BEARER, b"Content-Length: 0"], JANE, b"POST"),
    ("public", b"/open/x", [], b"", b"GET"),
    ("public with a token", b"/open/x", [BEARER], b"", b"GET"),
    ("identify", b"/maybe", [], b"", b"GET"),
    ("preflight", b"/orders", [b"Origin: https://shop.example.com", b"Access-Control-Request-Method: POST"], b"", b"OPTIONS"),
]


@pytest.mark.parametrize(("target", "fields", "subject", "method"), [row[1:] for row in PASSING], ids=[row[0] for row in PASSING])
def test_no_identity_but_ours(target: bytes, fields: list[bytes], subject: bytes, method: bytes, stack: Any) -> None:
    """T1, T2, T3, T5: on every route, clients' fields of our names, in all spellings and doubled, never reach the application.

    T2: the token has no email and no groups, and the application sees none, or an empty one.
    """
    forged = [spelling + b": " + FOREIGN for name in NAMES for spelling in spellings(name)]
    # nginx takes 4 x 8 kB and Caddy more: all of them at once
    status, _, _ = stack.get(target, *fields, *forged, *forged[:3], method=method)
    assert status == 200
    seen = stack.seen()
    assert [pair for pair in seen if FOREIGN in pair[1]] == []
    ours = [(name, value) for name, value in seen if folded(name).startswith(b"x-cognito-")]
    told = {name: value for name, value in ours if value}
    assert len(ours) == len(dict(ours))
    assert set(dict(ours)) <= set(NAMES)
    assert told.get(b"x-cognito-subject", b"") == subject
    assert b"x-cognito-email" not in told
    assert b"x-cognito-groups" not in told


@pytest.mark.parametrize(
    "name", ["X-Cognito-Subject", "x-cognito-groups", "Authorization", "Host", "X-Forwarded-Uri", "X-Original-URI", "Cookie"]
)
def test_connection_takes_nothing_off(name: str, stack: Any) -> None:
    """T4: naming a field in Connection removes neither what we told the application nor what the decision stands on."""
    status, _, _ = stack.get(b"/staff", BEARER, b"Connection: close, " + name.encode())
    assert status in (400, 401, 403)
    assert stack.app.scopes == []
    status, _, _ = stack.get(b"/private", BEARER, b"Connection: close, " + name.encode())
    if status == 200:
        assert dict(stack.seen())[b"x-cognito-subject"] == JANE
    else:
        assert (stack.kind, status) == ("caddy", 401 if name == "Authorization" else 400)
        assert stack.app.scopes == []


SPOOFS = [
    b"X-Forwarded-Uri: /open/x",
    b"X_Forwarded_Uri: /open/x",
    b"X.Forwarded.Uri: /open/x",
    b"X-Forwarded-Method: OPTIONS",
    b"X-Forwarded-Host: open.example",
    b"X-Original-URI: /open/x",
    b"X_Original_URI: /open/x",
    b"X.Original.URI: /open/x",
    b"X-Original-URL: /open/x",
    b"X-Original-Method: OPTIONS",
    b"X-Original-Host: open.example",
    b"X-Rewrite-Url: /open/x",
    b"X-Envoy-Original-Path: /open/x",
    b"X-HTTP-Method-Override: OPTIONS",
    b"Forwarded: for=127.0.0.1;host=open.example",
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Cognito-Guard-Secret: x",
    b"User-Agent:",
    b"User-Agent: kube-probe/1.30",
]


def test_nothing_that_clients_send_chooses_the_request(stack: Any) -> None:
    """T6, T12: not in any spelling, alone or together, doubled or in front; with a token the application still gets what was asked."""
    for fields in (*([spoof] for spoof in SPOOFS), SPOOFS[:12], [SPOOFS[0]] * 2, [SPOOFS[5]] * 2):
        status, _, _ = stack.get(b"/private", *fields)
        assert (status, stack.app.scopes) == (401, []), fields
        status, _, body = stack.get(b"/private?a=b", *fields, BEARER)
        assert (status, body) == (200, JANE), fields
        assert (stack.app.scopes[0]["raw_path"], stack.app.scopes[0]["query_string"]) == (b"/private", b"a=b")


NASTY = [
    b"/open/../private", b"/open/%2e%2e/private", b"/open/..%2fprivate", b"/open/..%5cprivate", b"/open/..;/private",
    b"/open/%252e%252e/private", b"/open//private", b"//private", b"/%6fpen;/private", b"/open/x%00", b"http://test/private",
    b"/OPEN/x", b"/maybe/../private", b"/private?x=/open/x", b"/private?/open/x", b"/private;/open/x", b"/openX", b"/open/x#/../y",
    b"/private#/open/x", b"/open/%c0%af", b"/open/%u002f", b"*", b"open/x", b"http://test/open/../private", b"/open/\xff", b"/open/%ff",
]  # fmt: skip


@pytest.mark.parametrize("target", NASTY)
def test_nasty_targets(target: bytes, stack: Any) -> None:
    """T7, T8, T9, T13: never the application, for what is not open and has one reading."""
    for method in (b"GET", b"HEAD", b"OPTIONS", b"POST"):
        try:
            status, _, _ = stack.get(target, b"Content-Length: 0", method=method)
        except (IndexError, ConnectionResetError):
            status = 400  # the proxy hung up
        assert status in (400, 401, 404) or (target == b"*" and stack.kind == "caddy" and status == 200)
        assert stack.app.scopes == []


@pytest.mark.parametrize(
    "target", [b"/private", b"/private?a=b&a=%2f..%2F", b"/%70rivate/%c3%a4?", b"/a/b/c-d_e.f~g", b"/private?http://x/"]
)
def test_what_is_judged_is_what_arrives(target: bytes, stack: Any) -> None:
    """T9: the application gets the octets that were judged, query included; our own query is nobody's."""
    status, _, _ = stack.get(target, BEARER)
    path, _, query = target.partition(b"?")
    assert status == 200
    assert (stack.app.scopes[0]["raw_path"], stack.app.scopes[0]["query_string"]) == (path, query)


def test_bodies(stack: Any) -> None:
    """T40: a body goes to the application with an allowed request, never to us, and nowhere with a refused one."""
    body = [b"Content-Length: 4", b"", b"body"]
    for fields, status in (([BEARER], 200), ([], 401)):
        head = b"\r\n".join([b"POST /private HTTP/1.1", b"Host: test", b"Connection: close", *fields, *body])
        assert stack.ask(head)[0] == status
        question = dict(stack.endpoint.questions[0]["headers"])
        assert question.get(b"content-length", b"0") == b"0"
        assert b"transfer-encoding" not in question
        assert len(stack.app.scopes) == (status == 200)


@pytest.mark.parametrize("host", [b"open.example", b"OPEN.example.", b"open.example:80"])
def test_hosts(host: bytes, stack: Any, by_host: Any) -> None:
    """T6, T10: the host that chooses the routes is the one that the client addressed, and no field that it added."""
    with stack.judged_by(by_host(stack.kind, stack.pool)):
        assert stack.get(b"/private", b"Host: " + host)[0] == 200
        assert stack.get(b"/private", b"Host: other.example")[0] == 401
        for field in (b"X-Forwarded-Host: ", b"X-Original-Host: ", b"X_Forwarded_Host: ", b"X.Original.Host: ", b"X-Host: "):
            status, _, _ = stack.get(b"/private", b"Host: other.example", field + host)
            assert (status, stack.app.scopes) == (401, [])
        for doubled in ([b"Host: " + host, b"Host: other.example"], [b"Host: other.example", b"Host: " + host]):
            status, _, _ = stack.get(b"/private", *doubled)
            assert status in (400, 401)
        # the target's host wins over the field (RFC 9112 section 3.2.2), in the proxy as in the decision
        assert stack.get(b"http://other.example/private", b"Host: " + host)[0] == 401


HANDSHAKE = [
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
]


def handshake(stack: Any, *fields: bytes) -> tuple[int, bytes]:
    """The status, and the payload of the first frame, which is as long as a subject."""
    stack.app.scopes.clear()
    octets = b""
    with socket.create_connection(stack.address, timeout=10) as connection:
        connection.sendall(b"\r\n".join([b"GET /private HTTP/1.1", b"Host: api.example.com", *HANDSHAKE, *fields, b"", b""]))
        while not re.match(rb"HTTP/1.1 (?:(?!101)|101.*?\r\n\r\n.{%d})" % (2 + len(JANE)), octets, re.DOTALL):
            received = connection.recv(65536)
            assert received
            octets += received
    return int(octets[9:12]), octets.partition(b"\r\n\r\n")[2][2 : 2 + len(JANE)]


def test_websockets(stack: Any) -> None:
    """A22, A27: judged as a handshake, so that a page of another site gains nothing by a cookie; allowed ones reach the application."""
    # nginx leaves the upgrade out of its question: the key tells
    assert handshake(stack, BEARER) == (101, JANE)
    cookie = b"Cookie: session=" + GOOD.encode()
    assert handshake(stack, cookie, b"Origin: https://api.example.com")[0] == 101
    for origin in ([b"Origin: https://attacker.example"], [b"Origin: null"], [], [b"Sec-Fetch-Site: cross-site"]):
        status, _ = handshake(stack, cookie, *origin)
        assert (status, stack.app.scopes) == (401, [])


def test_octets_beyond_ascii(stack: Any) -> None:
    """T20: whatever octets a field holds, the answer is a decision, and never open without a token."""
    for value in (b"\xff\xfe", "ä".encode(), b"\x80" * 30):
        for name in (b"Authorization: Bearer ", b"Cookie: session=", b"X-Access-Token: ", b"X-Any: "):
            status, _, _ = stack.get(b"/private", name + value)
            assert status in (400, 401)
            assert stack.app.scopes == []


def test_a_broken_decision_is_not_open(stack: Any) -> None:
    """T19: an endpoint that raises, that answers nonsense, or that answers 2xx other than 200 only by itself, passes nobody on."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"/x")]})
        await send({"type": "http.response.body", "body": b""})

    with stack.judged_by(broken):
        assert stack.get(b"/private", BEARER)[0] in (302, 500)
        assert stack.app.scopes == []


MISTAKES = {
    "nginx": [("proxy_set_header X-Original-URI $request_uri;", ""), ("proxy_set_header X-Original-Method $request_method;", "")],
    "caddy": [("uri /_cognito_guard/verify/caddy", "uri /_cognito_guard/verify/nginx")],
}


@pytest.mark.parametrize(("kind", "mistake"), [(kind, mistake) for kind, mistakes in MISTAKES.items() for mistake in mistakes])
def test_a_question_that_does_not_say_what_it_is_about(kind: str, mistake: tuple[str, str], start: Any, caplog: Any) -> None:
    """THREATS 6.3: the source is absent: 500 and an error for the operator, and never a guess from another source."""
    stack = start(kind, lambda example: example.replace(*mistake), kinds=["nginx", "caddy"])
    with caplog.at_level(logging.ERROR, "cognito_guard"):
        for fields in ([BEARER], [], [b"X-Forwarded-Uri: /open/x", b"X-Forwarded-Method: GET"]):
            status, _, _ = stack.get(b"/open/x", *fields)
            assert (status, stack.app.scopes) == (500, [])
    (record,) = caplog.records
    assert re.search("is absent", record.getMessage())


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_the_secret_of_the_examples(kind: str, start: Any) -> None:
    """The line that the example keeps in a comment is right: with it the proxy knows the secret, and a client's own word is not heard."""
    secret = "correct-horse-battery"

    def told(example: str) -> str:
        return re.sub(r'# ((?:proxy_set_header|header_up) X-Cognito-Guard-Secret) "\.\.\."', rf'\1 "{secret}"', example)

    stack = start(kind, told, secret=secret.encode())
    assert stack.get(b"/private", BEARER)[2] == JANE
    assert secret.encode() not in dict(stack.seen()).values()
    assert stack.get(b"/private", BEARER, b"X-Cognito-Guard-Secret: wrong")[2] == JANE
    silent = start(kind, secret=secret.encode())
    for field in (b"X-Any: x", b"X-Cognito-Guard-Secret: wrong-secret-of-mine"):
        assert silent.get(b"/private", BEARER, field)[0] == 403
        assert silent.app.scopes == []
