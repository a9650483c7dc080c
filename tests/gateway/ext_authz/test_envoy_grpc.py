"""The real Envoy asking over gRPC, started with `examples/envoy-grpc.yaml` (issue 4; THREATS sections 5.1, 5.2 and 6)."""

from __future__ import annotations

import itertools
import json
import logging
import re
from typing import Any

import pytest

from cognito_guard import HasScope
from cognito_guard.front import Front
from cognito_guard.testing import (
    Case,
    LocalUserPool,
    behaviour,
    sample_settings,
    settings_behaviour,
    settings_routes,
    websocket_behaviour,
)
from cognito_guard.web import EncodedSlash, FromQuery, FromSubprotocol, Identify, Protect, Public

POOL = LocalUserPool()
GUARD = POOL.guard()
GOOD = POOL.access(scopes=["orders/read"], groups=["staff"])
BEARER = ("Authorization", f"Bearer {GOOD}")
SUBJECT = GUARD.authenticate(GOOD).subject.encode()


@pytest.fixture(scope="module")
def example(through_grpc: Any) -> Any:
    """The example as it is."""
    return through_grpc()


@pytest.fixture(scope="module")
def bare(through_grpc: Any) -> Any:
    """An Envoy that rewrites and refuses nothing, tells fields joined and mangled, and lets through whatever it cannot get judged."""
    return through_grpc(
        {
            "normalize_path: true": "normalize_path: false",
            "escaped_slashes_action: REJECT_REQUEST": "escaped_slashes_action: KEEP_UNCHANGED",
            "underscores_action: REJECT_REQUEST": "underscores_action: ALLOW",
            "encode_raw_headers: true": "encode_raw_headers: false",
            "failure_mode_allow: false": "failure_mode_allow: true",
        }
    )


CASES = (*behaviour(POOL), *settings_behaviour(POOL), *websocket_behaviour(POOL))


@pytest.mark.parametrize("case", [case for case in CASES if "/../" not in case.target], ids=lambda case: case.name)
def test_the_behaviour_table(example: Any, case: Case) -> None:
    """Every row, websockets and the settings' rows among them: status, challenge and body reach the client as they are."""
    assert example.wrong(POOL, case, settings_routes(), sample_settings()) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_behaviour_table_without_envoys_help(bare: Any, case: Case) -> None:
    """T5, T20: the same where Envoy joins and mangles fields; `failure_mode_allow` shows that no answer is an error to Envoy."""
    assert bare.wrong(POOL, case, settings_routes(), sample_settings()) == []


NAMES = ("x{}cognito{}subject", "x{}cognito{}groups", "x{}cognito{}email")


@pytest.mark.parametrize("path", ["/private", "/open/x", "/maybe", "/preflight"])
@pytest.mark.parametrize("name", NAMES)
def test_spoofed_identity_never_reaches_the_application(bare: Any, path: str, name: str) -> None:
    """T1, T2, T3: in any spelling, beside ours and twice, with a token and without; every managed field is there once, empty or ours."""
    bare.front = Front(GUARD, [Public("/open/*"), Identify("/maybe"), Public("/preflight", methods="OPTIONS"), Protect("/*")])
    spellings = [name.format(one, other) for one, other in itertools.product("-_.~!", repeat=2)]
    fields = [(form(spelling), "evil") for spelling in spellings for form in (str, str.upper, str.title)]
    method = "OPTIONS" if path == "/preflight" else "GET"
    answer = bare.send(path, *fields, *([BEARER] if path == "/private" else []), method=method)
    assert answer.status == 200
    seen = bare.app.seen[-1]
    folds = [("".join(chr(octet) if chr(octet).isalnum() else "-" for octet in name), value) for name, value in seen.fields]
    identity = sorted((name, value) for name, value in folds if name.startswith("x-cognito"))
    expected = {"subject": SUBJECT, "client": POOL.client.encode(), "username": b"jane", "groups": b"staff"}
    expected |= {"scopes": b"orders/read", "email": b""}
    if path != "/private":
        expected = dict.fromkeys(expected, b"")
    assert identity == sorted((f"x-cognito-{name}", value) for name, value in expected.items())


def test_the_example_refuses_underscores(example: Any) -> None:
    """T1: by Envoy itself, before anybody is asked."""
    example.front = Front(GUARD)
    assert example.send("/x", BEARER, ("X_Cognito_Subject", "evil")).status == 400
    assert example.send("/x", BEARER, ("X.Cognito.Subject", "evil")).status == 200
    assert not example.app.seen[-1].values(b"x.cognito.subject")
    assert example.app.seen[-1].values(b"x-cognito-subject") == [SUBJECT]


