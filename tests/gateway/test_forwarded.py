"""What else the application is told, and what it is spared: forwarding fields, credentials, the signed assertion (THREATS T4 to T6, T40)."""

from __future__ import annotations

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cognito_guard.testing import LocalUserPool

OPEN = '[[route]]\npath = "/open/*"\naccess = "public"\n'
CLAIMED = (
    b"X-Forwarded-For: 203.0.113.7, 198.51.100.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: shop.example.com",
    b"X-Forwarded-Port: 8443",
    b"Forwarded: for=203.0.113.7;host=evil.test;proto=https",
)
FOREIGN = (
    b"X-Forwarded-Prefix: /open",
    b"X-Forwarded-Uri: /open/x",
    b"X-Forwarded-Method: GET",
    b"X-Forwarded-Server: s",
    b"X-Original-URL: /open/x",
    b"X-Rewrite-URL: /open/x",
    b"X-Real-IP: 203.0.113.7",
    b"X-Envoy-Original-Path: /open/x",
)
ALIASES = (
    *(field.replace(b"-", b"_", 2) for field in (*CLAIMED[:4], *FOREIGN)),
    b"x.forwarded.for: 1.2.3.4",
    b"FORWARDED_: for=1",
)


def bearer(token: str) -> bytes:
    return b"Authorization: Bearer " + token.encode()


@pytest.fixture(scope="module")
def jane(pool: LocalUserPool) -> bytes:
    return bearer(pool.access(username="jane"))


@pytest.fixture(scope="module")
def untrusting(gateway):
    return gateway(OPEN)


@pytest.fixture(scope="module")
def trusting(gateway):
    return gateway(OPEN, "--trusted-proxy", "127.0.0.0/8")


def test_an_untrusted_peer_is_not_believed(untrusting, upstream, jane: bytes) -> None:
    """T6: whatever forwarding field it sends, in any spelling, is gone; the application is told of the connection itself."""
    for target, given in ((b"/open/x", ()), (b"/private", (jane,))):
        upstream.take()
        for lines in (CLAIMED + FOREIGN, ALIASES, CLAIMED[:1] * 3):
            assert untrusting.get(target, *lines, *given, host=b"app.test:8000").status == 200
            [received] = upstream.take()
            assert received.values(b"x-forwarded-for") == [b"127.0.0.1"]
            assert received.values(b"x-forwarded-proto") == [b"http"]
            assert received.values(b"x-forwarded-host") == [b"app.test:8000"]
            assert received.values(b"x-forwarded-port") == [b"8000"]
            assert len(received.values(b"forwarded")) == 1
            for sent in (b"203.0.113.7", b"evil.test", b"shop.example.com", b"/open/x\r", b"1.2.3.4"):
                assert sent not in received.head.partition(b"\r\n")[2]
            assert not [name for name, _ in received.headers if name.strip(b"-").lower() != name or b"_" in name or b"." in name]


def test_an_untrusted_peer_is_logged_as_itself(gateway, jane: bytes) -> None:
    """T6: the address in the access log is the connection's, whatever is claimed."""
    running = gateway(OPEN)
    running.get(b"/open/x", *CLAIMED, *ALIASES)
    assert [line["client"] for line in running.log(1)] == ["127.0.0.1"]


def test_a_trusted_peer_is_believed_as_far_as_it_goes(trusting, upstream) -> None:
    """T6: For is appended to, Proto, Host and Port are kept; `Forwarded` is written anew; aliases are never believed."""
    upstream.take()
    assert trusting.get(b"/open/x", *CLAIMED, *ALIASES).status == 200
    [received] = upstream.take()
    assert received.values(b"x-forwarded-for") == [b"203.0.113.7, 198.51.100.1, 127.0.0.1"]
    assert received.values(b"x-forwarded-proto") == [b"https"]
    assert received.values(b"x-forwarded-host") == [b"shop.example.com"]
    assert received.values(b"x-forwarded-port") == [b"8443"]
    assert b"evil.test" not in received.head
    assert b"1.2.3.4" not in received.head
    assert received.values(b"host") == [b"app.test"]


@pytest.mark.parametrize(
    "lines",
    [
        (b"X-Forwarded-Proto: javascript",),
        (b"X-Forwarded-Proto: https", b"X-Forwarded-Proto: http"),
        (b"X-Forwarded-Host: a/b@c",),
        (b"X-Forwarded-Host: a.test, b.test",),
        (b"X-Forwarded-Port: 99999999",),
        (b"X-Forwarded-For: <script>, unknown",),
    ],
)
def test_what_a_trusted_peer_garbles_does_not_pass(trusting, upstream, lines: tuple[bytes, ...]) -> None:
    """T6: malformed values are not handed on."""
    upstream.take()
    assert trusting.get(b"/open/x", *lines).status == 200
    [received] = upstream.take()
    for line in lines[:1] if len(lines) == 1 else []:
        assert line.partition(b": ")[2] not in received.head
    for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded"):
        assert len(received.values(name)) == 1
    assert received.values(b"x-forwarded-proto")[0] in (b"http", b"https")


