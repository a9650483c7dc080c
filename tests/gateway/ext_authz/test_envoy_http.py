"""The real Envoy asking over HTTP, of `/_cognito_guard/verify/envoy`, started with `examples/envoy-http.yaml` (THREATS section 6)."""

from __future__ import annotations

import itertools
import json
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
from cognito_guard.web import FromCookie, Identify, Protect, Public

POOL = LocalUserPool()
GUARD = POOL.guard()
GOOD = POOL.access(scopes=["orders/read"], groups=["staff"])
BEARER = ("Authorization", f"Bearer {GOOD}")
SUBJECT = GUARD.authenticate(GOOD).subject.encode()


@pytest.fixture(scope="module")
def example(through_http: Any) -> Any:
    """The example as it is."""
    return through_http()


@pytest.fixture(scope="module")
def lenient(through_http: Any) -> Any:
    """An Envoy that refuses no underscores, tells one header more, and lets through what it cannot get judged."""
    return through_http(
        {
            "underscores_action: REJECT_REQUEST": "underscores_action: ALLOW",
            "- exact: cookie": "- exact: cookie\n                          - exact: x-access-token",
            "failure_mode_allow: false": "failure_mode_allow: true",
        }
    )


CASES = [*behaviour(POOL), *settings_behaviour(POOL), *websocket_behaviour(POOL)]
# Envoy resolves dot segments first, serves no documents for us, tells X-Access-Token only where it is named, and any octet above 127 as "!"
OTHERWISE = re.compile(r"resource|field(?!_name)|.*no_break_space|.*dot_segments")


@pytest.mark.parametrize("case", [case for case in CASES if not OTHERWISE.match(case.name)], ids=lambda case: case.name)
def test_the_behaviour_table(example: Any, case: Case) -> None:
    """Every row that an HTTP question can carry; of a 503 the status alone, since Envoy words it itself (`status_on_error`)."""
    wrong = example.wrong(POOL, case, settings_routes(), sample_settings())
    if case.status == 503:
        wrong = [each for each in wrong if "Retry-After" not in each and "body's code" not in each]
    assert wrong == []


@pytest.mark.parametrize("case", [case for case in CASES if re.match(r"field(?!_name)", case.name)], ids=lambda case: case.name)
def test_a_token_in_a_field_that_envoy_is_told_to_tell(lenient: Any, case: Case) -> None:
    """The `field` rows, with `x-access-token` among `allowed_headers`."""
    assert lenient.wrong(POOL, case, settings_routes(), sample_settings()) == []


def test_what_http_cannot_carry(example: Any) -> None:
    """The rows that are left out, each refused: the metadata would be an allow; an octet above 127 stands as `!`; dots are resolved."""
    example.front = Front(GUARD, settings_routes(), **sample_settings())
    before = len(example.app.seen)
    assert example.send("/.well-known/oauth-protected-resource/shop").status == 403
    assert example.send("/private", ("Authorization", f"Bearer\xa0{GOOD}")).status == 401
    assert example.send("/open/../private").status == 401
    assert example.send("/private", ("X-Access-Token", GOOD)).status == 401
    assert len(example.app.seen) == before


NAMES = ("x{}cognito{}subject", "x{}cognito{}groups", "x{}cognito{}email")


@pytest.mark.parametrize("path", ["/private", "/open/x", "/maybe"])
@pytest.mark.parametrize("name", NAMES)
def test_spoofed_identity_never_reaches_the_application(lenient: Any, path: str, name: str) -> None:
    """T1, T2, T3: in any spelling, with a token and without; every managed field is there once, empty or ours."""
    lenient.front = Front(GUARD, [Public("/open/*"), Identify("/maybe"), Protect("/*")])
    spellings = [name.format(one, other) for one, other in itertools.product("-_.~!", repeat=2)]
    fields = [(form(spelling), "evil") for spelling in spellings for form in (str, str.upper, str.title)]
    answer = lenient.send(path, *fields, *([BEARER] if path == "/private" else []))
    assert answer.status == 200
    folds = [
        ("".join(chr(octet) if chr(octet).isalnum() else "-" for octet in name), value)
        for name, value in lenient.app.seen[-1].fields
    ]
    identity = sorted((name, value) for name, value in folds if name.startswith("x-cognito"))
    expected = {"subject": SUBJECT, "client": POOL.client.encode(), "username": b"jane", "groups": b"staff"}
    expected |= {"scopes": b"orders/read", "email": b""}
    if path != "/private":
        expected = dict.fromkeys(expected, b"")
    assert identity == sorted((f"x-cognito-{name}", value) for name, value in expected.items())


def test_the_example_refuses_underscores(example: Any) -> None:
    """T1: by Envoy itself; other spellings are taken off."""
    example.front = Front(GUARD)
    assert example.send("/x", BEARER, ("X_Cognito_Subject", "evil")).status == 400
    assert example.send("/x", BEARER, ("X.Cognito.Subject", "evil"), ("X~cognito!Groups", "evil")).status == 200
    seen = example.app.seen[-1]
    assert [name for name, _ in seen.fields if b"." in name or b"~" in name] == []
    assert seen.values(b"x-cognito-subject") == [SUBJECT]


