"""Which rule a request meets, and that the application gets the very octets that were judged (THREATS A19, T7 to T13, T24)."""

from __future__ import annotations

import pytest

from cognito_guard.testing import LocalUserPool

ROUTES = """
[[route]]
path = "/open/*"
access = "public"
[[route]]
path = "/exact"
access = "public"
[[route]]
path = "/read"
methods = ["GET"]
access = "public"
[[route]]
path = "/repos/*"
accepts = "encoded-slash"
require = "group:staff"
[[route]]
path = "/staff/*"
require = "group:staff"
[[route]]
path = "/orders/*/items"
require = "scope:orders/read"
"""


@pytest.fixture(scope="module")
def running(gateway):
    return gateway(ROUTES)


@pytest.fixture(scope="module")
def closed(gateway):
    """Every path needs a token and nothing else, so no spelling of a path makes a difference."""
    return gateway("")


def bearer(token: str) -> bytes:
    return b"Authorization: Bearer " + token.encode()


@pytest.fixture(scope="module")
def jane(pool: LocalUserPool) -> bytes:
    return bearer(pool.access(username="jane"))


@pytest.fixture(scope="module")
def staff(pool: LocalUserPool) -> bytes:
    return bearer(pool.access(username="carol", groups=["staff"], scopes=["orders/read"]))


TARGETS = [
    b"/",
    b"/x?",
    b"/?",
    b"/x??",
    b"/x?a=b&a=b&&=;c",
    b"/x?/../%2e%2e/%2f//a",
    b"/x?" + b"q=%20+" * 2000,
    b"/a%20b",
    b"/a+b",
    b"/%C3%A9",
    b"/%c3%a9",
    b"/%C3%a9?%C3%a9",
    b"/%41%62%7e",
    b"/~a-b_c.d!$&'()*,:=@",
    b"/a%23b",
    b"/a%3Fb?c",
    b'/x?"<>[]^`{|}\\',
    b"/" + b"long/" * 1000 + b"end",
]


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_octets_judged_are_octets_forwarded(running, upstream, jane: bytes, target: bytes) -> None:
    """T9 (Traefik CVE-2026-40912), T10: path, query and the case of hex digits arrive as they were sent; so do a websocket's."""
    for prefix, fields in ((b"/open", ()), (b"/elsewhere", (jane,))):
        upstream.take()
        assert running.get(prefix + target, *fields).status == 200
        assert running.handshake(prefix + b"/w" + target, *fields).status == 101
        assert [received.target for received in upstream.take()][-2:] == [prefix + target, prefix + b"/w" + target]


TWO_FACED = [
    b"/open/../private",
    b"/open/..",
    b"/open/.",
    b"/open/%2e%2e/private",
    b"/open/%2E%2e/private",
    b"/open/.%2e/private",
    b"/open/..%2fprivate",
    b"/open/x%2f..%2f..%2fprivate",
    b"/open%2f..%2fprivate",
    b"/open/..%5cprivate",
    b"/open/..\\private",
    b"/open/..;/private",
    b"/open/..;a=b/private",
    b"/open/x;/private",
    b"/open/%252e%252e/private",
    b"/open/%25%32%65%2e/private",
    b"/open/%c0%ae%c0%ae/private",
    b"/open/%e0%80%af",
    b"/open/%ff",
    b"/open/%u002e%u002e/private",
    b"/open/%2",
    b"/open/%zz",
    b"/open/x%00",
    b"/open/x%0d%0aX:1",
    b"/open//private",
    b"//open/x",
    b"//private",
    b"/open/x%2fy",
    b"/exact%00",
    b"/exact/../private",
    b"/_cognito_guard/../open/x",
]


@pytest.mark.parametrize("target", TWO_FACED)
def test_what_has_two_readings_reaches_nobody(running, upstream, staff: bytes, target: bytes) -> None:
    """T9: dot segments, encoded slashes, backslashes, matrix parameters, NUL, overlong UTF-8: never forwarded, with a token or without."""
    upstream.take()
    for method in (b"GET", b"HEAD", b"OPTIONS", b"POST"):
        assert running.get(target, method=method).status in (400, 401, 404)
        assert running.get(target, staff, method=method).status in (400, 404)
    assert running.handshake(target).status in (400, 401, 404)
    assert upstream.take() == []


@pytest.mark.parametrize("target", [t for t in TWO_FACED if b"_cognito_guard" not in t])
def test_two_readings_under_one_rule_pass_as_they_are(closed, upstream, jane: bytes, target: bytes) -> None:
    """A19: where every path meets the same demand nothing is doubtful, and the octets still arrive unchanged."""
    upstream.take()
    assert closed.get(target).status == 401
    assert closed.get(target, jane).status == 200
    assert [received.target for received in upstream.take()] == [target]


UNNAMED = [
    b"/private?x=/open/x",
    b"/private?/open/x",
    b"/private%3f/open/x",
    b"/private%23/open/x",
    b"/openX/x",
    b"/open",
    b"/OPEN/x",
    b"/Open/x",
    b"/o%50en/x",
    b"/exact/",
    b"/exact/x",
    b"/Exact",
    b"/exac",
    b"/healthz",
    b"/livez",
    b"/metrics",
    b"/_Cognito_Guard/jwks.json",
]


