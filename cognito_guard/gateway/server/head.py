"""A request's head, from its octets: either one that every server reads alike, or the answer to refuse it with (THREATS A21, A22, T21).

Decides on request line, field lines, Host, framing, Expect and Upgrade (RFC 9112 §2-§6, RFC 6455 §4.1), stricter than the grammar
wherever servers differ. The octets are read here and not by httptools, which tells neither where a message ends nor how its lines
ended, and takes whatever follows `Upgrade: h2c` out of the framing. Knows no routes and no tokens; THREATS A19 is judged elsewhere.
"""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from ipaddress import AddressValueError, IPv6Address
from typing import TypeVar

from cognito_guard.gateway.server.refusals import (
    BAD_FIELD,
    BAD_FRAMING,
    BAD_HOST,
    BAD_LINE_END,
    BAD_REQUEST_LINE,
    BAD_TARGET,
    BAD_WEBSOCKET,
    METHOD_NOT_ASKED_ABOUT,
    TOO_MANY_FIELDS,
    UNMET_EXPECTATION,
    UNSUPPORTED_METHOD,
    UNSUPPORTED_VERSION,
    WEBSOCKET_VERSION,
)
from cognito_guard.web.problem import Challenge
from cognito_guard.web.request import HeaderPair

_T = TypeVar("_T")


class Head:
    """A request's head that has one reading.

    `target` is the origin-form target as it was sent: visible ASCII without `#`. `headers` are pairs in the order sent, names in lower
    case, values without the blanks around them; an Upgrade to anything but a websocket is not among them. `length` counts the octets
    of the body, None where it is chunked; exactly 0 for a websocket. `keep_alive` is what the client allows; `expects` says that it
    waits for 100 Continue.
    """

    __slots__ = ("method", "target", "version", "headers", "length", "keep_alive", "expects", "websocket")

    def __init__(self, method: str, target: bytes, version: str, headers: list[HeaderPair]) -> None:
        # a plain class: one is made for each request, and a frozen Value costs four times as much
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.length: int | None = 0
        self.keep_alive = True
        self.expects = False
        self.websocket = False


def read(octets: bytes, fields: int = 128) -> Head | Challenge:
    """The head in `octets`, which end before the empty line; at most `fields` field lines. Never raises."""
    lines = octets.split(b"\r\n")
    line = _REQUEST_LINE(lines[0])
    if line is None or line[1] in _UNSERVED:
        return request_line_refusal(lines[0]) or BAD_REQUEST_LINE
    del lines[0]
    if len(lines) > fields:
        return TOO_MANY_FIELDS
    headers: list[HeaderPair] = []
    known = _seen.get
    for text in lines:
        pair = known(text) if len(text) <= _REMEMBERED else None
        if pair is None:
            judged = _field(text)
            if isinstance(judged, Challenge):
                return judged
            pair = judged
        headers.append(pair)
    head = Head(line[1].decode("ascii"), line[2], "1.1" if line[3] == b"1" else "1.0", headers)
    return _framed(head) or head


def request_line_refusal(line: bytes) -> Challenge | None:
    """What to answer to a request line; None where nothing stands against it. For heads that have not arrived in full, too."""
    parts = line.split(b" ")
    if _REQUEST_LINE(line):
        return _method_refusal(parts[1]) if parts[0] in _UNSERVED else None
    if len(parts) != 3 or not _TOKEN(parts[0]):
        return BAD_REQUEST_LINE
    if not _KNOWN_VERSION(parts[2]):
        return UNSUPPORTED_VERSION if _VERSION(parts[2]) else BAD_REQUEST_LINE
    if parts[0] in _UNSERVED or not _METHOD(parts[0]):
        return _method_refusal(parts[1])
    return BAD_TARGET


def _method_refusal(target: bytes) -> Challenge:
    """501; but Envoy asks with the client's own method, and what a client does must not look to it like a failure of ours."""
    return METHOD_NOT_ASKED_ABOUT if target.startswith(b"/_cognito_guard/") else UNSUPPORTED_METHOD


def unfinished_refusal(octets: bytes) -> Challenge | None:
    """What already stands against the beginning of a head, so that nobody waits for the end of what is no HTTP/1 request."""
    if not octets[:1].isupper():
        return BAD_REQUEST_LINE
    line, ended, _ = octets.partition(b"\r\n")
    if octets.count(b"\n") != octets.count(b"\r\n"):
        return BAD_LINE_END
    return request_line_refusal(line) if ended else None


def field(line: bytes) -> HeaderPair | None:
    """One field line as (name in lower case, value without the blanks around it); None where it is malformed."""
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t")
    if not colon or not _TOKEN(name) or value.translate(None, _TEXT):
        return None
    return name.lower(), value


def _field(line: bytes) -> HeaderPair | Challenge:
    """`field`, judged by itself. What repeats from request to request is remembered: names, and short lines that hold no secret."""
    name, colon, value = line.partition(b":")
    lower = _plain.get(name)
    if lower is None or not colon:
        return _judged_field(line)
    value = value.strip(b" \t")
    if value.translate(None, _TEXT):
        return BAD_FIELD
    pair = (lower, value)
    if len(line) <= _REMEMBERED and lower not in _SECRET:
        _remember(_seen, line, pair)
    return pair


