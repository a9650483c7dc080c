"""The chunked coding (RFC 9112 §7.1), from its octets: what the body holds, where it ends, or that it has two readings (THREATS T21).

Decides on chunk sizes, line ends and trailers, stricter than the grammar: extensions are refused. Knows no limits of the body.
"""

from __future__ import annotations

import re

from cognito_guard.gateway.server.head import field

MOST_TRAILERS = 8192


class BadChunk(Exception):
    """The body cannot be read in one way only: refuse it, and close the connection."""


class Chunked:
    """One chunked body. `ended` turns true at its end; what followed it then stands in `rest`.

    Trailers are judged and dropped: what is forwarded was judged before the body came.
    """

    __slots__ = ("ended", "rest", "_left", "_line", "_trailers")

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._left = 0  # octets of the chunk, with the CR LF behind it; 0: a size or a trailer is due
        self._line = b""  # the beginning of a line, or of the CR LF behind a chunk
        self._trailers = -1  # octets of trailers so far; -1: the last chunk has not come

    def feed(self, octets: bytes) -> list[bytes]:
        """What these octets add to the body, in pieces. Raises `BadChunk`; feed nothing after `ended`."""
        pieces: list[bytes] = []
        if self._line:
            octets = self._line + octets
            self._line = b""
        at = 0
        while not self.ended:
            if self._left:
                at = self._inside(octets, at, pieces)
                if self._left:
                    return pieces
                continue
            end = octets.find(b"\n", at)
            if end < 0:
                self._line = octets[at:]
                if len(self._line) > (_LONGEST_SIZE if self._trailers < 0 else MOST_TRAILERS):
                    raise BadChunk
                return pieces
            line = octets[at : end + 1]
            at = end + 1
            if self._trailers < 0:
                self._size(line)
            else:
                self._trailer(line)
        self.rest = octets[at:]
        return pieces

    def _inside(self, octets: bytes, at: int, pieces: list[bytes]) -> int:
        there = len(octets) - at
        if there >= self._left:
            end = at + self._left - 2
            if octets[end : end + 2] != b"\r\n":
                raise BadChunk
            if end > at:
                pieces.append(octets[at:end])
            self._left = 0
            return end + 2
        usable = min(there, self._left - 2)
        if usable > 0:
            pieces.append(octets[at : at + usable] if at or usable < len(octets) else octets)
            self._left -= usable
            at += usable
        self._line = octets[at:]  # at most the CR of the CR LF
        if self._line and self._line != b"\r":
            raise BadChunk
        return at

    def _size(self, line: bytes) -> None:
        found = _SIZE(line)
        if found is None:
            raise BadChunk
        size = int(found[1], 16)
        if size:
            self._left = size + 2
        else:
            self._trailers = 0

    def _trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self.ended = True
            return
        self._trailers += len(line)
        pair = field(line[:-2]) if line.endswith(b"\r\n") else None
        if pair is None or self._trailers > MOST_TRAILERS or pair[0].replace(b"_", b"-") in _NO_TRAILERS:
            raise BadChunk


_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n").fullmatch
_LONGEST_SIZE = 17
# RFC 9110 §6.5.1: what frames, routes, authenticates or controls has no place behind the body
_NO_TRAILERS = frozenset({
    b"authorization", b"connection", b"content-encoding", b"content-length", b"content-type", b"cookie", b"expect", b"forwarded", b"host",
    b"keep-alive", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
