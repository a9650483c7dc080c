"""The chunked transfer coding of an answer, taken apart (RFC 9112 §7.1). Sans-IO; refuses every spelling but the grammar's own."""

from __future__ import annotations

import re
from typing import Final

from cognito_guard.gateway.upstream.failure import Malformed
from cognito_guard.gateway.upstream.head import read_fields
from cognito_guard.web.request import HeaderPair

_LINE_LIMIT: Final = 256
_TRAILERS_LIMIT: Final = 8192
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*+)?")

# a trailer may not say again what the head decided (RFC 9110 §6.5.1), nor set what belongs to a head
_HEAD_ONLY = frozenset(
    b"transfer-encoding content-length host connection keep-alive te trailer upgrade proxy-connection content-type content-encoding "
    b"content-range set-cookie www-authenticate proxy-authenticate location cache-control expires date age vary retry-after".split()
)


class Chunks:
    """A chunked body, fed as it comes. `complete` is True from its last octet on; `leftover` is what came after that."""

    __slots__ = ("complete", "leftover", "trailers", "_remaining", "_part", "_last")

    def __init__(self) -> None:
        self.complete = False
        self.leftover = b""
        self.trailers: list[HeaderPair] = []
        self._remaining = 0  # of the chunk at hand, its CRLF included
        self._part = b""  # of a line, or of the trailers
        self._last = False

    def feed(self, octets: bytes, pieces: list[bytes]) -> None:
        """Takes octets, and appends what they hold of the body to `pieces`. Raises `Malformed`."""
        if self._part:
            octets = self._part + octets
            self._part = b""
        at, end = 0, len(octets)
        while at < end and not self._last:
            if self._remaining:
                at = self._content(octets, at, pieces)
                continue
            eol = octets.find(b"\n", at, at + _LINE_LIMIT)
            if eol < 0:
                if end - at >= _LINE_LIMIT:
                    raise Malformed("a chunk's size line is too long")
                self._part = octets[at:]
                return
            line = _SIZE_LINE.fullmatch(octets, at, max(at, eol - 1))
            if line is None or octets[eol - 1] != 13:
                raise Malformed("a chunk's size is malformed")
            size = int(line[1], 16)
            at = eol + 1
            self._last = size == 0
            self._remaining = size + 2
        if self._last:
            self._trailers(octets[at:])

    def _content(self, octets: bytes, at: int, pieces: list[bytes]) -> int:
        stop = at + self._remaining
        content = octets[at : min(stop - 2, len(octets))] if self._remaining > 2 else b""
        if content:
            pieces.append(content)
        line_end = octets[max(at, stop - 2) : stop]
        if line_end != b"\r\n"[max(0, 2 - self._remaining) :][: len(line_end)]:
            raise Malformed("a chunk does not end where its size says")
        taken = min(stop, len(octets)) - at
        self._remaining -= taken
        return at + taken

    def _trailers(self, octets: bytes) -> None:
        if octets.startswith(b"\r\n"):
            self.complete, self.leftover = True, octets[2:]
            return
        end = octets.find(b"\r\n\r\n")
        if end < 0:
            if len(octets) > _TRAILERS_LIMIT:
                raise Malformed("the answer's trailers are too large")
            self._part = octets
            return
        found = read_fields(octets, 0, end + 2)
        self.trailers = [pair for pair in found if pair[0] not in _HEAD_ONLY]
        self.complete, self.leftover = True, octets[end + 4 :]
