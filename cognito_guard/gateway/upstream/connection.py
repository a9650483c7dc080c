"""One connection to an upstream: one exchange at a time, each phase under its deadline, closed at the first doubt (THREATS A24, T49).

Decides when a connection may serve another exchange. Which connection serves which is the pool's business.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterable, Callable
from math import inf
from typing import Final, Protocol, cast

from cognito_guard.gateway.upstream.answer import Answer
from cognito_guard.gateway.upstream.deadline import Deadline
from cognito_guard.gateway.upstream.failure import Kind, Malformed, UpstreamFailed
from cognito_guard.gateway.upstream.head import AnswerHead
from cognito_guard.gateway.upstream.reading import AnswerReader
from cognito_guard.gateway.upstream.sending import pump
from cognito_guard.gateway.upstream.timeouts import Timeouts
from cognito_guard.web.request import HeaderPair

Inform = Callable[[int, list[HeaderPair]], None]

_IDLE, _WAITING, _READING, _SWITCHED, _OVER = range(5)
_BUFFERED: Final = 65536  # octets that wait for the receiver before the upstream is slowed down
_LOUD: Final = select.POLLIN | select.POLLPRI | getattr(select, "POLLRDHUP", 0)


class Pool(Protocol):
    """Where a connection belongs, as it knows it."""

    def opened(self, connection: Connection) -> None:
        """A connection stands."""

    def freed(self, connection: Connection, keeps_for: float | None) -> None:
        """An exchange ended cleanly; the connection may serve another, for so many seconds at most (None: not said)."""

    def lost(self, connection: Connection) -> None:
        """The connection is gone, or has left for a tunnel; called once."""

    def heard(self) -> None:
        """An answer's head came."""

    def failed(self, kind: Kind) -> None:
        """An exchange failed."""