@pytest.mark.parametrize("named", ["x-cognito-subject", "X-Cognito-Groups", "authorization", "cookie", "host", "content-length"])
def test_connection_cannot_take_fields_away(example: Any, named: str) -> None:
    """T4: naming ours in `Connection` changes nothing; Envoy takes the client's own off before anybody decides, or refuses."""
    example.front = Front(GUARD)
    before = len(example.app.seen)
    head = f"GET /x HTTP/1.1\r\nHost: h\r\nConnection: {named}, close\r\nAuthorization: Bearer {GOOD}\r\nCookie: a=1\r\n\r\n"
    answer = example.send_octets(head.encode())
    if named == "host":
        assert (answer.status, len(example.app.seen)) == (400, before)
        return
    if named == "authorization":
        assert (answer.status, len(example.app.seen)) == (401, before)
        return
    assert answer.status == 200
    seen = example.app.seen[-1]
    assert seen.values(b"x-cognito-subject") == [SUBJECT]
    assert seen.values(b"x-cognito-groups") == [b"staff"]
    assert seen.values(b"cookie") == ([] if named == "cookie" else [b"a=1"])


@pytest.mark.parametrize("mode", ["example", "bare"])
@pytest.mark.parametrize("second", [f"Bearer {GOOD}", "Basic amFuZTpzZWNyZXQ=", "Bearer a", ","])
@pytest.mark.parametrize("first", [f"Bearer {GOOD}", "Basic amFuZTpzZWNyZXQ=", "BearerToken x"])
def test_two_authorization_fields_are_refused(request: pytest.FixtureRequest, mode: str, first: str, second: str) -> None:
    """T5, CVE-2026-26308: Envoy joins them, also for the application, which may read the other one; anonymous passes nowhere then."""
    gateway = request.getfixturevalue(mode)
    gateway.front = Front(GUARD, [Identify("/*")])
    before = len(gateway.app.seen)
    answer = gateway.send("/x", ("Authorization", first), ("Authorization", second))
    assert answer.status == 400
    assert len(gateway.app.seen) == before


@pytest.mark.parametrize("mode", ["example", "bare"])
@pytest.mark.parametrize("value", [b"Bearer \xff", b"\xff", b"Bearer\xa0" + GOOD.encode(), b"Bearer " + GOOD.encode() + b"\x80"])
def test_binary_values_never_open(request: pytest.FixtureRequest, mode: str, value: bytes) -> None:
    """T20, CVE-2023-27488, CVE-2024-23324: octets that are not UTF-8, in Authorization and elsewhere, even under `failure_mode_allow`."""
    gateway = request.getfixturevalue(mode)
    gateway.front = Front(GUARD)
    before = len(gateway.app.seen)
    assert gateway.send("/x", (b"Authorization", value)).status in (400, 401)
    assert gateway.send("/x", (b"X-Other", b"\xff\xfe\x80"), (b"X.Cognito.Subject", b"\xff")).status == 401
    assert len(gateway.app.seen) == before
    assert gateway.send("/x", BEARER, (b"X-Other".decode(), "\xff\xfe")).status == 200


TARGETS = [
    "/open/../private",
    "/open/%2e%2e/private",
    "/open/..%2fprivate",
    "/open/%2e%2e%2fprivate",
    "/open%2f..%2fprivate",
    "/open/..%5cprivate",
    "/open/..\\private",
    "/open/..;/private",
    "/open/x;/../../private",
    "/open//../private",
    "//open/x",
    "/open/%00",
    "/open/%252e%252e/private",
    "/open/%c0%ae%c0%ae/private",
    "/open/%u002e",
    "/open/%zz",
    "/open/.",
    "/private?/open/x",
    "/private?x=/open/x",
    "/private;/open/x",
    "/openX/y",
    "/OPEN/x",
    "/private#/open/x",
    "/private%23/open/x",
    "http://h/private",
    "http://open/private?/open/x",
    "private",
    "*",
    "open/x",
]


