"""Fields that concern one connection only, and what `Connection` may name (RFC 9110 §7.6.1).

Decides which fields never pass, and which a client cannot make vanish by naming them (THREATS T4; CVE-2024-45410 of Traefik).
Knows no values but that of `Connection`.
"""

from __future__ import annotations

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Names in lower case of fields that are not passed on in either direction; whoever needs one writes it anew."""

PROTECTED = frozenset(
    {
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"cookie",
        b"expect",
        b"host",
        b"location",
        b"origin",
        b"sec-fetch-site",
        b"set-cookie",
        b"strict-transport-security",
        b"vary",
        b"www-authenticate",
    }
)
"""Fields meant for every recipient: naming them in `Connection` is an error of the sender (§7.6.1), or an attempt at hiding them."""

USUAL = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Upgrade", b"upgrade", b"keep-alive, Upgrade", b"TE", b"te"})
"""Values of `Connection` that name no field which would otherwise pass; looked at before anything is split."""


def nominated(value: bytes, protected: frozenset[bytes] = PROTECTED) -> frozenset[bytes]:
    """The field names, in lower case, that this value of `Connection` takes out, without the `protected` ones."""
    if value in USUAL:
        return _NONE
    return frozenset(part.strip(b" \t").lower() for part in value.split(b",")) - protected - HOP_BY_HOP - {b""}


_NONE: frozenset[bytes] = frozenset()
