"""Challenges: status, header fields and body for every reason (DESIGN 3.4; RFC 6750 §3, RFC 9470 §3, RFC 9110 §11.6.1, RFC 9457, RFC 9728 §5.1)."""

from __future__ import annotations

import json
import math
import re
from http import HTTPStatus
from typing import Any

import pytest

from cognito_guard.errors import REJECTIONS, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.policy import AssuranceAtLeast, AuthenticatedWithin, Denied, HasScope, InGroup, Rule
from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge, challenge, realm_problem
from cognito_guard.web.paths import TwoFaced

PRINCIPAL = Principal({"iss": "i", "sub": "s", "client_id": "c", "exp": 9, "auth_time": 0, "scope": "a/read"}, "access")


def parse(field: bytes) -> dict[str, str]:
    """A Bearer challenge by the letter of RFC 9110 §11.6.1 (quoted-string without escapes); fails on anything else."""
    scheme, _, rest = field.decode("ascii").partition(" ")
    assert scheme == "Bearer"
    found = re.fullmatch(r'[a-z_]+="[ !#-\[\]-~]*"(, [a-z_]+="[ !#-\[\]-~]*")*', rest)
    assert found, rest
    pairs = re.findall(r'([a-z_]+)="([^"]*)"', rest)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def ask(refusal: Any) -> tuple[Challenge, dict[bytes, bytes], dict[str, str]]:
    answer = challenge(refusal, realm="shop api")
    headers = dict(answer.headers)
    assert len(headers) == len(answer.headers)
    assert all(name == name.lower() for name in headers)
    assert headers[b"content-length"] == b"%d" % len(answer.body)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    body = json.loads(answer.body)
    assert list(body) == ["type", "title", "status", "detail", "code", "error"]
    assert (body["type"], body["title"]) == (f"urn:cognito-guard:{answer.code}", HTTPStatus(answer.status).phrase)
    assert body["status"] == answer.status
    assert body["code"] == answer.code
    return answer, headers, body


def denied(rule: Rule) -> Denied:
    verdict = rule.judge(PRINCIPAL, now=1000)
    assert isinstance(verdict, Denied)
    return verdict


@pytest.mark.parametrize("absent", [None, CredentialsRefused("credentials_missing", "")])
def test_no_credentials(absent: Any) -> None:
    """RFC 6750 §3.1: 401 with a bare challenge, no error code in it."""
    answer, headers, body = ask(absent)
    assert answer.status == 401
    assert headers[b"www-authenticate"] == b'Bearer realm="shop api"'
    assert body["code"] == "credentials_missing"


@pytest.mark.parametrize("code", ["credentials_ambiguous", "credentials_malformed"])
def test_credentials_that_are_not_one_token(code: Any) -> None:
    """400 invalid_request; the error's own message is not trusted to be safe."""
    answer, headers, body = ask(CredentialsRefused(code, 'Bearer "s3cr3t"'))
    assert answer.status == 400
    assert parse(headers[b"www-authenticate"])["error"] == body["error"] == "invalid_request"
    assert body["code"] == code
    assert b"s3cr3t" not in answer.body + headers[b"www-authenticate"]


@pytest.mark.parametrize("code", REJECTIONS)
def test_every_rejection(code: Any) -> None:
    """401 invalid_token, the stable code, and our own text; not the claim's name, which a token might have chosen."""
    answer, headers, body = ask(TokenRejected(code, 'evil"\r\n'))
    assert answer.status == 401
    assert parse(headers[b"www-authenticate"]) == {
        "realm": "shop api",
        "error": "invalid_token",
        "error_description": REJECTIONS[code],
    }
    assert (body["error"], body["code"], body["detail"]) == ("invalid_token", code, REJECTIONS[code])


@pytest.mark.parametrize(
    ("retry_after", "sent"),
    [(0, b"1"), (-3, b"1"), (0.2, b"1"), (1, b"1"), (1.01, b"2"), (30.0, b"30"), (math.inf, b"60"), (math.nan, b"60")],
)
def test_unavailable(retry_after: float, sent: bytes) -> None:
    """503 with whole seconds, rounded up; never a challenge, which would make clients drop good tokens."""
    answer, headers, body = ask(Unavailable("keys_unavailable", "https://internal/keys is down", retry_after=retry_after))
    assert answer.status == 503
    assert headers[b"retry-after"] == sent
    assert b"www-authenticate" not in headers
    assert body["code"] == "keys_unavailable"
    assert b"internal" not in answer.body


