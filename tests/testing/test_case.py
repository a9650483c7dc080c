from __future__ import annotations

import json

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.testing import Case

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
BAD = Case(
    "bad",
    "/private",
    [("Authorization", f"Bearer {TOKEN}")],
    status=401,
    codes=["expired"],
    challenge={"error": "invalid_token"},
)
GOOD = Case("good", "/private", [("Authorization", f"Bearer {TOKEN}")], status=200, subject="jane")
DOWN = Case("down", "/private", status=503, codes=["keys_unavailable"], keys_unavailable=True)
CHALLENGE = 'Bearer realm="api", error="invalid_token", error_description="the token has expired"'
BODY = json.dumps({"error": "invalid_token", "code": "expired", "description": "the token has expired"}).encode()


def test_right_answers_have_no_mismatch():
    """Pairs may be text or octets, names in any case; a front's own wording is its own."""
    assert BAD.check(401, [("WWW-Authenticate", CHALLENGE)], BODY, reached=False) == []
    assert BAD.check(401, [(b"www-authenticate", CHALLENGE.encode())], BODY) == []
    assert GOOD.check(200, [("content-type", "text/plain")], b"jane", reached=True) == []
    assert DOWN.check(503, [("Retry-After", "1")], b'{"code": "keys_unavailable"}') == []


@pytest.mark.parametrize(
    ("case", "answer", "mismatch"),
    [
        (BAD, (403, [("www-authenticate", CHALLENGE)], BODY), "status 403, not 401"),
        (BAD, (401, [], BODY), "0 WWW-Authenticate fields, not one"),
        (BAD, (401, [("www-authenticate", CHALLENGE)] * 2, BODY), "2 WWW-Authenticate fields, not one"),
        (BAD, (401, [("www-authenticate", "Bearer")], BODY), "the challenge is not Bearer with quoted parameters"),
        (
            BAD,
            (401, [("www-authenticate", "Bearer error=invalid_token")], BODY),
            "the challenge is not Bearer with quoted parameters",
        ),
        (BAD, (401, [("www-authenticate", CHALLENGE + "\r\nX: 1")], BODY), "the challenge is not Bearer with quoted parameters"),
        (BAD, (401, [("www-authenticate", 'Bearer realm="api"')], BODY), "challenge {}, not {'error': 'invalid_token'}"),
        (
            BAD,
            (401, [("www-authenticate", 'Bearer error="invalid_token", scope="a"')], BODY),
            "challenge {'error': 'invalid_token', 'scope': 'a'}, not {'error': 'invalid_token'}",
        ),
        (
            BAD,
            (401, [("www-authenticate", 'Bearer error="x", error="invalid_token"')], BODY),
            "a parameter stands twice in the challenge",
        ),
        (BAD, (401, [("www-authenticate", CHALLENGE)], b'{"code": "revoked"}'), "the body's code is 'revoked', not expired"),
        (BAD, (401, [("www-authenticate", CHALLENGE)], b"Unauthorized"), "the body's code is None, not expired"),
        (BAD, (401, [("www-authenticate", CHALLENGE)], b"[]"), "the body's code is None, not expired"),
        (
            BAD,
            (401, [("www-authenticate", CHALLENGE), ("x-debug", TOKEN.split(".")[1])], BODY),
            "a part of the token stands in the answer",
        ),
        (
            BAD,
            (401, [("www-authenticate", CHALLENGE)], BODY[:-1] + f', "t": "{TOKEN}"}}'.encode()),
            "a part of the token stands in the answer",
        ),
        (GOOD, (200, [], b"joe"), "the application saw another subject"),
        (GOOD, (200, [("www-authenticate", CHALLENGE)], b"jane"), "a challenge where there must be none"),
        (DOWN, (503, [], b'{"code": "keys_unavailable"}'), "no Retry-After in whole seconds"),
        (DOWN, (503, [("retry-after", "0.5")], b'{"code": "keys_unavailable"}'), "no Retry-After in whole seconds"),
    ],
)
def test_each_mismatch_is_found(case, answer, mismatch):
    """Every way of being wrong is found and named."""
    assert mismatch in case.check(*answer)


def test_reaching_the_application_is_compared():
    """A right status does not excuse a request that reached the application, or one that did not."""
    right = [("www-authenticate", CHALLENGE)]
    assert BAD.check(401, right, BODY, reached=True) == ["it reached the application"]
    assert GOOD.check(200, [], b"jane", reached=False) == ["it did not reach the application"]


def test_a_document_is_compared_by_its_members():
    """Those that are named, to the letter; more may stand beside them."""
    case = Case("metadata", "/x", status=200, document={"resource": "https://h", "scopes_supported": ["a"]})
    assert case.check(200, [], b'{"resource": "https://h", "scopes_supported": ["a"], "more": 1}', reached=False) == []
    assert case.check(200, [], b'{"resource": "https://h"}') == ['the body\'s scopes_supported is not ["a"]']
    assert len(case.check(200, [], b"[]", reached=True)) == 3


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ([("Cookie", f"session={TOKEN}")], "/x"),
        ([("X-Access-Token", TOKEN)], "/x"),
        ([("Sec-WebSocket-Protocol", f"cognito-guard.bearer, {TOKEN}")], "/x"),
        ([], f"/x?ticket={TOKEN}"),
    ],
)
def test_a_token_in_the_answer_is_found_wherever_it_was_sent(headers, target):
    """Not the path, which a challenge may well name."""
    case = Case("x", target, headers, status=401, codes=["expired"], challenge={})
    answer = [("www-authenticate", 'Bearer realm="api"'), ("x-debug", TOKEN.split(".")[1])]
    assert case.check(401, answer, b'{"code": "expired"}') == ["a part of the token stands in the answer"]
    path = Case("x", "/.well-known/oauth-protected-resource", status=401, codes=["expired"], challenge={})
    named = [("www-authenticate", 'Bearer resource_metadata="https://h/.well-known/oauth-protected-resource"')]
    assert path.check(401, named, b'{"code": "expired"}') == []


def test_close_codes_are_for_refused_websockets():
    """4000 and the status; None for http and for what is accepted."""
    assert [
        Case("x", "/", status=status, subject=subject, kind=kind).close_code
        for status, subject, kind in [(401, None, "websocket"), (200, "", "websocket"), (401, None, "http")]
    ] == [4401, None, None]


def test_head_answers_have_no_body_to_compare():
    """The headers of a HEAD answer count, its body does not."""
    head = Case("head", "/private", status=401, codes=["credentials_missing"], challenge={}, method="HEAD")
    assert head.check(401, [("www-authenticate", 'Bearer realm="api"')], b"") == []


def test_a_bare_string_of_codes_is_refused():
    """Read letter by letter, it would match nothing."""
    with pytest.raises(ConfigurationError, match="codes"):
        Case("x", "/", status=401, codes="expired")
