"""Each bad token is what its name says, as far as structure and other libraries can show it; no Guard takes part."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from hashlib import sha256

import jwt
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from cognito_guard.errors import REJECTIONS, ConfigurationError
from cognito_guard.jose import strict_json
from cognito_guard.testing import BAD_TOKEN_NAMES, BadToken, bad_encodings, bad_headers, bad_payloads, bad_token, bad_tokens
from cognito_guard.testing.forging import attacker
from cognito_guard.testing.octets import decode


def names(rows):
    return [row.name for row in rows]


def verifies(key, token):
    """Whether the RS256 signature is `key`'s, over the text as it stands, decoded as leniently as common libraries do."""
    signing_input, _, signature = token.rpartition(".")
    octets = decode(signature.replace("+", "-").replace("/", "_").rstrip("="))
    try:
        key.private.public_key().verify(octets, signing_input.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def header_of(token):
    return json.loads(decode(token.split(".")[0]))


def test_names_are_unique_and_listed():
    """No row hides another of the same name."""
    rows = [*bad_headers.ROWS, *bad_payloads.ROWS, *bad_encodings.ROWS]
    assert tuple(names(rows)) == BAD_TOKEN_NAMES
    assert len(set(BAD_TOKEN_NAMES)) == len(rows) > 200


def test_every_code_that_a_default_guard_can_answer_has_its_bad_token(pool):
    """The closed set of codes is covered but for those that need a setting or a broken JWK Set."""
    covered = {bad.code for bad in bad_tokens(pool)}
    assert covered == REJECTIONS.keys() - {"revoked", "resource_refused", "key_refused"}


def test_a_bad_token_by_name(pool):
    """By name, from the catalogue or from the pool; its repr shows no token; an unknown name is a mistake."""
    bad = bad_token(pool, "expired")
    assert isinstance(bad, BadToken)
    assert (bad.name, bad.code, bad.claim) == ("expired", "expired", "exp")
    assert repr(bad) == "BadToken('expired', 'expired')"
    assert pool.bad("empty") == ""
    with pytest.raises(ConfigurationError, match="'nonsense'"):
        pool.bad("nonsense")


HEADER_SIGNED = [
    row.name
    for row in (*bad_headers.ALGORITHMS, *bad_headers.KEYS, *bad_headers.EXTENSIONS, *bad_headers.HEADER_JSON)
    if row.name.startswith(("alg_", "kid_", "typ_", "crit", "b64", "zip", "enc", "cty", "header_"))
    and row.name not in ("alg_none", "alg_none_capital", "alg_none_mixed_case")
]


@pytest.mark.parametrize("name", [*HEADER_SIGNED, *(n for n in names(bad_payloads.ROWS) if n != "id_token")])
def test_the_signature_is_right_where_something_else_is_wrong(pool, name):
    """A header or payload at fault is rightly signed: only the check that the name says can refuse it."""
    assert verifies(pool.key(), pool.bad(name))


@pytest.mark.parametrize("name", names(bad_headers.SIGNATURES))
def test_the_signature_is_wrong_where_the_name_says(pool, name):
    """Header and payload are as they should be; the signature is not that of the key under the header's kid."""
    token = pool.bad(name)
    assert header_of(token) == pool.header()
    assert not verifies(pool.key(), token)


def test_the_id_keys_signature_is_real(pool):
    """It verifies with the other published key: a verifier that tries every key takes it."""
    assert verifies(pool.key("id"), pool.bad("signed_with_id_key"))


@pytest.mark.parametrize("name", ["alg_none", "alg_none_capital", "alg_none_mixed_case"])
def test_unsigned_tokens_end_in_a_dot(pool, name):
    """The signature is empty and the claims would pass."""
    token = pool.bad(name)
    assert token.endswith(".")
    assert header_of(token)["alg"].lower() == "none"
    assert jwt.decode(token, options={"verify_signature": False})["client_id"] == pool.client


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("hs256_public_pem", lambda key: key.public_pem()),
        ("hs256_public_pem_bare", lambda key: key.public_pem().rstrip(b"\n")),
        ("hs256_modulus", lambda key: key.modulus.to_bytes(256, "big")),
        ("hs256_jwk", lambda key: json.dumps(key.jwk(), separators=(",", ":")).encode()),
        ("hs256_empty_secret", lambda _: b""),
    ],
)
def test_hmac_tokens_verify_under_what_everybody_knows(pool, name, secret):
    """The MAC is right: a verifier that takes the public key for a secret accepts it."""
    token = pool.bad(name)
    signing_input, _, mac = token.rpartition(".")
    assert header_of(token) == {"kid": pool.key().kid, "alg": "HS256"}
    assert hmac.compare_digest(decode(mac), hmac.digest(secret(pool.key()), signing_input.encode(), sha256))


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_other_algorithms_of_the_right_key_are_real(pool, algorithm):
    """PyJWT verifies them with the pool's key once the algorithm is allowed."""
    key = pool.key().private.public_key()
    assert jwt.decode(pool.bad(algorithm.lower()), key, algorithms=[algorithm])["username"] == "jane"


