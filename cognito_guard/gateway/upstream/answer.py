"""An upstream's answer, as its receiver sees it: head at once, body as it comes, and whatever went wrong on the way."""

from __future__ import annotations

import asyncio
from typing import Protocol

from cognito_guard.gateway.upstream.failure import UpstreamFailed
from cognito_guard.web.request import HeaderPair


class Source(Protocol):
    """Where an answer's octets come from: a connection, as an `Answer` knows it."""

    origin: str

    def wanted(self) -> None:
        """The receiver waits: the upstream's idle time runs from now."""

    def taken(self) -> None:
        """What was buffered has been taken: read on."""

    def abort(self) -> None:
        """Nobody wants the rest."""

    def switch(self) -> asyncio.Transport:
        """The transport of an accepted 101 leaves for good."""


class Answer:
    """The final answer of an exchange.

    - `status`, `reason`; `headers` with names in lower case, in the order sent, hop-by-hop fields included.
    - `body`: what had come with the head; `complete`: nothing is left to read. Both hold the whole answer where it was short.
    - `read()` gives what follows `body`, piece by piece, and b"" at the end; then `trailers` are there. It raises `UpstreamFailed`
      when the upstream fails on the way: the answer must not be given out as whole.
    - `upstream`: the origin that answered.

    Read it to the end or `abort()` it: until then it holds a connection.
    """

    __slots__ = ("status", "reason", "headers", "body", "trailers", "upstream", "_pieces", "_source", "_failure", "_reader")

    def __init__(self, source: Source, status: int, reason: bytes, headers: list[HeaderPair]) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        self.trailers: list[HeaderPair] = []
        self.upstream = source.origin
        self._pieces: list[bytes] = []
        self._source: Source | None = source
        self._failure: UpstreamFailed | None = None
        self._reader: asyncio.Future[None] | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it was read, and nothing went wrong."""
        return self._source is None and not self._pieces and self._failure is None

    async def read(self) -> bytes:
        """The next octets of the body, as many as there are; b"" after the last one. One reader at a time.

        Not read, the answer waits: the upstream is slowed down, not buffered. Cancelling it aborts the answer.
        Raises `UpstreamFailed` (always `sent`): end what you give out as a failure. Any other exception is a bug.
        """
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._source is None:
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            self._source.wanted()
            try:
                await self._reader
            except asyncio.CancelledError:
                self.abort()
                raise
            finally:
                self._reader = None
        pieces = self._pieces
        octets = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self._source is not None:
            self._source.taken()
        return octets

    def abort(self) -> None:
        """Ends it; the connection is closed unless the answer had come whole. May be called at any time, and again."""
        self._pieces.clear()
        if self._source is not None:
            source, self._source = self._source, None
            self._failure = UpstreamFailed("closed", "the answer was given up", sent=True, upstream=self.upstream)
            source.abort()
            self._wake()

    def switched(self) -> tuple[asyncio.Transport, bytes]:
        """Of an accepted 101 (it answers `websocket=True` only): the transport, and what came behind the head.

        Reading is paused: set your protocol, use what came, then `resume_reading()`. The connection is yours from now on: close it.
        """
        if self.status != 101 or self._source is None:
            raise ValueError("only an accepted 101 has a transport to give, and gives it once")
        source, self._source = self._source, None
        leftover = self.body + b"".join(self._pieces)
        self._pieces.clear()
        return source.switch(), leftover

    def arrived(self, pieces: list[bytes], trailers: list[HeaderPair], *, complete: bool) -> None:
        """For the connection: the next octets of the body, and whether they are the last."""
        self._pieces += pieces
        if complete:
            self._source = None
            self.trailers = trailers
        self._wake()

    def broke(self, failure: UpstreamFailed) -> None:
        """For the connection: no more will come."""
        self._source = None
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
