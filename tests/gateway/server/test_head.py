"""Heads by themselves: what is read of a good one, and httptools as the second opinion."""

from __future__ import annotations

import string

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.server.head import Head, field, host_is_plain, read, request_line_refusal, unfinished_refusal
from cognito_guard.web.problem import Challenge

GET = b"GET / HTTP/1.1\r\nHost: h"


def good(octets: bytes, **more: int) -> Head:
    head = read(octets, **more)
    assert isinstance(head, Head)
    return head


def refused(octets: bytes, **more: int) -> str:
    challenge = read(octets, **more)
    assert isinstance(challenge, Challenge)
    return challenge.code


def test_a_head_is_read_as_it_was_sent() -> None:
    """Target and values octet by octet, names in lower case, doubled fields kept in their order."""
    head = good(b"PATCH /a%2Fb//c;d?x=%20?y HTTP/1.1\r\nHost: Api.example:8080\r\nX-A:  one two\t\r\nx-a:\r\nX-B: caf\xe9")
    assert (head.method, head.target, head.version) == ("PATCH", b"/a%2Fb//c;d?x=%20?y", "1.1")
    assert head.headers == [(b"host", b"Api.example:8080"), (b"x-a", b"one two"), (b"x-a", b""), (b"x-b", b"caf\xe9")]
    assert (head.length, head.keep_alive, head.expects, head.websocket) == (0, True, False, False)


def test_framing_is_a_length_or_chunked_or_nothing() -> None:
    """RFC 9112 §6.3: the length in octets, None for chunked, 0 without either."""
    assert good(GET + b"\r\nContent-Length: 17").length == 17
    assert good(GET + b"\r\nContent-Length: 0").length == 0
    assert good(GET + b"\r\nTransfer-Encoding: chunked").length is None


@pytest.mark.parametrize(
    ("fields", "kept"),
    [(b"", True), (b"\r\nConnection: close", False), (b"\r\nConnection: x, Close", False), (b"\r\nConnection: keep-alive", True),
     (b"\r\nConnection: x\r\nConnection: close", False), (b"\r\nConnection: closed", True)],
)  # fmt: skip
def test_the_client_may_ask_for_the_end(fields: bytes, *, kept: bool) -> None:
    """RFC 9112 §9.6: `close` anywhere in Connection."""
    assert good(GET + fields).keep_alive is kept


def test_http_1_0_is_served_once_a_connection() -> None:
    """RFC 9112 §9.3: no persistence for HTTP/1.0, whatever it asks for, and no 100 Continue either (RFC 9110 §10.1.1)."""
    head = good(
        b"POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nUpgrade: websocket\r\nContent-Length: 1"
    )
    assert (head.version, head.keep_alive, head.expects) == ("1.0", False, False)
    assert b"upgrade" not in dict(head.headers)


def test_only_a_body_is_worth_an_expectation() -> None:
    """RFC 9110 §10.1.1: without a body nobody waits for 100 Continue."""
    assert good(GET + b"\r\nExpect: 100-Continue\r\nContent-Length: 2").expects
    assert not good(GET + b"\r\nExpect: 100-continue").expects


