"""JWK Sets: which members can verify, and that one bad member spoils nothing (RFC 7517 §4, §5; RFC 7518 §3.3; THREATS A15)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.jose.jwk import JwkSet, VerificationKey, parse_jwk_set

Jwk = Callable[..., dict[str, Any]]


def odd(bits: int, seed: int = 0) -> int:
    """An odd number of exactly so many bits. It is no product of two primes, and nobody asks."""
    return (1 << (bits - 1)) | (0x123456789ABCDEF << 64) | (seed << 8) | 1


def parse(*members: object, allowed: tuple[str, ...] = ("RS256",)) -> JwkSet:
    return parse_jwk_set(json.dumps({"keys": members}).encode(), allowed)


def reason(*members: object) -> str:
    """Why nothing of this set is usable."""
    with pytest.raises(ValueError) as caught:
        parse(*members)
    return str(caught.value)


def test_cognitos_own_form(jwk: Jwk, rsa_key: Callable[[int], RSAPrivateKey]) -> None:
    """Two keys, as every pool publishes them; each verifies its own signatures only."""
    one, two = (rsa_key(at) for at in (0, 1))
    keys = parse(*(jwk(key.public_key().public_numbers().n, kid=kid) for kid, key in (("one=", one), ("two=", two))))
    assert list(keys.keys) == ["one=", "two="]
    assert (keys.refused, keys.left_out) == (frozenset(), ())
    signature = one.sign(b"m", PKCS1v15(), SHA256())
    assert keys.keys["one="].verify(signature, b"m")
    assert not keys.keys["two="].verify(signature, b"m")


@pytest.mark.parametrize(
    ("bits", "usable"),
    [(512, False), (1024, False), (2047, False), (2048, True), (2049, True), (3072, True), (4096, True), (8192, True), (8193, False), (8200, False), (16384, False)],
)  # fmt: skip
def test_modulus_of_2048_to_8192_bits(bits: int, usable: bool, jwk: Jwk) -> None:  # noqa: FBT001
    """RFC 7518 §3.3 below, the cost of a verification above."""
    if usable:
        key = parse(jwk(odd(bits))).keys["k1"]
        assert key.material == (odd(bits), 65537)
        assert not key.verify(b"\1" * ((bits + 7) // 8), b"m")
    else:
        assert "keys[0]" in reason(jwk(odd(bits)))


@pytest.mark.parametrize(
    ("exponent", "usable"),
    [(0, False), (1, False), (2, False), (3, True), (4, False), (17, True), (65536, False), (65537, True), (2**32 + 1, True), (2**64 - 1, True), (2**64 + 1, False), (2**2047 + 1, False)],
)  # fmt: skip
def test_exponent_is_odd_and_at_least_3(exponent: int, usable: bool, jwk: Jwk) -> None:  # noqa: FBT001
    """e = 1 would make every message its own signature; even ones are no RSA. Beyond 64 bits it is a denial of service."""
    if usable:
        assert parse(jwk(odd(2048), exponent)).keys["k1"].material == (odd(2048), exponent)
    else:
        assert "exponent" in reason(jwk(odd(2048), exponent))


def test_even_modulus(jwk: Jwk) -> None:
    """An even modulus has a known factor."""
    assert "even" in reason(jwk(odd(2048) + 1))


@pytest.mark.parametrize("zeros", [1, 2, 100])
def test_leading_zero_octets_are_tolerated(zeros: int, jwk: Jwk, base64url_of: Callable[[bytes], str]) -> None:
    """Published keys carry the sign octet of DER; the key is the same one."""
    with_zero = jwk(odd(2048), n=base64url_of(b"\0" * zeros + odd(2048).to_bytes(256, "big")), e=base64url_of(b"\0\1\0\1"))
    assert parse(with_zero).keys == parse(jwk(odd(2048))).keys


@pytest.mark.parametrize("name", ["n", "e"])
@pytest.mark.parametrize(
    "value", [..., None, 65537, True, "", "AQAB=", "AQAB==", "A", "AR", "+/+/", "AQ AB", "AQAB\n", "é", "\ud800", [], ["AQAB"], {}, "A" * 2049, "A" * 100_000]
)  # fmt: skip
def test_numbers_of_a_wrong_form(name: str, value: object, jwk: Jwk) -> None:
    """A Base64urlUInt in strict base64url, not too long, or the member is left out; no exception but ValueError."""
    if value == "\ud800":
        assert "surrogate" in reason(jwk(odd(2048), **{name: value})), "that spoils the document, which is not JSON text"
    else:
        assert "keys[0]" in reason(jwk(odd(2048), **{name: value}))


@pytest.mark.parametrize(
    ("members", "usable"),
    [
        ({"use": ...}, True), ({"use": "enc"}, False), ({"use": "SIG"}, False), ({"use": None}, False), ({"use": ["sig"]}, False), ({"use": ""}, False),
        ({"alg": ...}, True), ({"alg": "RS512"}, False), ({"alg": "PS256"}, False), ({"alg": "HS256"}, False), ({"alg": "rs256"}, False), ({"alg": None}, False),
        ({"alg": ["RS256"]}, False), ({"alg": {}}, False), ({"alg": "RSA-OAEP"}, False), ({"alg": ""}, False), ({"alg": "none"}, False),
        ({"key_ops": ["verify"]}, True), ({"key_ops": ["verify", "encrypt"]}, True), ({"key_ops": ["sign"]}, False), ({"key_ops": []}, False), ({"key_ops": "verify"}, False),
        ({"key_ops": None}, False), ({"key_ops": ["VERIFY"]}, False), ({"key_ops": [["verify"]]}, False), ({"key_ops": {"verify": 1}}, False),
        ({"use": ..., "alg": ..., "key_ops": ["verify"]}, True),
        ({"kty": "oct", "k": "AAAA"}, False), ({"kty": "oct"}, False), ({"kty": "EC"}, False), ({"kty": "rsa"}, False), ({"kty": ...}, False), ({"kty": None}, False),
        ({"kty": ["RSA"]}, False), ({"kty": "OKP", "crv": "Ed25519"}, False),
        *(({part: "AQAB"}, False) for part in ("d", "p", "q", "dp", "dq", "qi", "k")), ({"oth": []}, False), ({"d": None}, False),
        ({"x5c": ["x"], "x5t": 1, "x5u": "file:///etc/passwd", "unknown": {"a": [1]}}, True),
    ],
)  # fmt: skip
def test_use_alg_key_ops_kty_and_private_parts(members: dict[str, Any], usable: bool, jwk: Jwk) -> None:  # noqa: FBT001
    """Honoured exactly and by case (RFC 7517 §4.2-4.4); absent use, alg and key_ops are allowed; a private part never."""
    if usable:
        assert parse(jwk(odd(2048), **members)).keys["k1"].alg == "RS256"
    else:
        assert "keys[0]" in reason(jwk(odd(2048), **members))


@pytest.mark.parametrize("kid", [..., None, "", "k" * 257, 1, True, ["k"], {}])
def test_kid_of_a_wrong_form(kid: object, jwk: Jwk) -> None:
    """A key that no token can name is no key."""
    assert "kid" in reason(jwk(odd(2048), kid=kid))


@pytest.mark.parametrize("kid", ["k", "k" * 256, "a+/=", "😀", "\x00", "../x"])
def test_kid_of_any_alphabet(kid: str, jwk: Jwk) -> None:
    """A kid is compared, never interpreted; real ones hold `+ / =`."""
    assert list(parse(jwk(odd(2048), kid=kid)).keys) == [kid]


EC = {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [None, 0, "x", [], {}, EC, {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq"}, {"kid": "k2", "kty": "RSA"}, {"kid": "k2", "kty": "RSA", "n": {}, "e": []}, {"kty": {"a": 1}}],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_one_bad_member_does_not_spoil_the_set(bad: object, first: bool, jwk: Jwk) -> None:  # noqa: FBT001
    """The rest is used and the member is named by its place (RFC 7517 §5; PyJWT CVE-2026-102274)."""
    good = jwk(odd(2048))
    keys = parse(*((bad, good) if first else (good, bad)))
    assert list(keys.keys) == ["k1"]
    assert [line.split(":")[0] for line in keys.left_out] == [f"keys[{0 if first else 1}]"]


def test_a_private_key_is_left_out_and_not_shown(jwk: Jwk) -> None:
    """Who publishes a private part has lost the key; the report says so without repeating it."""
    keys = parse(jwk(odd(2048)), jwk(odd(2048, 1), kid="leaked", d="U0VDUkVU"))
    assert list(keys.keys) == ["k1"]
    assert "private" in keys.left_out[0]
    assert "U0VDUkVU" not in repr(keys)


def test_identical_twins_are_one_key(jwk: Jwk) -> None:
    """The same key twice, in another spelling too, is no ambiguity."""
    keys = parse(jwk(odd(2048)), jwk(odd(2048), alg=..., use=...))
    assert list(keys.keys) == ["k1"]
    assert (keys.refused, keys.left_out) == (frozenset(), ())


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1, 0)])
def test_different_keys_under_one_kid(order: tuple[int, ...], jwk: Jwk) -> None:
    """Neither is trusted, whatever the order and however often; other kids are (A15)."""
    keys = parse(*(jwk(odd(2048, seed), kid="twice") for seed in order), jwk(odd(2048, 9), kid="other"))
    assert list(keys.keys) == ["other"]
    assert keys.refused == {"twice"}
    assert any("same kid" in line for line in keys.left_out)


def test_another_exponent_is_another_key(jwk: Jwk) -> None:
    """Material is modulus and exponent."""
    assert "same kid" in reason(jwk(odd(2048), 3), jwk(odd(2048), 65537))


def test_kids_differ_by_case_and_by_normal_form(jwk: Jwk) -> None:
    """Equality of strings, nothing cleverer."""
    kids = ["k", "K", "\u00e9", "e\u0301", "k "]
    assert list(parse(*(jwk(odd(2048, at), kid=kid) for at, kid in enumerate(kids))).keys) == kids


@pytest.mark.parametrize(
    "document",
    [
        b"", b"null", b"[]", b"{}", b'{"keys":null}', b'{"keys":{}}', b'{"keys":"x"}', b'{"keys":[]}', b'{"Keys":[{}]}', b"<html>", b"\xff", b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"RSA","kty":"RSA"}]}', b"\xef\xbb\xbf" + b'{"keys":[]}', b'{"keys":' + b"[" * 100_000, b'{"message":"Forbidden"}',
    ],
)  # fmt: skip
def test_what_is_no_usable_set(document: bytes) -> None:
    """HTML, an empty set, JSON of another form: ValueError, so that keys that are held stay (A17)."""
    with pytest.raises(ValueError):
        parse_jwk_set(document, ["RS256"])


def test_error_of_a_set_without_usable_keys_is_short(jwk: Jwk) -> None:
    """A thousand bad members make one line, not a thousand."""
    assert len(reason(*([{"kid": "k" * 200}] * 1000))) < 500


def test_allow_list_is_honoured(jwk: Jwk) -> None:
    """With nothing allowed, nothing is usable."""
    with pytest.raises(ValueError):
        parse(jwk(odd(2048)), allowed=())


def test_a_key_prints_neither_kid_nor_material(jwk: Jwk) -> None:
    """A kid is hostile input, and a key's repr lands in logs (A4)."""
    assert repr(parse(jwk(odd(2048))).keys["k1"]) == "VerificationKey(alg='RS256')"


