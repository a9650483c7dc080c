"""One request and its response, as an ASGI application meets them: the scope, `receive`, `send`, and what `connection.py` promises.

Decides on the order of messages, and that a response which failed never looks complete. Reads no octets; the protocol owns the
transport, the clock and the next request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cognito_guard.gateway.server.answer import BadAnswer, Framing, fields, framing, interim
from cognito_guard.gateway.server.connection import ClientGone, Switchable
from cognito_guard.gateway.server.head import Head
from cognito_guard.gateway.server.refusals import FAILED
from cognito_guard.gateway.server.scope import scope_of
from cognito_guard.web.problem import Challenge
from cognito_guard.web.request import HeaderPair

if TYPE_CHECKING:
    from cognito_guard.gateway.server.protocol import GatewayProtocol

LOGGER = logging.getLogger("cognito_guard.gateway")
HELD = 65536
"""Octets of a body that wait for the application before reading pauses."""

_START, _BODY, _TRAILERS, _DONE = range(4)


class Exchange:
    """Fulfils `connection.Connection`. `whole` says that the request's body has arrived in full, `done` that the response is complete."""

    __slots__ = (
        "head", "task", "whole", "gone", "done", "begun", "owed_continue",
        "_connection", "_phase", "_start", "_framing", "_left", "_trailing", "_trailers",
        "_pieces", "_held", "_event", "_on_gone", "_reading", "_heard",
    )  # fmt: skip

    def __init__(self, connection: GatewayProtocol, head: Head) -> None:
        self.head = head
        self.task: asyncio.Task[None] | None = None
        self.whole = head.length == 0
        self.gone = False
        self.done = False
        self.begun = False  # octets of the final response have been written
        self.owed_continue = head.expects
        self._connection = connection
        self._phase = _START
        self._start: Any = None  # the start message, until the first of the body is there to go with it
        self._framing: Framing | None = None
        self._left = 0
        self._trailing = False  # the application has announced trailers
        self._trailers: list[HeaderPair] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self._event: asyncio.Event | None = None
        self._on_gone: Callable[[], None] | None = None
        self._reading = False  # receive() was called
        self._heard = False  # receive() has told the end of the body

    # what the server calls

    async def run(self, app: Any) -> None:
        """The application's whole turn. Its exceptions end here."""
        connection = self._connection
        try:
            await app(scope_of(self, connection), self.receive, self.send)
            if not self.done and not self.gone:
                LOGGER.error("the application returned without completing its response")
        except Exception:
            if not self.gone:  # what applications make of ClientGone is no news
                LOGGER.exception("the application failed")
        finally:
            self._on_gone = None
            self.fail()  # also where it was cancelled, by a shutdown that has waited long enough
            if self.task is not None:
                connection.tasks.discard(self.task)

    def arrived(self, pieces: list[bytes]) -> bool:
        """Takes more of the body; false when so much waits that reading should pause."""
        if pieces:
            self.owed_continue = False
        self._pieces += pieces
        for piece in pieces:
            self._held += len(piece)
        self.wake()
        return self._held <= HELD

    def wake(self) -> None:
        """Lets `receive` look again."""
        if self._event is not None:
            self._event.set()

    def leave(self) -> None:
        """The client has left, or is made to."""
        if self.gone or self.done:
            return
        self.gone = True
        self.wake()
        callback, self._on_gone = self._on_gone, None
        if callback is not None:
            callback()

    # the ASGI messages

    async def receive(self) -> dict[str, Any]:
        self._reading = True
        while True:
            if self.gone or self.done:
                return {"type": "http.disconnect"}
            if self._pieces or (self.whole and not self._heard):
                break
            if self.owed_continue and not self.whole:
                self.owed_continue = False
                if not self.begun:
                    self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._connection.expect_body()
            if self._event is None:
                self._event = asyncio.Event()
            self._event.clear()
            await self._event.wait()
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if pieces:
            self._pieces = []
            self._held = 0
            if not self.whole:
                self._connection.expect_body()
        self._heard = self.whole
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def send(self, message: Any) -> None:
        if self.gone:
            raise ClientGone("the client has left")
        kind, phase, framed = message["type"], self._phase, self._framing
        connection = self._connection
        try:
            if phase == _BODY and kind == "http.response.body":
                body, more = message.get("body", b""), message.get("more_body", False)
                if framed is None:
                    self._begin(body, more=more)
                else:
                    self._more(framed, b"", body, more=more)
                if connection.write_paused:
                    await connection.drain()
                    if self.gone:
                        raise ClientGone("the client has left")
            elif phase == _START and kind == "http.response.start":
                self._start = message
                self._phase = _BODY
                connection.loop.call_soon(self._flush)
            elif phase == _TRAILERS and kind == "http.response.trailers" and framed is not None:
                self._end(framed, message)
            else:
                raise RuntimeError(f"the application sent {kind!r} out of turn")
        except BadAnswer as bad:
            self._mistaken(bad)
            raise

    # connection.Connection

    @property
    def target(self) -> bytes:
        return self.head.target

    @property
    def length(self) -> int | None:
        return self.head.length

    @property
    def is_websocket(self) -> bool:
        return self.head.websocket

    def on_gone(self, callback: Callable[[], None] | None) -> None:
        if self.gone and callback is not None:
            callback()
        else:
            self._on_gone = callback

    def inform(self, status: int, headers: Iterable[HeaderPair]) -> None:
        if self.gone:
            raise ClientGone("the client has left")
        if self._phase != _START or status == 101:
            raise RuntimeError("an interim response stands before the final one, and is not 101")
        if status != 100 and self.head.version == "1.1":
            self._connection.write(interim(status, headers))

    def answer(self, status: int, headers: list[HeaderPair], body: bytes) -> None:
        if self.gone:
            raise ClientGone("the client has left")
        if self._phase != _START:
            raise RuntimeError("a response has begun already")
        self._start = {"status": status, "headers": headers}
        try:
            self._begin(body, more=False)
        except BadAnswer as bad:
            self._mistaken(bad)
            raise

    def abort(self) -> None:
        if not self.done and not self.gone:
            self._on_gone = None
            self.leave()
            self._connection.abort()

    def switch(self, headers: Iterable[HeaderPair], protocol: Switchable) -> None:
        if self.gone:
            raise ClientGone("the client has left")
        if self._phase != _START or not self.head.websocket:
            raise RuntimeError("only the opening handshake of a websocket can be switched, and before a response has begun")
        octets = interim(101, headers)
        self._phase = _DONE
        self.begun = self.done = True
        self._on_gone = None
        self._connection.switch(octets, protocol)

    # the response

    def _flush(self) -> None:
        """Sends a head whose body lets itself be waited for: streams open at once."""
        if self._framing is None and self._phase == _BODY and not self.gone:
            try:
                self._begin(b"", more=True)
            except BadAnswer as bad:
                self._mistaken(bad)

    def _begin(self, body: bytes, *, more: bool) -> None:
        start, connection, head = self._start, self._connection, self.head
        headers = start.get("headers", ())
        self._trailing = start.get("trailers", False)
        framed = framing(
            start["status"],
            headers if type(headers) is list else list(headers),
            date=connection.date(),
            body=-1 if more or self._trailing else len(body),
            modern=head.version == "1.1",
            # a body that nobody began to read is not read after the response either (THREATS A26), and what follows a handshake
            # that was refused may be meant for the tunnel that never came to be
            keep_alive=connection.keep_alive
            and head.keep_alive
            and not head.websocket
            and (self.whole or (self._reading and more)),
            head_only=head.method == "HEAD",
        )
        self._framing = framed
        self._start = None
        self._phase = _BODY
        self._left = framed.length
        self._more(framed, framed.head, body, more=more)

    def _more(self, framed: Framing, octets: bytes, body: bytes, *, more: bool) -> None:
        if framed.chunked:
            if body:
                octets = b"%b%x\r\n%b\r\n" % (octets, len(body), body)
            if not more and not self._trailing:
                octets += b"0\r\n\r\n"
        elif not framed.bodiless:
            if framed.length >= 0:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise BadAnswer("the body is not as long as its Content-Length says")
            octets = octets + body if octets else body
        self.begun = True
        if octets:
            self._connection.write(octets)
        if not more:
            if self._trailing:
                self._phase = _TRAILERS
            else:
                self._finish(framed)

    def _end(self, framed: Framing, message: Any) -> None:
        self._trailers += list(message.get("headers", ()))
        if message.get("more_trailers", False):
            return
        if framed.chunked:
            self._connection.write(b"0\r\n%b\r\n" % fields(self._trailers))
        self._finish(framed)

    def _finish(self, framed: Framing) -> None:
        self.done = True
        self._phase = _DONE
        self._on_gone = None
        self.wake()
        self._connection.finished(self, keep_alive=framed.keep_alive)

    def _mistaken(self, bad: BadAnswer) -> None:
        LOGGER.error("the application's response was refused: %s", bad)
        self._on_gone = None
        self.fail()

    def fail(self, challenge: Challenge = FAILED) -> None:
        """Ends the exchange without the application: `challenge` if nothing of a response is out yet, else by cutting it off."""
        if self.done or self.gone:
            return
        self.leave()
        if self.begun:
            self._connection.abort()
        else:
            self._connection.refuse(challenge, head_only=self.head.method == "HEAD")