@pytest.mark.parametrize(
    "name",
    [
        "embedded_jwk",
        "embedded_jwk_known_kid",
        "embedded_x5c",
        "foreign_jku",
        "foreign_x5u",
        "loopback_jku",
        "attacker_signature",
    ],
)
def test_attackers_tokens_verify_with_the_attackers_key(pool, name):
    """A verifier that takes the key from where the token says accepts it."""
    token = pool.bad(name)
    assert verifies(attacker(), token)
    header = header_of(token)
    if "jwk" in header:
        assert jwt.decode(token, jwt.PyJWK(header["jwk"]), algorithms=["RS256"])["username"] == "jane"
    if "x5c" in header:
        certificate = x509.load_der_x509_certificate(b64decode(header["x5c"][0]))
        assert jwt.decode(token, certificate.public_key(), algorithms=["RS256"])["username"] == "jane"


@pytest.mark.parametrize("name", names(bad_headers.HEADER_JSON))
def test_malformed_headers_are_refused_by_the_strict_parser(pool, name):
    """The octets are not one strict JSON object."""
    with pytest.raises(ValueError):
        strict_json.parse_object(decode(pool.bad(name).split(".")[0]))


@pytest.mark.parametrize("name", names(bad_payloads.PAYLOAD_JSON))
def test_malformed_payloads_are_refused_by_the_strict_parser(pool, name):
    """The octets are not one strict JSON object."""
    with pytest.raises(ValueError):
        strict_json.parse_object(decode(pool.bad(name).split(".")[1]))


@pytest.mark.parametrize("name", ["claim_twice", "exp_twice", "name_twice_escaped", "nan", "number_overflow", "lone_surrogate"])
def test_some_malformed_payloads_pass_the_standard_parser(pool, name):
    """What they are made for: `json.loads` takes them."""
    assert json.loads(decode(pool.bad(name).split(".")[1]))["client_id"] == pool.client


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("expired", jwt.ExpiredSignatureError),
        ("expires_this_second", jwt.ExpiredSignatureError),
        ("exp_missing", jwt.MissingRequiredClaimError),
        ("not_yet_valid", jwt.ImmatureSignatureError),
        ("issued_in_future", jwt.ImmatureSignatureError),
        ("issuer_other_pool", jwt.InvalidIssuerError),
        ("issuer_trailing_slash", jwt.InvalidIssuerError),
        ("issuer_missing", jwt.MissingRequiredClaimError),
        ("sub_missing", jwt.MissingRequiredClaimError),
        ("kid_missing", None),
    ],
)
def test_pyjwt_agrees_where_it_can(pool, name, error):
    """Another library sees the same fault, or, for what is Cognito's own, none."""
    token, key = pool.bad(name), pool.key().private.public_key()
    options = {"algorithms": ["RS256"], "issuer": pool.issuer, "options": {"require": ["exp", "iss", "sub"]}}
    if error is None:
        assert jwt.decode(token, key, **options)["username"] == "jane"
    else:
        with pytest.raises(error):
            jwt.decode(token, key, **options)


@pytest.mark.parametrize("name", [name for name in names(bad_encodings.ROWS) if name.startswith(("padded", "spare", "base64_"))])
def test_respelled_tokens_hold_the_same_octets(pool, name):
    """Decoded leniently, the parts are those of a good token: header, claims, and a signature of the right length and key."""
    token = pool.bad(name)
    parts = [decode(part.replace("+", "-").replace("/", "_").rstrip("=")) for part in token.split(".")]
    assert json.loads(parts[0])["kid"] == pool.key().kid
    assert json.loads(parts[1])["client_id"] == pool.client
    canonical = ".".join(jwt.utils.base64url_encode(part).decode() for part in parts)
    assert canonical != token
    assert verifies(pool.key(), canonical)


def test_the_load_balancers_token_is_padded_and_the_other_is_not(pool):
    """ES256 over the padded signing input, as `x-amzn-oidc-data` has it."""
    padded, bare = pool.bad("load_balancer_token"), pool.bad("load_balancer_unpadded")
    assert padded.endswith("==")
    assert "=" not in bare
    assert {header_of(padded)["alg"], header_of(bare)["alg"]} == {"ES256"}
    assert len(decode(bare.split(".")[2])) == 64


def test_sizes(pool):
    """The size limits are met exactly: 65,537 characters are one too many, a million are many."""
    assert len(pool.bad("just_too_large")) == 64 * 1024 + 1
    assert len(pool.bad("too_large")) > 1_000_000
    assert verifies(pool.key(), pool.bad("too_large"))
    assert pool.bad("too_many_dots") == "." * 100_000
    assert pool.bad("refresh_token").count(".") == 4
