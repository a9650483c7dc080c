"""Bad tokens by their JOSE header: algorithm, key selection, extensions, `typ`, and the header's JSON (THREATS A1 to A5, A7)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

from cognito_guard.testing.forging import (
    Row,
    attacker,
    attacker_certificate,
    attacker_signed,
    claimed,
    es256,
    headed,
    hmac_signed,
    load_balancer_token,
    padded,
    raw_header,
    resigned,
    signed_otherwise,
    without_parameter,
)
from cognito_guard.testing.mint import Mint
from cognito_guard.testing.octets import decode, header_json, segment


def _rs512(pool: Mint, **header: str) -> str:
    return signed_otherwise(pool, lambda octets: pool.key().private.sign(octets, PKCS1v15(), SHA512()), **header)


def _ps256(pool: Mint, **header: str) -> str:
    padding = PSS(MGF1(SHA256()), 32)
    return signed_otherwise(pool, lambda octets: pool.key().private.sign(octets, padding, SHA256()), **header)


def _unsigned(pool: Mint, alg: str) -> str:
    return signed_otherwise(pool, lambda _: b"", alg=alg)


def _identity_pool_token(pool: Mint) -> str:
    claims = {
        "sub": "eu-west-1:0f1e2d3c-4b5a-4697-8877-665544332211",
        "aud": "eu-west-1:11112222-3333-4444-5555-666677778888",
        "amr": ["authenticated"],
        "iss": "https://cognito-identity.amazonaws.com",
        "exp": int(pool.clock()) + 600,
        "iat": int(pool.clock()),
    }
    return pool.sign(header_json(claims), {"kid": "eu-west-11", "typ": "JWS", "alg": "RS512"}, key=attacker())


def _exchanged(pool: Mint) -> str:
    head, _, signature = pool.access().split(".")
    return f"{head}.{claimed(pool, username='root').split('.')[1]}.{signature}"


def _with_unknown_kid(pool: Mint, kid: str) -> str:
    return headed(pool, kid=kid)


ALGORITHMS = (
    Row("alg_none", "algorithm_refused", "alg", "A1: no signature", lambda p: _unsigned(p, "none")),
    Row("alg_none_capital", "algorithm_refused", "alg", "A1: no signature", lambda p: _unsigned(p, "None")),
    Row("alg_none_mixed_case", "algorithm_refused", "alg", "A1: no signature", lambda p: _unsigned(p, "nOnE")),
    Row("alg_none_signed", "algorithm_refused", "alg", "A1: none, over a right signature", lambda p: headed(p, alg="none")),
    Row("alg_missing", "algorithm_refused", "alg", "A1", lambda p: without_parameter(p, "alg")),
    Row("alg_null", "algorithm_refused", "alg", "A1", lambda p: headed(p, alg=None)),
    Row("alg_empty", "algorithm_refused", "alg", "A1", lambda p: headed(p, alg="")),
    Row("alg_list", "algorithm_refused", "alg", "A1: a list that holds the right one", lambda p: headed(p, alg=["RS256"])),
    Row("alg_number", "algorithm_refused", "alg", "A1", lambda p: headed(p, alg=256)),
    Row("alg_lower_case", "algorithm_refused", "alg", "A1: names are case-sensitive", lambda p: headed(p, alg="rs256")),
    Row("alg_with_space", "algorithm_refused", "alg", "A1", lambda p: headed(p, alg="RS256 ")),
    Row("hs256_public_pem", "algorithm_refused", "alg", "A2", lambda p: hmac_signed(p, p.key().public_pem())),
    Row("hs256_public_pem_bare", "algorithm_refused", "alg", "A2", lambda p: hmac_signed(p, p.key().public_pem().strip())),
    Row("hs256_modulus", "algorithm_refused", "alg", "A2", lambda p: hmac_signed(p, decode(p.key().jwk()["n"]))),
    Row("hs256_jwk", "algorithm_refused", "alg", "A2", lambda p: hmac_signed(p, header_json(p.key().jwk()))),
    Row("hs256_empty_secret", "algorithm_refused", "alg", "A2", lambda p: hmac_signed(p, b"")),
    Row("rs512", "algorithm_refused", "alg", "A1: the right key, another hash", lambda p: _rs512(p, alg="RS512")),
    Row("ps256", "algorithm_refused", "alg", "A1: the right key, another padding", lambda p: _ps256(p, alg="PS256")),
    Row("es256", "algorithm_refused", "alg", "A1: another family", lambda p: signed_otherwise(p, es256, alg="ES256")),
    Row("rs512_named_rs256", "signature_invalid", None, "A8: one hash", _rs512),
    Row("ps256_named_rs256", "signature_invalid", None, "A8: one padding", _ps256),
    Row("identity_pool_token", "algorithm_refused", "alg", "A12: a token of an identity pool", _identity_pool_token),
    Row("load_balancer_token", "not_a_jwt", None, "A12: x-amzn-oidc-data, padded", lambda p: load_balancer_token(p, padded)),
    Row("load_balancer_unpadded", "algorithm_refused", "alg", "A12: ES256", lambda p: load_balancer_token(p, str)),
)

KEYS = (
    Row("embedded_jwk", "key_unknown", "kid", "A3", lambda p: attacker_signed(p, kid=attacker().kid, jwk=attacker().jwk())),
    Row("embedded_jwk_known_kid", "signature_invalid", None, "A3", lambda p: attacker_signed(p, jwk=attacker().jwk())),
    Row("embedded_x5c", "signature_invalid", None, "A3", lambda p: attacker_signed(p, x5c=[attacker_certificate()])),
    Row("foreign_jku", "signature_invalid", None, "A3", lambda p: attacker_signed(p, jku="https://attacker.example/jwks.json")),
    Row("foreign_x5u", "signature_invalid", None, "A3", lambda p: attacker_signed(p, x5u="https://attacker.example/x509.pem")),
    Row("loopback_jku", "key_unknown", "kid", "A3", lambda p: attacker_signed(p, kid="mine", jku="http://169.254.169.254/")),
    Row("attacker_signature", "signature_invalid", None, "A8: under the pool's kid", attacker_signed),
    Row("kid_missing", "kid_refused", "kid", "A4", lambda p: without_parameter(p, "kid")),
    Row("kid_null", "kid_refused", "kid", "A4", lambda p: headed(p, kid=None)),
    Row("kid_empty", "kid_refused", "kid", "A4", lambda p: headed(p, kid="")),
    Row("kid_number", "kid_refused", "kid", "A4", lambda p: headed(p, kid=1)),
    Row("kid_list", "kid_refused", "kid", "A4", lambda p: headed(p, kid=[p.key().kid])),
    Row("kid_object", "kid_refused", "kid", "A4", lambda p: headed(p, kid={"$ne": ""})),
    Row("kid_too_long", "kid_refused", "kid", "A4: 257 characters", lambda p: headed(p, kid="k" * 257)),
    Row("kid_unknown", "key_unknown", "kid", "A4: signed with a known key", lambda p: _with_unknown_kid(p, "k" * 256)),
    Row("kid_path", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, "../../../../dev/null")),
    Row("kid_url", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, "https://attacker.example/key")),
    Row("kid_sql", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, "' UNION SELECT 'key' --")),
    Row("kid_line_break", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, "k\r\nX-Injected: 1")),
    Row("kid_other_case", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, p.key().kid.swapcase())),
    Row("kid_unpadded", "key_unknown", "kid", "A4", lambda p: _with_unknown_kid(p, p.key().kid.rstrip("="))),
)

EXTENSIONS = (
    Row("crit", "header_parameter_refused", "crit", "A5", lambda p: headed(p, crit=["exp"], exp=1)),
    Row("crit_empty", "header_parameter_refused", "crit", "A5", lambda p: headed(p, crit=[])),
    Row("crit_null", "header_parameter_refused", "crit", "A5", lambda p: headed(p, crit=None)),
    Row("b64_false", "header_parameter_refused", "b64", "A5", lambda p: headed(p, b64=False)),
    Row("b64_true", "header_parameter_refused", "b64", "A5", lambda p: headed(p, b64=True)),
    Row("zip", "header_parameter_refused", "zip", "A5", lambda p: headed(p, zip="DEF")),
    Row("enc", "header_parameter_refused", "enc", "A5", lambda p: headed(p, enc="A128GCM")),
    Row("cty_nested", "header_parameter_refused", "cty", "A5", lambda p: headed(p, cty="JWT")),
    Row("typ_dpop", "type_refused", "typ", "RFC 9449: a DPoP proof is no token", lambda p: headed(p, typ="dpop+jwt")),
    Row("typ_long_form", "type_refused", "typ", "RFC 9449", lambda p: headed(p, typ="application/dpop+jwt")),
    Row("typ_logout", "type_refused", "typ", "RFC 8725 §3.11", lambda p: headed(p, typ="logout+jwt")),
    Row("typ_jws", "type_refused", "typ", "an identity pool's typ", lambda p: headed(p, typ="JWS")),
    Row("typ_with_space", "type_refused", "typ", "RFC 8725 §3.11", lambda p: headed(p, typ="JWT ")),
    Row("typ_number", "type_refused", "typ", "RFC 7515 §4.1.9", lambda p: headed(p, typ=1)),
    Row("typ_null", "type_refused", "typ", "RFC 7515 §4.1.9", lambda p: headed(p, typ=None)),
)

HEADER_JSON = (
    Row("header_two_algs", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h[:-1] + b',"alg":"RS256"}')),
    Row("header_two_kids", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: b'{"kid":"k",' + h[1:])),
    Row("header_bom", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: b"\xef\xbb\xbf" + h)),
    Row("header_utf16", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h.decode().encode("utf-16-le"))),
    Row("header_invalid_utf8", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h[:-1] + b',"x":"\xff"}')),
    Row("header_lone_surrogate", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h[:-1] + rb',"x":"\ud800"}')),
    Row("header_nan", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h[:-1] + b',"x":NaN}')),
    Row("header_trailing_text", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: h + b"{}")),
    Row("header_array", "header_malformed", None, "A7", lambda p: raw_header(p, lambda h: b"[" + h + b"]")),
    Row("header_string", "header_malformed", None, "A7", lambda p: raw_header(p, lambda _: b'"RS256"')),
    Row("header_not_json", "header_malformed", None, "A7", lambda p: raw_header(p, lambda _: b"kid=1; alg=RS256")),
    Row("header_empty", "header_malformed", None, "A7", lambda p: raw_header(p, lambda _: b"")),
    Row(
        "header_too_deep",
        "header_malformed",
        None,
        "A16: 129 levels",
        lambda p: raw_header(p, lambda h: h[:-1] + b',"x":' + b"[" * 128 + b"]" * 128 + b"}"),
    ),
)

SIGNATURES = (
    Row("signature_bit", "signature_invalid", None, "A8", lambda p: resigned(p, lambda s: s[:99] + bytes([s[99] ^ 1]) + s[100:])),
    Row("signature_empty", "signature_invalid", None, "A8", lambda p: resigned(p, lambda _: b"")),
    Row("signature_truncated", "signature_invalid", None, "A8", lambda p: resigned(p, lambda s: s[:-1])),
    Row("signature_extended", "signature_invalid", None, "A8", lambda p: resigned(p, lambda s: s + b"\0")),
    Row("signature_leading_zero", "signature_invalid", None, "A8: same number", lambda p: resigned(p, lambda s: b"\0" + s)),
    Row("signature_zeros", "signature_invalid", None, "A8", lambda p: resigned(p, lambda s: bytes(len(s)))),
    Row(
        "signature_of_another", "signature_invalid", None, "A8", lambda p: resigned(p, lambda _: decode(p.access().split(".")[2]))
    ),
    Row(
        "signed_with_id_key",
        "signature_invalid",
        None,
        "A8: under the access kid",
        lambda p: signed_otherwise(p, p.key("id").sign),
    ),
    Row("payload_exchanged", "signature_invalid", None, "A8: jane signed, root claimed", _exchanged),
)


def refresh_token() -> str:
    """Five parts, encrypted for the pool alone: RSA-OAEP and AES-256-GCM, as Cognito's refresh tokens are."""
    header = segment(b'{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}')
    return ".".join([header, segment(bytes(range(256))), segment(bytes(12)), segment(bytes(1200)), segment(bytes(16))])


ROWS = ALGORITHMS + KEYS + EXTENSIONS + HEADER_JSON + SIGNATURES
