"""The heads of requests that we write and of answers that we read, octet by octet (RFC 9112; no socket, no clock).

Decides what has one reading only; refuses the rest, where lenient parsers differ and smuggling lives (THREATS A21, A24, T21).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Final

from cognito_guard.gateway.upstream.failure import Malformed
from cognito_guard.web.request import HeaderPair

HEAD_LIMIT: Final = 65536
"""The most octets that an answer's head may have."""

_FIELDS = re.compile(rb"^([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n", re.MULTILINE)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n")
_KEEP_SECONDS = re.compile(rb"(?:\A|[,;])[ \t]*timeout[ \t]*=[ \t]*([0-9]{1,9})[ \t]*(?=[,;]|\Z)", re.IGNORECASE)
_DECIDING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})


def request_head(
    method: bytes, target: bytes, headers: Sequence[HeaderPair], *, length: int | None, chunked: bool
) -> tuple[bytes, bool]:
    """A request's head as it goes out, and whether it expects a 100 before its body (`Expect`).

    Names and values stand as they are given. `length` is what the one Content-Length among them says (None: there is none);
    `chunked` writes the Transfer-Encoding, which must not stand in `headers`. Raises `ValueError` where these disagree, and for CR,
    LF or NUL anywhere: the caller let through what it should have refused; a bug of ours, and nothing was sent.
    """
    framing = b"\r\ntransfer-encoding: chunked" if chunked else b""
    head = b"%b %b HTTP/1.1\r\n%b%b\r\n\r\n" % (method, target, b"\r\n".join(map(b": ".join, headers)), framing)
    lines = len(headers) + (3 if chunked else 2)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise ValueError("a request's head holds CR, LF or NUL")
    if not headers or not method or not target or b" " in method or b" " in target:
        raise ValueError("a request's head lacks its method, target or Host, or these hold a blank")
    lowered = head.lower()
    if lowered.count(b"\r\ntransfer-encoding:") != chunked:
        raise ValueError("a request's Transfer-Encoding is written here, and nowhere else")
    lengths = lowered.count(b"\r\ncontent-length:")
    if lengths:
        at = lowered.index(b"\r\ncontent-length:") + 17
        said = head[at : head.index(b"\r", at)].strip(b" \t")
        if lengths > 1 or chunked or not said.isdigit() or int(said) != (length or 0):
            raise ValueError("a request's Content-Length is not the length of its body")
    elif length:
        raise ValueError("a request's body has a length, and its head no Content-Length")
    return head, b"\r\nexpect:" in lowered


class AnswerHead:
    """An answer's head, judged: names in lower case, values without outer blanks.

    `length` counts the body's octets; None with `chunked` False: until the upstream closes. `keeps` tells whether the connection stays
    open, `keeps_for` for how many seconds at most (None: not said).
    """

    __slots__ = ("status", "reason", "headers", "length", "chunked", "keeps", "keeps_for")

    def __init__(self, status: int, reason: bytes, headers: list[HeaderPair]) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.length: int | None = None
        self.chunked = False
        self.keeps = True
        self.keeps_for: int | None = None


def read_head(octets: bytes, end: int, *, bodiless: bool) -> AnswerHead:
    """The head that stands in `octets[:end]`, its empty line excluded; `bodiless`: the request was a HEAD. Raises `Malformed`."""
    line = _STATUS_LINE.match(octets)
    if line is None:
        raise Malformed("the answer does not begin with an HTTP/1 status line")
    status = int(line[2])
    headers = read_fields(octets, line.end(), end)
    head = AnswerHead(status, line[3] or b"", headers)
    coded = False
    options: set[bytes] = set()
    for name, value in headers:
        if name in _DECIDING:
            if name == b"content-length":
                if head.length is not None or not value.isdigit() or len(value) > 18:
                    raise Malformed("the answer's Content-Length is not one number")
                head.length = int(value)
            elif name == b"transfer-encoding":
                if coded or value.lower() != b"chunked":
                    raise Malformed("the answer's Transfer-Encoding is not chunked alone")
                coded = True
            elif name == b"connection":
                options |= {option.strip(b" \t") for option in value.lower().split(b",")}
            elif found := _KEEP_SECONDS.search(value):
                head.keeps_for = int(found[1])
    if coded and (head.length is not None or line[1] == b"0" or status < 200 or status == 204):
        raise Malformed("the answer has a Transfer-Encoding where none may stand")
    head.keeps = b"close" not in options and (line[1] == b"1" or b"keep-alive" in options)
    if bodiless or status < 200 or status in {204, 304}:
        head.length = 0
    else:
        head.chunked = coded
        if not coded and head.length is None:
            head.keeps = False
    return head


def read_fields(octets: bytes, start: int, end: int) -> list[HeaderPair]:
    """The field lines in `octets[start:end]`, each ended by CRLF: all of them understood, or `Malformed`."""
    found = _FIELDS.findall(octets, start, end)
    # every match is one whole line, so as many matches as line ends leave nothing over: no folded line, no bare LF, no odd name
    if len(found) != octets.count(b"\n", start, end):
        raise Malformed("the answer has a field line that is folded, ends in a bare LF or holds what no field may")
    if octets.find(b" \r", start, end) >= 0 or octets.find(b"\t\r", start, end) >= 0:
        return [(name.lower(), value.rstrip(b" \t")) for name, value in found]
    return [(name.lower(), value) for name, value in found]


def accepted_websocket(head: AnswerHead, accept: bytes) -> bool:
    """Whether a 101 answers a websocket's handshake, whose Sec-WebSocket-Accept must be `accept` (RFC 6455 §4.1; THREATS A22)."""
    upgrade = [value.lower() for name, value in head.headers if name == b"upgrade"]
    accepts = [value for name, value in head.headers if name == b"sec-websocket-accept"]
    tokens = [token.strip(b" \t").lower() for name, value in head.headers if name == b"connection" for token in value.split(b",")]
    return upgrade == [b"websocket"] and accepts == [accept] and b"upgrade" in tokens


def websocket_accept(headers: Sequence[HeaderPair]) -> bytes:
    """The Sec-WebSocket-Accept that answers a handshake's one Sec-WebSocket-Key (RFC 6455 §4.2.2). Raises `ValueError` without it."""
    keys = [value for name, value in headers if name.lower() == b"sec-websocket-key"]
    if len(keys) != 1:
        raise ValueError("a websocket's handshake has one Sec-WebSocket-Key")
    digest = sha1(keys[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return b64encode(digest)
