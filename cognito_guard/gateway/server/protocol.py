"""A client's connection under uvicorn: octets to requests, one after the other; limits, deadlines and back-pressure (THREATS A21-A24).

Decides when a head and a body are whole, how long each may take, and when the connection ends. What a head says is `head.py`'s to
judge, what becomes of a request the application's. Not a subclass of uvicorn's protocols; it fulfils what `uvicorn.Server` expects of one.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from cognito_guard.gateway.server.answer import refusal
from cognito_guard.gateway.server.chunked import BadChunk, Chunked
from cognito_guard.gateway.server.connection import Switchable
from cognito_guard.gateway.server.exchange import Exchange
from cognito_guard.gateway.server.head import read, unfinished_refusal
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.refusals import BAD_CHUNK, FULL, HEAD_TOO_LARGE, TARGET_TOO_LONG, TOO_LARGE, TOO_SLOW
from cognito_guard.gateway.server.switched import Switched
from cognito_guard.gateway.server.timed import Timed
from cognito_guard.web.problem import Challenge

_LINGER_SECONDS = 2.0
_LINGER_OCTETS = 1 << 20


def protocol(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol class for `uvicorn.Config(http=...)`, with these limits.

    Pass `ws="none"` and `proxy_headers=False` beside it. Of uvicorn's own settings these are without effect, since `limits` says more:
    `root_path`, `limit_concurrency`, `timeout_keep_alive`, `access_log`, `server_header`.
    """
    return type("GatewayProtocol", (GatewayProtocol,), {"__slots__": (), "limits": limits})


