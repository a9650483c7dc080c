"""Parameters of a query or a form (application/x-www-form-urlencoded), each at most once.

Decides what was sent, not what it means. A parameter without a value counts as one that was not sent (RFC 6749 section 3.1).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from cognito_guard.value import Value

_MOST: Final = 64
_LONGEST: Final = 8192


class Parameters(Value):
    """Names and values. `doubled` are those that came more than once: their value is the first, and whoever needs one refuses it."""

    __slots__ = ("_values", "doubled")
    _names = ("doubled",)
    doubled: frozenset[str]
    _values: dict[str, str]

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        values: dict[str, str] = {}
        doubled: set[str] = set()
        for name, value in pairs:
            if name in values:
                doubled.add(name)
            values.setdefault(name, value)
        self._set(_values=values, doubled=frozenset(doubled))

    def get(self, name: str) -> str | None:
        """The value, or None where there is none or an empty one."""
        return self._values.get(name) or None

    def text(self, name: str) -> str:
        """The value, or an empty string."""
        return self._values.get(name, "")


def read_parameters(encoded: bytes) -> Parameters | None:
    """The parameters of a query or a form, or None for what is none: not UTF-8, too many, or one too long."""
    try:
        # percent-encoded octets are decoded strictly; what stands there raw is ASCII in every well-formed request
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError:
        return None
    return None if any(len(name) + len(value) > _LONGEST for name, value in pairs) else Parameters(pairs)
