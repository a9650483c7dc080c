"""One upstream: its connections and the exchanges over them.

Decides which connection an exchange gets, how many there are, and when they are closed. Follows no redirect, keeps no cookie, decodes
no content, retries nothing: an answer is what the upstream sent.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.upstream.address import Address
from cognito_guard.gateway.upstream.answer import Answer
from cognito_guard.gateway.upstream.connection import Connection, Inform
from cognito_guard.gateway.upstream.failure import Kind, UpstreamFailed
from cognito_guard.gateway.upstream.head import request_head, websocket_accept
from cognito_guard.gateway.upstream.health import Health
from cognito_guard.gateway.upstream.reading import AnswerReader
from cognito_guard.gateway.upstream.sending import Body, framed, once
from cognito_guard.gateway.upstream.timeouts import Timeouts, is_positive
from cognito_guard.gateway.upstream.tls import client_context
from cognito_guard.web.request import HeaderPair


class Upstream:
    """A client for one address, for one event loop at a time.

    - `connections`: how many may be open at once; further exchanges wait in turn, up to the connect timeout. Accepted websockets do not
      count. `keep_alive`: seconds that an idle one is kept, less where the upstream says less; keep it below the upstream's own.
    - `tls`: from `client_context`, for https only (None: the system's authorities); `sni`: the name asked for and verified, where it is
      not the address's host.
    - `health`: see `Health`; it learns from every exchange. `clock` is for tests.

    Raises `ConfigurationError` with every mistake. Not checked: that anybody listens.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeouts: Timeouts | None = None,
        connections: int = 256,
        keep_alive: float = 4.0,
        tls: ssl.SSLContext | None = None,
        sni: str | None = None,
        health: Health | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        problems = []
        if not is_positive(connections) or not isinstance(connections, int):
            problems.append("connections: give a positive whole number")
        if not is_positive(keep_alive):
            problems.append("keep_alive: give a positive number of seconds")
        if not address.tls and (tls is not None or sni is not None):
            problems.append(f"tls, sni: {address.origin} is not https; write https:// or leave them out")
        if tls is not None and (tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname):
            problems.append("tls: this context does not verify the upstream; make it with client_context()")
        if problems:
            raise ConfigurationError("Upstream", problems)
        self.address = address
        self.origin = address.origin
        self.health = health if health is not None else Health()
        self._timeouts = timeouts if timeouts is not None else Timeouts()
        self._total = self._timeouts.total if self._timeouts.total is not None else inf
        self._limit = connections
        self._keep_alive = keep_alive
        self._tls = (tls if tls is not None else client_context()) if address.tls else None
        self._name = (sni or address.host) if address.tls else None
        self._clock = clock
        self._idle: list[Connection] = []
        self._slots = 0  # connections, and attempts at one
        self._connections: set[Connection] = set()
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._retired = False
        self._closed = False

    async def exchange(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[HeaderPair],
        body: Body = None,
        *,
        length: int | None = None,
        inform: Inform | None = None,
        websocket: bool = False,
    ) -> Answer:
        """Sends a request and gives the final answer as soon as its head is there.

        Method, target and fields go out as given; Host is among them. With `length`, Content-Length is among them too and `body` has
        exactly so many octets; with a body and no length, it is chunked here. Under `Expect: 100-continue` (lower-case name) the body
        waits for a 100, a final answer or one second. A final answer before the body's end stops the body; the connection then closes.
        `inform` is called with status and fields of every other 1xx. With `websocket`, a 101 is accepted if it answers the handshake.

        Raises `UpstreamFailed`; what `body` raised, as it is; `ValueError` for a head or body that breaks the framing (then nothing
        well-formed went out). Being cancelled closes the connection. Any other exception is a bug.
        """
        if length == 0 or body == b"":
            body = None
        elif body is None and length:
            raise ValueError("a request has a length and no body")
        head, expects = request_head(method, target, headers, length=length, chunked=body is not None and length is None)
        if isinstance(body, bytes):
            whole = framed(body, length=length)
            if expects:
                body = once(body)
            else:
                head, body = head + whole, None
        reader = AnswerReader(bodiless=method == b"HEAD", accept=websocket_accept(headers) if websocket else b"")
        loop = asyncio.get_running_loop()
        now = loop.time()
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.silent(now):
                break
            connection.abort()
        else:
            connection = await self._obtain(loop, now)
        waiter = connection.begin(head, body, reader, length=length, expects=expects, inform=inform, total=now + self._total)
        try:
            return await waiter
        except BaseException:
            connection.give_up(waiter)
            raise

    def retire(self) -> None:
        """No new exchange, no idle connection any more; exchanges under way come to their end."""
        self._retired = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def close(self) -> None:
        """Retires it and ends what is under way; returns when every connection is closed, after a second at the latest."""
        self.retire()
        self._closed = True
        latest = asyncio.get_running_loop().time() + 1
        while self._connections and asyncio.get_running_loop().time() < latest:
            for connection in list(self._connections):
                connection.end()
            await asyncio.sleep(0)

    # --- a connection for an exchange

    async def _obtain(self, loop: asyncio.AbstractEventLoop, now: float) -> Connection:
        if self._retired:
            raise self._failure("closed", _RETIRED)
        deadline = now + min(self._timeouts.connect, self._total)
        again = False
        while self._slots >= self._limit:
            connection = await self._turn(loop, deadline, first=again)
            if connection is None:  # a free slot, ours already
                return await self._connect(loop, deadline)
            if connection.silent(loop.time()):
                return connection
            connection.abort()
            again = True
        self._slots += 1
        return await self._connect(loop, deadline)

    async def _turn(self, loop: asyncio.AbstractEventLoop, deadline: float, *, first: bool) -> Connection | None:
        """Waits in turn for a connection, or for the slot of one (None)."""
        turn: asyncio.Future[Connection | None] = loop.create_future()
        (self._queue.appendleft if first else self._queue.append)(turn)
        try:
            async with asyncio.timeout_at(deadline):
                return await turn
        except BaseException as failure:
            if turn.done() and not turn.cancelled():  # given in the very moment of giving up
                self._pass_on(turn.result())
            elif turn in self._queue:
                self._queue.remove(turn)
            if not isinstance(failure, TimeoutError):
                raise
        raise self._failure("overloaded", "every connection was busy for too long")

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        """A new connection, in a slot that is taken already."""
        if self._closed:
            self._free()
            raise self._failure("closed", _RETIRED)
        connection = Connection(self, loop, self._timeouts, self.origin)
        kind: Kind = "connect"
        try:
            async with asyncio.timeout_at(deadline):
                if self.address.socket is not None:
                    await loop.create_unix_connection(lambda: connection, self.address.socket)
                else:
                    await loop.create_connection(
                        lambda: connection, self.address.host, self.address.port, ssl=self._tls, server_hostname=self._name
                    )
        except BaseException as failure:
            if connection.made:
                connection.abort()
                self.lost(connection)  # uvloop drops a transport that it was cancelled over, and tells nobody
            else:
                self._free()
            if not isinstance(failure, OSError):
                raise
            if isinstance(failure, TimeoutError):
                kind, reason = "connect_timeout", "no connection in time"
            elif isinstance(failure, ssl.SSLError):
                kind, reason = "tls", getattr(failure, "verify_message", "") or failure.reason or "the TLS handshake failed"
            else:
                reason = failure.strerror or "no connection"
        else:
            if self._closed:
                connection.abort()
                raise self._failure("closed", _RETIRED)
            if not connection.over:
                return connection
            kind, reason = "closed", "the upstream closed, or spoke, before it was asked"
        self.failed(kind)
        raise self._failure(kind, reason)

    def _failure(self, kind: Kind, reason: str) -> UpstreamFailed:
        return UpstreamFailed(kind, reason, sent=False, upstream=self.origin)

    def _pass_on(self, given: Connection | None) -> None:
        if given is None:
            self._free()
        else:
            self.freed(given, None)

    def _free(self) -> None:
        if not self._hand(None):
            self._slots -= 1

    def _hand(self, given: Connection | None) -> bool:
        """Whether the first in the queue took it."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(given)
                return True
        return False

    # --- what its connections tell

    def opened(self, connection: Connection) -> None:
        """See `Pool`."""
        self._connections.add(connection)

    def freed(self, connection: Connection, keeps_for: float | None) -> None:
        """See `Pool`."""
        keep = self._keep_alive if keeps_for is None else min(self._keep_alive, keeps_for - 0.5)
        if self._retired or keep <= 0:
            connection.abort()
            return
        connection.rest(asyncio.get_running_loop().time() + keep)
        if not self._queue or not self._hand(connection):
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """See `Pool`."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._free()
            if connection in self._idle:
                self._idle.remove(connection)

    def heard(self) -> None:
        """See `Pool`."""
        if self.health.troubled:
            self.health.answered()

    def failed(self, kind: Kind) -> None:
        """See `Pool`."""
        self.health.failed(kind, self._clock())


_RETIRED: Final = "the upstream was taken out of service"
