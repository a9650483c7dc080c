"""Own cookies taken out of `Cookie` fields (RFC 6265 §5.4), the octets of all others left as they came.

Decides by name alone, exactly as browsers compare names. Knows no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cognito_guard.errors import ConfigurationError


class OwnCookies:
    """The cookies that are ours: by `names`, and by `prefixes` of names (a session in several parts). Falsy when there are none.

    Mistakes raise `ConfigurationError`, all at once.
    """

    __slots__ = ("_names", "_prefixes", "_traces")

    def __init__(self, names: Iterable[str] = (), prefixes: Iterable[str] = ()) -> None:
        names, prefixes = tuple(names), tuple(prefixes)
        problems = [
            f"{kind}[{at}]: give 1 to 256 characters that a cookie's name may hold (RFC 6265 §4.1.1)"
            for kind, given in (("names", names), ("prefixes", prefixes))
            for at, name in enumerate(given)
            if not isinstance(name, str) or not _NAME.fullmatch(name)
        ]
        if problems:
            raise ConfigurationError("OwnCookies", problems)
        self._names = frozenset(name.encode("ascii") for name in names)
        self._prefixes = tuple(prefix.encode("ascii") for prefix in prefixes)
        self._traces = (*self._names, *self._prefixes)

    def __bool__(self) -> bool:
        return bool(self._traces)

    def __or__(self, other: OwnCookies) -> OwnCookies:
        joined = OwnCookies()
        joined._names = self._names | other._names
        joined._prefixes = self._prefixes + other._prefixes
        joined._traces = (*joined._names, *joined._prefixes)
        return joined

    def without(self, field: bytes) -> bytes:
        """The field's value without our cookies; b"" when nothing is left, and then the field is not to be sent."""
        for trace in self._traces:
            if trace in field:
                break
        else:
            return field
        parts = field.split(b";")
        kept = [part for part in parts if not self._is_ours(part.partition(b"=")[0].strip(b" \t"))]
        if len(kept) == len(parts):
            return field
        left = b";".join(kept).strip(b" \t")
        return left if left.strip(b"; \t") else b""

    def _is_ours(self, name: bytes) -> bool:
        return name in self._names or name.startswith(self._prefixes)


_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
