"""Whose page caused a request: what browsers tell in `Sec-Fetch-Site` and `Origin` (THREATS A27), and CORS preflights.

Decides on what the browser vouches for. Knows no cookies and no routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cognito_guard.web.request import HeaderPair

_ORIGIN = re.compile(rb"(https?)://([^/?#@\\\s]+)")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


def from_same_origin(header_pairs: Iterable[HeaderPair]) -> bool:
    """Whether a page of this very origin caused the request: `Sec-Fetch-Site: same-origin`, or, without that field, `Origin` is `Host`.

    False for `same-site`, for `none` and where neither field was sent: what is not known counts as foreign. `Sec-Fetch-Site` decides
    where it is there, since it compares the scheme too. A proxy in front must leave `Host` as the browser sent it. Never raises.
    """
    sites, origins, hosts = _values(header_pairs, b"sec-fetch-site", b"origin", b"host")
    if sites:
        return sites == [b"same-origin"]
    if len(origins) != 1 or len(hosts) != 1:
        return False
    origin = _ORIGIN.fullmatch(origins[0].lower())
    if origin is None:
        return False
    port = _DEFAULT_PORTS[origin[1]]
    return origin[2].removesuffix(port) == hosts[0].lower().removesuffix(port)


def is_preflight(method: str, header_pairs: Iterable[HeaderPair]) -> bool:
    """Whether a request is a CORS preflight by the letter of the Fetch standard: OPTIONS, `Origin`, `Access-Control-Request-Method`."""
    if method != "OPTIONS":
        return False
    return all(len(values) == 1 and values[0] for values in _values(header_pairs, b"origin", b"access-control-request-method"))


def _values(header_pairs: Iterable[HeaderPair], *names: bytes) -> list[list[bytes]]:
    found: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name, value in header_pairs:
        if (lower := name.lower()) in found:
            found[lower].append(value)
    return [found[name] for name in names]