@pytest.mark.parametrize("target", UNNAMED)
def test_what_only_looks_open_needs_a_token(running, upstream, jane: bytes, target: bytes) -> None:
    """T7, T8, T10, T12: neither query nor `%23` nor another case opens a path; `User-Agent` of a health check changes nothing."""
    upstream.take()
    for agent in (b"curl", b"GoogleHC/1.0", b"kube-probe/1.3", b""):
        assert running.get(target, b"User-Agent: " + agent).status == 401
    assert upstream.take() == []
    assert running.get(target, jane).status == 200
    assert upstream.take()[0].target == target


@pytest.mark.parametrize("target", [b"/%6fpen/x", b"/%6Fpen/x", b"/open/%78", b"/e%78act"])
def test_one_path_in_other_octets_is_that_path(running, upstream, target: bytes) -> None:
    """T9, T10: a letter that was sent encoded is that letter, for the rule as for the application, which gets it as it came."""
    upstream.take()
    assert running.get(target).status == 200
    assert upstream.take()[0].target == target


@pytest.mark.parametrize(
    "target",
    [b"open/x", b"?/open/x", b"*", b"http://app.test/open/x", b"https://open.example.com/", b"app.test:80", b"/open/x#", b"/open/x#/y",
     b"#/open/x", b"/open/\xc3\xa9", b"/open/\x7f", b"/open/\x01", b"/open/a b"],
)  # fmt: skip
def test_targets_that_are_no_paths(running, closed, upstream, staff: bytes, target: bytes) -> None:
    """T8, T9, T13: absolute-form, `*`, `#`, raw octets beyond ASCII and control characters are refused everywhere."""
    upstream.take()
    for server in (running, closed):
        assert server.get(target, staff).status == 400
    assert upstream.take() == []


def test_rules_of_segments_and_methods(running, upstream, jane: bytes, staff: bytes) -> None:
    """T11: `*` is one segment; methods that a route does not name are not open; no field of the client's changes the method."""
    override = (b"X-HTTP-Method-Override: GET", b"X-Original-Method: GET")
    asked = [
        (b"GET", b"/orders/1/items", (staff,), 200),
        (b"GET", b"/orders/1/items", (jane,), 403),
        (b"GET", b"/orders/1/2/items", (jane,), 200),  # another path, under no rule but a token
        (b"GET", b"/orders//items", (jane,), 400),
        (b"GET", b"/read", (), 200),
        (b"HEAD", b"/read", (), 401),
        (b"POST", b"/read", (), 401),
        (b"POST", b"/read", override, 401),
        (b"OPTIONS", b"/read", (), 401),
        (b"PROPFIND", b"/read", (), 401),
        (b"get", b"/read", (), 501),
        (b"Get", b"/private", (jane,), 501),
        (b"CONNECT", b"/read", (), 501),
        (b"TRACE", b"/read", (), 501),
        (b"GET", b"/private", (b"X-Original-URL: /open/x", b"X-Rewrite-URL: /open/x", b"X-Forwarded-Uri: /open/x"), 401),
    ]
    upstream.take()
    for method, target, fields, status in asked:
        assert running.get(target, *fields, method=method).status == status, (method, target)
    assert len(upstream.take()) == sum(status == 200 for *_, status in asked)


def test_the_application_hears_of_no_other_method(running, upstream, jane: bytes) -> None:
    """A19: these routes name methods, so a request that passed as one of them carries no field that frameworks take another from."""
    upstream.take()
    fields = (b"X-HTTP-Method-Override: DELETE", b"x-method-override: DELETE", b"X-HTTP-Method: DELETE")
    assert running.get(b"/read", jane, *fields).status == 200
    assert [name for name, value in upstream.take()[0].headers if value == b"DELETE"] == []


def test_the_encoded_slash_by_name(running, upstream, jane: bytes, staff: bytes) -> None:
    """T9: taken on by one route only, by both readings, and forwarded as it came."""
    upstream.take()
    for target in (b"/repos/a%2fb", b"/repos/a%2Fb?c"):
        assert running.get(target, staff).status == 200
        assert upstream.take()[0].target == target
        assert running.get(target, jane).status == 403
        assert running.get(target).status == 401
    assert running.get(b"/repos/..%2fopen/x", staff).status == running.get(b"/repos%2fa", staff).status == 400
    assert upstream.take() == []


@pytest.mark.parametrize("order", [(b"/private", b"/staff/x"), (b"/staff/x", b"/private")])
def test_a_verdict_counts_for_its_route_only(gateway, upstream, pool: LocalUserPool, order: tuple[bytes, bytes]) -> None:
    """T24, T17: one token on two routes, in both orders and again: what was granted on one never passes on the other."""
    running = gateway(ROUTES)
    plain = bearer(pool.access(username="jane", groups=["staffer", "Staff"]))
    for target in (*order, *order, *reversed(order)):
        assert running.get(target, plain).status == (403 if target == b"/staff/x" else 200)
        assert running.handshake(target, plain).status == (403 if target == b"/staff/x" else 101)
