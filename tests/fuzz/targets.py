"""What is fuzzed: three functions from any octets to nothing, or to AssertionError when a promise is broken.

Each has seeds and the words of its language. No fuzzer is imported here: `fuzz.py` drives the targets by coverage, `test_targets.py` by
Hypothesis for a moment in every test run.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from math import isfinite
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from cognito_guard import Guard, Principal, TokenRejected, UserPool
from cognito_guard.errors import REJECTIONS, RuleSyntaxError
from cognito_guard.jose.jwk import JwkSet, parse_jwk_set
from cognito_guard.policy import Rule, format_rule, parse_rule

NOW = 1_800_000_000
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
POOL = "eu-west-1_AbC123xyz"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
HEADER = b'{"kid":"k+/=","alg":"RS256"}'
ACCESS: dict[str, Any] = {
    "sub": "jane", "cognito:groups": ["staff"], "iss": ISSUER, "version": 2, "client_id": CLIENT, "origin_jti": "o", "event_id": "e", "token_use": "access",
    "scope": "openid orders/read", "auth_time": NOW - 5, "exp": NOW + 3600, "iat": NOW - 5, "jti": "j", "username": "jane",
}  # fmt: skip
ID: dict[str, Any] = {
    "sub": "jane", "iss": ISSUER, "aud": CLIENT, "token_use": "id", "exp": NOW + 3600, "iat": NOW, "cognito:username": "jane", "email_verified": True,
    "identities": [{"primary": "true", "dateCreated": "1", "issuer": None}], "amr": ["pwd", "mfa"], "acr": "urn:cognito:loa:3", "act": {"sub": "svc"}, "nbf": NOW,
}  # fmt: skip


class Target(NamedTuple):
    """`run(octets)` raises when a promise is broken; `seeds` are good inputs, `words` what the language is made of."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...]


# --- token: any octets -> Principal or TokenRejected