@pytest.mark.parametrize("second", [f"Bearer {GOOD}", "Basic amFuZTpzZWNyZXQ=", "Bearer a"])
@pytest.mark.parametrize("first", [f"Bearer {GOOD}", "Basic amFuZTpzZWNyZXQ="])
def test_two_authorization_fields_give_nobody(example: Any, first: str, second: str) -> None:
    """T5: Envoy joins them; no protected path opens, and nobody's identity is passed on."""
    example.front = Front(GUARD, [Identify("/maybe")])
    fields = [("Authorization", first), ("Authorization", second)]
    assert example.send("/x", *fields).status in (400, 401)
    if example.send("/maybe", *fields).status == 200:
        assert example.app.seen[-1].values(b"x-cognito-subject") == [b""]


@pytest.mark.parametrize("value", [b"Bearer \xff", b"\xff", b"Bearer " + GOOD.encode() + b"\x80"])
def test_binary_values_never_open(lenient: Any, value: bytes) -> None:
    """T20: octets that are not UTF-8, in fields that are told and others, even under `failure_mode_allow`."""
    lenient.front = Front(GUARD)
    before = len(lenient.app.seen)
    assert lenient.send("/x", (b"Authorization", value)).status in (400, 401)
    assert lenient.send("/x", (b"Cookie", b"\xff\xfe"), (b"X.Cognito.Subject", b"\xff")).status == 401
    assert len(lenient.app.seen) == before


@pytest.mark.parametrize(
    "target",
    [
        "/open/../private",
        "/open/%2e%2e/private",
        "/open/..%2fprivate",
        "/open/..%5cprivate",
        "/open/..;/private",
        "//open/x",
        "/open/%00",
        "/open/%252e%252e/private",
        "/open/%c0%ae%c0%ae/private",
        "/private?/open/x",
        "/private;/open/x",
        "/OPEN/x",
        "/private#/open/x",
        "http://h/private",
        "private",
        "*",
    ],
)
def test_no_target_opens_what_is_protected(example: Any, target: str) -> None:
    """T7, T8, T9, T13: without a token and with one that lacks the right, however the target is written."""
    example.front = Front(GUARD, [Public("/open/*"), Protect("/private/*", HasScope("other")), Protect("/*")])
    before = len(example.app.seen)
    assert example.send(target).status in (400, 401, 404)
    example.send(target, BEARER)
    paths = [seen.line.split(b" ")[1].partition(b"?")[0] for seen in example.app.seen[before:]]
    assert [path for path in paths if re.search(rb"(?i)^/private$|[.\\;]|//|%2[ef]|%5c|%25", path)] == []


def test_a_cookie_does_not_open_a_foreign_pages_websocket(example: Any) -> None:
    """A27: the example has Envoy tell what marks a handshake, so that a cookie counts there only from the client's own page."""
    example.front = Front(GUARD, credentials=[FromCookie("session")])
    cookie = ("Cookie", f"session={GOOD}")
    assert example.send("/ws", cookie).status == 200
    assert example.send("/ws", cookie, ("Origin", "https://attacker.example"), *example.handshake).status == 401
    assert example.send("/ws", cookie, ("Origin", "http://h"), *example.handshake).status == 101


def test_forwarded_fields_of_clients_change_nothing(example: Any) -> None:
    """T6: they are not even told, and choose nothing."""
    example.front = Front(GUARD, [Public("/open/*"), Public("/x", methods="OPTIONS")])
    names = [
        "x-forwarded-uri",
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
        "x-envoy-original-path",
        "x-forwarded-prefix",
    ]
    fields = [(name, "/open/x") for name in names]
    assert example.send("/x", *fields, ("x-forwarded-method", "OPTIONS"), ("x-original-method", "OPTIONS")).status == 401


def test_the_original_path_and_query_arrive(example: Any) -> None:
    """Forwarded as judged; a query of the client's is not taken for the question's."""
    example.front = Front(GUARD, [Public("/open/*")])
    assert example.send("/open/a%20b?x=%2f&kind=nginx").status == 200
    assert example.app.seen[-1].line == b"GET /open/a%20b?x=%2f&kind=nginx HTTP/1.1"
    assert example.send("/private?/_cognito_guard/verify/envoy/open/x").status == 401


def test_an_outage_is_503(example: Any) -> None:
    """Section 6: `status_on_error`, since Envoy takes our 503 for an error; nothing is let through."""
    pool = LocalUserPool()
    example.front = Front(pool.guard())
    before = len(example.app.seen)
    with pool.outage():
        assert example.send("/x", BEARER).status == 503
    assert len(example.app.seen) == before


def test_refusals_reach_the_client_as_they_are(example: Any) -> None:
    """Challenge and body included."""
    example.front = Front(GUARD)
    answer = example.send("/x", ("Authorization", "Bearer a b"))
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == "credentials_malformed"
    assert (answer.field("www-authenticate") or "").startswith('Bearer realm="api", error="invalid_request"')
