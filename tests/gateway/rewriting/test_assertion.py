"""The signed assertion: what it claims, who can verify it, when it is signed anew."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import count

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.assertion import TYPE, Assertion

NOW = 1_800_000_000.75
UPSTREAM = "http://127.0.0.1:8000"
ISSUER = "https://gateway.internal"


def pem(key, encryption=None, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


P256 = pem(ec.generate_private_key(ec.SECP256R1()))
ED25519 = pem(ed25519.Ed25519PrivateKey.generate())
KEYS = [pytest.param(P256, "ES256", id="ES256"), pytest.param(ED25519, "EdDSA", id="EdDSA")]


@pytest.fixture
def jti():
    numbers = count(1)
    return lambda: f"jti-{next(numbers)}"


def verified(assertion, value, alg, audience=UPSTREAM):
    """The claims, by PyJWT and the published set alone."""
    [key] = jwt.PyJWKSet.from_dict(json.loads(json.dumps(assertion.jwks()))).keys
    header = jwt.get_unverified_header(value)
    assert header == {"alg": alg, "kid": key.key_id, "typ": TYPE}
    options = {"verify_exp": False, "verify_iat": False, "require": ["iss", "aud", "sub", "iat", "exp", "jti"]}
    return jwt.decode(value, key, algorithms=[alg], audience=audience, issuer=ISSUER, options=options)


@pytest.mark.parametrize(("key", "alg"), KEYS)
def test_a_person(key, alg, jane, jti):
    """Another implementation verifies it with the published set; every claim is there, in the token's order."""
    assertion = Assertion(key, issuer=ISSUER)
    name, value = assertion.pair(jane, audience=UPSTREAM, now=NOW, jti=jti)
    assert name == b"x-cognito-assertion"
    assert verified(assertion, value.decode("ascii"), alg) == {
        "iss": ISSUER,
        "aud": UPSTREAM,
        "sub": "6a1c2d3e-0000-4000-8000-0123456789ab",
        "iat": 1_800_000_000,
        "exp": 1_800_000_060,
        "jti": "jti-1",
        "client_id": "3n4b5urk1ft4fl3mg5e62d9ado",
        "token_use": "access",
        "username": "jane",
        "cognito:groups": ["staff", "admin"],
        "scope": "openid orders/read",
    }


def test_a_machine_and_an_id_token(make, jti):
    """What the token does not have is left out; an ID token grants no scope, whatever it says."""
    assertion = Assertion(P256, issuer=ISSUER)

    def claims(who):
        return verified(assertion, assertion.pair(who, audience=UPSTREAM, now=NOW, jti=jti)[1].decode(), "ES256")

    machine = claims(make(username=None, sub=None, cognito__groups=None, scope=None))
    assert machine.keys() == {"iss", "aud", "sub", "iat", "exp", "jti", "client_id", "token_use"}
    assert machine["sub"] == machine["client_id"]
    holder = claims(make("id", aud="web", cognito__username="jané\r\n", scope="admin"))
    assert (holder["client_id"], holder["username"], holder["token_use"]) == ("web", "jané\r\n", "id")
    assert "scope" not in holder


def test_nobody(jti):
    """Without a Principal the field is there and empty, and nothing is signed."""
    assertion = Assertion(P256, header="X-Proof", issuer=ISSUER)
    assert assertion.pair(None, audience=UPSTREAM, now=NOW, jti=jti) == (b"x-proof", b"")
    assert jti() == "jti-1"


@pytest.mark.parametrize(("key", "alg"), KEYS)
def test_a_changed_octet(key, alg, jane, jti):
    """A claim changed after signing does not verify, nor does it for another upstream."""
    assertion = Assertion(key, issuer=ISSUER)
    head, payload, signature = assertion.pair(jane, audience=UPSTREAM, now=NOW, jti=jti)[1].decode().split(".")
    forged = json.loads(urlsafe_b64decode(payload + "==")) | {"sub": "root"}
    other = urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    with pytest.raises(jwt.InvalidSignatureError):
        verified(assertion, f"{head}.{other}.{signature}", alg)
    with pytest.raises(jwt.InvalidAudienceError):
        verified(assertion, f"{head}.{payload}.{signature}", alg, audience="http://other")


