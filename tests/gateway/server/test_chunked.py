"""The chunked coding by itself (RFC 9112 §7.1), with httptools as the second opinion."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.server.chunked import BadChunk, Chunked


def fed(*segments: bytes) -> tuple[bytes, Chunked]:
    chunked = Chunked()
    body = b""
    for at, segment in enumerate(segments):
        body += b"".join(chunked.feed(segment))
        if chunked.ended:
            chunked.rest += b"".join(segments[at + 1 :])
            break
    return body, chunked


@pytest.mark.parametrize(
    "octets", [b"3\r\nabc\r\n0\r\n\r\n", b"003\r\nabc\r\n00\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\nX-A: b\r\nX-B:\r\n\r\n"]
)
def test_a_body_ends_where_it_says(octets: bytes) -> None:
    """Chunks are joined, trailers dropped, and what follows is kept for the next request."""
    body, chunked = fed(octets + b"GET ")
    assert (body, chunked.ended, chunked.rest) == (b"abc", True, b"GET ")


def test_sizes_are_hexadecimal_in_either_case() -> None:
    """RFC 9112 §7.1: chunk-size is 1*HEXDIG."""
    assert fed(b"1a\r\n" + b"x" * 26 + b"\r\nA\r\n" + b"y" * 10 + b"\r\n0\r\n\r\n")[0] == b"x" * 26 + b"y" * 10


def test_a_body_that_is_not_over_has_not_ended() -> None:
    """A16: what has arrived is given at once, and nothing is taken for the end that is none."""
    body, chunked = fed(b"5\r\nabc")
    assert (body, chunked.ended) == (b"abc", False)


def test_a_size_line_without_end_is_refused_while_it_grows() -> None:
    """A16: a line is not collected without bound."""
    with pytest.raises(BadChunk):
        fed(*[b"0"] * 30)


def test_trailers_are_bounded() -> None:
    """A16: eight kibibytes of trailers in all, in one line or in many."""
    with pytest.raises(BadChunk):
        fed(b"0\r\n" + b"X-A: b\r\n" * 2000)
    with pytest.raises(BadChunk):
        fed(b"0\r\nX-A: ", *[b"b" * 1000] * 10)


def _split(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[start:end] for start, end in pairwise(places)]


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.lists(st.integers(0, 1000), max_size=8))
def test_segments_change_nothing(chunks: list[bytes], cuts: list[int]) -> None:
    """However the octets are cut, body, end and rest are the same."""
    octets = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\nnext"
    body, chunked = fed(*_split(octets, cuts))
    assert (body, chunked.ended, chunked.rest) == (b"".join(chunks), True, b"next")


class Oracle:
    """A chunked body as httptools reads it."""

    def __init__(self, octets: bytes) -> None:
        self.body = b""
        self.complete = False
        parser = httptools.HttpRequestParser(self)
        with contextlib.suppress(httptools.HttpParserError):
            parser.feed_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + octets)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


_PIECES = [
    b"0",
    b"1",
    b"2",
    b"a",
    b"\r\n",
    b"\n",
    b"\r",
    b";",
    b" ",
    b"xy",
    b"0\r\n\r\n",
    b"2\r\nxy\r\n",
    b"1\r\nz\r\n",
    b"A: b\r\n",
    b"+",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=10).map(b"".join), st.lists(st.integers(0, 100), max_size=4))
def test_whatever_is_accepted_httptools_reads_alike(octets: bytes, cuts: list[int]) -> None:
    """A21: a body that we take to be whole is whole for httptools, and the same."""
    try:
        body, chunked = fed(*_split(octets, cuts))
    except BadChunk:
        return
    if chunked.ended:
        oracle = Oracle(octets[: len(octets) - len(chunked.rest)])
        assert (oracle.complete, oracle.body) == (True, body)
