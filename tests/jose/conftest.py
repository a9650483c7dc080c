"""What the tests of `jose` share: a few real RSA keys, and compact tokens made by hand."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256


@cache
def _key(at: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _jwk(modulus: int, exponent: int = 65537, **members: Any) -> dict[str, Any]:
    def unsigned(number: int) -> str:
        return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    made = {"kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256", "n": unsigned(modulus), "e": unsigned(exponent), **members}
    return {name: member for name, member in made.items() if member is not ...}


def _compact(header: object, payload: bytes = b'{"sub":"jane"}', *, key: RSAPrivateKey | None = None) -> str:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{_base64url(raw)}.{_base64url(payload)}"
    return f"{signing_input}.{_base64url((key or _key(0)).sign(signing_input.encode(), PKCS1v15(), SHA256()))}"


@pytest.fixture(scope="session")
def rsa_key() -> Callable[[int], RSAPrivateKey]:
    """`rsa_key(at)`: real 2048-bit keys, made once a process."""
    return _key


@pytest.fixture(scope="session")
def base64url_of() -> Callable[[bytes], str]:
    """base64url without padding."""
    return _base64url


@pytest.fixture(scope="session")
def jwk() -> Callable[..., dict[str, Any]]:
    """`jwk(modulus, exponent, **members)`: an RSA JWK as Cognito publishes it; a member given as `...` is left out."""
    return _jwk


@pytest.fixture(scope="session")
def compact() -> Callable[..., str]:
    """`compact(header, payload, key=)`: a token signed RS256 over any header, a JSON value or octets."""
    return _compact
