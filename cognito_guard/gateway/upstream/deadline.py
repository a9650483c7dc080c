"""A deadline that moves at nearly every step, on one timer of the loop's that hardly ever does. Decides nothing.

Setting a timer anew costs a microsecond, and an exchange has four deadlines: so a later one waits for the earlier one to fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

_EARLY: Final = 0.002  # a loop's timer may fire this much before its time


class Deadline:
    """Calls `passed` once the loop's time has reached `at`, the latest one set; `inf` is never."""

    __slots__ = ("at", "_loop", "_passed", "_armed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self.at = inf
        self._loop = loop
        self._passed = passed
        self._armed = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Replaces the deadline."""
        self.at = at
        if at < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = at
            self._timer = self._loop.call_at(at, self._fire)

    def cancel(self) -> None:
        """No deadline, and no timer that would keep its connection alive."""
        self.at = self._armed = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer, self._armed = None, inf
        if self.at > self._loop.time() + _EARLY:
            if self.at < inf:
                self.set(self.at)
        else:
            self._passed()