@pytest.mark.parametrize("mode", ["example", "bare"])
@pytest.mark.parametrize("target", TARGETS)
def test_no_target_opens_what_is_protected(request: pytest.FixtureRequest, mode: str, target: str) -> None:
    """T7, T8, T9, T13: without a token nothing but the open path reaches the application, however the target is written."""
    gateway = request.getfixturevalue(mode)
    gateway.front = Front(GUARD, [Public("/open/*"), Protect("/private/*", HasScope("other")), Protect("/*")])
    before = len(gateway.app.seen)
    assert gateway.send(target).status in (200, 400, 401, 404)
    paths = [seen.line.split(b" ")[1].partition(b"?")[0] for seen in gateway.app.seen[before:]]
    # the example's Envoy has resolved dots; whoever reads such a path reads this one
    assert [path for path in paths if not re.fullmatch(rb"/open/[a-z]*", path)] == []
    # with a token that has no right to /private: nothing that an application could take for it
    gateway.send(target, BEARER)
    paths = [seen.line.split(b" ")[1].partition(b"?")[0] for seen in gateway.app.seen[before:]]
    assert [path for path in paths if re.search(rb"(?i)^/private$|[.\\\\;]|//|%2[ef]|%5c|%25", path)] == []


@pytest.mark.parametrize("target", ["/open/x", "/open/%20?a=%2f..%2f&b=/private", "/open/a!b", "/open/x?!", "/open/%C3%A9"])
def test_what_is_judged_is_forwarded(example: Any, target: str) -> None:
    """T9: the application gets the octets that were judged, query included."""
    example.front = Front(GUARD, [Public("/open/*")])
    assert example.send(target).status == 200
    assert example.app.seen[-1].line == b"GET " + target.encode() + b" HTTP/1.1"


def test_dot_segments_are_resolved_before_anybody_decides(example: Any) -> None:
    """T9: the example's Envoy normalises; what it forwards is what is judged."""
    example.front = Front(GUARD, [Public("/open/*"), Protect("/*")])
    assert example.send("/open/../private").status == 401
    assert example.send("/private/../open/x").status == 200
    assert example.app.seen[-1].line == b"GET /open/x HTTP/1.1"


def test_an_encoded_slash_where_a_route_takes_it(bare: Any) -> None:
    """`accepts=EncodedSlash` works through an Envoy that keeps it."""
    bare.front = Front(GUARD, [Protect("/repos/*", accepts=EncodedSlash), Protect("/*", HasScope("other"))])
    assert bare.send("/repos/a%2fb", BEARER).status == 200
    assert bare.app.seen[-1].line == b"GET /repos/a%2fb HTTP/1.1"
    assert bare.send("/other/a%2fb", BEARER).status == 400


def test_a_mangled_octet_in_the_path_is_refused(bare: Any) -> None:
    """T20: where Envoy tells fields mangled, a `!` in the path could be any octet; the example's Envoy tells them raw, and takes it."""
    bare.front = Front(GUARD, [Public("/open/*")])
    assert bare.send("/open/a!b").status == 400
    assert bare.send("/open/x?a!b").status == 200


def test_forwarded_fields_of_clients_change_nothing(example: Any) -> None:
    """T6, T12: neither they nor the User-Agent nor override fields choose path, method or host."""
    example.front = Front(GUARD, [Public("/open/*"), Public("/x", methods="OPTIONS")])
    tricks = [
        "x-forwarded-uri",
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
        "x-envoy-original-path",
        "x-forwarded-prefix",
    ]
    fields = [(name, "/open/x") for name in tricks]
    fields += [("x-forwarded-method", "OPTIONS"), ("x-http-method-override", "OPTIONS"), ("user-agent", "kube-probe/1.29")]
    assert example.send("/x", *fields).status == 401
    assert example.send("/x", *fields, method="POST").status == 401


def test_hosts_choose_the_front(through_grpc: Any) -> None:
    """T10: the front is chosen by `:authority`, and a malformed one is refused."""
    told: list[bytes] = []
    gateway = through_grpc()
    known = {b"open.example": Front(GUARD, [Public("/*")])}

    def choose(host: bytes) -> Front:
        told.append(host)
        return known.get(host) or Front(GUARD)

    gateway.choose = choose
    assert gateway.send("/x", host="open.example").status == 200
    assert gateway.send("/x", host="other.example").status == 401
    assert gateway.send("/x", host="u@open.example").status == 400
    assert told == [b"open.example", b"other.example"]


def test_methods_that_tunnel_or_echo(bare: Any) -> None:
    """A22: CONNECT and TRACE reach nobody, not even with a good token."""
    bare.front = Front(GUARD, [Public("/*")])
    before = len(bare.app.seen)
    assert bare.send("/x", BEARER, method="TRACE").status == 501
    assert bare.send("h:80", BEARER, method="CONNECT", host="h:80").status == 404
    assert len(bare.app.seen) == before


