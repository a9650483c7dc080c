"""The corpus of raw requests against the real server (THREATS A21, A22, T8, T9, T13, T21; section 4)."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cognito_guard.gateway.server.connection import EXTENSION

corpus = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("corpus.py"))))


class Recorder:
    """Reads each body whole, and notes the targets of those that it got."""

    def __init__(self) -> None:
        self.begun = 0
        self.whole: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        while (message := await receive())["type"] == "http.request":
            if not message["more_body"]:
                self.whole.append(scope["raw_path"])
                scope["extensions"][EXTENSION].answer(200, [], b"fine")
                return


APP = Recorder()


@pytest.fixture(scope="module")
def served(serve: Any) -> Any:
    return serve(APP)


@pytest.mark.parametrize("name", corpus.HEADS)
def test_heads_that_no_two_servers_read_alike_are_refused_before_the_application(served: Any, name: str) -> None:
    """A21, T21 and section 4: an error status, the connection closed, and neither the request nor what follows it is served."""
    begun = APP.begun
    answer = served.talk(corpus.HEADS[name] + corpus.SMUGGLED)
    _refused(answer)
    assert APP.begun == begun


@pytest.mark.parametrize("name", corpus.HEADS)
def test_it_does_not_matter_how_the_octets_arrive(served: Any, name: str) -> None:
    """T21: the same heads, cut in two in the middle and before the last octet, are refused alike."""
    octets = corpus.HEADS[name]
    begun = APP.begun
    _refused(served.talk(octets[: len(octets) // 2], octets[len(octets) // 2 : -1], octets[-1:] + corpus.SMUGGLED))
    assert APP.begun == begun


@pytest.mark.parametrize("name", corpus.BODIES)
def test_bodies_with_two_readings_are_never_whole(served: Any, name: str) -> None:
    """A21, T21: odd chunk sizes, line ends, extensions and trailers end in 400 and a closed connection; the application gets no end."""
    whole = len(APP.whole)
    answer = served.talk(corpus.BODIES[name] + corpus.SMUGGLED)
    _refused(answer)
    assert b"chunk_refused" in answer
    assert len(APP.whole) == whole


def test_the_corpus_is_as_large_as_the_one_that_other_servers_were_measured_with() -> None:
    """Section 4 of THREATS: 141 raw requests."""
    assert len(corpus.HEADS) + len(corpus.BODIES) >= 200


def test_a_refused_head_behind_a_good_request_ends_the_connection_after_its_answer(served: Any) -> None:
    """T21: pipelined octets behind a refused head are never read as a request."""
    answer = served.talk(corpus.GET + b"\r\n" + corpus.GET + b"X-A : a\r\n\r\n" + corpus.SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    _refused(answer.partition(b"fine")[2])
    assert b"/smuggled" not in APP.whole


def test_what_follows_a_websocket_that_was_refused_is_not_a_request(served: Any) -> None:
    """A22, T21: early data behind an opening handshake that got no 101 is dropped with the connection."""
    whole = len(APP.whole)
    answer = served.talk(corpus.WS + b"\r\n" + corpus.SMUGGLED)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer
    assert len(APP.whole) == whole + 1


def test_an_upgrade_to_h2c_is_dropped_and_its_request_served(served: Any) -> None:
    """A22: `Upgrade: h2c` is no tunnel; the body keeps its framing, and what follows it is the next request."""
    head = (
        corpus.POST
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\n"
    )
    answer = served.talk(head + b"ok" + corpus.GET + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def _refused(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert status in {400, 408, 413, 414, 417, 426, 431, 501, 505}
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert answer.count(b"HTTP/1.1") - body.count(b"HTTP/1.1") == 1
