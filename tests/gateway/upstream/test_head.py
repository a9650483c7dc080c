"""Heads, octet by octet."""

from __future__ import annotations

import pytest

from cognito_guard.gateway.upstream.failure import Malformed
from cognito_guard.gateway.upstream.head import read_head, request_head, websocket_accept

HOST = (b"host", b"a")


def _written(*headers, method=b"GET", target=b"/", length=None, chunked=False):
    return request_head(method, target, [HOST, *headers], length=length, chunked=chunked)


def test_a_request_goes_out_as_given():
    """Method, target, names and values keep their octets and order; only the framing of a chunked body is added."""
    assert _written((b"X-A", b"\xe4 b"), (b"x-a", b""), target=b"/%2F?q=%00") == (
        b"GET /%2F?q=%00 HTTP/1.1\r\nhost: a\r\nX-A: \xe4 b\r\nx-a: \r\n\r\n",
        False,
    )
    assert _written(chunked=True)[0] == b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    assert _written((b"expect", b"100-continue"), (b"content-length", b"3"), length=3)[1]


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\r\nb: c", b"a\0b"])
def test_no_head_is_split(bad):
    """THREATS A23: CR, LF and NUL stand in no part of a head, whoever let them through."""
    for kwargs in ({"method": bad}, {"target": b"/" + bad}):
        with pytest.raises(ValueError, match="head"):
            _written(**kwargs)
    for header in ((bad, b"v"), (b"n", bad)):
        with pytest.raises(ValueError, match="head"):
            _written(header)


@pytest.mark.parametrize("kwargs", [{"target": b"/a b"}, {"target": b""}, {"method": b""}, {"method": b"GET /x"}])
def test_request_lines_have_three_parts(kwargs):
    """A blank or nothing in the method or target would be read as another request line."""
    with pytest.raises(ValueError, match="head"):
        _written(**kwargs)
    with pytest.raises(ValueError, match="head"):
        request_head(b"GET", b"/", [], length=None, chunked=False)


@pytest.mark.parametrize(
    ("headers", "length", "chunked"),
    [
        ([(b"content-length", b"3")], None, False),
        ([(b"content-length", b"3")], 4, False),
        ([(b"content-length", b"3"), (b"Content-Length", b"3")], 3, False),
        ([(b"content-length", b"+3")], 3, False),
        ([(b"content-length", b"")], 3, False),
        ([(b"content-length", b"3")], None, True),
        ([(b"transfer-encoding", b"chunked")], None, False),
        ([(b"Transfer-Encoding", b"chunked")], None, True),
        ([], 3, False),
    ],
)
def test_framing_agrees_with_the_body(headers, length, chunked):
    """THREATS A21: no request goes out whose fields say another end of the body than we shall write."""
    with pytest.raises(ValueError, match="request's"):
        _written(*headers, length=length, chunked=chunked)


def _read(lines, *, bodiless=False):
    octets = b"\r\n".join([*lines, b""])
    return read_head(octets, len(octets), bodiless=bodiless)


def test_an_answer_head():
    """Names in lower case, values without outer blanks, order and repeats kept; obs-text and an absent reason are allowed."""
    head = _read([b"HTTP/1.1 200 OK \xe9", b"Set-Cookie: a=1", b"SET-COOKIE:\t b=2 \t", b"x: ", b"Content-Length: 3"])
    assert (head.status, head.reason, head.length, head.keeps) == (200, b"OK \xe9", 3, True)
    assert head.headers == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x", b""), (b"content-length", b"3")]
    assert _read([b"HTTP/1.1 204"]).reason == b""


