"""Signatures: exact length, one hash, one padding, asymmetric only (RFC 7518 §3.1, §3.3; THREATS A2, A8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from cognito_guard.jose.algorithms import ALGORITHMS

MESSAGE = b"header.payload"
Verify = Callable[[bytes, bytes], bool]


@pytest.fixture(scope="module")
def private(rsa_key: Callable[[int], RSAPrivateKey]) -> RSAPrivateKey:
    return rsa_key(0)


@pytest.fixture(scope="module")
def verify(private: RSAPrivateKey, jwk: Callable[..., dict[str, Any]]) -> Verify:
    return ALGORITHMS["RS256"].load(jwk(private.public_key().public_numbers().n))[1]


@pytest.fixture(scope="module")
def signature(private: RSAPrivateKey) -> bytes:
    return private.sign(MESSAGE, PKCS1v15(), hashes.SHA256())


def test_a2_no_symmetric_algorithm_exists() -> None:
    """Every row is for an asymmetric key type: a public key cannot serve as an HMAC secret (A2)."""
    assert {row.key_type for row in ALGORITHMS.values()} <= {"RSA", "EC"}
    assert not any(name.upper().startswith(("HS", "NONE", "DIR", "A1", "A2", "PBES")) for name in ALGORITHMS)


def test_good(verify: Verify, signature: bytes) -> None:
    """The signature over exactly this message verifies, every time."""
    assert verify(signature, MESSAGE)
    assert verify(signature, MESSAGE)


def test_tampered(verify: Verify, signature: bytes) -> None:
    """One bit anywhere in message or signature, and it does not."""
    for at in range(0, 256 * 8, 37):
        flipped = (int.from_bytes(signature, "big") ^ (1 << at)).to_bytes(256, "big")
        assert not verify(flipped, MESSAGE)
    for at in range(len(MESSAGE) * 8):
        flipped = (int.from_bytes(MESSAGE, "big") ^ (1 << at)).to_bytes(len(MESSAGE), "big")
        assert not verify(signature, flipped)


def test_a8_exact_length(verify: Verify, signature: bytes) -> None:
    """The modulus' length to the octet: nothing shorter, longer, empty or with zeros in front (A8)."""
    for wrong in (
        b"",
        signature[:-1],
        signature[1:],
        signature + b"\0",
        b"\0" + signature,
        signature * 2,
        b"\0" * 255,
        b"\0" * 257,
    ):
        assert not verify(wrong, MESSAGE)


def test_numbers_that_are_no_signature(verify: Verify, private: RSAPrivateKey, signature: bytes) -> None:
    """0, 1, n - 1, n, and s + n where it fits are refused without an exception."""
    modulus = private.public_key().public_numbers().n
    numbers = [0, 1, modulus - 1, modulus, modulus + 1, 2**2048 - 1, int.from_bytes(signature, "big") + modulus]
    for number in numbers:
        if number < 2**2048:
            assert not verify(number.to_bytes(256, "big"), MESSAGE)


@pytest.mark.parametrize(
    "digest", [hashes.SHA512(), hashes.SHA384(), hashes.SHA1(), hashes.SHA224(), hashes.SHA512_256(), hashes.SHA3_256()]
)
def test_a8_one_hash(digest: hashes.HashAlgorithm, verify: Verify, private: RSAPrivateKey) -> None:
    """RS512 (and any other hash) of the same key is not RS256, even where the digest is of the same length."""
    assert not verify(private.sign(MESSAGE, PKCS1v15(), digest), MESSAGE)


@pytest.mark.parametrize("salt", [0, 32, PSS.MAX_LENGTH, PSS.DIGEST_LENGTH])
def test_a8_one_padding(salt: Any, verify: Verify, private: RSAPrivateKey) -> None:
    """A PSS signature of the same key and hash is not RS256."""
    assert not verify(private.sign(MESSAGE, PSS(MGF1(hashes.SHA256()), salt), hashes.SHA256()), MESSAGE)


def test_another_message_of_the_same_digest_length(verify: Verify, private: RSAPrivateKey) -> None:
    """A signature over the digest itself (hashed twice) or over the bare digest's text does not verify."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    once = digest.finalize()
    assert not verify(private.sign(once, PKCS1v15(), hashes.SHA256()), MESSAGE)


@pytest.mark.parametrize("forged", ["short padding", "trailing garbage", "no digest info", "parameters absent"])
def test_bleichenbacher_forms(forged: str, verify: Verify, private: RSAPrivateKey) -> None:
    """Encoded messages that lenient verifiers took (CVE-2006-4339 and its family) are refused; signed by the private key itself."""
    numbers = private.private_numbers()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    hashed = digest.finalize()
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    absent = bytes.fromhex("302f300b06096086480165030402010420")
    blocks = {
        "short padding": b"\0\1" + b"\xff" * 8 + b"\0" + info + hashed + b"\x5a" * (256 - 11 - 19 - 32),
        "trailing garbage": b"\0\1" + b"\xff" * (256 - 3 - 19 - 32 - 4) + b"\0" + info + hashed + b"\0\0\0\0",
        "no digest info": b"\0\1" + b"\xff" * (256 - 3 - 32) + b"\0" + hashed,
        "parameters absent": b"\0\1" + b"\xff" * (256 - 3 - len(absent) - 32) + b"\0" + absent + hashed,
    }
    block = blocks[forged]
    assert len(block) == 256
    signed = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    assert not verify(signed.to_bytes(256, "big"), MESSAGE)