def _judged_field(line: bytes) -> HeaderPair | Challenge:
    pair = field(line)
    if pair is None:
        return BAD_FIELD
    name, value = pair
    if name not in _JUDGED:
        if name.replace(b"_", b"-").replace(b".", b"-") in _JUDGED:
            return BAD_FIELD  # Content_Length: the CGI spelling, in which applications could not tell it from the real one
        written = line[: len(name)]
        if len(written) <= 64:
            _remember(_plain, written, name)
        return pair
    match name:
        case b"host" if not host_is_plain(value):
            return BAD_HOST
        case b"content-length" if not _LENGTH(value):
            return BAD_FRAMING
        case b"transfer-encoding" if value != b"chunked":
            return BAD_FRAMING
        case b"expect" if value.lower() != b"100-continue":
            return UNMET_EXPECTATION
    if len(line) <= _REMEMBERED:
        _remember(_seen, line, pair)
    return pair


def _remember(memory: dict[bytes, _T], key: bytes, what: _T) -> None:
    if len(memory) >= 2048:
        memory.clear()
    memory[key] = what


def _framed(head: Head) -> Challenge | None:
    modern = head.version == "1.1"
    found = [pair for pair in head.headers if pair[0] in _JUDGED]
    if len(found) == 1 and found[0][0] == b"host":
        head.keep_alive = modern
        return None
    judged: dict[bytes, bytes] = {}
    for name, value in found:
        if name not in judged:
            judged[name] = value
        elif name in _LISTS:
            judged[name] += b"," + value
        else:
            return BAD_HOST if name == b"host" else UNMET_EXPECTATION if name == b"expect" else BAD_FRAMING
    if b"host" not in judged:
        return BAD_HOST
    length = judged.get(b"content-length")
    if b"transfer-encoding" in judged:
        if length is not None or not modern:
            return BAD_FRAMING
        head.length = None
    elif length is not None:
        head.length = int(length)
    options = _members(judged[b"connection"]) if b"connection" in judged else ()
    head.keep_alive = modern and b"close" not in options
    head.expects = modern and b"expect" in judged and head.length != 0
    if b"upgrade" in judged:
        if modern and b"upgrade" in options and judged[b"upgrade"].lower() == b"websocket":
            return _websocket(head)
        head.headers = [pair for pair in head.headers if pair[0] not in (b"upgrade", b"http2-settings")]
    return None


def _websocket(head: Head) -> Challenge | None:
    """RFC 6455 §4.2.1; a body has no place in it (aiohttp's CVE-2026-69243)."""
    versions = [value for name, value in head.headers if name == b"sec-websocket-version"]
    if versions != [b"13"]:
        return WEBSOCKET_VERSION if len(versions) == 1 else BAD_WEBSOCKET
    keys = [value for name, value in head.headers if name == b"sec-websocket-key"]
    if head.method != "GET" or head.length != 0 or len(keys) != 1 or len(keys[0]) != 24 or head.expects:
        return BAD_WEBSOCKET
    try:
        if len(a2b_base64(keys[0], strict_mode=True)) != 16:
            return BAD_WEBSOCKET
    except NotBase64:
        return BAD_WEBSOCKET
    head.websocket = True
    return None


def host_is_plain(host: bytes) -> bool:
    """Whether `host` is uri-host[:port] as RFC 9110 §7.2 says, of letters, digits, `.`, `-` and `_`, or an address in brackets."""
    found = _HOST(host)
    if found is None or len(host) > 261 or int(found["port"] or b"0") > 65535:
        return False
    if found["v6"] is None:
        return True
    try:
        IPv6Address(found["v6"].decode("ascii"))
    except AddressValueError:
        return False
    return True


def _members(value: bytes) -> list[bytes]:
    return [member.strip(b" \t") for member in value.lower().split(b",")]


_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}").fullmatch
_TEXT = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
# visible ASCII without "#"; methods are upper case, lest an upstream that folds case sees another one than the routes do
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z_-]{0,31}) (/[!-\"$-~]*) HTTP/1\.([01])").fullmatch
_METHOD = re.compile(rb"[A-Z][A-Z_-]{0,31}").fullmatch
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_KNOWN_VERSION = re.compile(rb"HTTP/1\.[01]").fullmatch
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}").fullmatch
_HOST = re.compile(
    rb"(?:(?=[0-9A-Za-z_-])(?:[0-9A-Za-z_-]++\.)*+[0-9A-Za-z_-]*+|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
).fullmatch

_UNSERVED = frozenset({b"CONNECT", b"TRACE"})
_LISTS = frozenset({b"connection", b"upgrade"})
_JUDGED = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", *_LISTS})
_SECRET = frozenset({b"authorization", b"proxy-authorization", b"cookie"})
_REMEMBERED = 128  # octets of a line that is worth it
_seen: dict[bytes, HeaderPair] = {}  # lines that were judged good by themselves
_plain: dict[bytes, bytes] = {}  # names, as they were written, of which only the value's octets are left to judge
