"""How bad tokens are made: one part of a good token exchanged, everything else as Cognito writes it.

Decides nothing about verdicts; those stand beside the names in `bad_*.py`.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cognito_guard.errors import RejectionCode
from cognito_guard.testing.mint import Mint
from cognito_guard.testing.octets import compact, decode, header_json, payload_of, segment
from cognito_guard.testing.signing_keys import SigningKey, signing_key


class Row(NamedTuple):
    """One kind of bad token: `make(pool)` mints it; a default Guard answers `code`, and names `claim`."""

    name: str
    code: RejectionCode
    claim: str | None
    why: str
    make: Callable[[Mint], str]


def headed(pool: Mint, **more: Any) -> str:
    """A good token but for its header, to which `more` was added; the signature is right."""
    return pool.sign(payload_of(pool.access()), pool.header(**more))


def without_parameter(pool: Mint, name: str) -> str:
    """A good token but for a header parameter that is missing; the signature is right."""
    return pool.sign(payload_of(pool.access()), {key: value for key, value in pool.header().items() if key != name})


def raw_header(pool: Mint, respell: Callable[[bytes], bytes]) -> str:
    """A good token but for its header's octets; the signature is right."""
    return pool.sign(payload_of(pool.access()), respell(header_json(pool.header())))


def raw_payload(pool: Mint, respell: Callable[[bytes], bytes]) -> str:
    """A good token but for its payload's octets; the signature is right."""
    return pool.sign(respell(payload_of(pool.access())))


def claimed(pool: Mint, **claims: Any) -> str:
    """A good token but for these claims; the signature is right."""
    return pool.access(claims=claims)


def signed_otherwise(pool: Mint, sign: Callable[[bytes], bytes], **header: Any) -> str:
    """A good token but for its signature, and for what `header` changes."""
    return compact(header_json(pool.header(**header)), payload_of(pool.access()), sign)


def hmac_signed(pool: Mint, secret: bytes) -> str:
    """HS256 under a secret that everybody knows."""
    return signed_otherwise(pool, lambda signing_input: hmac.digest(secret, signing_input, "sha256"), alg="HS256")


def attacker() -> SigningKey:
    """A key that no pool publishes."""
    return signing_key("attacker", "access", 0)


def attacker_signed(pool: Mint, **header: Any) -> str:
    """Claims that would pass, the attacker's signature, and a header that says where the attacker's key is."""
    return signed_otherwise(pool, attacker().sign, **header)


def attacker_certificate() -> str:
    """A self-signed certificate of the attacker's key, as `x5c` carries it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attacker.example")])
    builder = x509.CertificateBuilder(name, name, attacker().private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
    return b64encode(builder.sign(attacker().private, SHA256()).public_bytes(Encoding.DER)).decode()


def es256(signing_input: bytes) -> bytes:
    """An ES256 signature (RFC 7518 §3.4) of a fresh P-256 key: r and s, 32 octets each."""
    r, s = decode_dss_signature(generate_private_key(SECP256R1()).sign(signing_input, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def resigned(pool: Mint, change: Callable[[bytes], bytes]) -> str:
    """A good token but for its signature's octets."""
    head, payload, signature = pool.access().split(".")
    return f"{head}.{payload}.{segment(change(decode(signature)))}"


def respelled(pool: Mint, change: Callable[[list[str]], list[str]]) -> str:
    """A good token, signature right, whose three segments are spelled differently."""
    return ".".join(change(_with_spare_bits(pool).split(".")))


def _with_spare_bits(pool: Mint) -> str:
    """A good token whose three segments have spare bits, and each of which holds `-` or `_`."""
    for more in range(9):  # lengths modulo 3 of both parts; the signature's 256 octets have spare bits anyway
        note = "??>~~?"
        header, claims = pool.header(note=note + "~" * (more // 3)), {"note": note + "~" * (more % 3)}
        token = pool.sign(payload_of(pool.access(claims=claims)), header)
        if all(len(part) % 4 and {*part} & {"-", "_"} for part in token.split(".")):
            return token
    raise AssertionError("nine lengths, and no token has spare bits and both letters")


def spare_bits(part: str) -> str:
    """Another spelling of the same octets: a spare bit of the last character is set (RFC 4648 §3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def padded(part: str) -> str:
    """The segment with `=` up to a multiple of four."""
    return part + "=" * (-len(part) % 4)


def standard_alphabet(part: str) -> str:
    """The segment in base64 instead of base64url."""
    return part.replace("-", "+").replace("_", "/")


def load_balancer_token(pool: Mint, spell: Callable[[str], str]) -> str:
    """What a load balancer sends in `x-amzn-oidc-data`: ES256, its own header, segments as `spell` writes them."""
    now = int(pool.clock())
    header: Mapping[str, Any] = {
        "typ": "JWT",
        "kid": "0f1e2d3c-4b5a-4697-8877-665544332211",
        "alg": "ES256",
        "iss": pool.issuer,
        "client": pool.client,
        "signer": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/50dc6c495c0c9188",
        "exp": now + 120,
    }
    claims = {"sub": "jane", "email_verified": "true", "username": "jane", "exp": now + 120, "iss": pool.issuer}
    parts = [spell(segment(header_json(header))), spell(segment(header_json(claims)))]
    return ".".join([*parts, spell(segment(es256(".".join(parts).encode())))])
