"""base64url without padding (RFC 7515 §2), strictly: exactly one spelling for each sequence of octets.

Decides what a segment may consist of. `pybase64` decodes; what it tolerates is refused before or after.
"""

from __future__ import annotations

from pybase64 import b64decode

# by length modulo 4: the padding that the decoder wants, and the final characters whose spare bits are zero
_PADDING = ("", None, "==", "=")
_LAST = ("", "", "AQgw", "AEIMQUYcgkosw048")


def decode(segment: str) -> bytes:
    """The octets of `segment`. Raises ValueError for any character outside the alphabet, padding, and spare bits that are not zero."""
    if "+" in segment or "/" in segment or "=" in segment:
        raise ValueError("not base64url without padding")
    return decode_plain(segment)


def decode_plain(segment: str) -> bytes:
    """`decode` for a segment that is known to hold none of `+ / =`; the caller has looked at the whole token at once."""
    odd = len(segment) & 3
    if odd == 0:
        return b64decode(segment, b"-_", True)
    padding = _PADDING[odd]
    if padding is None or segment[-1] not in _LAST[odd]:
        raise ValueError("not canonical base64url")
    return b64decode(segment + padding, b"-_", True)
