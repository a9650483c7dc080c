"""Who the application is told is asking: only what was verified, exactly once, on every kind of route (THREATS A20, A23, T1 to T5)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import pytest

from cognito_guard.testing import LocalUserPool

MANAGED = (
    b"X-Cognito-Subject",
    b"X-Cognito-Client",
    b"X-Cognito-Username",
    b"X-Cognito-Groups",
    b"X-Cognito-Scopes",
    b"X-Cognito-Email",
)
SETTINGS = """
[[route]]
path = "/open/*"
access = "public"
[[route]]
path = "/maybe"
access = "identify"
[[route]]
path = "/orders"
access = "preflights"
[[route]]
path = "/orders"
require = "group:staff"
[[route]]
path = "/tried"
mode = "report-only"
require = "group:nobody"
"""
FORGED = b"forged-by-client"


@pytest.fixture(scope="module")
def running(gateway):
    return gateway(SETTINGS)


@pytest.fixture(scope="module")
def token(pool: LocalUserPool) -> bytes:
    return pool.access(username="jane", groups=["staff", "night shift"], scopes=["openid", "a/b"]).encode()


def bearer(token: bytes) -> bytes:
    return b"Authorization: Bearer " + token


def folded(name: bytes) -> bytes:
    return re.sub(rb"[^a-z0-9]", b"-", name.lower()).strip(b"-")


def spellings(name: bytes) -> list[bytes]:
    """Names that some application takes for `name`; every octet in them may stand in a field name (RFC 9110 §5.6.2)."""
    found = [name, name.lower(), name.upper(), name.swapcase()]
    for joint in b"_.!#$%&'*+^`|~":
        found += [name.replace(b"-", bytes([joint])), name.lower().replace(b"-", bytes([joint]), 1)]
    for odd in (b"_", b".", b"-", b"~"):
        found += [name + odd, odd + name, odd + name.lower().replace(b"-", b"_") + odd]
    return found


def told(received) -> dict[bytes, bytes]:
    """The managed fields as the application sees them, each present once and by no other name that folds to it."""
    folds = [folded(name) for name, _ in received.headers]
    for name in MANAGED:
        assert folds.count(folded(name)) == 1, name
        assert len(received.values(name)) == 1, name
    assert FORGED not in received.head
    return {name: received.values(name)[0] for name in MANAGED}


KNOWN = "token, and who it says"


def forgeries() -> Iterable[tuple[bytes, ...]]:
    """Field lines in portions that stay below the limit of a request's fields."""
    lines = [name + b": " + FORGED for managed in MANAGED for name in spellings(managed)]
    lines += [b"X-Cognito-Anything: " + FORGED, b"x_cognito_roles: " + FORGED, b"X-Cognito-Guard-Secret: " + FORGED]
    return (tuple(lines[at : at + 100]) for at in range(0, len(lines), 100))


@pytest.mark.parametrize(
    ("target", "fields", "name"),
    [
        (b"/open/x", (), b""),
        (b"/open/x", (KNOWN,), b""),
        (b"/maybe", (), b""),
        (b"/maybe", (KNOWN,), b"jane"),
        (b"/private", (KNOWN,), b"jane"),
        (b"/tried", (KNOWN,), b""),
        (b"/tried", (), b""),
        (b"/orders", (b"Origin: https://a.test", b"Access-Control-Request-Method: POST"), b""),
    ],
)
def test_no_spelling_passes(running, upstream, token: bytes, target: bytes, fields: tuple[bytes, ...], name: bytes) -> None:
    """T1, T3: on public, optional, protected, report-only routes and preflights the application sees ours once, and nothing else."""
    method = b"OPTIONS" if target == b"/orders" else b"GET"
    given = [bearer(token) if field is KNOWN else field for field in fields]
    upstream.take()
    for forged in forgeries():
        assert running.get(target, *forged[:50], *given, *forged[50:], method=method).status == 200
        [received] = upstream.take()
        values = told(received)
        assert bool(values[b"X-Cognito-Subject"]) == bool(name)
        assert values[b"X-Cognito-Username"] == name
        assert values[b"X-Cognito-Groups"] == (b"staff,night shift" if name else b"")


