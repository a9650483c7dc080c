"""Bodies through the gateway, both ways: as they come, at the receiver's pace, framed anew and never made whole (THREATS A24)."""

from __future__ import annotations

import runpy
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, request = shared.Client, shared.request
MIB = 1 << 20
BLOCK = bytes(range(256)) * 256
ROOM = 32 * MIB


@pytest.fixture(scope="module")
def origin() -> Iterator[Any]:
    origin = shared.Upstream()
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def running(gateway: Any, origin: Any) -> Any:
    running = gateway(f'[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n[timeouts]\nidle = 10\n')
    running.secrets.add(shared.TOKEN.rpartition(".")[2].encode())
    return running


@pytest.fixture(autouse=True)
def _nothing_said_before(origin: Any) -> None:
    origin.forget()


@pytest.fixture
def client(running: Any) -> Iterator[Any]:
    with Client(running.address) as client:
        yield client


def streamed(peer: Any, blocks: int) -> int:
    """Sends blocks while they are taken; says, once, how many had gone when nobody took any more for a second."""
    peer.socket.setblocking(False)
    stalled = None
    left = memoryview(BLOCK)
    sent = 0
    while sent < blocks:
        if not select.select([], [peer.socket], [], 1)[1]:
            if stalled is None:
                stalled = sent
                peer.upstream.said.put(sent)
            select.select([], [peer.socket], [])
        left = left[peer.socket.send(left) :]
        if not left:
            left = memoryview(BLOCK)
            sent += 1
    peer.socket.settimeout(shared.PATIENCE)
    return sent