class Connection(asyncio.Protocol):
    """A protocol of asyncio's, made for one pool. `begin` starts an exchange on an idle one."""

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop, timeouts: Timeouts, origin: str) -> None:
        self.origin = origin
        self.transport: asyncio.Transport
        self.made = False
        self._pool = pool
        self._loop = loop
        self._answer_within = timeouts.answer
        self._idle_within = timeouts.idle if timeouts.idle is not None else inf
        self._phase = _IDLE
        self._poll = select.poll()
        self._deadline = Deadline(loop, self._passed)
        self._late: Kind = "idle_timeout"
        self._total = inf
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._reader: AnswerReader
        self._inform: Inform | None = None
        self._go_on: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sent = True  # the request's body, whole
        self._buffered = 0
        self._reading_paused = False
        self._writable: asyncio.Future[None] | None = None

    # --- what the pool asks

    def silent(self, now: float) -> bool:
        """Whether it is open, within its time, and not one octet or end of stream waits to be read."""
        return self._phase == _IDLE and now < self._deadline.at and not self._poll.poll(0)

    @property
    def over(self) -> bool:
        """Whether it is of no use any more."""
        return self._phase == _OVER

    def rest(self, until: float) -> None:
        """Idle from now on; it closes itself when the time has come."""
        self._deadline.set(until)

    def begin(
        self,
        head: bytes,
        body: AsyncIterable[bytes] | None,
        reader: AnswerReader,
        *,
        length: int | None,
        expects: bool,
        inform: Inform | None,
        total: float,
    ) -> asyncio.Future[Answer]:
        """Sends a request; a whole body stands in `head`. The future gives the answer, or what went wrong, a body's own exception too."""
        self._phase = _WAITING
        self._reader = reader
        self._inform = inform
        self._total = total
        self._buffered = 0
        self._waiter = waiter = self._loop.create_future()
        if body is None:
            self._sent = True
            self.transport.write(head)
            self._await("answer_timeout", self._answer_within)
        else:
            self._sent = False
            self._go_on = self._loop.create_future() if expects else None
            self.transport.write(head)
            self._await_nothing()
            self._pump = self._loop.create_task(pump(self, body, length, self._go_on))
        return waiter

    def give_up(self, waiter: asyncio.Future[Answer]) -> None:
        """Whoever awaited an exchange is gone: so is the exchange, unless it had ended and another has begun."""
        if self._waiter is waiter:
            self.abort()
        elif not waiter.cancelled() and waiter.done() and waiter.exception() is None:
            waiter.result().abort()

    def end(self) -> None:
        """Closes at once, and whoever awaits the exchange or its answer is told."""
        self._break(UpstreamFailed("closed", "the upstream was taken out of service", sent=True, upstream=self.origin))

    def abort(self) -> None:
        """Closes at once; nobody waits any more, or they were told."""
        self._over()
        self.transport.abort()

    # --- what a Pump asks

    async def drained(self) -> None:
        """See `Sink`."""
        if self._writable is not None:
            self._await("idle_timeout", self._idle_within)
            await self._writable
            self._await_nothing()

    def body_sent(self) -> None:
        """See `Sink`."""
        self._sent = True
        self._pump = None
        if self._phase == _WAITING:
            self._await("answer_timeout", self._answer_within)

    def body_failed(self, failure: BaseException) -> None:
        """See `Sink`."""
        if self._pump is not None:
            self._pump = None
            self._break(failure)

    # --- what an Answer asks

    def wanted(self) -> None:
        """See `Source`."""
        self._await("idle_timeout", self._idle_within)

    def taken(self) -> None:
        """See `Source`."""
        self._buffered = 0
        if self._reading_paused:
            self._reading_paused = False
            if not self.transport.is_closing():  # uvloop would raise; that it broke is told next
                self.transport.resume_reading()

    def switch(self) -> asyncio.Transport:
        """See `Source`."""
        self._over()
        self._pool.lost(self)
        return self.transport

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.made = True
        self._pool.opened(self)
        self._poll.register(transport.get_extra_info("socket").fileno(), _LOUD)

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase not in {_WAITING, _READING, _SWITCHED}:
            if phase == _IDLE:  # unasked octets: the next answer could be taken for somebody else's
                self.abort()
            return
        reader = self._reader
        try:
            reader.feed(data)
        except Malformed as malformed:
            reason = str(malformed)
        else:
            reason = ""
        if reason:
            self._fail("malformed", reason)
        elif phase == _WAITING:
            self._heads(reader)
        else:
            self._more(reader, len(data))

    def eof_received(self) -> None:
        if self._phase == _READING and self._reader.ends():
            self._more(self._reader, 0)
        elif self._phase in {_WAITING, _READING}:
            self._fail("closed", "the upstream closed before its answer was complete")
        elif self._phase == _IDLE:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._phase in {_WAITING, _READING}:
            self._fail("closed", "the connection broke before the answer was complete")
        answer = self._answer
        self._over()
        if answer is not None:  # a 101 whose transport nobody had taken yet
            answer.broke(UpstreamFailed("closed", "the upstream closed", sent=True, upstream=self.origin))
        self._pool.lost(self)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- the exchange

    def _heads(self, reader: AnswerReader) -> None:
        if reader.interim:
            self._interim(reader.interim)
        head = reader.head
        waiter = self._waiter
        if head is None or waiter is None:
            return
        self._waiter = None
        if waiter.cancelled():  # whoever asked is gone, and has not come to say so yet: nobody would ever end this answer
            self.abort()
            return
        self._pool.heard()
        answer = Answer(self, head.status, head.reason, head.headers)
        if reader.pieces:
            answer.body = reader.pieces[0] if len(reader.pieces) == 1 else b"".join(reader.pieces)
            reader.pieces.clear()
        if not self._sent:  # an early answer: the rest of the body is not wanted, and the connection ends in the middle of it
            self._stop_pump()
        if reader.complete:
            answer.arrived([], reader.trailers, complete=True)
            self._end(reader)
        else:
            self._answer = answer
            self._phase = _SWITCHED if reader.switched else _READING
            self._await_nothing()
            if reader.switched:
                self._deadline.cancel()
                self.transport.pause_reading()
        if not waiter.done():
            waiter.set_result(answer)

    def _interim(self, heads: list[AnswerHead]) -> None:
        for head in heads:
            if head.status == 100:  # the answer to an Expect of this exchange's own
                if self._go_on is not None and not self._go_on.done():
                    self._go_on.set_result(None)
            elif self._inform is not None:
                self._inform(head.status, head.headers)
        heads.clear()

    def _more(self, reader: AnswerReader, octets: int) -> None:
        answer = self._answer
        if answer is None:
            return
        pieces, reader.pieces = reader.pieces, []
        if reader.complete:
            self._answer = None
            answer.arrived(pieces, reader.trailers, complete=True)
            self._end(reader)
            return
        answer.arrived(pieces, [], complete=False)
        self._buffered += octets
        if self._phase == _READING:
            self._await_nothing()
            if self._buffered >= _BUFFERED and not self._reading_paused:
                self._reading_paused = True
                self.transport.pause_reading()

    def _end(self, reader: AnswerReader) -> None:
        """The answer is complete: back to the pool, if both sides keep the connection and nothing is left over on either way."""
        head = reader.head
        if head is not None and head.keeps and self._sent and self._writable is None and not self.transport.is_closing():
            self._phase = _IDLE
            if self._reading_paused:
                self.taken()
            self._pool.freed(self, head.keeps_for)
        else:
            self.abort()

    def _fail(self, kind: Kind, reason: str) -> None:
        self._pool.failed(kind)
        self._break(UpstreamFailed(kind, reason, sent=True, upstream=self.origin))

    def _break(self, failure: BaseException) -> None:
        waiter, answer = self._waiter, self._answer
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure)
        elif answer is not None and isinstance(failure, UpstreamFailed):
            answer.broke(failure)

    def _over(self) -> None:
        self._phase = _OVER
        self._waiter = self._answer = None
        self._inform = None
        self._stop_pump()
        self._deadline.cancel()

    def _stop_pump(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None

    # --- deadlines

    def _await(self, late: Kind, seconds: float) -> None:
        at = self._loop.time() + seconds
        if at > self._total:
            at, late = self._total, "total_timeout"
        self._late = late
        self._deadline.set(at)

    def _await_nothing(self) -> None:
        self._late = "total_timeout"
        self._deadline.set(self._total)

    def _passed(self) -> None:
        if self._phase == _IDLE:
            self.abort()
        else:
            self._fail(self._late, _LATE[self._late])


_LATE: Final[dict[str, str]] = {
    "answer_timeout": "no answer came in time",
    "idle_timeout": "nothing moved for too long",
    "total_timeout": "the exchange took too long",
}
