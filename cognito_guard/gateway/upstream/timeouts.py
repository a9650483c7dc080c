"""How long an upstream may take for each phase of an exchange. Holds numbers; measures nothing."""

from __future__ import annotations

import math

from cognito_guard.errors import ConfigurationError
from cognito_guard.value import Value


class Timeouts(Value):
    """Seconds for each phase of an exchange with an upstream; None is no limit.

    - `connect`: until a connection stands (waiting for a free one, name resolution and TLS included).
    - `answer`: from the request's last octet until the final answer's head. What comes before it (1xx) does not extend it.
    - `idle`: between two octets, either way: the upstream neither sends the next one nor takes ours. A slow *client* does not count.
    - `total`: from the call of `exchange` until the answer's last octet.

    Raises `ConfigurationError` for what is no positive number.
    """

    __slots__ = ("connect", "answer", "idle", "total")
    connect: float
    answer: float
    idle: float | None
    total: float | None

    def __init__(
        self, *, connect: float = 5.0, answer: float = 60.0, idle: float | None = 300.0, total: float | None = None
    ) -> None:
        problems = [
            f"{name}: give a positive number of seconds{', or None for no limit' if name in _OPTIONAL else ''}"
            for name, given in (("connect", connect), ("answer", answer), ("idle", idle), ("total", total))
            if not (given is None and name in _OPTIONAL) and not is_positive(given)
        ]
        if problems:
            raise ConfigurationError("Timeouts", problems)
        self._set(connect=connect, answer=answer, idle=idle, total=total)


def is_positive(given: object) -> bool:
    """Whether something is a finite number above 0, and not a boolean."""
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given) and given > 0


_OPTIONAL = ("idle", "total")