def test_events_arrive_one_by_one(origin: Any, client: Any) -> None:
    """Server-sent events: each reaches the client before the next is written, while the answer stays open (A24: no buffering)."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in iter(origin.asked.get, None):
            event = b"data: %d\n\n" % number
            peer.send(b"%x\r\n%b\r\n" % (len(event), event))
        peer.send(b"0\r\n\r\n")
        return True

    origin.script = script
    client.send(request("/events"))
    status, fields = client.head()
    assert (status, dict(fields)["content-type"]) == (200, "text/event-stream")
    chunks = client.chunks()
    for number in range(5):
        origin.asked.put(number)
        assert next(chunks) == b"data: %d\n\n" % number
    origin.asked.put(None)
    assert list(chunks) == []


def test_a_large_download_at_flat_memory(running: Any, origin: Any, client: Any) -> None:
    """256 MiB towards the client leave the gateway's peak of memory where it was, and arrive octet for octet (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (256 * MIB))
        for _ in range(4096):
            peer.send(BLOCK)
        return True

    origin.script = script
    before = shared.peak_memory(running.process.pid)
    client.send(request("/download")).head()
    for _ in range(256):
        assert client.exactly(MIB) == BLOCK * 16
    assert shared.peak_memory(running.process.pid) - before < ROOM


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_at_flat_memory(running: Any, origin: Any, client: Any, *, chunked: bool) -> None:
    """256 MiB towards the upstream, with a length or chunked: framed as they were, octet for octet, at flat memory (A24)."""

    def script(peer: Any, head: bytes) -> bool:
        count = 0
        if b"transfer-encoding: chunked\r\n" in head:
            whole = True
            for chunk in peer.chunks():  # the borders of chunks are everybody's own
                at = count % len(BLOCK)
                whole &= chunk == (BLOCK * (len(chunk) // len(BLOCK) + 2))[at : at + len(chunk)]
                count += len(chunk)
        else:
            whole = all(peer.exactly(MIB) == BLOCK * 16 for _ in range(256))
            count = 256 * MIB
        answer = b"%d %d" % (count, whole)
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        return True

    origin.script = script
    before = shared.peak_memory(running.process.pid)
    client.send(request("/upload", "Transfer-Encoding: chunked" if chunked else f"Content-Length: {256 * MIB}", method="POST"))
    octets = b"100000\r\n%b\r\n" % (BLOCK * 16) if chunked else BLOCK * 16
    for _ in range(256):
        client.send(octets)
    if chunked:
        client.send(b"0\r\n\r\n")
    assert client.answer()[2] == b"%d 1" % (256 * MIB)
    assert shared.peak_memory(running.process.pid) - before < ROOM


def test_a_slow_reader_slows_the_upstream(running: Any, origin: Any) -> None:
    """A client that does not read holds its upstream back but for what kernels buffer, and gets the rest when it reads (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.upstream = origin
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MIB))
        streamed(peer, 1024)
        return True

    origin.script = script
    before = shared.peak_memory(running.process.pid)
    with Client(running.address, receive_buffer=65536) as client:
        client.send(request("/slow")).head()
        assert origin.hear() < 768, "nobody was held back"
        for _ in range(64):
            assert client.exactly(MIB) == BLOCK * 16
    assert shared.peak_memory(running.process.pid) - before < ROOM


def test_a_slow_upstream_slows_the_client(running: Any, origin: Any, client: Any) -> None:
    """An upstream that does not read holds the client back, but for what kernels buffer, and gets the rest when it reads (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        origin.asked.get()
        whole = all(peer.exactly(MIB) == BLOCK * 16 for _ in range(64))
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % whole)
        return True

    origin.script = script
    before = shared.peak_memory(running.process.pid)
    client.upstream = SimpleNamespace(said=SimpleNamespace(put=lambda sent: (held.append(sent), origin.asked.put(None))))
    held: list[int] = []
    client.send(request("/slow-upload", f"Content-Length: {64 * MIB}", method="POST"))
    streamed(client, 1024)
    assert held
    assert held[0] < 1024, "nobody was held back"
    assert client.answer()[2] == b"1"
    assert shared.peak_memory(running.process.pid) - before < ROOM


def test_an_upload_that_is_answered_early(origin: Any, client: Any) -> None:
    """413 of the upstream while the body is still coming reaches the client at once; neither connection serves another request (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.exactly(65536)
        peer.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
        origin.said.put(peer.rest())
        return False

    origin.script = script
    client.send(request("/early", f"Content-Length: {64 * MIB}", method="POST") + BLOCK * 2)
    status, fields, body = client.answer()
    assert (status, body, fields["connection"]) == (413, b"big", "close")
    assert len(origin.hear()) < MIB
    assert client.rest() == b""


def test_continue_is_said_when_the_upstream_wants_the_body(origin: Any, client: Any) -> None:
    """100 Continue waits for the upstream's own, and the body for 100 (RFC 9110 §10.1.1)."""

    def script(peer: Any, _head: bytes) -> bool:
        origin.said.put("head")
        origin.asked.get()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = peer.exactly(4)
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n" + body)
        return True

    origin.script = script
    client.send(request("/continue", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    assert origin.hear() == "head"
    assert not select.select([client.socket], [], [], 0.2)[0], "100 Continue before anybody asked for the body"
    origin.asked.put(None)
    assert client.head() == (100, [])
    assert client.send(b"body").answer()[2] == b"body"


@pytest.mark.parametrize("token", [None, shared.TOKEN[:-8] + "AAAAAAAA"])
def test_no_continue_for_who_may_not_pass(origin: Any, client: Any, token: str | None) -> None:
    """Expect: 100-continue is answered by 401, not by 100, and nothing reaches the upstream (THREATS section 4)."""
    seen = len(origin.heads)
    client.send(request("/continue", "Content-Length: 4", "Expect: 100-continue", method="POST", token=token))
    assert client.head()[0] == 401
    assert len(origin.heads) == seen


def test_a_final_answer_instead_of_continue(origin: Any, client: Any) -> None:
    """An upstream that refuses by the head alone never gets the body, and the client is never told to send it."""
    origin.script = answering(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
    client.send(request("/continue", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    assert client.head()[0] == 417


def answering(octets: bytes, *, keeps: bool = True) -> Callable[[Any, bytes], bool]:
    def script(peer: Any, _head: bytes) -> bool:
        peer.send(octets)
        return keeps

    return script