@pytest.mark.parametrize("fields", [(), (KNOWN,)])
def test_no_spelling_passes_by_a_websocket(running, upstream, token: bytes, fields: tuple[str, ...]) -> None:
    """T1, T3: a handshake's fields are judged as any others, on a public route and a protected one."""
    given = [bearer(token) for _ in fields]
    upstream.take()
    for forged in forgeries():
        assert running.handshake(b"/private" if given else b"/open/ws", *forged, *given).status == 101
        [received] = upstream.take()
        assert told(received)[b"X-Cognito-Username"] == (b"jane" if given else b"")


def test_what_is_refused_reaches_nobody(running, upstream) -> None:
    """T1, T40: forged identity is no credential: protected, forbidden and unknown paths, and the gateway's own."""
    upstream.take()
    forged = [name + b": " + FORGED for name in MANAGED]
    for target, status in ((b"/private", 401), (b"/orders", 401), (b"/nowhere/at/all", 401), (b"/_cognito_guard/x", 404)):
        answer = running.get(target, *forged)
        assert answer.status == status
        assert FORGED not in answer.body
    assert running.handshake(b"/private", *forged).status == 401
    assert upstream.take() == []


@pytest.mark.parametrize(
    "blank", [b"X-Cognito-Subject : x", b" X-Cognito-Subject: x", b"X-Cognito-Subject\t: x", b"X-Cognito-Subject\x00: x"]
)
def test_a_name_with_blanks_is_refused(running, upstream, token: bytes, blank: bytes) -> None:
    """T1, T21: blanks around a name, which some servers trim, make the request malformed."""
    upstream.take()
    assert running.get(b"/open/x", b"Accept: */*", blank, bearer(token)).status == 400
    assert upstream.take() == []


def test_absent_claims_are_sent_empty(running, upstream, pool: LocalUserPool) -> None:
    """T2: a token without e-mail and groups leaves these fields empty, never the client's; a machine has no user name."""
    upstream.take()
    forged = (b"X-Cognito-Email: " + FORGED, b"X-Cognito-Groups: " + FORGED, b"X-Cognito-Username: " + FORGED)
    assert running.get(b"/private", *forged, bearer(pool.machine(scopes=["a/b"]).encode())).status == 200
    assert told(upstream.take()[0]) == {
        b"X-Cognito-Subject": pool.client.encode(),
        b"X-Cognito-Client": pool.client.encode(),
        b"X-Cognito-Username": b"",
        b"X-Cognito-Groups": b"",
        b"X-Cognito-Scopes": b"a/b",
        b"X-Cognito-Email": b"",
    }


@pytest.mark.parametrize("name", ["a\r\nX-Admin: 1", "a\nb", "a\x00b", "a\x1b[31m", "a\x85b", "a\x7f"])
def test_control_characters_are_never_sent(running, upstream, pool: LocalUserPool, name: str) -> None:
    """T2, A23: such a claim is refused with 403 and nothing is forwarded; nor does it split a line of the log (T54)."""
    upstream.take()
    answer = running.get(b"/private", bearer(pool.access(username=name).encode()))
    assert (answer.status, answer.code) == (403, "identity_not_sendable")
    assert upstream.take() == []
    assert name.encode() not in answer.body
    assert running.get(b"/open/x", bearer(pool.access(username=name).encode())).status == 200  # nobody is told there


@pytest.mark.parametrize(
    ("groups", "sent"),
    [
        (["Jürgen"], b"J%C3%BCrgen"),
        (["a,b", "c"], b"a%2Cb,c"),
        (["100%"], b"100%25"),
        ([" a "], b"%20a%20"),
        (["\u202e", "日本"], b"%E2%80%AE,%E6%97%A5%E6%9C%AC"),
        ([], b""),
    ],
)
def test_other_letters_are_encoded(running, upstream, pool: LocalUserPool, groups: list[str], sent: bytes) -> None:
    """T2, A23: what is not visible ASCII arrives percent-encoded, and an element cannot look like two."""
    upstream.take()
    assert running.get(b"/private", bearer(pool.access(groups=groups).encode())).status == 200
    assert told(upstream.take()[0])[b"X-Cognito-Groups"] == sent


