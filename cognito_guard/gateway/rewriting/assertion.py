"""A signed assertion for the upstream: who was verified, by which gateway, for which upstream (RFC 7515, RFC 7519).

Decides what it claims and for how long it serves. Its key is the gateway's own; upstreams verify with the JWK Set it publishes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from weakref import ref

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pybase64 import b64encode

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.identity import header_problem
from cognito_guard.gateway.rewriting.memo import Memo
from cognito_guard.token.principal import Principal
from cognito_guard.web.request import HeaderPair

TYPE = "cognito-guard+jwt"
"""The JOSE header's `typ` (RFC 8725 §3.11): no token of Cognito's carries it, so neither is taken for the other."""

MAX_LIFETIME = 300


class Assertion:
    """Signs for each Principal and upstream a compact JWS: ES256 with a P-256 key, EdDSA with an Ed25519 key.

    `key_pem` is the unencrypted private key as PEM, `header` the field it travels in, `issuer` its `iss`; it holds for `lifetime`
    seconds (10 to 300). Claims: `iss`, `aud` (the upstream's origin), `sub`, `iat`, `exp`, `jti`, `client_id`, `token_use`, and where
    the token has them `username`, `cognito:groups`, `scope`. It may outlive the token by at most its lifetime.

    A signature serves the same Principal and upstream again while at least half of its lifetime is left: `jti` names the assertion,
    not the request. Mistakes raise `ConfigurationError`, all at once. The key is never printed.
    """

    __slots__ = ("_algorithm", "_head", "_issuer", "_jwk", "_lifetime", "_memo", "_nobody", "_sign", "_wire", "header")
    header: str

    def __init__(self, key_pem: bytes, *, header: str = "X-Cognito-Assertion", issuer: str, lifetime: int = 60) -> None:
        problems: list[str] = []
        if (problem := header_problem(header)) is not None:
            problems.append(f"header: {problem}")
        if not isinstance(issuer, str) or not issuer:
            problems.append("issuer: give a string that names this gateway, such as 'https://gateway.internal'")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int) or not 10 <= lifetime <= MAX_LIFETIME:
            problems.append(f"lifetime: give a whole number of seconds from 10 to {MAX_LIFETIME}")
        key = _private_key(key_pem)
        if key is None:
            problems.append("key_pem: give an unencrypted private key as PEM, of EC P-256 or Ed25519")
        if problems or key is None:
            raise ConfigurationError("Assertion", problems)
        self.header = header
        self._wire = header.lower().encode()
        self._nobody: HeaderPair = (self._wire, b"")
        self._issuer = issuer
        self._lifetime = lifetime
        self._algorithm, public, self._sign = _es256(key) if isinstance(key, EllipticCurvePrivateKey) else _eddsa(key)
        # RFC 7638 §3: the required members only, in lexicographic order, without blanks
        kid = _segment(sha256(orjson.dumps(public, option=orjson.OPT_SORT_KEYS)).digest()).decode()
        self._jwk = {**public, "use": "sig", "alg": self._algorithm, "kid": kid}
        self._head = _segment(orjson.dumps({"alg": self._algorithm, "kid": kid, "typ": TYPE})) + b"."
        self._memo: Memo[tuple[int, str], tuple[ref[Principal], float, float, HeaderPair]] = Memo(4096)

    def pair(self, principal: Principal | None, *, audience: str, now: float, jti: Callable[[], str]) -> HeaderPair:
        """The field for one request: exactly one is always sent, empty where there is nobody to assert.

        `audience` is the upstream's origin, `now` seconds since the epoch; `jti` gives a fresh unguessable string and is called only
        when something is signed. Any exception is a bug.
        """
        if principal is None:
            return self._nobody
        memo, key = self._memo, (id(principal), audience)
        known = memo.recall(key) or memo.recover(key)
        if known is not None and known[0]() is principal and known[1] <= now < known[2]:
            return known[3]
        pair = (self._wire, self._signed(principal, audience, int(now), jti()))
        if len(pair[1]) <= MAX_REMEMBERED:
            # `now` before `iat` means that the clock was set back: sign anew
            memo.keep(key, (ref(principal), int(now), int(now) + self._lifetime / 2, pair))
        return pair

    def jwks(self) -> dict[str, Any]:
        """The JWK Set that upstreams verify with: one public key, its `kid` the RFC 7638 thumbprint."""
        return {"keys": [dict(self._jwk)]}

    def __repr__(self) -> str:
        return f"Assertion(header={self.header!r}, issuer={self._issuer!r}, kid={self._jwk['kid']!r})"

    def _signed(self, principal: Principal, audience: str, now: int, jti: str) -> bytes:
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": audience,
            "sub": principal.subject,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": jti,
            "client_id": principal.client_id,
            "token_use": principal.token_use,
        }
        if principal.username is not None:
            claims["username"] = principal.username
        if principal.groups:
            claims["cognito:groups"] = principal.claims["cognito:groups"]  # in the token's order
        if principal.scopes:
            claims["scope"] = principal.claims["scope"]
        signing_input = self._head + _segment(orjson.dumps(claims))
        return signing_input + b"." + _segment(self._sign(signing_input))


MAX_REMEMBERED = 8192  # octets of one assertion


_Signer = tuple[str, dict[str, str], Callable[[bytes], bytes]]


def _es256(key: EllipticCurvePrivateKey) -> _Signer:
    algorithm = ECDSA(SHA256())

    def sign(octets: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(octets, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 §3.4

    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    x, y = (_segment(point[at : at + 32]).decode() for at in (1, 33))
    return "ES256", {"crv": "P-256", "kty": "EC", "x": x, "y": y}, sign


def _eddsa(key: Ed25519PrivateKey) -> _Signer:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "EdDSA", {"crv": "Ed25519", "kty": "OKP", "x": _segment(public).decode()}, key.sign  # RFC 8037


def _private_key(pem: object) -> EllipticCurvePrivateKey | Ed25519PrivateKey | None:
    if not isinstance(pem, bytes):
        return None
    try:
        key = load_pem_private_key(pem, None)
    except Exception:  # noqa: BLE001 - `cryptography` raises several families, and none says more than this None
        return None
    if isinstance(key, EllipticCurvePrivateKey):
        return key if isinstance(key.curve, SECP256R1) else None
    return key if isinstance(key, Ed25519PrivateKey) else None


def _segment(octets: bytes) -> bytes:
    return b64encode(octets, b"-_").rstrip(b"=")