class GatewayProtocol(Timed):
    """One connection. `protocol(limits)` gives the class to use."""

    limits: Limits
    __slots__ = (
        "app", "app_state", "tasks", "scheme", "client", "server", "keep_alive",
        "_state", "_exchange", "_octets", "_chunked", "_left", "_size", "_read_paused", "_held_back", "_dropped",
    )  # fmt: skip

    def __init__(
        self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        if not config.loaded:
            config.load()
        super().__init__(_loop or asyncio.get_running_loop(), self.limits.write_seconds)
        self.app = config.loaded_app
        self.app_state = app_state
        self.tasks: set[asyncio.Task[None]] = server_state.tasks
        self.scheme = "http"
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int | None] | None = None
        self.keep_alive = True
        self._state = server_state
        self._exchange: Exchange | None = None
        self._octets = b""  # what has arrived and is not read yet
        self._chunked: Chunked | None = None
        self._left = 0  # octets of a body of known length that are still to come
        self._size = 0  # octets of a chunked body so far
        self._read_paused = False
        self._held_back = False  # the next request waits until the client has read more of its answers
        self._dropped = 0

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._state.connections.add(self)
        if transport.get_extra_info("sslcontext"):
            self.scheme = "https"
        name = transport.get_extra_info("sockname")
        self.server = (str(name[0]), int(name[1])) if isinstance(name, tuple) else (name, None) if isinstance(name, str) else None
        name = transport.get_extra_info("peername")
        self.client = (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
        if self.client is None and transport.get_extra_info("socket").family != socket.AF_UNIX:
            # it left before it was accepted: what it sent could be read, whose that is not, and no address means a unix socket
            self._closing = True
            transport.abort()
        elif len(self._state.connections) > self.limits.connections:
            self.refuse(FULL)
        else:
            self._expect(self.limits.head_seconds)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None and (self._closing or not self._held_back):
            if not self._closing:
                self._read_head(self._octets + data if self._octets else data, data)
            else:
                self._drop(len(data))
        elif exchange is None or exchange.whole:
            # pipelined, or early frames of a websocket: it waits for its turn, and so does what is still on its way
            self._octets += data
            self._pause_reading()
        else:
            self._read_body(exchange, data)

    def eof_received(self) -> None:
        """A client that stops sending has left: half-closed clients are served by nobody else either. The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self._state.connections.discard(self)
        self._closing = True
        self._stop_timer()
        if self._exchange is not None:
            self._exchange.leave()
        self.resume_writing()

    # uvicorn.Server

    def shutdown(self) -> None:
        """No further requests: closes now, or after the response that is under way."""
        self.keep_alive = False
        if self._exchange is None:
            self._close()

    # reading

    def _read_head(self, octets: bytes, news: bytes) -> None:
        limits = self.limits
        before = octets[:2] == b"\r\n"
        if before:
            octets = octets[2:]  # RFC 9112 §2.2: one empty line before a request is old clients' habit
        end = octets.find(b"\r\n\r\n")
        if end < 0 or end > limits.head:
            self._head_unfinished(octets, news, before=b"\r\n" if before else b"")
            return
        head = read(octets[:end], limits.fields)
        if isinstance(head, Challenge):
            self.refuse(head, head_only=octets.startswith(b"HEAD "))
            return
        length = head.length
        if length and limits.body is not None and length > limits.body:
            self.refuse(TOO_LARGE)
            return
        self._expect_nothing()
        exchange = self._exchange = Exchange(self, head)
        task = exchange.task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(task)
        rest = octets[end + 4 :]
        self._octets = b""
        if length == 0:
            self._octets = rest
            return
        self._left = length or 0
        self._chunked = Chunked() if length is None else None
        self._size = 0
        self._read_body(exchange, rest)

    def _head_unfinished(self, octets: bytes, news: bytes, *, before: bytes) -> None:
        refused = None
        if len(octets) > self.limits.head:
            refused = HEAD_TOO_LARGE if b"\r\n" in octets[: self.limits.head] else TARGET_TOO_LONG
        elif octets and octets != b"\r" and (b"\n" in news or octets is news):
            refused = unfinished_refusal(octets)
        if refused is not None:
            self.refuse(refused, head_only=octets.startswith(b"HEAD "))
            return
        if not self._octets:
            self._expect(self.limits.head_seconds)
        self._octets = before + octets  # the empty line too: it has begun the head's time, and no second one may follow

    def _read_body(self, exchange: Exchange, octets: bytes) -> None:
        chunked = self._chunked
        if chunked is None:
            if len(octets) > self._left:
                self._octets = octets[self._left :]
                octets = octets[: self._left]
            self._left -= len(octets)
            exchange.whole = self._left == 0
            pieces = [octets] if octets else []
        else:
            try:
                pieces = chunked.feed(octets)
            except BadChunk:
                exchange.fail(BAD_CHUNK)
                return
            for piece in pieces:
                self._size += len(piece)
            if self.limits.body is not None and self._size > self.limits.body:
                exchange.fail(TOO_LARGE)
                return
            exchange.whole = chunked.ended
            if chunked.ended:
                self._octets = chunked.rest
                self._chunked = None
        room = exchange.arrived(pieces)
        if exchange.whole:
            self._expect_nothing()
        elif not room:
            self._expect_nothing()
            self._pause_reading()
        elif not exchange.owed_continue:
            self._expect(self.limits.body_seconds)

    def expect_body(self) -> None:
        """The application waits for more of the body: reads on, against the clock."""
        self._resume_reading()
        self._expect(self.limits.body_seconds)

    def _drop(self, count: int) -> None:
        self._dropped += count
        if self._dropped > _LINGER_OCTETS:
            self._transport.abort()

    def _pause_reading(self) -> None:
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()

    # writing

    def write(self, octets: bytes) -> None:
        """To the client."""
        self._transport.write(octets)

    def date(self) -> bytes:
        """The Date line, as uvicorn renews it every second; empty where it is switched off."""
        ours: list[tuple[bytes, bytes]] = self._state.default_headers
        return b"date: %b\r\n" % ours[0][1] if ours and ours[0][0] == b"date" else b""

    def refuse(self, challenge: Challenge, *, head_only: bool = False) -> None:
        """Answers in the application's stead, and closes."""
        self._transport.write(refusal(challenge, head_only=head_only))
        self._linger()

    def finished(self, exchange: Exchange, *, keep_alive: bool) -> None:
        """The response is complete, and all of it written or on its way."""
        self._state.total_requests += 1
        if not exchange.whole or exchange.head.websocket:
            self._linger()
        elif not (keep_alive and self.keep_alive):
            self._close()
        else:
            self._exchange = None
            if self.write_paused:  # answers that nobody reads must not pile up: pipelined requests wait
                self._held_back = True
                self._expect_nothing()
                self._pause_reading()
            else:
                self._next()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held_back:
            self._held_back = False
            if not self._closing:
                self._next()

    def _next(self) -> None:
        self._expect(self.limits.keep_alive_seconds)
        octets, self._octets = self._octets, b""
        self._resume_reading()
        if octets and not self._transport.is_closing():
            self._expect(self.limits.head_seconds)
            self._read_head(octets, octets)

    def switch(self, octets: bytes, successor: Switchable) -> None:
        """Hands the transport over, after `octets`."""
        self._state.total_requests += 1
        self._stop_timer()
        transport, early = self._transport, self._octets
        transport.write(octets)
        self._exchange = None
        self._octets = b""
        switched = Switched(successor, transport, self._state.connections)
        self._state.connections.discard(self)
        transport.set_protocol(switched)
        self._resume_reading()
        switched.begin(early, paused=self.write_paused)

    def _close(self) -> None:
        self._closing = True
        self._exchange = None
        self._expect_nothing()
        self._transport.close()
        self._expect_reader()

    def _linger(self) -> None:
        """Closes, but not before the client could read the answer: octets that nobody took would reset the connection under it."""
        transport = self._transport
        self._closing = True
        self._exchange = None
        self._octets = b""
        if not transport.can_write_eof() or transport.is_closing():
            self._close()
            return
        transport.write_eof()
        self._resume_reading()
        self._expect(_LINGER_SECONDS)

    def overdue(self) -> None:
        if self._closing:
            self._close()  # it has lingered long enough
        elif self._exchange is not None:
            self._exchange.fail(TOO_SLOW)
        elif self._octets:
            self.refuse(TOO_SLOW)
        else:
            self._close()
