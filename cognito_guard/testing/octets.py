"""Tokens as octets: JSON in Cognito's spelling, and the compact serialisation (RFC 7515 §7.1).

Decides spelling only. What is minted here may be any nonsense: bad tokens are made of it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any


def header_json(header: Mapping[str, Any]) -> bytes:
    """A JOSE header as Cognito writes it: compact, `/` plain."""
    return json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def payload_json(claims: Mapping[str, Any]) -> bytes:
    r"""A payload as Cognito writes it: compact, in UTF-8, `/` as `\/`."""
    # a solidus stands only inside strings, and dumps never writes a backslash before one: the replacement is exact
    return header_json(claims).replace(b"/", b"\\/")


def segment(octets: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    """What `segment` was made from. For our own tokens only: it tolerates everything."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def compact(header: bytes, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """`header.payload.signature`; `sign` is given the signing input and answers the signature's octets."""
    signing_input = f"{segment(header)}.{segment(payload)}"
    return f"{signing_input}.{segment(sign(signing_input.encode()))}"


def payload_of(token: str) -> bytes:
    """The payload octets of one of our own tokens. Nothing is verified."""
    return decode(token.split(".")[1])
