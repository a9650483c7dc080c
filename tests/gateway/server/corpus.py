"""Raw requests that no two servers read alike, or that no server should take (THREATS A21, A22, T8, T9, T13, T21; section 4)."""

from __future__ import annotations

H = b"Host: h\r\n"
GET = b"GET / HTTP/1.1\r\n" + H
POST = b"POST / HTTP/1.1\r\n" + H
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WS = (
    b"GET / HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    return POST + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def _get(*fields: bytes) -> bytes:
    return GET + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def _target(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + H + b"\r\n"


def _host(value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + H + b"\r\n"


LENGTHS = {
    f"content-length {value!r}": _post(b"Content-Length: " + value, body=b"abcde")
    for value in (
        b"", b"+5", b"-5", b"-1", b"0x5", b"5 5", b"5,5", b"5, 5", b"5;5", b"5.0", b"5e0", b"05", b"\x0b5", b"5\x0b", b"5_0", b"\xb2",
        b"five", b"18446744073709551621", b"9" * 40, b'"5"', b"\xef\xbc\x95",
    )
}  # fmt: skip
FRAMING = {
    "two equal lengths": _post(b"Content-Length: 5", b"Content-Length: 5", body=b"abcde"),
    "two unequal lengths": _post(b"Content-Length: 5", b"Content-Length: 6", body=b"abcde"),
    "two lengths, one in another case": _post(b"Content-Length: 5", b"content-LENGTH: 0", body=b"abcde"),
    "length and coding": _post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "coding and length": _post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED),
    "coding and length 0": _post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=b"0\r\n\r\n" + SMUGGLED),
    "CGI spelling of the length": _post(b"Content_Length: 5", body=b"abcde"),
    "CGI spelling of the coding": _post(b"Content-Length: 5", b"Transfer_Encoding: chunked", body=b"abcde"),
    "dotted spelling of the coding": _post(b"Content-Length: 5", b"Transfer.Encoding: chunked", body=b"abcde"),
    "blank before the length's colon": _post(b"Content-Length : 5", body=b"abcde"),
    "blank before the coding's colon": _post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "tab before the coding's colon": _post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "blank before the coding's name": _post(b"Content-Length: 5", b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET, length and coding": _get(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
}
CODINGS = {
    f"transfer-encoding {value!r}": _post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n" + SMUGGLED)
    for value in (
        b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1",
        b"xchunked", b"chunkedx", b'"chunked"', b"chun ked", b"\x0bchunked", b"chunked\x0c", b"chunked\x00", b"Chunked", b"chunked, identity",
        b"identity, chunked", b"\xc2\xa0chunked",
    )
} | {
    "coding twice": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding twice, the last identity": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "folded coding": _post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
}  # fmt: skip
FIELDS = {
    "obs-fold": _get(b"X-A: one", b" two"),
    "obs-fold by tab": _get(b"X-A: one", b"\ttwo"),
    "fold before the first field": b"GET / HTTP/1.1\r\n X-A: one\r\n" + H + b"\r\n",
    "empty name": _get(b": nobody"),
    "no colon": _get(b"X-A"),
    "blank in a name": _get(b"X A: one"),
    "blank before the colon": _get(b"X-A : one"),
    "NUL in a name": _get(b"X\x00A: one"),
    "octet beyond ASCII in a name": _get(b"X-\xc3\xa9: one"),
    "parenthesis in a name": _get(b"X(A): one"),
    "quotation mark in a name": _get(b'"X-A": one'),
    "slash in a name": _get(b"X/A: one"),
    "at sign in a name": _get(b"X@A: one"),
    "bracket in a name": _get(b"X[A]: one"),
    "NUL in a value": _get(b"X-A: o\x00ne"),
    "BEL in a value": _get(b"X-A: o\x07ne"),
    "ESC in a value": _get(b"X-A: \x1b[31m"),
    "DEL in a value": _get(b"X-A: o\x7fne"),
    "vertical tab in a value": _get(b"X-A: o\x0bne"),
    "bare CR in a value": _get(b"X-A: one\rX-B: two"),
    "bare LF in a value": _get(b"X-A: one\nX-B: two"),
    "CR CR LF": _get(b"X-A: one\r"),
    "LF CR": GET + b"X-A: one\n\r\r\n\r\n",
    "empty line with a blank": GET + b" \r\n\r\n",
    "name of 300 octets": _get(b"X" * 300 + b": one"),
}
LINES = {
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF behind the request line": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF behind a field": b"GET / HTTP/1.1\r\nHost: h\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: h\r\n\n",
    "bare CR everywhere": b"GET / HTTP/1.1\rHost: h\r\r" + b"\r\n\r\n",
    "bare CR behind the version": b"GET / HTTP/1.1\r" + H + b"\r\n",
    "LF in front": b"\nGET / HTTP/1.1\r\n" + H + b"\r\n",
    "two empty lines in front": b"\r\n\r\nGET / HTTP/1.1\r\n" + H + b"\r\n",
    "blank in front": b" GET / HTTP/1.1\r\n" + H + b"\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/0.9 with fields": b"GET /\r\n" + H + b"\r\n",
    "HTTP/0.9, named": _line(b"GET / HTTP/0.9"),
    "HTTP/2.0": _line(b"GET / HTTP/2.0"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": _line(b"GET / HTTP/1.2"),
    "HTTP/1.10": _line(b"GET / HTTP/1.10"),
    "HTTP/1": _line(b"GET / HTTP/1"),
    "HTTP/3.0": _line(b"GET / HTTP/3.0"),
    "http/1.1": _line(b"GET / http/1.1"),
    "HTTPS/1.1": _line(b"GET / HTTPS/1.1"),
    "no version": _line(b"GET / "),
    "blank behind the version": _line(b"GET / HTTP/1.1 "),
    "two blanks": _line(b"GET  / HTTP/1.1"),
    "two blanks before the version": _line(b"GET /  HTTP/1.1"),
    "tabs": _line(b"GET\t/\tHTTP/1.1"),
    "no target": _line(b"GET HTTP/1.1"),
    "no method": _line(b"/ HTTP/1.1"),
    "lower-case method": _line(b"get / HTTP/1.1"),
    "method in two cases": _line(b"Get / HTTP/1.1"),
    "method with a colon": _line(b"G:T / HTTP/1.1"),
    "method with NUL": _line(b"GE\x00T / HTTP/1.1"),
    "CONNECT": b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
    "CONNECT to a path": _line(b"CONNECT / HTTP/1.1"),
    "TRACE": _line(b"TRACE / HTTP/1.1"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "NULs": b"\x00" * 64,
    "a method of 4,000 octets": _line(b"G" * 4000 + b" / HTTP/1.1"),
}
TARGETS = {
    f"target {value!r}": _target(value)
    for value in (
        b"*", b"http://h/", b"http://evil/", b"HTTP://h/x", b"https://h/", b"h:80", b"//h/ x", b"/a#b", b"#", b"/#/public", b"x", b"public/x",
        b"?x=/", b"\\x", b"/\x00", b"/a\x00b", b"/a\tb", b"/a\x0bb", b"/a\x7f", b"/\xc3\xa9", b"/\xff", b"/?q=\xe9", b"/a b", b"/a\x1b",
    )
}  # fmt: skip
HOSTS = {
    f"host {value!r}": _host(value)
    for value in (
        b"", b"h/public/", b"u@h", b"h evil", b"h, h", b"h:80:80", b"h:", b"h:port", b"h:+80", b"h:99999", b"h:-1", b"http://h", b"h?x", b"h#x",
        b"h\\x", b"[::1", b"::1", b"[::1]x", b"[g]", b"[]", b"h%00", b"h%2fx", b"h\x00", b"h\tx", b"h..x", b".", b".h", b"\xc3\xa9", b"<h>", b"h;x",
        b"h" * 300, b"*", b":80",
    )
} | {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no host in HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "two hosts": _get(b"Host: h"),
    "two other hosts": _get(b"Host: other"),
    "blank before the host's colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "folded host": b"GET / HTTP/1.1\r\nHost:\r\n h\r\n\r\n",
}  # fmt: skip
EXPECTATIONS = {
    "an expectation of one's own": _post(b"Expect: the unexpected", b"Content-Length: 5", body=b"abcde"),
    "two expectations": _post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 5", body=b"abcde"),
    "a list of expectations": _post(b"Expect: 100-continue, x", b"Content-Length: 5", body=b"abcde"),
    "an empty expectation": _post(b"Expect:", b"Content-Length: 5", body=b"abcde"),
}
WEBSOCKETS = {
    "websocket with a body": WS + b"Content-Length: 5\r\n\r\nabcde",
    "websocket with a chunked body": WS + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "websocket by POST": WS.replace(b"GET", b"POST") + b"\r\n",
    "websocket without a key": WS.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"") + b"\r\n",
    "websocket with two keys": WS + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "websocket with a short key": WS.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=") + b"\r\n",
    "websocket with a key that is no base64": WS.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZ!==") + b"\r\n",
    "websocket with an empty key": WS.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"") + b"\r\n",
    "websocket of version 8": WS.replace(b"Version: 13", b"Version: 8") + b"\r\n",
    "websocket without a version": WS.replace(b"Sec-WebSocket-Version: 13\r\n", b"") + b"\r\n",
    "websocket of two versions": WS + b"Sec-WebSocket-Version: 13\r\n\r\n",
    "websocket that expects": WS + b"Expect: 200-ok\r\n\r\n",
}
LARGE = {
    "a field of 100 kB": _get(b"X-A: " + b"a" * 100_000),
    "a head without end": GET + b"X-A: a\r\n" * 20_000,
    "a target of 100 kB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + H + b"\r\n",
    "a request line without end": b"GET /" + b"a" * 100_000,
    "129 fields": GET + b"X-A: a\r\n" * 128 + b"\r\n",
}
HEADS = LENGTHS | FRAMING | CODINGS | FIELDS | LINES | TARGETS | HOSTS | EXPECTATIONS | WEBSOCKETS | LARGE
"""Refused before the application hears of them."""

BODIES = {
    f"chunk {octets!r}"[:60]: CHUNKED + octets
    for octets in (
        b"5\nabcde\n0\n\n", b"5\r\nabcde\n0\r\n\r\n", b"5\nabcde\r\n0\r\n\r\n", b"5\r\nabcde0\r\n\r\n", b"5\r\nabcdeXX0\r\n\r\n",
        b"5\r\nabcdef\r\n0\r\n\r\n", b"6\r\nabcde\r\n0\r\n\r\n\r\n", b"+5\r\nabcde\r\n0\r\n\r\n", b"-5\r\nabcde\r\n0\r\n\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n",
        b"5h\r\nabcde\r\n0\r\n\r\n", b" 5\r\nabcde\r\n0\r\n\r\n", b"5 \r\nabcde\r\n0\r\n\r\n", b"5\t\r\nabcde\r\n0\r\n\r\n", b"\r\nabcde\r\n0\r\n\r\n",
        b"5;a=b\r\nabcde\r\n0\r\n\r\n", b"5;\r\nabcde\r\n0\r\n\r\n", b"5;a\nb\r\nabcde\r\n0\r\n\r\n", b"5\rX\nabcde\r\n0\r\n\r\n", b"5\x00\r\nabcde\r\n0\r\n\r\n",
        b"10000000000000005\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabcde\r\n0\r\n\r\n", b"5\r\r\nabcde\r\n0\r\n\r\n", b"5_0\r\nabcde\r\n0\r\n\r\n",
        b"\xd9\xa5\r\nabcde\r\n0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\n", b"5\r\nabcde\r\n0\n\r\n", b"5\r\nabcde\r\n0;x\r\n\r\n", b"5\r\nabcde\r\n-0\r\n\r\n",
        b"5\r\nabcde\r\n0\r\nX-A\r\n\r\n", b"5\r\nabcde\r\n0\r\n X-A: a\r\n\r\n", b"5\r\nabcde\r\n0\r\nX-A: a\n\r\n", b"5\r\nabcde\r\n0\r\nX-A: \x00\r\n\r\n",
        b"5\r\nabcde\r\n0\r\nContent-Length: 9\r\n\r\n", b"5\r\nabcde\r\n0\r\nTransfer-Encoding: x\r\n\r\n", b"5\r\nabcde\r\n0\r\nHost: other\r\n\r\n",
        b"5\r\nabcde\r\n0\r\nAuthorization: Bearer x\r\n\r\n", b"5\r\nabcde\r\n0\r\nTransfer_Encoding: x\r\n\r\n", b"5\r\nabcde\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
        b"5\r\nabcde\r\n0\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", b"0" * 40 + b"5\r\nabcde\r\n0\r\n\r\n",
    )
}  # fmt: skip
"""Heads that are good, with bodies that are not: the application may have begun, but never gets a whole body."""