def test_keys_are_equal_by_material(jwk: Jwk) -> None:
    """Read twice, a key is equal to itself; another modulus, kid or algorithm makes another."""
    key, again, other = (parse(jwk(number)).keys["k1"] for number in (odd(2048), odd(2048), odd(2048, 1)))
    assert key == again
    assert hash(key) == hash(again)
    assert key != other
    assert key != VerificationKey("k2", key.alg, key.material, key.verify)
    assert key != VerificationKey(key.kid, "RS512", key.material, key.verify)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(alphabet="AQABRSsigverify/+=", max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["kty", "kid", "n", "e", "alg", "use"]), inside, max_size=3),
    max_leaves=5,
)  # fmt: skip
NAMES = ["kty", "kid", "n", "e", "alg", "use", "key_ops", "d", "x", "crv"]


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(NAMES), json_values | st.sampled_from(["RSA", "RS256", "sig", "AQAB", "A" * 342]), max_size=6
        ),
        max_size=4,
    )
)
def test_any_members(members: list[dict[str, Any]]) -> None:
    """Whatever stands beside a good key, the good key is used."""
    modulus = odd(2048)
    good = {"kty": "RSA", "kid": "the good one", "n": _unsigned(modulus), "e": "AQAB"}
    assert parse(*members, good).keys["the good one"].material == (modulus, 65537)


def _unsigned(number: int) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(number.to_bytes(256, "big")).rstrip(b"=").decode()