def test_connection_takes_nothing_of_ours(running, upstream, token: bytes) -> None:
    """T4: naming our fields, the credentials, Host, Cookie or the length in Connection removes none; what may go, goes."""
    names = [*MANAGED, b"Authorization", b"Cookie", b"Host", b"Content-Length", b"X-Forwarded-For", b"X-Mine"]
    upstream.take()
    for listed in ([b"Connection: " + b", ".join(names)], [b"Connection: " + name.lower() for name in names]):
        fields = (*listed, bearer(token), b"Cookie: a=b", b"Content-Length: 2", b"X-Mine: 1\r\n\r\nhi")
        answer = running.ask(b"\r\n".join([b"POST /private HTTP/1.1", b"Host: app.test", *fields]))
        assert answer.status == 200
        [received] = upstream.take()
        assert told(received)[b"X-Cognito-Username"] == b"jane"
        assert received.values(b"authorization") == [b"Bearer " + token]
        assert (received.values(b"cookie"), received.values(b"host")) == ([b"a=b"], [b"app.test"])
        assert (received.body, received.values(b"x-forwarded-for")) == (b"hi", [b"127.0.0.1"])
        assert received.values(b"x-mine") == received.values(b"connection") == []


@pytest.mark.parametrize("target", [b"/private", b"/maybe", b"/tried", b"/open/x"])
def test_a_repeated_authorization_is_never_guessed_at(running, upstream, pool: LocalUserPool, target: bytes) -> None:
    """T5: two fields are refused in any order and spelling, cached or not; and where nobody is told, they change nothing."""
    good, other = (bearer(pool.access(username=name).encode()) for name in ("jane", "mallory"))
    assert running.get(b"/private", good).status == running.get(b"/private", other).status == 200  # known from before
    upstream.take()
    for first, second in itertools.permutations((good, other, b"authorization: Bearer a", b"AUTHORIZATION: Basic YTpi"), 2):
        answer = running.get(target, first, second)
        received = upstream.take()
        if target in (b"/private", b"/maybe"):
            assert (answer.status, answer.code, received) == (400, "credentials_ambiguous", [])
        else:
            assert answer.status == 200
            assert set(told(received[0]).values()) == {b""}


@pytest.mark.parametrize(
    "alias", [b"Authorization_", b"Authorization.", b"-Authorization", b"Cookie_", b"Host.", b"Content_Type"]
)
def test_aliases_of_fields_with_a_meaning_do_not_pass(running, upstream, token: bytes, alias: bytes) -> None:
    """T1, T5: what an application could take for the credentials, the host or the length in another spelling is dropped or refused."""
    upstream.take()
    status = running.get(b"/private", bearer(token), alias + b": " + FORGED).status
    assert status in (200, 400)
    for received in upstream.take():
        assert FORGED not in received.head


def test_claims_by_configuration(gateway, upstream, pool: LocalUserPool) -> None:
    """A20: an explicit table replaces the defaults; names with ':' as claims; other encodings; all of X-Cognito- stays closed."""
    running = gateway(
        '[identity]\nX-User = "sub"\nX-Groups = {claim = "cognito:groups", encoding = "json"}\n'
        'X-Tenant = {claim = "custom:tenant", encoding = "base64url"}\n[[route]]\npath = "/open/*"\naccess = "public"\n'
    )
    token = pool.access(groups=["a,b", "ü"], claims={"custom:tenant": "a\r\nb"}).encode()
    forged = [name + b": " + FORGED for name in (b"x_user", b"X.Groups", b"X-TENANT", *MANAGED)]
    upstream.take()
    assert running.get(b"/private", *forged, bearer(token)).status == 200
    [received] = upstream.take()
    assert received.values(b"x-groups") == [b'["a,b","\\u00fc"]']
    assert received.values(b"x-tenant") == [b"YQ0KYg"]
    assert len(received.values(b"x-user")) == 1
    assert FORGED not in received.head
    assert not [name for name, _ in received.headers if name.lower().startswith(b"x-cognito-")]