def test_a_websockets_token_stays_here(example: Any) -> None:
    """What `FromQuery` and `FromSubprotocol` read is taken off the handshake; the rest arrives as it was."""
    example.front = Front(GUARD, credentials=[FromSubprotocol, FromQuery("ticket")])
    offered = ("Sec-WebSocket-Protocol", f"cognito-guard.bearer, {GOOD}, chat")
    assert example.send("/ws?a=1", *example.handshake, offered).status == 101
    assert example.app.seen[-1].values(b"sec-websocket-protocol") == [b"chat"]
    alone = ("Sec-WebSocket-Protocol", f"cognito-guard.bearer, {GOOD}")
    assert example.send("/ws", *example.handshake, alone).status == 101
    assert example.app.seen[-1].values(b"sec-websocket-protocol") == []
    assert example.send(f"/ws?a=1&ticket={GOOD}&b=%2f", *example.handshake).status == 101
    assert example.app.seen[-1].line == b"GET /ws?a=1&b=%2f HTTP/1.1"
    assert example.send(f"/ws?ticket={GOOD}", *example.handshake).status == 101
    assert example.app.seen[-1].line == b"GET /ws HTTP/1.1"


def test_an_outage_is_503_with_retry_after(bare: Any) -> None:
    """Section 6: our outage is nobody's 401, and no error to Envoy, which would let it through under `failure_mode_allow`."""
    pool = LocalUserPool()
    bare.front = Front(pool.guard())
    with pool.outage():
        answer = bare.send("/x", BEARER)
    assert answer.status == 503
    assert answer.field("retry-after") is not None
    assert json.loads(answer.body)["code"] == "keys_unavailable"


def test_a_slow_key_endpoint_is_503_before_envoys_timeout(through_grpc: Any) -> None:
    """A17, T20: a token with an unknown kid must not make the call time out, which `failure_mode_allow` would open."""
    gateway = through_grpc({"failure_mode_allow: false": "failure_mode_allow: true", " timeout: 2s": " timeout: 0.4s"})
    pool = LocalUserPool()
    gateway.front = Front(pool.guard())
    with pool.slow(20):
        answer = gateway.send("/x", BEARER)
    assert answer.status == 503
    assert gateway.app.seen == []


@pytest.mark.parametrize("mode", ["example", "bare"])
def test_a_bug_is_a_denial(request: pytest.FixtureRequest, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """Never an error of the call: 500 to the client, nothing forwarded even under `failure_mode_allow`, and no token in the log (T29)."""
    gateway = request.getfixturevalue(mode)
    front = Front(GUARD)

    async def broken(_request: Any) -> None:
        raise LookupError(GOOD)

    front.judge_async = broken  # type: ignore[method-assign, assignment]
    gateway.front = front
    before = len(gateway.app.seen)
    with caplog.at_level(logging.DEBUG, "cognito_guard"):
        answer = gateway.send("/bug", ("Authorization", f"Bearer {POOL.access(username='new')}"))
    assert answer.status == 500
    assert json.loads(answer.body)["code"] == "internal_error"
    assert len(gateway.app.seen) == before
    assert "LookupError at test_envoy_grpc.py:" in caplog.text
    assert GOOD not in caplog.text


def test_without_cognito_guard_nothing_passes(through_grpc: Any) -> None:
    """The example's `status_on_error` and `failure_mode_allow: false`: nobody answers, nobody passes."""
    gateway = through_grpc()
    gateway.front = Front(GUARD)
    assert gateway.send("/x", BEARER).status == 200
    gateway.stop()
    before = len(gateway.app.seen)
    assert gateway.send("/x", BEARER).status == 503
    assert len(gateway.app.seen) == before


def test_the_secret(through_grpc: Any) -> None:
    """Only a call that knows it is answered; a client cannot send it, since its fields are no metadata."""
    secret = "s3cret-of-32-visible-characters!"
    without = through_grpc({"failure_mode_allow: false": "failure_mode_allow: true"}, secret=secret.encode())
    without.front = Front(GUARD, [Public("/*")])
    assert without.send("/x", ("X-Cognito-Guard-Secret", secret)).status == 403
    knowing = f" {{cluster_name: cognito_guard}}\n{24 * ' '}initial_metadata: [{{key: x-cognito-guard-secret, value: {secret}}}]"
    gateway = through_grpc({" {cluster_name: cognito_guard}": knowing}, secret=secret.encode())
    gateway.front = without.front
    assert gateway.send("/x").status == 200


def test_strangers_are_denied(through_grpc: Any) -> None:
    """A peer that is not trusted gets no decision, and no error that could open."""
    gateway = through_grpc({"failure_mode_allow: false": "failure_mode_allow: true"}, trusts=lambda _: False)
    gateway.front = Front(GUARD, [Public("/*")])
    answer = gateway.send("/x", BEARER)
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "asker_refused")
    assert gateway.app.seen == []
