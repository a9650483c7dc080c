"""Answers, read from octets however they are cut."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.upstream.failure import Malformed
from cognito_guard.gateway.upstream.head import HEAD_LIMIT
from cognito_guard.gateway.upstream.reading import AnswerReader

ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "chunked": (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;a="b"\r\nhello\r\n00b\r\n, beautiful\r\n0\r\nX-Sum: 1\r\nHost: x\r\n\r\n',
        b"hello, beautiful",
    ),
    "chunks alone": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n", b"\r\r\n"),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"x",
    ),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", b""),
}


def _read(octets, cuts=(), **how):
    reader = AnswerReader(bodiless=False, **how)
    at = 0
    for cut in [*sorted(cuts), len(octets)]:
        if cut > at:
            reader.feed(octets[at:cut])
            at = cut
    return reader


@pytest.mark.parametrize("name", ANSWERS)
@given(cuts=st.sets(st.integers(0, 200), max_size=12))
def test_cuts_do_not_matter(name, cuts):
    """However the network cuts an answer, head, body, interim heads, trailers and its end are the same."""
    octets, body = ANSWERS[name]
    reader = _read(octets, {cut for cut in cuts if cut < len(octets)})
    assert reader.complete
    assert b"".join(reader.pieces) == body
    assert [head.status for head in reader.interim] == ([100, 103] if name == "interim" else [])
    assert reader.trailers == ([(b"x-sum", b"1")] if name == "chunked" else [])


@pytest.mark.parametrize("name", ANSWERS)
def test_octet_by_octet(name):
    """Complete with the last octet and not before; one more is malformed: it could be taken for the next answer."""
    octets, _ = ANSWERS[name]
    reader = AnswerReader(bodiless=False)
    for at in range(len(octets)):
        assert not reader.complete
        assert not reader.ends()
        reader.feed(octets[at : at + 1])
    assert reader.complete
    with pytest.raises(Malformed):
        _read(octets + b"H")


def test_until_closed():
    """Neither length nor coding: the body ends with the connection."""
    reader = _read(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert not reader.complete
    reader.feed(b"def")
    assert reader.ends()
    assert reader.pieces == [b"abc", b"def"]


def test_bodiless():
    """The answer to HEAD ends with its head, and octets after it are malformed."""
    reader = AnswerReader(bodiless=True)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert reader.complete
    with pytest.raises(Malformed):
        AnswerReader(bodiless=True).feed(ANSWERS["length"][0])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n0\r\n", b"5\r\nhello0\r\n\r\n", b"-5\r\n", b"+5\r\n", b"0x5\r\n", b" 5\r\n",
        b"5 \r\n", b"5 ;a\r\n", b"\r\n", b";a\r\n", b"g\r\n", b"5_0\r\n", b"\xb2\r\n", b"f" * 17 + b"\r\n", b"5;a\rb\r\nhello\r\n",
        b"5;a\0\r\n", b"5;" + b"a" * 256, b"0\r\nX : a\r\n\r\n", b"0\r\nX: a\n\r\n\r\n", b"0\r\n X: a\r\n\r\n", b"0\r\nX: " + b"a" * 9000,
        b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n", b"1\r\na\r\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "octets"])
def test_chunks_with_two_readings(body, whole):
    """THREATS A21, T21: bare LF, signs, blanks, bad ends, too long lines, octets after the end: malformed, however they are cut."""
    with pytest.raises(Malformed):
        _read(CHUNKED + body, () if whole else range(len(CHUNKED), len(CHUNKED) + len(body)))


@pytest.mark.parametrize(
    "octets",
    [b"hello", b"HTTP/2 200\r\n\r\n", b"<html>", b"\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * HEAD_LIMIT, b"\0" * 8],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
def test_no_head(octets, whole):
    """What is no HTTP/1 answer, HTTP/0.9 included, is refused with its first octets; a head beyond 64 KiB too."""
    with pytest.raises(Malformed):
        _read(octets, () if whole else {1, 5, 4000, 65000})


def test_interim_answers_are_bounded():
    """An upstream cannot keep us busy with 1xx."""
    with pytest.raises(Malformed):
        _read(b"HTTP/1.1 102 x\r\n\r\n" * 33)


SWITCH = b"HTTP/1.1 101 x\r\nUpgrade: %b\r\nConnection: %b\r\nSec-WebSocket-Accept: %b\r\n\r\nframes"


def test_an_accepted_websocket():
    """The right 101 ends HTTP; what follows it belongs to the tunnel."""
    reader = _read(SWITCH % (b"WebSocket", b"keep-alive, Upgrade", b"abc="), accept=b"abc=")
    assert reader.switched
    assert not reader.complete
    assert reader.pieces == [b"frames"]


@pytest.mark.parametrize(
    "octets",
    [
        SWITCH % (b"h2c", b"Upgrade", b"abc="),
        SWITCH % (b"websocket, h2c", b"Upgrade", b"abc="),
        SWITCH % (b"websocket", b"keep-alive", b"abc="),
        SWITCH % (b"websocket", b"Upgrade", b"abd="),
        SWITCH % (b"websocket", b"Upgrade", b"abc=\r\nSec-WebSocket-Accept: abc="),
        b"HTTP/1.1 101 x\r\n\r\n",
    ],
)
def test_other_switches(octets):
    """THREATS A22: any other 101 is malformed, and so is every 101 that nobody asked for."""
    with pytest.raises(Malformed):
        _read(octets, accept=b"abc=")
    with pytest.raises(Malformed):
        _read(SWITCH % (b"websocket", b"Upgrade", b"abc="))


@given(st.binary(max_size=120), st.sampled_from([b"", CHUNKED, b"HTTP/1.1 200 OK\r\n"]))
def test_any_octets(octets, before):
    """Any octets are an answer, a part of one, or Malformed."""
    with contextlib.suppress(Malformed):
        _read(before + octets)