@cache
def _private() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _segment(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


def _signed(header: bytes, payload: bytes) -> bytes:
    signing_input = _segment(header) + b"." + _segment(payload)
    return signing_input + b"." + _segment(_private().sign(signing_input, PKCS1v15(), SHA256()))


@cache
def _good_tokens() -> list[bytes]:
    return [_signed(HEADER, json.dumps(claims, separators=(",", ":")).replace("/", "\\/").encode()) for claims in (ACCESS, ID)]


@cache
def _guard() -> Guard:
    numbers = _private().public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": "k+/=", "n": _segment(numbers.n.to_bytes(256, "big")).decode(), "e": "AQAB"}
    pool = UserPool(POOL, jwks={"keys": [jwk]})
    return Guard(pool.access_tokens(client=CLIENT), pool.id_tokens(client=CLIENT), clock=lambda: NOW, cache_tokens=0)


NAMES = {"alg", "kid", "typ", "crit", "b64", "zip", "enc", "cty", "iss", "token_use", "client_id", "aud", "sub", "username", "jti", "scope", "cognito:groups", "exp", "nbf", "iat"}  # fmt: skip
MEMBERS = [name for name in dir(Principal) if not name.startswith("_")]


def token(octets: bytes) -> None:
    """As they are, the octets are a token: accepted only if we minted it. After a NUL they are a header, a NUL and a payload, which we sign."""
    forged = not octets.startswith(b"\0")
    if forged:
        text, payload = octets, b""
    else:
        header, _, payload = octets[1:].partition(b"\0")
        text = _signed(header, payload)
    refusal = None
    try:
        principal = _guard().authenticate(text)
    except TokenRejected as error:
        refusal = error
    if refusal is None:
        assert not forged or text in _good_tokens(), "a signature was accepted that nobody made"
        for name in MEMBERS:
            getattr(principal, name)
        hash(principal)
        if not forged:
            _judge_again(json.loads(payload))
    else:
        assert refusal.claim is None or refusal.claim in NAMES
        named = f" ({refusal.claim})" if refusal.claim else ""
        assert str(refusal) == REJECTIONS[refusal.code] + named, "an error holds nothing of the token"
        assert refusal.__cause__ is None
        assert refusal.__context__ is None
    report = _guard().explain(text)
    assert report.code == (None if refusal is None else refusal.code)
    assert bool(report) == (refusal is None)


def _judge_again(claims: dict[str, Any]) -> None:
    """The policy once more, in the plainest words, of claims that were accepted."""
    assert claims["iss"] in (ISSUER, ISSUER.replace("https://", "https://issuer-"))
    assert claims["token_use"] in ("access", "id")
    assert claims["client_id" if claims["token_use"] == "access" else "aud"] == CLIENT
    for name in ("exp", "nbf", "iat"):
        assert name not in claims or (type(claims[name]) in (int, float) and isfinite(claims[name]))
    assert NOW < claims["exp"] <= 253402300799
    assert claims.get("nbf", 0) <= NOW
    assert claims.get("iat", 0) <= NOW + 60
    assert isinstance(claims.get("sub", ""), str)
    assert claims.get("sub") or ("sub" not in claims and claims["token_use"] == "access" and claims.get("username") is None)


def _token_seeds() -> list[bytes]:
    more = [
        {**ACCESS, "nbf": NOW, "aud": ["https://api"]},
        {key: ACCESS[key] for key in ("iss", "client_id", "token_use", "exp")},
        {**ACCESS, "exp": NOW + 0.5},
        {**ACCESS, "exp": 10**400},  # explain once overflowed here
    ]
    payloads = [json.dumps(claims, separators=(",", ":")).encode() for claims in (ACCESS, ID, *more)]
    headers = [HEADER, b'{"typ":"at+jwt","alg":"RS256","kid":"k+/="}', b'{"alg":"RS256","kid":"k+/=","crit":["b64"]}']
    return [
        *_good_tokens(),
        *(b"\0" + HEADER + b"\0" + payload for payload in payloads),
        *(b"\0" + header + b"\0" + payloads[0] for header in headers),
    ]


# --- jwks: any octets -> JwkSet or ValueError


def jwks(octets: bytes) -> None:
    """A document: usable keys of the allowed sizes, or a ValueError that may be logged."""
    refusal = None
    try:
        read = parse_jwk_set(octets, ["RS256"])
    except ValueError as error:
        refusal = error
    if refusal is not None:
        assert type(refusal) is ValueError, "its subclasses carry the document"
        assert refusal.__cause__ is None
        assert len(str(refusal)) < 1000
        return
    assert isinstance(read, JwkSet)
    assert read.keys
    assert not read.refused & read.keys.keys()
    for kid, key in read.keys.items():
        modulus, exponent = key.material
        assert (key.kid, key.alg) == (kid, "RS256")
        assert 0 < len(kid) <= 256
        assert 2048 <= modulus.bit_length() <= 8192
        assert modulus % 2 == exponent % 2 == 1 < exponent
        assert not key.verify(b"\0" * ((modulus.bit_length() + 7) // 8), b"")
    assert parse_jwk_set(octets, ["RS256"]) == read


def _jwks_seeds() -> list[bytes]:
    modulus = _segment(((1 << 2047) | 1).to_bytes(256, "big")).decode()
    key = {"alg": "RS256", "e": "AQAB", "kid": "a=", "kty": "RSA", "n": modulus, "use": "sig"}
    sets: list[list[Any]] = [
        [key],
        [key, {**key, "kid": "b="}],
        [key, key],
        [{**key, "n": "AQAB"}],
        [key, {"kty": "EC"}],
        [{**key, "key_ops": ["verify"], "d": "AQ"}, key],
        [],
    ]
    return [
        json.dumps({"keys": keys}, separators=separators).encode() for keys in sets for separators in ((",", ":"), (", ", ": "))
    ]


# --- rule: any octets -> Rule or RuleSyntaxError


def rule(octets: bytes) -> None:
    """A text, in UTF-8 or, where it is none, Latin-1: a rule that its own text says again, or a RuleSyntaxError that points into the text."""
    try:
        text = octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    refusal = None
    try:
        read = parse_rule(text)
    except RuleSyntaxError as error:
        refusal = error
    if refusal is not None:
        assert 0 <= refusal.position <= len(text)
        assert str(refusal).count("\n") == 2
        return
    assert isinstance(read, Rule)
    again = format_rule(read)
    if len(again) <= 8192:
        assert parse_rule(again) == read
        assert format_rule(parse_rule(again)) == again


def _rule_seeds() -> list[bytes]:
    return [
        b"scope:orders/write and (group:staff or group:admin)", b'group:"night shift"', b"machine or person", b"delegated", b"delegated:svc and client:abc", b"authenticated-within:300",
        b"claim:email_verified=true", b'claim:"custom:x"="true"', b"claim:n=-1.5e3", b"acr>=urn:cognito:loa:3", b"acr>=gold[bronze<silver<gold]", b"((scope:a))", b"scope:a or scope:b and scope:c",
        b'claim:x="\\ud83d\\ude00\\n"',
    ]  # fmt: skip


_JSON_WORDS = (
    b'"',
    b"\\",
    b"\\/",
    b"\\u0061",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"NaN",
    b"1e999",
    b"-0",
    b"0.5",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\0",
)
TARGETS: dict[str, Target] = {
    "token": Target(token, _token_seeds, (*_JSON_WORDS, b".", b"=", *(f'"{name}":'.encode() for name in sorted(NAMES)), b'"RS256"', b'"at+jwt"', CLIENT.encode(), b"1800000060", b"9" * 400)),
    "jwks": Target(jwks, _jwks_seeds, (*_JSON_WORDS, b'"keys":', b'"kty":"RSA"', b'"n":', b'"e":', b'"kid":', b'"use":"sig"', b'"alg":"RS256"', b'"key_ops":', b'"d":', b"AQAB")),
    "rule": Target(
        rule, _rule_seeds,
        (b"and", b"or", b"not", b"(", b")", b'"', b"\\u0061", b"scope:", b"group:", b"client:", b"claim:", b"acr>=", b"[", b"<", b"]", b"=", b"machine", b"person", b"delegated", b"authenticated-within:",
         b"1e999", b"-", b"\n", b"\xc2\xa0"),
    ),
}  # fmt: skip
