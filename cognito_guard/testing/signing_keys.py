"""The private halves: real 2048-bit RSA keys under kids that look like Cognito's.

Decides when a key is made: on first use, once per process for each pool id, use and generation, because every test of a suite asks
again. Knows no token and no clock.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from itertools import count
from threading import Lock

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cognito_guard.pool import TokenUse
from cognito_guard.value import Value


class SigningKey(Value):
    """An RSA key pair under one `kid`. Equal when kid and public key are; the private half is never printed."""

    __slots__ = ("kid", "private")
    _names = ("kid", "modulus")
    kid: str
    private: RSAPrivateKey

    def __init__(self, kid: str, private: RSAPrivateKey) -> None:
        self._set(kid=kid, private=private)

    @property
    def modulus(self) -> int:
        """`n` of the public key."""
        return self.private.public_key().public_numbers().n

    def sign(self, signing_input: bytes) -> bytes:
        """The RS256 signature (RFC 7518 §3.3) over `signing_input`: 256 octets."""
        return self.private.sign(signing_input, PKCS1v15(), SHA256())

    def jwk(self) -> dict[str, str]:
        """The public key as Cognito publishes it, members in its order."""
        numbers = self.private.public_key().public_numbers()
        return {
            "alg": "RS256",
            "e": _unsigned(numbers.e),
            "kid": self.kid,
            "kty": "RSA",
            "n": _unsigned(numbers.n),
            "use": "sig",
        }

    def public_pem(self) -> bytes:
        """The public key as PEM: what a verifier that knows HMAC could be tricked into using as a secret."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


_made: dict[tuple[str, TokenUse, int], RSAPrivateKey] = {}
_making = Lock()


def signing_key(pool_id: str, use: TokenUse, generation: int, *, kid: str | None = None) -> SigningKey:
    """The key of that pool, use and generation: the same in every call of this process. `kid` publishes it under another name."""
    wanted = pool_id, use, generation
    with _making:  # held while the key is made: two keys under one kid would be worse than a wait
        if wanted not in _made:
            _made[wanted] = generate_private_key(public_exponent=65537, key_size=2048)
    return SigningKey(kid or _kid(*wanted), _made[wanted])


def _kid(pool_id: str, use: TokenUse, generation: int) -> str:
    """Base64 of 32 octets, as Cognito's kids are. Always with a `+` and a `/`, so that code which builds paths from kids shows."""
    seeds = (f"{pool_id} {use} {generation} {attempt}".encode() for attempt in count())
    kids = (b64encode(sha256(seed).digest()).decode() for seed in seeds)
    return next(kid for kid in kids if "+" in kid and "/" in kid)


def _unsigned(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
