"""A websocket after its 101: octets between the client's transport and the upstream's, both ways (THREATS A22, A24).

Decides when the tunnel ends: by either side, by silence, by the server's shutdown, by the expiry of the token that it was opened with.
Reads of the frames nothing but where those towards the client end, so that a Close can stand between two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from cognito_guard.gateway.server.frames import Frames, close_frame

Ending = Literal["client", "upstream", "idle", "shutdown", "expired"]
"""Who or what ended a tunnel: `client` and `upstream` by leaving."""

_NEVER = float("inf")
_GRACE_SECONDS = 5.0  # from the Close, or from the first side's end, until what is left is cut off
_HALF_OPEN_SECONDS = 30.0  # of silence, once one side has said that it sends no more


class Tunnel:
    """Give it to `Connection.switch`; it takes the upstream's `(transport, leftover)` as they were after the upstream's 101.

    `idle` is how many seconds of silence in both directions end it (None: none do); `close_at` (the loop's time) ends it with a Close
    3000. `shutdown()` ends it with a Close 1001. A Close waits for the end of the frame that is on its way to the client, and then for
    the client to answer, five seconds in all. `on_end` is called once, when both transports are gone.

    `from_client` and `from_upstream` count the octets that came after the handshake. Neither transport goes back to any pool.
    """

    __slots__ = (
        "from_client", "from_upstream",
        "_upstream", "_leftover", "_loop", "_idle", "_close_at", "_on_end", "_client", "_frames", "_farewell", "_ending",
        "_active", "_grace", "_timer", "_ended_sending", "_lost_sides", "__weakref__",
    )  # fmt: skip

    def __init__(
        self,
        upstream: Any,
        leftover: bytes,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        idle: float | None = None,
        close_at: float | None = None,
        on_end: Callable[[Ending], None] | None = None,
    ) -> None:
        self.from_client = 0
        self.from_upstream = 0
        self._upstream = upstream
        self._leftover = leftover
        self._loop = loop or asyncio.get_running_loop()
        self._idle = _NEVER if idle is None else idle
        self._close_at = _NEVER if close_at is None else close_at
        self._on_end = on_end
        self._client: Any = None
        self._frames = Frames()
        self._farewell: bytes | None = None  # a Close that waits for its place; b"" once it is said, and nothing may follow it
        self._ending: Ending | None = None
        self._active = self._loop.time()
        self._grace = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._ended_sending = 0
        self._lost_sides: tuple[str, ...] = ()

    # the client's side: a protocol of its own (connection.Switchable)

    def connection_made(self, transport: Any) -> None:
        self._client = transport
        upstream = self._upstream
        upstream.set_protocol(_UpstreamSide(self))
        leftover, self._leftover = self._leftover, b""
        if leftover:
            self.upstream_sent(leftover)
        if not upstream.is_closing():
            upstream.resume_reading()
        else:
            self._lost("upstream", transport)  # its connection_lost may have gone to who held it before
        self._tick()

    def data_received(self, data: bytes) -> None:
        self.from_client += len(data)
        self._active = self._loop.time()
        if not self._upstream.is_closing():
            self._upstream.write(data)

    def eof_received(self) -> bool:
        return self._no_more(self._client, self._upstream, "client")

    def pause_writing(self) -> None:
        if not self._upstream.is_closing():
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        if not self._upstream.is_closing():
            self._upstream.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self._lost("client", self._upstream)

    def shutdown(self) -> None:
        """The server goes: tells the client, and ends."""
        self._say(1001, b"going away", "shutdown")

    # the upstream's side

    def upstream_sent(self, octets: bytes) -> None:
        self.from_upstream += len(octets)
        self._active = self._loop.time()
        if self._client.is_closing() or self._farewell == b"":
            return
        if self._farewell is None:
            self._frames.follow(octets)
            self._client.write(octets)
            return
        end = self._frames.follow(octets, first=True)
        self._client.write(octets[:end])
        self._say_now()

    def upstream_no_more(self) -> bool:
        return self._no_more(self._upstream, self._client, "upstream")

    def upstream_paused(self, *, paused: bool) -> None:
        if self._client.is_closing():
            return
        if paused:
            self._client.pause_reading()
        else:
            self._client.resume_reading()

    def upstream_lost(self) -> None:
        self._lost("upstream", self._client)

    # the end

    def _say(self, code: int, reason: bytes, ending: Ending) -> None:
        if self._ending is not None:
            return
        self._begin_end(ending)
        self._farewell = close_frame(code, reason)
        self._say_now()
        self._tick()

    def _say_now(self) -> None:
        if self._farewell and self._frames.between and not self._client.is_closing():
            self._client.write(self._farewell)
            self._farewell = b""
            if not self._upstream.is_closing():
                self._upstream.resume_reading()  # what it still sends is dropped, and its own end is heard

    def _no_more(self, from_: Any, towards: Any, side: Ending) -> bool:
        """One side sends no more; whether its transport stays open for the other direction. TLS knows no such state."""
        self._ended_sending += 1
        if self._ended_sending == 2 or towards.is_closing() or not (from_.can_write_eof() and towards.can_write_eof()):
            self._begin_end(side)
            return False
        towards.write_eof()
        self._idle = min(self._idle, _HALF_OPEN_SECONDS)
        self._tick()
        return True

    def _lost(self, side: Literal["client", "upstream"], other: Any) -> None:
        if side in self._lost_sides:
            return
        self._begin_end(side)
        self._lost_sides += (side,)
        if len(self._lost_sides) < 2:
            other.close()  # what waits for it is written first
            self._tick()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        callback, self._on_end = self._on_end, None
        if callback is not None and self._ending is not None:
            callback(self._ending)

    def _begin_end(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
        if self._grace == _NEVER:
            self._grace = self._loop.time() + _GRACE_SECONDS

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._lost_sides) == 2:
            return
        now = self._loop.time()
        if self._ending is None and self._close_at <= now:
            self._say(3000, b"token expired", "expired")
            return
        if self._ending is None and self._active + self._idle <= now:
            self._say(1001, b"idle", "idle")
            return
        if self._grace <= now:
            self._client.abort()
            self._upstream.abort()
            return
        when = self._grace if self._ending is not None else min(self._close_at, self._active + self._idle)
        if when < _NEVER:
            self._timer = self._loop.call_at(when, self._tick)


class _UpstreamSide(asyncio.Protocol):
    """The upstream's transport speaks to the tunnel through this."""

    __slots__ = ("_tunnel",)

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel

    def data_received(self, data: bytes) -> None:
        self._tunnel.upstream_sent(data)

    def eof_received(self) -> bool:
        return self._tunnel.upstream_no_more()

    def pause_writing(self) -> None:
        self._tunnel.upstream_paused(paused=True)

    def resume_writing(self) -> None:
        self._tunnel.upstream_paused(paused=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self._tunnel.upstream_lost()
