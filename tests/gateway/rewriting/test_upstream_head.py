"""The head of a request as the upstream gets it, and of its answer (THREATS A20, A22, T1 to T6)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting import (
    Assertion,
    ClaimHeader,
    IdentityHeaders,
    NotSendable,
    OwnCookies,
    Peers,
    Rewriting,
    trimmed_fold,
)
from cognito_guard.token.principal import Principal

PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
ASSERTION = Assertion(PEM, issuer="g")
PLAIN = Rewriting(IdentityHeaders(), Peers())
FULL = Rewriting(
    IdentityHeaders(),
    Peers(["10.0.0.0/8"]),
    assertion=ASSERTION,
    own_cookies=OwnCookies(["__Host-cg"]),
    credentials=["X-Token"],
    credential_cookies=OwnCookies(["token"]),
    trailers=True,
)
OURS = {
    b"x-cognito-subject", b"x-cognito-client", b"x-cognito-username", b"x-cognito-groups", b"x-cognito-scopes", b"x-cognito-email",
    b"x-cognito-assertion", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded",
}  # fmt: skip
JANE = Principal({"iss": "i", "sub": "s", "client_id": "c", "username": "jane", "exp": 2e9, "email": "j@e"}, "access")
HOST = (b"host", b"api.example.com")


def sent(headers, rewriting=FULL, **told):
    """What the upstream gets."""
    facts = {"principal": JANE, "peer": "203.0.113.7", "scheme": "http", "audience": "http://up", "now": 1e9, "jti": lambda: "j"}
    return rewriting.request(headers, **facts | told)


def passed(headers, rewriting=FULL, **told):
    """What the upstream gets, without the fields that are always ours."""
    return [pair for pair in sent(headers, rewriting, **told) if pair[0] not in OURS]


# --- what passes


@pytest.mark.parametrize(
    "name",
    [b"x-http-method-override", b"X-HTTP-Method-Override", b"x_http_method_override", b"x-http-method", b"x-method-override"],
)
def test_another_method_than_the_one_that_was_judged(name):
    """A19 for methods: where routes tell methods apart, no field makes a framework take another one; elsewhere it is the application's."""
    telling = Rewriting(IdentityHeaders(), Peers(), methods_decide=True)
    assert passed([HOST, (name, b"DELETE")], telling) == [HOST]
    assert (name, b"DELETE") in passed([HOST, (name, b"DELETE")], PLAIN)


def test_an_ordinary_request():
    """Order, repetitions and octets of what passes are kept; ours follow."""
    headers = [HOST, (b"accept", b"*/*"), (b"x-a", b"\xff 1"), (b"authorization", b"Bearer t"), (b"x-a", b"2"), (b"X-B", b"3")]
    out = sent(headers)
    assert out[: len(headers)] == headers
    assert {name for name, _ in out[len(headers) :]} == OURS
    assert len(out) == len(headers) + len(OURS)
    assert dict(out)[b"x-cognito-username"] == b"jane"
    assert dict(out)[b"forwarded"] == b"for=203.0.113.7;proto=http;host=api.example.com"


def test_the_arguments_are_not_changed():
    """The list given stays as it was, and so do the shared lists behind the pairs."""
    headers = [HOST, (b"connection", b"x-a"), (b"x-a", b"1")]
    before = list(headers)
    first = sent(headers)
    first.clear()
    assert headers == before
    assert sent(headers) == sent(headers) != []


def test_host():
    """The Host is kept or stands in its place; never two of them; X-Forwarded-Host tells the client's."""
    out = sent([(b"a", b"1"), HOST, (b"host", b"evil"), (b"b", b"2")], host=b"up:81")
    assert out[:3] == [(b"a", b"1"), (b"host", b"up:81"), (b"b", b"2")]
    assert dict(out)[b"x-forwarded-host"] == b"api.example.com"
    assert [value for name, value in sent([HOST, (b"host", b"evil")]) if name == b"host"] == [b"api.example.com"]
    assert sent([(b"a", b"1")], host=b"up")[:2] == [(b"host", b"up"), (b"a", b"1")]
    assert b"x-forwarded-host" not in dict(sent([]))


def test_body_fields():
    """The length, the type and Expect pass; Transfer-Encoding does not: who frames the body writes it."""
    body = [(b"content-length", b"5"), (b"content-type", b"text/plain"), (b"expect", b"100-continue")]
    assert passed([*body, (b"transfer-encoding", b"chunked"), (b"trailer", b"x-sum")]) == body


# --- identity