def test_lacking_scopes_are_named() -> None:
    """RFC 6750 §3.1: 403 insufficient_scope with the scopes that are lacking, not those that are there."""
    answer, headers, _ = ask(denied(HasScope("a/read") & HasScope("a/write") & HasScope("b/read")))
    assert answer.status == 403
    parameters = parse(headers[b"www-authenticate"])
    assert parameters["error"] == "insufficient_scope"
    assert parameters["scope"] == "a/write b/read"


def test_a_lacking_group_is_not_named() -> None:
    """403, and nothing that describes the rule to whom it keeps out."""
    answer, headers, _ = ask(denied(InGroup("secret-staff") & AuthenticatedWithin(5)))
    assert answer.status == 403
    assert set(parse(headers[b"www-authenticate"])) == {"realm", "error", "error_description"}
    assert b"secret" not in answer.body + headers[b"www-authenticate"]


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        (AuthenticatedWithin(300), {"max_age": "300"}),
        (AuthenticatedWithin(0), {"max_age": "0"}),
        (AssuranceAtLeast("urn:cognito:loa:3"), {"acr_values": "urn:cognito:loa:3"}),
        (AssuranceAtLeast("urn:cognito:loa:4") & AuthenticatedWithin(60), {"acr_values": "urn:cognito:loa:4", "max_age": "60"}),
    ],
)
def test_a_sign_in_that_is_too_weak_or_too_old(rule: Rule, asked: dict[str, str]) -> None:
    """RFC 9470 §3: 401 insufficient_user_authentication with what a new sign-in must reach."""
    answer, headers, body = ask(denied(rule))
    assert answer.status == 401
    parameters = parse(headers[b"www-authenticate"])
    assert parameters.pop("error") == body["error"] == "insufficient_user_authentication"
    assert set(parameters) - {"realm", "error_description"} == set(asked)
    assert asked.items() <= parameters.items()


def test_a_lacking_right_wins_over_a_weak_sign_in() -> None:
    """DESIGN 3.4: signing in again would not help."""
    assert ask(denied(HasScope("a/write") & AuthenticatedWithin(5)))[0].status == 403


def test_two_readings() -> None:
    """400 without a challenge: no credentials would help. The reason is told, the path is not."""
    answer, headers, body = ask(TwoFaced("/secret/../x", "a dot segment"))
    assert answer.status == 400
    assert b"www-authenticate" not in headers
    assert body["error"] == "invalid_request"
    assert "a dot segment" in body["detail"]
    assert b"secret" not in answer.body


METADATA = "https://api.example.com/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize(
    "refusal",
    [
        None,
        CredentialsRefused("credentials_malformed", ""),
        TokenRejected("expired"),
        denied(HasScope("a/write")),
        denied(AuthenticatedWithin(5)),
    ],
)
def test_every_bearer_challenge_names_the_resource_metadata(refusal: Any) -> None:
    """RFC 9728 §5.1, where it is configured; nothing else of the challenge changes, and a bare one stays free of an error."""
    with_it = dict(challenge(refusal, realm="api", resource_metadata=METADATA).headers)[b"www-authenticate"]
    without = dict(challenge(refusal, realm="api").headers)[b"www-authenticate"]
    assert parse(with_it) == {**parse(without), "resource_metadata": METADATA}


@pytest.mark.parametrize("refusal", [Unavailable("keys_unavailable", "", retry_after=1), TwoFaced("/x", "a dot segment")])
def test_what_is_no_challenge_names_none(refusal: Any) -> None:
    """503 and an ambiguous target ask for no credentials."""
    answer = challenge(refusal, realm="api", resource_metadata=METADATA)
    assert METADATA.encode() not in answer.body + repr(answer.headers).encode()


@pytest.mark.parametrize("nothing", ["token", {}, 7, PRINCIPAL])
def test_what_is_no_refusal_is_an_error(nothing: Any) -> None:
    """An answer is never made up."""
    with pytest.raises(TypeError):
        challenge(nothing, realm="api")


@pytest.mark.parametrize("realm", ["", 'a"b', "a\\b", "a\nb", "caf\xe9", "x" * 129, None, b"api"])
def test_a_realm_fits_a_quoted_string(realm: Any) -> None:
    """What would need escapes, or would end the field, is a mistake of the setting."""
    assert "realm: " in (realm_problem(realm) or "")


def test_common_realms_fit() -> None:
    """Spaces, slashes and colons are common."""
    assert realm_problem("https://api.example.com/ (v1), beta") is None