def test_no_forwarded_field_changes_a_rule(untrusting, trusting, upstream) -> None:
    """T6: neither path, method nor host of a decision is taken from a field, from whomever it comes."""
    upstream.take()
    for running in (untrusting, trusting):
        for line in (*CLAIMED, *FOREIGN, *ALIASES):
            assert running.get(b"/private", line).status == 401
    assert upstream.take() == []


CREDENTIALS = """
[[credential]]
cookie = "session"
[[credential]]
header = "X-Token"
[[credential]]
query = "ticket"
[[credential]]
subprotocol = true
[[route]]
path = "/open/*"
access = "public"
[[route]]
path = "/strip/*"
authorization = "strip"
[[route]]
path = "/replace/*"
authorization = "replace"
authorization_file = "service.key"
"""


@pytest.fixture(scope="module")
def carrying(gateway):
    return gateway(CREDENTIALS, files={"service.key": b"Basic c2VydmljZTpzZWNyZXQ=\n"})


def test_authorization_is_kept_stripped_or_replaced(carrying, upstream, jane: bytes) -> None:
    """The token reaches the application only where the route says so; replaced, it gets the file's value and never the client's."""
    upstream.take()
    kept = jane.partition(b": ")[2]
    for target, wanted in ((b"/private", [kept]), (b"/strip/x", []), (b"/replace/x", [b"Basic c2VydmljZTpzZWNyZXQ="])):
        for ask in (carrying.get, carrying.handshake):
            assert ask(
                target, jane, b"Authorization_: x", b"Connection: authorization" if ask == carrying.get else b"X: y"
            ).status in (200, 101)
            [received] = upstream.take()
            assert received.values(b"authorization") == wanted
            assert len(received.values(b"x-cognito-subject")[0]) > 0
    assert b"c2VydmljZTpzZWNyZXQ" not in b"".join(line.encode() for line in carrying.stderr)


def test_credentials_elsewhere_are_stripped_with_it(carrying, upstream, pool: LocalUserPool) -> None:
    """A27: the token's cookie and field go where Authorization goes; the octets of other cookies stay as they are."""
    token = pool.access().encode()
    cookie, field = b"Cookie: a=1;  session=" + token + b'; b="x y"', b"X-Token: " + token
    for target, kept in ((b"/private", True), (b"/strip/x", False), (b"/replace/x", False)):
        upstream.take()
        assert carrying.get(target, cookie).status == carrying.get(target, field, b"Cookie: a=1").status == 200
        by_cookie, by_field = upstream.take()
        assert by_cookie.values(b"cookie") == [cookie.partition(b": ")[2] if kept else b'a=1; b="x y"']
        assert by_field.values(b"x-token") == ([token] if kept else [])
        assert (token in by_cookie.head) == (token in by_field.head) == kept


def test_a_token_in_a_handshake_is_never_passed_on(carrying, upstream, pool: LocalUserPool) -> None:
    """T29: from query and subprotocol it is taken out, the rest stays in its octets; on a public route as well."""
    token = pool.access().encode()
    carrying.secrets.add(token.split(b".")[2])
    for target in (b"/private", b"/open/x"):
        upstream.take()
        assert carrying.handshake(target + b"?a=%20&ticket=" + token + b"&B=c").status == 101
        assert carrying.handshake(target, b"Sec-WebSocket-Protocol: cognito-guard.bearer, " + token + b", chat").status == 101
        by_query, by_protocol = upstream.take()
        assert by_query.target == target + b"?a=%20&B=c"
        assert by_protocol.values(b"sec-websocket-protocol") == [b"chat"]
        assert token not in by_query.head + by_protocol.head


def test_report_only_for_a_route(gateway, upstream, jane: bytes) -> None:
    """It lets through what it would refuse, as nobody, and the log says so; other routes stay as they are."""
    running = gateway('[[route]]\npath = "/tried/*"\nrequire = "group:staff"\nmode = "report-only"\n')
    upstream.take()
    for fields in ((), (jane,), (b"Authorization: Bearer x.y.z",)):
        assert running.get(b"/tried/x", *fields).status == 200
        assert running.get(b"/private", *fields[:0]).status == 401
    assert [received.values(b"x-cognito-subject") for received in upstream.take()] == [[b""]] * 3
    lines = [line for line in running.log(6) if line["path"] == "/tried/x"]
    assert [(line["code"], line["enforced"], line["status"]) for line in lines] == [
        ("credentials_missing", False, 200),
        ("insufficient_scope", False, 200),
        (lines[2]["code"], False, 200),
    ]