WEBSOCKET = (
    GET + b"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)


def test_a_websocket_handshake_is_known_by_all_its_parts() -> None:
    """RFC 6455 §4.2.1."""
    head = good(WEBSOCKET)
    assert head.websocket
    assert dict(head.headers)[b"upgrade"] == b"WebSocket"
    assert refused(WEBSOCKET.replace(b": 13", b": 8")) == "websocket_version"
    assert refused(WEBSOCKET.replace(b"GET", b"PUT")) == "websocket_refused"


@pytest.mark.parametrize("fields", [b"Upgrade: h2c\r\nConnection: upgrade", b"Upgrade: websocket", b"Upgrade: websocket, h2c\r\nConnection: upgrade",
                                    b"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: upgrade", b"Upgrade: h2c\r\nHTTP2-Settings: AA"])  # fmt: skip
def test_other_upgrades_are_dropped(fields: bytes) -> None:
    """A22: what is no websocket handshake is a plain request, whose Upgrade nobody behind us sees."""
    head = good(GET + b"\r\n" + fields)
    assert not head.websocket
    assert not {b"upgrade", b"http2-settings"} & dict(head.headers).keys()


def test_field_lines_are_counted() -> None:
    """The limit counts lines, and one more is 431."""
    assert len(good(GET + b"\r\nA: b", fields=2).headers) == 2
    assert refused(GET + b"\r\nA: b\r\nA: b", fields=2) == "fields_too_many"


def test_repeated_lines_are_judged_as_the_first_time() -> None:
    """What the memory of lines saves is time, never a judgement: the same heads again, refused and good."""
    for _ in range(3):
        assert refused(GET + b"\r\nContent-Length: 05") == "framing_refused"
        assert refused(GET + b"\r\nContent-Length: 5\r\nContent-Length: 5") == "framing_refused"
        assert refused(GET + b"\r\nHost: h") == "host_refused"
        assert good(GET + b"\r\nContent-Length: 5").length == 5


def test_the_memory_of_lines_is_bounded() -> None:
    """A16: ten thousand different lines leave the same answers."""
    for number in range(10_000):
        good(b"%b\r\nX-Request-Id: %d" % (GET, number))
    assert good(GET + b"\r\nX-Request-Id: 7").headers[1] == (b"x-request-id", b"7")


@pytest.mark.parametrize(
    "host", [b"h", b"H.example", b"h.", b"h:80", b"127.0.0.1:8080", b"[::1]", b"[::1]:443", b"a_b-c.d", b"h:65535"]
)
def test_hosts_that_pass(host: bytes) -> None:
    """Names, addresses, ports."""
    assert host_is_plain(host)


@pytest.mark.parametrize(
    ("octets", "code"),
    [(b"G", None), (b"GET / HT", None), (b"GET / HTTP/1.1\r\nHost: h\r\n", None), (b"POST /", None), (b"\x16\x03\x01", "request_line_refused"),
     (b"GET /\r\n", "request_line_refused"), (b"GET / HTTP/1.1\nHost", "line_end_refused"), (b"CONNECT h:1 HTTP/1.1\r\n", "method_refused"),
     (b"GET / HTTP/2.0\r\n", "version_refused"), (b"GET * HTTP/1.1\r\n", "target_refused")],
)  # fmt: skip
def test_nobody_waits_for_the_end_of_what_is_no_request(octets: bytes, code: str | None) -> None:
    """A24: the beginning of a head is refused as soon as it can be; a good one is waited for."""
    challenge = unfinished_refusal(octets)
    assert (challenge.code if challenge else None) == code


def test_a_good_request_line_has_no_refusal() -> None:
    """The two readers of request lines agree."""
    assert request_line_refusal(b"GET / HTTP/1.1") is None


class Oracle:
    """A head as httptools reads it."""

    def __init__(self, octets: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.complete = False
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(octets)
        except httptools.HttpParserUpgrade:
            pass

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


_names = st.text(string.ascii_letters + string.digits + "-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode)
_values = st.binary(max_size=20) | st.text(string.printable, max_size=20).map(str.encode)
_lines = st.tuples(_names, st.sampled_from([b":", b": ", b":\t", b" :"]), _values).map(b"".join)
_known = st.sampled_from([
    b"Host: h", b"Content-Length: 3", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: Upgrade",
    b"Upgrade: h2c", b"Upgrade: websocket", b"Expect: 100-continue", b"Transfer-Encoding: gzip", b"Content-Length: +3", b" folded", b"",
])  # fmt: skip
_request_lines = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"PUT /%00 HTTP/1.0", b"DELETE /[x] HTTP/1.1"]
) | st.binary(max_size=30)


@given(_request_lines, st.lists(_known | _lines, max_size=6))
def test_whatever_is_accepted_httptools_reads_alike(line: bytes, fields: list[bytes]) -> None:
    """A21: what passes us has, in the parser of uvicorn and Node, the same target, the same fields and the same framing."""
    octets = b"\r\n".join([line, b"Host: first", *fields])
    head = read(octets)
    if isinstance(head, Challenge):
        return
    oracle = Oracle(octets + b"\r\n\r\n")
    assert oracle.complete
    assert oracle.url == head.target
    told = [pair for pair in oracle.headers if head.websocket or pair[0] not in (b"upgrade", b"http2-settings")]
    assert [(name, value.strip(b" \t")) for name, value in told] == [
        pair for pair in head.headers if pair[0] != b"upgrade" or head.websocket
    ]
    assert oracle.parser.get_http_version() == head.version
    assert oracle.parser.get_method().decode() == head.method


@given(st.binary(max_size=120))
def test_any_octets_are_a_head_or_an_answer(octets: bytes) -> None:
    """Any octets in: a Head or a Challenge out, whole or unfinished."""
    assert isinstance(read(octets), Head | Challenge)
    assert isinstance(unfinished_refusal(octets), Challenge | None)
    field(octets)
