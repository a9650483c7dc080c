"""The signature algorithms (RFC 7518 §3): one row each, asymmetric only, so that no public key can ever serve as an HMAC secret.

Decides what makes a key fit for an algorithm. All cryptography is that of the package `cryptography`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

from cognito_guard.jose import base64url

Verify = Callable[[bytes, bytes], bool]
Loaded = tuple[tuple[int, ...], Verify]


class Algorithm(NamedTuple):
    """`load` turns a JWK into its material and `verify(signature, signing_input)`; a ValueError says why the JWK is unfit."""

    key_type: str
    load: Callable[[Mapping[str, Any]], Loaded]


def _rsa(algorithm: HashAlgorithm) -> Algorithm:
    padding, prehashed = PKCS1v15(), Prehashed(algorithm)

    def load(jwk: Mapping[str, Any]) -> Loaded:
        import hashlib  # late: its import is felt at every start, this one only where there is a key

        digest = getattr(hashlib, algorithm.name)
        modulus, exponent = _unsigned(jwk, "n"), _unsigned(jwk, "e")
        if not 2048 <= modulus.bit_length() <= 8192:
            raise ValueError("the RSA modulus is not of 2048 to 8192 bits (RFC 7518 §3.3)")
        if modulus % 2 == 0 or exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 64:
            raise ValueError("the RSA modulus is even, or the exponent is not an odd number from 3 of at most 64 bits")
        public_key = RSAPublicNumbers(exponent, modulus).public_key()
        size = (modulus.bit_length() + 7) // 8

        def verify(signature: bytes, signing_input: bytes) -> bool:
            if len(signature) != size:
                return False
            try:
                # hashed here: handing over 32 bytes is cheaper than handing over the message
                public_key.verify(signature, digest(signing_input).digest(), padding, prehashed)
            except InvalidSignature:
                return False
            return True

        return (modulus, exponent), verify

    return Algorithm("RSA", load)


def _unsigned(jwk: Mapping[str, Any], name: str) -> int:
    """A Base64urlUInt (RFC 7518 §2); a leading zero octet is tolerated, since published keys carry it."""
    member = jwk.get(name)
    if not isinstance(member, str) or len(member) > 2048:
        raise ValueError(f"{name} is not a base64url string")
    return int.from_bytes(base64url.decode(member), "big")


ALGORITHMS: Mapping[str, Algorithm] = {
    "RS256": _rsa(SHA256()),
}
