"""Whether an upstream is well: a state machine fed with failures, answers and probes. Knows no clock, socket or loop.

Decides when an upstream is left out and when it is tried again. Which of several is taken is `replicas`' business.
"""

from __future__ import annotations

from typing import Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.upstream.failure import Kind
from cognito_guard.gateway.upstream.timeouts import is_positive

COUNTED: Final[frozenset[Kind]] = frozenset({"connect", "connect_timeout", "tls", "closed", "answer_timeout", "idle_timeout"})
"""The kinds of failure that speak against an upstream. The others speak of one answer, or of our own limits."""

_PROBES_TOLERATED: Final = 1


class Health:
    """An upstream's health.

    Passive: `tolerated` failures in a row, with no answer in between, leave it out for `shortest` seconds, and for twice as long each
    time that it fails again before it answers, up to `longest`. Active: two failed probes in a row leave it out until one succeeds.
    `now` is any monotonic clock's seconds. Raises `ConfigurationError` for numbers that are not positive.
    """

    __slots__ = ("failed_at", "troubled", "_tolerated", "_shortest", "_longest", "_failures", "_ejections", "_until", "_probes")

    def __init__(self, *, tolerated: int = 3, shortest: float = 5.0, longest: float = 300.0) -> None:
        given = (("tolerated", tolerated), ("shortest", shortest), ("longest", longest))
        problems = [f"{name}: give a positive number" for name, number in given if not is_positive(number)]
        if problems:
            raise ConfigurationError("Health", problems)
        self.failed_at = float("-inf")
        self.troubled = False
        self._tolerated = tolerated
        self._shortest = shortest
        self._longest = longest
        self._failures = 0
        self._ejections = 0
        self._until = float("-inf")
        self._probes = 0

    def available(self, now: float) -> bool:
        """Whether requests should go there."""
        return not self.troubled or (now >= self._until and self._probes <= _PROBES_TOLERATED)

    def failed(self, kind: Kind, now: float) -> None:
        """An exchange failed; what is not in `COUNTED` is passed over."""
        if kind not in COUNTED:
            return
        self.troubled = True
        self.failed_at = now
        self._failures += 1
        if (
            self._failures >= self._tolerated and now >= self._until
        ):  # exchanges that were under way at an ejection are no new one
            self._until = now + min(self._longest, self._shortest * 2.0 ** min(self._ejections, 30))
            self._ejections += 1

    def answered(self) -> None:
        """An answer's head came. Cheap to skip while not `troubled`."""
        self._failures = self._ejections = 0
        self._until = float("-inf")
        self.troubled = self._probes > 0

    def probed(self, *, well: bool, now: float) -> None:
        """An active check ended."""
        if well:
            self._probes = 0
            self.answered()
        else:
            self._probes += 1
            self.failed_at = now
            self.troubled = True