def test_signatures_are_reused_for_half_of_their_life(jane, make, jti):
    """The same Principal and upstream: one signature for 30 of 60 seconds, then, and after a clock set back, a new one."""
    assertion = Assertion(P256, issuer=ISSUER)

    def at(now, who=jane, audience=UPSTREAM):
        return assertion.pair(who, audience=audience, now=now, jti=jti)

    first = at(NOW)
    assert at(NOW + 29.2) is first
    assert at(NOW + 29.3) is not first, "30 s after iat, which is a whole second"
    second = at(NOW + 29.3)
    assert at(NOW - 100) is not second
    assert verified(assertion, at(NOW + 500)[1].decode(), "ES256")["exp"] == int(NOW + 500) + 60


def test_never_another_ones(make, jti):
    """T49: neither another Principal, an equal one included, nor another upstream gets a remembered assertion."""
    assertion = Assertion(ED25519, issuer=ISSUER)
    jane, bob = make(), make(username="bob")
    told = {}
    for who in (jane, bob):
        for audience in (UPSTREAM, "http://other"):
            value = assertion.pair(who, audience=audience, now=NOW, jti=jti)[1].decode()
            claims = verified(assertion, value, "EdDSA", audience)
            told[claims["username"], claims["aud"]] = claims["jti"]
    assert len(set(told.values())) == 4
    for number in range(300):  # short-lived ones, whose ids are used again
        who = make(username=f"u{number}")
        value = assertion.pair(who, audience=UPSTREAM, now=NOW, jti=jti)[1].decode()
        assert verified(assertion, value, "EdDSA")["username"] == f"u{number}"


@pytest.mark.parametrize(
    ("key", "members"), [(P256, {"crv", "kty", "x", "y"}), (ED25519, {"crv", "kty", "x"})], ids=["ES256", "EdDSA"]
)
def test_the_published_set(key, members):
    """The public half only; `kid` is the RFC 7638 thumbprint; a copy, so that nobody changes ours."""
    assertion = Assertion(key, issuer=ISSUER)
    [jwk] = assertion.jwks()["keys"]
    assert jwk.keys() == members | {"use", "alg", "kid"}
    thumbed = json.dumps({name: jwk[name] for name in sorted(members)}, separators=(",", ":")).encode()
    assert jwk["kid"] == urlsafe_b64encode(hashlib.sha256(thumbed).digest()).decode().rstrip("=")
    jwk.clear()
    assert assertion.jwks()["keys"][0]["kid"]


def test_the_older_pem_form():
    """`openssl ecparam -genkey` writes "EC PRIVATE KEY"."""
    key = ec.generate_private_key(ec.SECP256R1())
    assert Assertion(pem(key, form=PrivateFormat.TraditionalOpenSSL), issuer=ISSUER).jwks()["keys"]


PUBLIC = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"rubbish",
        "text",
        PUBLIC,
        P256[:-40],
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")),
    ],
    ids=["empty", "rubbish", "text", "public", "cut", "P-384", "secp256k1", "RSA", "encrypted"],
)
def test_keys_that_do_not_serve(key):
    """T19: a missing, broken or unfit key stops the start; the error holds nothing of it."""
    with pytest.raises(ConfigurationError) as refused:
        Assertion(key, issuer=ISSUER)
    assert refused.value.problems == ("key_pem: give an unencrypted private key as PEM, of EC P-256 or Ed25519",)
    assert refused.value.__context__ is None


def test_mistakes_come_together():
    """Every mistake at once."""
    with pytest.raises(ConfigurationError) as refused:
        Assertion(b"", header="X_Assertion", issuer="", lifetime=5)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["header", "issuer", "lifetime", "key_pem"]


@pytest.mark.parametrize("lifetime", [9, 301, 60.0, True, "60", None])
def test_lifetimes(lifetime):
    """Whole seconds, 10 to 300: an assertion is for this request, not a session."""
    with pytest.raises(ConfigurationError):
        Assertion(P256, issuer=ISSUER, lifetime=lifetime)


def test_the_key_is_not_printed():
    """`repr` shows names and the public thumbprint."""
    assertion = Assertion(P256, issuer=ISSUER)
    assert (
        repr(assertion)
        == f"Assertion(header='X-Cognito-Assertion', issuer='{ISSUER}', kid='{assertion.jwks()['keys'][0]['kid']}')"
    )