def test_report_only_for_everything(gateway, upstream, jane: bytes) -> None:
    """Said at the start; nobody is refused, who may pass is still told, and what could be read in two ways is nobody's either."""
    running = gateway('mode = "report-only"\n' + OPEN)
    assert any("report-only" in line for line in running.stderr)
    upstream.take()
    for target, fields in ((b"/private", ()), (b"/open/../private", ()), (b"/private", (jane,)), (b"/private", (jane, jane))):
        assert running.get(target, *fields, b"X-Cognito-Subject: forged").status == 200
    subjects = [received.values(b"x-cognito-subject") for received in upstream.take()]
    assert [bool(value[0]) for value in subjects] == [False, False, True, False]
    assert running.get(b"/private", b"X: y\r\n Z: folded").status == 400  # framing is refused all the same


def _pem(key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate])
def test_the_signed_assertion(gateway, upstream, pool: LocalUserPool, make) -> None:
    """A20: PyJWT verifies it by the published set; the audience is the upstream's origin; a client's own never arrives; empty for nobody."""
    running = gateway(OPEN + '[assertion]\nkey_file = "key.pem"\nissuer = "gw"\nlifetime = 30\n', files={"key.pem": _pem(make())})
    forged = [b"X-Cognito-Assertion: forged", b"x_cognito_assertion: forged"]
    upstream.take()
    token = bearer(pool.access(username="jane", groups=["b", "a"], scopes=["x/y"]))
    for _ in range(2):
        assert running.get(b"/private", *forged, token).status == 200
    first, second = upstream.take()
    published = running.get(b"/_cognito_guard/jwks.json")
    assert (published.status, published.values(b"content-type")) == (200, [b"application/jwk-set+json"])
    keys = jwt.PyJWKSet.from_dict(json.loads(published.body))
    [assertion] = first.values(b"x-cognito-assertion")
    head = jwt.get_unverified_header(assertion)
    claims = jwt.decode(
        assertion, keys[head["kid"]], algorithms=["ES256", "EdDSA"], audience=upstream.url, issuer="gw",
        options={"require": ["exp", "iat", "jti", "sub", "aud", "iss"]},
    )  # fmt: skip
    assert claims["sub"].encode() == first.values(b"x-cognito-subject")[0]
    assert (claims["username"], claims["cognito:groups"], claims["scope"]) == ("jane", ["b", "a"], "x/y")
    assert claims["exp"] - claims["iat"] == 30
    assert abs(claims["iat"] - time.time()) < 10
    assert "d" not in json.loads(published.body)["keys"][0]
    assert second.values(b"x-cognito-assertion") == [assertion]
    assert running.get(b"/open/x", *forged).status == 200
    assert upstream.take()[0].values(b"x-cognito-assertion") == [b""]


@pytest.mark.parametrize(
    "target",
    [b"/_cognito_guard", b"/_cognito_guard/", b"/_cognito_guard/x", b"/%5fcognito_guard/x", b"/_cognito%5Fguard/verify/nginx",
     b"/_cognito_guard/jwks.json", b"/_cognito_guard/jwks%2Ejson", b"/_cognito_guard/verify/envoy/open/x", b"/_cognito_guard%2fx",
     b"/_cognito_guard/../open/x", b"/_cognito_guard//x", b"/_cognito_guard/livez"],
)  # fmt: skip
def test_the_own_prefix_is_never_forwarded(untrusting, upstream, jane: bytes, target: bytes) -> None:
    """T52: what is ours and not there is 404 for everybody, in whatever octets it is written, and no application sees it."""
    upstream.take()
    for method in (b"GET", b"POST", b"OPTIONS"):
        assert untrusting.get(target, jane, method=method).status == 404
    assert untrusting.handshake(target, jane).status == 404
    assert upstream.take() == []


def test_what_only_begins_like_the_own_prefix_is_a_path_like_any(untrusting, upstream, jane: bytes) -> None:
    """T52: the prefix ends at a segment, and its letters have one case."""
    upstream.take()
    for target in (b"/_cognito_guardx", b"/_Cognito_guard/x", b"/x/_cognito_guard/y", b"/_cognito_guard.json"):
        assert untrusting.get(target).status == 401
        assert untrusting.get(target, jane).status == 200
    assert len(upstream.take()) == 4
