"""An answer, read from the octets of its connection (RFC 9112 §6.3). Sans-IO: octets in, head and body out, or `Malformed`.

Decides where an answer ends. Knows no connection, and does not say what becomes of it.
"""

from __future__ import annotations

from typing import Final

from cognito_guard.gateway.upstream.chunks import Chunks
from cognito_guard.gateway.upstream.failure import Malformed
from cognito_guard.gateway.upstream.head import HEAD_LIMIT, AnswerHead, accepted_websocket, read_head
from cognito_guard.web.request import HeaderPair

_INTERIM_LIMIT: Final = 32
_START: Final = b"HTTP/1."


class AnswerReader:
    """Reads the answer to one request.

    `accept` is the Sec-WebSocket-Accept that a 101 must carry; b"" where no websocket was asked for, and no 101 may come.
    After each `feed`: `interim` holds the 1xx heads that came (take them out), `head` the final one once it is there (or the accepted
    101: `switched`), `pieces` the body's octets (take them out), `complete` whether it has ended. A 101 ends HTTP: what came behind it
    is in `pieces`.
    """

    __slots__ = (
        "interim",
        "head",
        "pieces",
        "complete",
        "switched",
        "_bodiless",
        "_accept",
        "_part",
        "_remaining",
        "_chunks",
        "_seen",
    )

    def __init__(self, *, bodiless: bool, accept: bytes = b"") -> None:
        self.interim: list[AnswerHead] = []
        self.head: AnswerHead | None = None
        self.pieces: list[bytes] = []
        self.complete = False
        self.switched = False
        self._bodiless = bodiless
        self._accept = accept
        self._part: bytearray | None = None
        self._remaining: int | None = None
        self._chunks: Chunks | None = None
        self._seen = 0

    @property
    def trailers(self) -> list[HeaderPair]:
        """The fields that came after a chunked body."""
        return self._chunks.trailers if self._chunks is not None else []

    def feed(self, octets: bytes) -> None:
        """Takes octets as they came. Raises `Malformed`, also for octets after the answer's end; the connection is of no use then."""
        if self.head is None:
            octets = self._heads(octets)
            if not octets or self.head is None:
                return
        if self.switched:
            self.pieces.append(octets)
        elif self._chunks is not None:
            self._chunks.feed(octets, self.pieces)
            if self._chunks.complete:
                self.complete = True
                if self._chunks.leftover:
                    raise Malformed(_MORE)
        elif self._remaining is None:
            self.pieces.append(octets)
        else:
            self._remaining -= len(octets)
            if self._remaining < 0:
                raise Malformed(_MORE)
            self.pieces.append(octets)
            self.complete = self._remaining == 0

    def ends(self) -> bool:
        """Whether the answer is complete if the upstream closes now."""
        if self.head is not None and not self.switched and self._chunks is None and self._remaining is None:
            self.complete = True
        return self.complete

    def _heads(self, octets: bytes) -> bytes:
        """Reads heads up to the final one; gives what came behind it."""
        while True:
            if self._part is not None:
                searched = max(0, len(self._part) - 3)
                self._part += octets
                end = self._part.find(b"\r\n\r\n", searched, HEAD_LIMIT)
                if end < 0:
                    self._judge_part(self._part)
                    return b""
                octets, self._part = bytes(self._part), None
            else:
                end = octets.find(b"\r\n\r\n", 0, HEAD_LIMIT)
                if end < 0:
                    self._judge_part(octets)
                    self._part = bytearray(octets)
                    return b""
            head = read_head(octets, end + 2, bodiless=self._bodiless)
            octets = octets[end + 4 :]
            if head.status >= 200 or head.status == 101:
                self._final(head)
                return octets
            self._seen += 1
            if self._seen > _INTERIM_LIMIT:
                raise Malformed("too many interim answers")
            self.interim.append(head)
            if not octets:
                return b""

    @staticmethod
    def _judge_part(octets: bytes | bytearray) -> None:
        if len(octets) >= HEAD_LIMIT:
            raise Malformed("the answer's head is too large")
        if not _START.startswith(octets[:7]):
            raise Malformed("the answer does not begin with an HTTP/1 status line")

    def _final(self, head: AnswerHead) -> None:
        if head.status == 101:
            if not self._accept or not accepted_websocket(head, self._accept):
                raise Malformed("the upstream switches protocols unasked, or not to the websocket that was asked for")
            self.switched = True
        elif head.chunked:
            self._chunks = Chunks()
        else:
            self._remaining = head.length
            self.complete = head.length == 0
        self.head = head


_MORE: Final = "octets follow the end of the answer"
