"""The octets of a response's head: how its body is framed (RFC 9112 §6), and that nothing in it ends a line (THREATS A23).

Decides framing and which of the application's fields are the server's own to write. Knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from cognito_guard.web.problem import Challenge
from cognito_guard.web.request import HeaderPair


class BadAnswer(Exception):
    """The application's response cannot be sent as it is: a bug of the application. Says which, and holds nothing of it."""


class Framing:
    """How a response goes out: its `head`, `length` (octets that must follow; -1: unknown), whether it is `chunked`, and whether it is
    `bodiless`, so that what the application sends as a body is left out."""

    __slots__ = ("head", "length", "chunked", "bodiless", "keep_alive")

    def __init__(self, head: bytes, length: int, *, chunked: bool, bodiless: bool, keep_alive: bool) -> None:
        self.head = head
        self.length = length
        self.chunked = chunked
        self.bodiless = bodiless
        self.keep_alive = keep_alive


def framing(
    status: int,
    headers: list[HeaderPair],
    *,
    date: bytes,
    body: int,
    modern: bool,
    keep_alive: bool,
    head_only: bool,
) -> Framing:
    """The head for `status` and `headers`. `body` counts the octets of a body that is whole already, else it is -1; `date` is a line.

    A Content-Length of the application is kept and binds it. Transfer-Encoding and Keep-Alive are left out, and Connection counts for
    its `close`. Raises `BadAnswer` for a status outside 200..599, a malformed field, or two lengths.
    """
    line = STATUS_LINES.get(status)
    if line is None:
        raise BadAnswer("a final response has a status from 200 to 599")
    length, dropped = -1, False
    for name, value in headers:
        known = _known.get(name)
        if known is None:
            known = _meet(name)
        if not known:
            continue
        if known == b"content-length":
            if length >= 0 or not value.isdigit() or len(value) > 18:
                raise BadAnswer("a response has one Content-Length, of digits")
            length = int(value)
        elif known == b"date":
            date = b""
        else:
            keep_alive = keep_alive and not (known == b"connection" and b"close" in value.lower())
            dropped = True
    bodiless = head_only or status in (204, 304)
    if status == 204 and length >= 0:
        length, dropped = -1, True
    if dropped:
        headers = [pair for pair in headers if _kept(pair[0], with_length=length >= 0)]
    own = b""
    chunked = False
    if bodiless:
        length = 0
    elif length >= 0:
        if body >= 0 and body != length:
            raise BadAnswer("the body is not as long as its Content-Length says")
    elif body >= 0:
        length = body
        own = b"content-length: %d\r\n" % body
    elif modern:
        chunked = True
        own = b"transfer-encoding: chunked\r\n"
    else:
        keep_alive = False
    if not keep_alive:
        own += b"connection: close\r\n"
    fields = b"\r\n".join(map(b": ".join, headers))
    count = len(headers)
    if count:
        if fields.count(b"\n") != count - 1 or fields.count(b"\r") != count - 1 or b"\0" in fields:
            raise BadAnswer("a field of the response holds CR, LF or NUL")
        head = b"".join((line, fields, b"\r\n", date, own, b"\r\n"))
    else:
        head = b"".join((line, date, own, b"\r\n"))
    return Framing(head, length, chunked=chunked, bodiless=bodiless, keep_alive=keep_alive)


def interim(status: int, headers: Iterable[HeaderPair]) -> bytes:
    """An interim response (RFC 9110 §15.2), or the 101 of a switch. Raises `BadAnswer`."""
    if not 100 <= status <= 199:
        raise BadAnswer("an interim response has a status from 100 to 199")
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, _phrase(status), fields(headers))


def fields(headers: Iterable[HeaderPair]) -> bytes:
    """Field lines, each with its CR LF. Raises `BadAnswer`."""
    lines = []
    for name, value in headers:
        if not _TOKEN(name) or _ENDS(value):
            raise BadAnswer("a field of the response is malformed")
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def refusal(challenge: Challenge, *, head_only: bool = False) -> bytes:
    """One of our own answers, after which the connection closes."""
    head = b"%b%bconnection: close\r\n\r\n" % (STATUS_LINES[challenge.status], fields(challenge.headers))
    return head if head_only else head + challenge.body


def _meet(name: bytes) -> bytes:
    if not _TOKEN(name):
        raise BadAnswer("a field of the response has a malformed name")
    lower = name.lower()
    known = lower if lower in _OURS else _PLAIN
    if len(_known) >= 2048:
        _known.clear()
    if len(name) <= 64:
        _known[name] = known
    return known


def _kept(name: bytes, *, with_length: bool) -> bool:
    lower = name.lower()
    return lower not in _OURS or lower == b"date" or (with_length and lower == b"content-length")


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


_PLAIN = b""
_OURS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date"})
_known: dict[bytes, bytes] = {}  # a field's name as it was written -> itself in lower case where it is ours to judge, else _PLAIN
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}").fullmatch
_ENDS = re.compile(rb"[\r\n\0]").search
STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)) for status in range(200, 600)}
