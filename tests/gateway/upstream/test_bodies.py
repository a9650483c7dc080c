"""Request bodies: whole, streamed, held back, cut short."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard.gateway.upstream import Timeouts, UpstreamFailed

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EARLY = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"


def sized(length):
    return [*HOST, (b"content-length", b"%d" % length)]


async def stream(*pieces):
    for piece in pieces:
        yield piece


def taking(count, seen):
    async def handler(peer):
        while True:
            await peer.head()
            seen.append(await peer.octets(count))
            await peer.send(OK)

    return handler


@pytest.mark.parametrize("make", [lambda: b"hello", lambda: stream(b"he", b"", b"llo")], ids=["whole", "streamed"])
async def test_with_a_length(raw, make):
    """Exactly the body's octets go out, and the connection serves on."""
    seen = []
    upstream = raw.upstream(await raw.serve(taking(5, seen)))
    for _ in range(2):
        assert (await upstream.exchange(b"POST", b"/", sized(5), make(), length=5)).status == 200
    assert seen == [b"hello", b"hello"]
    assert len(raw.peers) == 1


@pytest.mark.parametrize("make", [lambda: b"hello, world", lambda: stream(b"hello", b"", b", world")], ids=["whole", "streamed"])
async def test_chunked(raw, make):
    """Without a length the body is chunked here; an empty piece does not end it."""
    seen = []

    async def handler(peer):
        while True:
            seen.append(await peer.head() + await peer.reader.readuntil(b"0\r\n\r\n"))
            await peer.send(OK)

    upstream = raw.upstream(await raw.serve(handler))
    for _ in range(2):
        assert (await upstream.exchange(b"POST", b"/", HOST, make())).status == 200
    assert b"\r\ntransfer-encoding: chunked\r\n\r\n" in seen[0]
    assert seen[0].endswith((b"c\r\nhello, world\r\n0\r\n\r\n", b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"))
    assert len(raw.peers) == 1


async def test_a_large_upload_at_the_upstreams_pace(raw):
    """An upstream that does not read stops the body's iterator; when it reads, every octet arrives."""
    size, piece, given, stalled = 32 << 20, 1 << 20, 0, asyncio.Event()
    released = asyncio.Event()

    async def body():
        nonlocal given
        for _ in range(size // piece):
            given += piece
            yield b"x" * piece

    async def handler(peer):
        await peer.head()
        stalled.set()
        await released.wait()
        await peer.octets(size)
        await peer.send(OK)
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    task = asyncio.create_task(upstream.exchange(b"PUT", b"/", sized(size), body(), length=size))
    await stalled.wait()
    before = -1
    while before != given:
        before = given
        await asyncio.sleep(0.02)
    assert given < size
    released.set()
    assert (await task).status == 200
    assert given == size


async def test_an_upstream_that_never_reads(raw):
    """THREATS A24: not taking our octets is the upstream's idleness."""

    async def handler(peer):
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def body():
        while True:
            yield b"x" * (1 << 20)

    upstream = raw.upstream(await raw.serve(handler), timeouts=Timeouts(idle=0.05))
    with pytest.raises(UpstreamFailed) as caught:
        await upstream.exchange(b"POST", b"/", HOST, body())
    assert caught.value.kind == "idle_timeout"


async def test_the_answer_is_due_after_the_body(raw):
    """A client that takes long to send does not use up the upstream's time to answer."""
    seen = []

    async def body():
        yield b"he"
        await asyncio.sleep(0.1)
        yield b"llo"

    upstream = raw.upstream(await raw.serve(taking(5, seen)), timeouts=Timeouts(answer=0.08, idle=0.05))
    assert (await upstream.exchange(b"POST", b"/", sized(5), body(), length=5)).status == 200


class Body:
    """A body that begins, then waits; it tells how it ended."""

    def __init__(self, *pieces):
        self.pieces = pieces
        self.ended = asyncio.Event()
        self.asked = 0

    async def __aiter__(self):
        try:
            for piece in self.pieces:
                self.asked += 1
                yield piece
            self.asked += 1
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.mark.parametrize("length", [10, None])
async def test_an_early_answer(raw, length):
    """A final answer before the body's end stops the body, is delivered whole, and the connection is not used again."""

    async def handler(peer):
        await peer.head()
        await peer.send(EARLY)
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    body = Body(b"he")
    answer = await upstream.exchange(b"POST", b"/", sized(length) if length else HOST, body.__aiter__(), length=length)
    assert (answer.status, answer.body, answer.complete) == (413, b"no", True)
    await body.ended.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not upstream._idle
    assert not upstream._connections


async def test_nothing_is_asked_after_the_last_octet(raw):
    """With a length, the iterator is not asked again once all of it was given: the answer may come, and the connection stays good."""
    seen = []
    upstream = raw.upstream(await raw.serve(taking(5, seen)))
    body = Body(b"hello")
    assert (await upstream.exchange(b"POST", b"/", sized(5), body.__aiter__(), length=5)).status == 200
    assert body.asked == 1
    assert body.ended.is_set()
    assert len(upstream._idle) == 1


class ClientLeft(Exception):
    pass


async def test_a_client_that_leaves(raw):
    """What the body raises comes to who awaits the exchange, as it is; the connection is closed and the upstream not blamed."""

    async def body():
        yield b"he"
        raise ClientLeft

    upstream = raw.upstream(await raw.serve(lambda peer: peer.gone()))
    with pytest.raises(ClientLeft):
        await upstream.exchange(b"POST", b"/", sized(5), body(), length=5)
    await raw.peers[0].ended.wait()
    assert not upstream._idle
    assert not upstream.health.troubled


async def test_a_body_that_is_cancelled(raw):
    """A body whose own wait is cancelled ends the exchange; it does not hang, and it is not the upstream's failure."""

    async def body():
        yield b"he"
        await cancelled

    cancelled = asyncio.get_running_loop().create_future()
    upstream = raw.upstream(await raw.serve(lambda peer: peer.gone()))
    task = asyncio.create_task(upstream.exchange(b"POST", b"/", sized(5), body(), length=5))
    while not raw.peers:  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.001)
    cancelled.cancel()
    with pytest.raises(ConnectionAbortedError):
        await task
    await raw.peers[0].ended.wait()
    assert not upstream.health.troubled


async def test_a_client_that_leaves_after_an_early_answer(raw):
    """What the body raises then does not spoil the answer that is still being read."""
    proceed, left = asyncio.Event(), asyncio.Event()

    async def body():
        yield b"he"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.set()
            raise ClientLeft from None

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nno")
        await proceed.wait()
        await peer.send(b"no")
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"POST", b"/", sized(5), body(), length=5)
    await left.wait()
    proceed.set()
    octets = answer.body
    while not answer.complete:
        octets += await answer.read()
    assert octets == b"nono"


@pytest.mark.parametrize("make", [lambda: stream(b"hell"), lambda: stream(b"hello", b"!"), lambda: stream(b"hello!")])
async def test_a_body_of_another_length(raw, make):
    """THREATS A21: fewer octets are never padded; more are never sent, for they would be the next request."""
    got = []

    async def handler(peer):
        await peer.head()
        got.append(await peer.gone())

    upstream = raw.upstream(await raw.serve(handler), timeouts=Timeouts(answer=0.1))
    with pytest.raises((ValueError, UpstreamFailed)):
        await upstream.exchange(b"POST", b"/", sized(5), make(), length=5)
    await upstream.close()
    await raw.peers[0].ended.wait()
    assert len(got[0]) <= 5


async def test_a_whole_body_of_another_length(raw):
    """Seen before anything goes out, also where an Expect would hold it back."""
    upstream = raw.upstream(await raw.answering([OK]))
    for headers in (sized(5), [*sized(5), (b"expect", b"100-continue")]):
        with pytest.raises(ValueError, match="Content-Length"):
            await upstream.exchange(b"POST", b"/", headers, b"hell", length=5)
    assert raw.peers == []


async def _expecting(raw, handler, body, **kwargs):
    upstream = raw.upstream(await raw.serve(handler))
    return upstream, await upstream.exchange(b"POST", b"/", [*sized(5), (b"expect", b"100-continue")], body, length=5, **kwargs)


@pytest.mark.parametrize("make", [lambda: b"hello", lambda: stream(b"hello")], ids=["whole", "streamed"])
async def test_expect_continue(raw, make):
    """The body waits for the 100, then goes, and the connection serves on."""
    order = []

    async def handler(peer):
        await peer.head()
        order.append("head")
        await asyncio.sleep(0.02)
        assert not peer.reader._buffer
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        order.append(await peer.octets(5))
        await peer.send(OK)
        await peer.gone()

    upstream, answer = await _expecting(raw, handler, make())
    assert answer.status == 200
    assert order == ["head", b"hello"]
    assert len(upstream._idle) == 1


async def test_expect_refused(raw):
    """A final answer instead of the 100: the body is never asked for, and the connection closes (RFC 9110 §10.1.1)."""
    body = Body(b"hello")

    async def handler(peer):
        await peer.head()
        await peer.send(EARLY)
        assert await peer.gone() == b""

    upstream, answer = await _expecting(raw, handler, body.__aiter__())
    assert (answer.status, answer.body) == (413, b"no")
    assert body.asked == 0
    assert not upstream._idle


async def test_expect_unanswered(raw, monkeypatch):
    """An upstream that knows no Expect gets the body after a while."""
    monkeypatch.setattr("cognito_guard.gateway.upstream.sending._HELD", 0.02)
    seen = []
    _, answer = await _expecting(raw, taking(5, seen), b"hello")
    assert answer.status == 200
    assert seen == [b"hello"]
