"""The clock of one connection, and its patience with a client that reads slowly (THREATS A24).

One timer serves all deadlines, cheap enough to move with every request. Decides when a deadline has passed, and that a client which
reads nothing at all is cut off. What else is due, the connection says.
"""

from __future__ import annotations

import asyncio
from typing import Any

_NEVER = float("inf")


class Timed(asyncio.Protocol):
    """A connection with two deadlines: one for what must come from the client, one for what the client must read."""

    __slots__ = (
        "loop", "write_paused",
        "_transport", "_closing", "_writable", "_deadline", "_write_deadline", "_write_seconds", "_unwritten", "_timer", "_timer_at",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, write_seconds: float) -> None:
        self.loop = loop
        self.write_paused = False
        self._transport: Any = None
        self._closing = False
        self._writable: asyncio.Event | None = None
        self._deadline = _NEVER
        self._write_deadline = _NEVER
        self._write_seconds = write_seconds
        self._unwritten = 0  # what waited for the client when the write deadline was set
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER

    def overdue(self) -> None:
        """What was expected has not come."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cuts the connection off: what the client has got so far must not look complete."""
        self._transport.abort()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._expect_reader()

    def resume_writing(self) -> None:
        self.write_paused = False
        if not self._closing:
            self._write_deadline = _NEVER
        if self._writable is not None:
            self._writable.set()

    async def drain(self) -> None:
        """Waits until the client has read enough, or has left."""
        while self.write_paused:
            if self._writable is None:
                self._writable = asyncio.Event()
            self._writable.clear()
            await self._writable.wait()

    def _expect(self, seconds: float) -> None:
        """Something must come from the client within so many seconds."""
        self._deadline = when = self.loop.time() + seconds
        if when < self._timer_at:
            self._set_timer(when)

    def _expect_nothing(self) -> None:
        self._deadline = _NEVER

    def _expect_reader(self) -> None:
        self._unwritten = self._transport.get_write_buffer_size()
        self._write_deadline = when = self.loop.time() + self._write_seconds
        if when < self._timer_at:
            self._set_timer(when)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._tick)

    def _stop_timer(self) -> None:
        self._deadline = self._write_deadline = self._timer_at = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        """One timer a connection: deadlines that were put off let it ring in vain, and none is cancelled on the way of a request."""
        self._timer = None
        self._timer_at = _NEVER
        now = self.loop.time()
        if self._write_deadline <= now:
            if self._transport.get_write_buffer_size() >= self._unwritten > 0:
                self.abort()
                return
            self._expect_reader()
        if self._deadline <= now:
            self._deadline = _NEVER
            self.overdue()
        when = min(self._deadline, self._write_deadline)
        if when < self._timer_at:
            self._set_timer(when)