@pytest.mark.parametrize(
    ("lines", "keeps", "keeps_for"),
    [
        ([b"HTTP/1.1 204 x"], True, None),
        ([b"HTTP/1.1 204 x", b"Connection: Close"], False, None),
        ([b"HTTP/1.1 204 x", b"Connection: close", b"Connection: keep-alive"], False, None),
        ([b"HTTP/1.1 204 x", b"Connection: x, close"], False, None),
        ([b"HTTP/1.0 204 x"], False, None),
        ([b"HTTP/1.0 204 x", b"Connection: keep-alive"], True, None),
        ([b"HTTP/1.1 204 x", b"Keep-Alive: max=3, timeout=7"], True, 7),
        ([b"HTTP/1.1 204 x", b"Keep-Alive: xtimeout=7"], True, None),
        ([b"HTTP/1.1 200 x"], False, None),  # until the upstream closes
        ([b"HTTP/1.1 200 x", b"Content-Length: 0"], True, None),
    ],
)
def test_what_keeps_a_connection(lines, keeps, keeps_for):
    """HTTP/1.1 keeps unless told, 1.0 closes unless told, `close` wins, and a body without length takes the connection with it."""
    head = _read(lines)
    assert (head.keeps, head.keeps_for) == (keeps, keeps_for)


def test_answers_without_a_body():
    """HEAD, 1xx, 204 and 304 have none, whatever their fields say."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: 10"]
    assert _read(lines, bodiless=True).length == 0
    assert _read([b"HTTP/1.1 304 x", b"Transfer-Encoding: chunked"]).chunked is False
    assert _read([b"HTTP/1.1 304 x", b"Content-Length: 10"]).length == 0


@pytest.mark.parametrize(
    "lines",
    [
        [b"HTTP/1.1 600 Odd", b"Content-Length: 0"],
        [b"HTTP/1.1 999 Denied", b"Content-Length: 0"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 3", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 3", b"Content-Length: 3"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 3", b"Content-Length: 4"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 3, 3"],
        [b"HTTP/1.1 200 OK", b"Content-Length: +3"],
        [b"HTTP/1.1 200 OK", b"Content-Length: -3"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 0x3"],
        [b"HTTP/1.1 200 OK", b"Content-Length: \xb2"],
        [b"HTTP/1.1 200 OK", b"Content-Length:"],
        [b"HTTP/1.1 200 OK", b"Content-Length: " + b"9" * 19],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip, chunked"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked, identity"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: xchunked"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding:"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.1 204 x", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.1 103 x", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.1 200 OK", b"X: a", b" folded"],
        [b"HTTP/1.1 200 OK", b" X: a"],
        [b"HTTP/1.1 200 OK", b"X : a"],
        [b"HTTP/1.1 200 OK", b": a"],
        [b"HTTP/1.1 200 OK", b"no colon"],
        [b"HTTP/1.1 200 OK", b"X: a\nY: b"],
        [b"HTTP/1.1 200 OK", b"X: a\rY: b"],
        [b"HTTP/1.1 200 OK", b"X: a\0b"],
        [b"HTTP/1.1 200 OK", b"X: a\x7f"],
        [b"HTTP/1.1 200 OK", b"X\xe4: a"],
        [b"HTTP/1.1 200 OK\nX: a"],
        [b"HTTP/1.1 200 O\0K"],
        [b"HTTP/1.1 20 OK"],
        [b"HTTP/1.1 2000 OK"],
        [b"HTTP/1.1 099 OK"],
        [b"HTTP/1.1  200 OK"],
        [b"HTTP/1.1 200OK"],
        [b"HTTP/1.2 200 OK"],
        [b"HTTP/2.0 200 OK"],
        [b"HTTP/0.9 200 OK"],
        [b"http/1.1 200 OK"],
        [b"ICY 200 OK"],
        [b" HTTP/1.1 200 OK"],
        [b"", b"HTTP/1.1 200 OK"],
    ],
)  # fmt: skip
def test_heads_with_two_readings(lines):
    """THREATS A21, T21: whatever another parser might read otherwise is malformed."""
    with pytest.raises(Malformed):
        _read(lines)


def test_the_accept_of_a_handshake():
    """RFC 6455 §1.3's own example; no key or two is a bug of the caller's."""
    assert websocket_accept([(b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")]) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    for headers in ([], [(b"sec-websocket-key", b"a")] * 2):
        with pytest.raises(ValueError, match="Sec-WebSocket-Key"):
            websocket_accept(headers)