@pytest.mark.parametrize("rewriting", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("principal", [JANE, None], ids=["jane", "nobody"])
def test_identity_is_ours_alone(rewriting, principal):
    """T1, T3: with and without a Principal, each managed field arrives once, with our value or empty, and no other of ours."""
    spelled = [
        b"X-Cognito-Email",
        b"x_cognito_email",
        b"x.cognito.email",
        b"x-cognito-email",
        b" x-cognito-email ",
        b"X-COGNITO_email",
    ]
    headers = [(name, b"forged") for name in [*spelled, b"x-cognito-roles", b"X_Cognito_Assertion", b"x-cognito-guard-secret"]]
    out = sent([HOST, *headers], rewriting, principal=principal)
    ours = [(name, value) for name, value in out if trimmed_fold(name).startswith(b"x-cognito")]
    assert len({name for name, _ in ours}) == len(ours) == (7 if rewriting is FULL else 6)
    assert {name for name, _ in ours} <= OURS
    assert b"forged" not in dict(ours).values()
    assert dict(ours)[b"x-cognito-email"] == (b"j@e" if principal else b"")


def test_the_prefix_is_never_a_clients():
    """A field under X-Cognito- that another setting managed yesterday does not become the client's today."""
    assert passed([(b"x-cognito-email", b"forged"), (b"x_cognito.any", b"x")], Rewriting(IdentityHeaders({}), Peers())) == []


@pytest.mark.parametrize("name", [b"x-user", b"X_User", b"x.user", b"-x-user-", b"X-PROOF", b"x_proof"])
def test_names_from_the_settings(name):
    """T1: managed names of the operator's choosing are the gateway's alone, too, the assertion's included."""
    proof = Assertion(PEM, header="X-Proof", issuer="g")
    rewriting = Rewriting(IdentityHeaders({"X-User": "username"}), Peers(), assertion=proof)
    out = sent([HOST, (name, b"forged")], rewriting, principal=None)
    assert [pair for pair in out if trimmed_fold(pair[0]) in (b"x-user", b"x-proof")] == [(b"x-user", b""), (b"x-proof", b"")]


def test_what_cannot_be_sent(make):
    """T2: a claim with control characters stops the request; under base64url it is sent."""
    who = make(username="a\r\nx-admin: 1")
    with pytest.raises(NotSendable):
        sent([HOST], principal=who)
    encoded = Rewriting(IdentityHeaders({"X-Name": ClaimHeader("username", encoding="base64url")}), Peers())
    assert dict(sent([HOST], encoded, principal=who))[b"x-name"] == b"YQ0KeC1hZG1pbjogMQ"


# --- hop by hop


def test_hop_by_hop_fields_go():
    """Fields of the connection, in any spelling, do not pass; neither does `Proxy`, which CGI takes for its own (CVE-2016-5385)."""
    names = [
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"trailer", b"Transfer-Encoding",
        b"transfer_encoding", b"content_length", b"content.length", b"upgrade", b"http2-settings", b"proxy", b"Cookie_", b"host_", b"authorization-", b"x_token",
    ]  # fmt: skip
    assert passed([HOST, *((name, b"x") for name in names)]) == [HOST]


@pytest.mark.parametrize(
    "name", sorted(OURS | {b"authorization", b"cookie", b"host", b"content-length", b"content-type", b"x-token", b"origin"})
)
@pytest.mark.parametrize("form", ["%s", "close, %s", "x-a,%s ,", "\t%s"])
def test_connection_hides_nothing(name, form):
    """T4: naming a managed field, the token, a cookie, the host or the framing in Connection removes nothing."""
    headers = [HOST, (b"authorization", b"Bearer t"), (b"cookie", b"a=1"), (b"content-length", b"5"), (b"content-type", b"a/b"), (b"x-token", b"t"), (b"origin", b"o")]  # fmt: skip
    for spelled in (name, name.upper(), name.title()):
        connection = (b"connection", form.encode() % spelled)
        assert sent([connection, *headers]) == sent([*headers, connection]) == sent(headers)


def test_connection_removes_what_is_the_clients():
    """RFC 9110 §7.6.1: another field that it names goes, wherever it stands, in any case, with several Connection fields."""
    headers = [(b"x-a", b"1"), (b"connection", b"X-A, keep-alive"), (b"X-B", b"2"), (b"connection", b"x-b"), (b"x-c", b"3")]
    assert passed(headers) == [(b"x-c", b"3")]


def test_connection_does_not_hide_what_a_trusted_proxy_says():
    """Neither fields of a trusted proxy nor those of a websocket's handshake can be named away."""
    headers = [HOST, (b"x-forwarded-prefix", b"/p"), (b"sec-websocket-protocol", b"chat")]
    connection = (b"connection", b"upgrade, x-forwarded-prefix, sec-websocket-protocol, x-forwarded-for")
    out = sent([*headers, connection, (b"x-forwarded-for", b"1.1.1.1")], peer="10.0.0.1", websocket=True)
    assert out[:3] == headers
    assert dict(out)[b"x-forwarded-for"] == b"1.1.1.1, 10.0.0.1"


def test_trailers():
    """`TE: trailers` is passed on, anew, only by a caller that passes trailers; nothing else of TE is."""
    asked = [(b"te", b"gzip, trailers"), (b"connection", b"TE")]
    assert passed(asked) == [(b"te", b"trailers"), (b"connection", b"TE")]
    assert passed([(b"te", b"gzip")]) == []
    assert passed(asked, PLAIN) == []


# --- upgrades


def test_websocket_handshake():
    """A handshake keeps Sec-WebSocket-*, extensions included, and gets a fresh Connection and Upgrade; no body goes with it."""
    kept = [(b"sec-websocket-key", b"k"), (b"sec-websocket-version", b"13"), (b"sec-websocket-extensions", b"permessage-deflate")]
    fields = [
        HOST,
        (b"connection", b"keep-alive, Upgrade"),
        (b"upgrade", b"WebSocket"),
        *kept,
        (b"content-length", b"0"),
        (b"expect", b"x"),
    ]
    assert passed(fields, websocket=True) == [HOST, *kept, (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0", b"websocket, h2c"])
def test_no_other_upgrade(protocol):
    """A22: without a checked handshake nothing of an upgrade passes."""
    fields = [
        HOST,
        (b"connection", b"Upgrade, HTTP2-Settings"),
        (b"upgrade", protocol),
        (b"http2-settings", b"x"),
        (b"sec-websocket-key", b"k"),
    ]
    assert passed(fields) == [HOST]
    assert not {b"h2c", b"TLS/1.0"} & {value for _, value in sent(fields, websocket=True)}


# --- credentials and cookies


def test_authorization_kept_stripped_replaced():
    """The credentials, wherever they were named to be, pass, go, or go and give way to another Authorization."""
    headers = [
        HOST,
        (b"authorization", b"Bearer t"),
        (b"X-Token", b"t"),
        (b"cookie", b"a=1; token=t; __Host-cg=s"),
        (b"cookie", b"token=t"),
    ]
    assert passed(headers) == [*headers[:3], (b"cookie", b"a=1; token=t"), headers[4]]
    assert passed(headers, authorization="strip") == [HOST, (b"cookie", b"a=1")]
    assert passed(headers, authorization=("replace", b"Basic eDp5")) == [
        HOST,
        (b"cookie", b"a=1"),
        (b"authorization", b"Basic eDp5"),
    ]
    assert passed(headers, PLAIN) == headers


@pytest.mark.parametrize("value", [b"", b"a\r\nb", b"a\nb", b"a\x00b", b" a", b"a ", b"a\x7f"])
def test_a_replacement_is_a_field_value(value):
    """What would split the head is refused before anything is sent."""
    with pytest.raises(ValueError, match="field value"):
        sent([HOST], authorization=("replace", value))


# --- forwarded


def test_an_untrusted_peer_is_not_believed():
    """T6: every field about a forwarded request, in every spelling, is dropped; the rebuilt ones tell of the connection."""
    names = [
        b"x-forwarded-for", b"X-Forwarded-Proto", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-uri", b"forwarded",
        b"x_forwarded_for", b"x.forwarded.proto", b"x-real-ip", b"x-original-url", b"x-rewrite-url", b"x-envoy-original-path", b"x_real_ip",
    ]  # fmt: skip
    assert sent([HOST, *((name, b"6.6.6.6") for name in names)]) == sent([HOST])


def test_a_trusted_peer_is():
    """Its X-Forwarded-For, -Proto, -Host and -Port are continued, its other fields pass; its aliases and its Forwarded do not."""
    headers = [
        HOST, (b"X-Forwarded-For", b"1.1.1.1"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"shop"), (b"x-real-ip", b"1.1.1.1"), (b"x-forwarded-prefix", b"/p"),
        (b"x_forwarded_for", b"6.6.6.6"), (b"x_real_ip", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6;host=evil"),
    ]  # fmt: skip
    out = sent(headers, peer="10.0.0.1")
    assert passed(headers, peer="10.0.0.1") == [HOST, (b"x-real-ip", b"1.1.1.1"), (b"x-forwarded-prefix", b"/p")]
    assert not any(b"6.6.6.6" in value or b"evil" in value for _, value in out)
    told = dict(out)
    assert (told[b"x-forwarded-for"], told[b"x-forwarded-proto"], told[b"x-forwarded-host"]) == (
        b"1.1.1.1, 10.0.0.1",
        b"https",
        b"shop",
    )
    assert told[b"forwarded"] == b"for=1.1.1.1;proto=https;host=shop, for=10.0.0.1"


# --- whatever comes

NAMES = st.sampled_from(
    [b"x-cognito-subject", b"x_cognito.email", b"X-Cognito-Groups", b"authorization", b"cookie", b"host", b"connection", b"te", b"upgrade", b"x-forwarded-for", b"forwarded", b"x-a", b"transfer-encoding", b"content-length", b"x-cognito-assertion"]
) | st.binary(min_size=1, max_size=30).map(lambda name: bytes(octet if octet > 32 and octet != 58 else 45 for octet in name))  # fmt: skip
VALUES = st.binary(max_size=30).map(lambda value: bytes(octet for octet in value if octet not in b"\r\n\x00"))
TEXTS = st.text(max_size=12)


@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=12),
    st.none()
    | st.fixed_dictionaries(
        {"username": TEXTS, "email": TEXTS | st.lists(TEXTS), "scope": TEXTS, "cognito:groups": st.lists(TEXTS)}
    ),
    st.sampled_from(["10.0.0.1", "8.8.8.8", None, "x"]),
    st.booleans(),
    st.sampled_from(["keep", "strip", ("replace", b"Basic x")]),
)
def test_no_request_splits_or_spoofs(headers, claims, peer, websocket, authorization):
    """A20, A23: whatever comes, no CR, LF or NUL goes out; each of our fields stands once, under no other spelling, with our value."""
    who = None if claims is None else Principal({"iss": "i", "sub": "s", "client_id": "c", "exp": 2e9} | claims, "access")
    try:
        out = sent(headers, principal=who, peer=peer, websocket=websocket, authorization=authorization)
    except NotSendable:
        return
    assert not any(octet in b"\r\n\x00" for _, value in out for octet in value)
    folds = [trimmed_fold(name) for name, _ in out]
    for name in OURS - {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port"}:
        assert folds.count(name) == 1
        assert [pair[0] for pair in out].count(name) == 1
    identity = dict(IdentityHeaders().pairs(who))
    assert {name: value for name, value in out if name in identity} == identity
    assert folds.count(b"host") <= 1
    assert folds.count(b"transfer-encoding") == 0
    assert (b"upgrade" in folds) is websocket
    if authorization != "keep":
        assert [value for name, value in out if name.lower() == b"authorization"] == (
            [] if authorization == "strip" else [b"Basic x"]
        )


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_the_memo_changes_nothing(headers):
    """A name judged before is judged the same: fresh and used Rewritings agree."""
    fresh = Rewriting(IdentityHeaders(), Peers(["10.0.0.0/8"]))
    assert sent(headers, fresh) == sent(headers, fresh)
    assert fresh.answer(headers) == fresh.answer(headers)


def test_a_flood_of_names_is_bounded():
    """A24: names of clients' own making cost bounded memory."""
    rewriting = Rewriting(IdentityHeaders(), Peers())
    for start in range(0, 5000, 100):
        names = [(b"x-%d" % at, b"") for at in range(start, start + 100)] + [(b"x-%d" % start + b"a" * 64, b"")]
        assert passed(names, rewriting) == names
        assert rewriting.answer(names) == names
    for memo in (rewriting._request_actions, rewriting._answer_actions):
        assert len(memo) <= 2048
        assert max(map(len, memo._young)) <= 64


# --- answers


def test_answer():
    """Order and repetitions stay, names come in lower case, the connection's own fields and what Connection names go."""
    headers = [
        (b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=1"), (b"Connection", b"X-Hop, keep-alive, Set-Cookie, content-length"), (b"set-cookie", b"b=2; Path=/"), (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"), (b"Transfer-Encoding", b"chunked"), (b"Upgrade", b"h2c"), (b"Content-Length", b"3"), (b"Trailer", b"x-sum"), (b"WWW-Authenticate", b"Basic"), (b"Proxy-Authenticate", b"Basic"),
    ]  # fmt: skip
    expected = [(b"content-type", b"text/html"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/"), (b"content-length", b"3"), (b"www-authenticate", b"Basic")]  # fmt: skip
    assert PLAIN.answer(headers) == expected
    assert FULL.answer(headers) == [*expected[:4], (b"trailer", b"x-sum"), expected[4]]


def test_answer_that_opens_a_websocket():
    """The 101 keeps Sec-WebSocket-* and gets a fresh Connection and Upgrade."""
    kept = [(b"sec-websocket-accept", b"a"), (b"sec-websocket-protocol", b"chat")]
    headers = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), *kept]
    assert PLAIN.answer(headers, websocket=True) == [*kept, (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    assert PLAIN.answer(headers) == kept


# --- settings


def test_mistakes_come_together():
    """Two managed headers under one name, or a credential under a managed name, are mistakes."""
    with pytest.raises(ConfigurationError) as refused:
        Rewriting(
            IdentityHeaders({"X-Cognito-Assertion": "sub"}), Peers(), assertion=ASSERTION, credentials=["X-Cognito-Assertion"]
        )
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["assertion", "credentials"]
