"""Exchanges with scripted upstreams: octets in, octets out."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard.gateway.upstream import Timeouts, UpstreamFailed

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def whole(answer):
    body = answer.body
    while not answer.complete:
        body += await answer.read()
    assert await answer.read() == b""
    return body


async def refused(awaitable):
    with pytest.raises(UpstreamFailed) as caught:
        await awaitable
    return caught.value


async def chunks(*pieces):
    for piece in pieces:
        yield piece


async def test_a_small_answer(raw):
    """An answer that comes in one piece is complete at once; the request's octets are those that were given."""
    upstream = raw.upstream(await raw.answering([OK]))
    answer = await upstream.exchange(b"GET", b"/a%2Fb?q", [*HOST, (b"x-a", b"\xe4")])
    assert (answer.status, answer.reason, answer.body, answer.complete) == (200, b"OK", b"ok", True)
    assert answer.upstream == upstream.origin
    assert raw.requests == [b"GET /a%2Fb?q HTTP/1.1\r\nhost: app.test\r\nx-a: \xe4\r\n\r\n"]


async def test_over_a_unix_socket(raw, tmp_path):
    """`unix:` addresses speak the same."""
    upstream = raw.upstream(await raw.answering([OK], unix=str(tmp_path / "s")))
    assert (await upstream.exchange(b"GET", b"/", HOST)).body == b"ok"


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc<close>", b"abc<close>"),
        (b"HTTP/1.1 200 OK\r\n\r\n<close>", b"<close>"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    ],
)
async def test_framings(raw, octets, body):
    """Chunked, close-delimited and bodiless answers; trailers are there at the end."""
    upstream = raw.upstream(await raw.answering([octets]))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    assert await whole(answer) == body
    assert answer.trailers == ([(b"x-t", b"1")] if b"X-T" in octets else [])


async def test_head(raw):
    """The answer to HEAD keeps its Content-Length and has no body; the connection serves on."""
    upstream = raw.upstream(await raw.answering([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", OK]))
    answer = await upstream.exchange(b"HEAD", b"/", HOST)
    assert answer.complete
    assert answer.headers == [(b"content-length", b"2")]
    assert (await upstream.exchange(b"GET", b"/", HOST)).body == b"ok"
    assert len(raw.peers) == 1


async def test_interim_answers(raw):
    """1xx other than 100 and 101 are told as they come; 100 answers our own Expect and is not passed on."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    upstream = raw.upstream(await raw.answering([interim + OK]))
    told = []
    answer = await upstream.exchange(b"GET", b"/", HOST, inform=lambda *told_: told.append(told_))
    assert told == [(103, [(b"link", b"</a>")])]
    assert answer.status == 200


async def test_a_streamed_answer(raw):
    """Each piece is there as soon as it came (SSE), and the end is told."""
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await proceed.wait()
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    first = answer.body or await answer.read()
    assert first == b"a"
    assert not answer.complete
    proceed.set()
    assert await whole(answer) in {b"b", b"ab"}


async def test_back_pressure(raw):
    """An answer that nobody reads stops the upstream: what is held is bounded, and all of it arrives when it is read."""
    size = 32 << 20
    stalled = asyncio.Event()

    async def handler(peer):
        await peer.head()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            peer.writer.write(b"x" * (1 << 20))
            if peer.writer.transport.get_write_buffer_size() > 8 << 20:
                stalled.set()
                await peer.writer.drain()
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    await stalled.wait()
    assert sum(map(len, answer._pieces)) < 1 << 20
    assert len(await whole(answer)) == size


MALFORMED = {
    "HTTP/0.9": b"hello",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two CL": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok" + b"\r\n\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "too large": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    "split": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "101 unasked": b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_answers(raw, name):
    """THREATS A21, T21: `malformed`, the connection is closed, and the next exchange gets a new one and its own answer."""
    upstream = raw.upstream(await raw.answering([MALFORMED[name]], [OK]))
    failure = await refused(upstream.exchange(b"GET", b"/", HOST))
    assert (failure.kind, failure.sent) == ("malformed", True)
    assert b"evil" not in str(failure).encode()
    assert (await upstream.exchange(b"GET", b"/", HOST)).body == b"ok"
    assert len(raw.peers) == 2


async def test_extra_octets_at_the_end_of_a_stream(raw):
    """Octets after a streamed body make its end a failure, though all of the body came."""
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await proceed.wait()
        await peer.send(b"cdHTTP/1.1 200 OK\r\n")
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    proceed.set()
    assert (await refused(whole(answer))).kind == "malformed"
    assert not answer.complete


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_closed_before_the_head(raw, octets):
    """The upstream takes the request and closes: `closed`, and it had been sent, so nobody repeats it."""

    async def handler(peer):
        await peer.head()
        await peer.send(octets)

    failure = await refused(raw.upstream(await raw.serve(handler)).exchange(b"GET", b"/", HOST))
    assert (failure.kind, failure.sent) == ("closed", True)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
async def test_closed_within_the_body(raw, framing, reset):
    """A truncated body is never given out as whole: what came is read, then `closed` is raised, again and again."""
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nab")
        await proceed.wait()
        if reset:
            peer.reset()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    proceed.set()
    for _ in range(2):
        failure = await refused(whole(answer))
        assert (failure.kind, failure.sent) == ("closed", True)
    assert not answer.complete


async def test_a_reset_does_not_end_a_close_delimited_body(raw):
    """Only an orderly end is the end of a body without length."""
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nab")
        await proceed.wait()
        peer.writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0: RST
        peer.reset()

    upstream = raw.upstream(await raw.serve(handler))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    proceed.set()
    assert (await refused(whole(answer))).kind == "closed"


async def _silent(peer):
    await peer.gone()


async def _half(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    await peer.gone()


@pytest.mark.parametrize(
    ("handler", "timeouts", "kind"),
    [
        (_silent, Timeouts(answer=0.05), "answer_timeout"),
        (_silent, Timeouts(answer=9, total=0.05), "total_timeout"),
        (_half, Timeouts(idle=0.05), "idle_timeout"),
        (_half, Timeouts(idle=None, total=0.05), "total_timeout"),
    ],
)
async def test_deadlines(raw, handler, timeouts, kind):
    """THREATS A24: each phase has its own, and the connection is closed with it."""
    upstream = raw.upstream(await raw.serve(handler), timeouts=timeouts)

    async def everything():
        await whole(await upstream.exchange(b"GET", b"/", HOST))

    failure = await refused(everything())
    assert (failure.kind, failure.sent) == (kind, True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not upstream._connections


async def test_interim_answers_do_not_extend_the_deadline(raw):
    """1xx every now and then does not keep an exchange alive beyond `answer`."""

    async def handler(peer):
        await peer.head()
        for _ in range(30):
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.01)

    upstream = raw.upstream(await raw.serve(handler), timeouts=Timeouts(answer=0.08))
    assert (await refused(upstream.exchange(b"GET", b"/", HOST))).kind == "answer_timeout"


async def test_a_slow_receiver_is_not_the_upstreams_fault(raw):
    """`idle` runs only while somebody waits for the next octets."""
    upstream = raw.upstream(await raw.serve(_half), timeouts=Timeouts(idle=0.04))
    answer = await upstream.exchange(b"GET", b"/", HOST)
    await asyncio.sleep(0.1)
    assert answer._failure is None
    answer.abort()


async def test_cancelling_closes(raw):
    """THREATS T51: a client that left while the head, or the body, was awaited leaves no connection behind."""
    arrived = asyncio.Event()

    async def handler(peer):
        await peer.head()
        arrived.set()
        await _silent(peer)

    for serve in (handler, _half):
        upstream = raw.upstream(await raw.serve(serve))

        async def everything(upstream=upstream):
            answer = await upstream.exchange(b"GET", b"/", HOST)
            arrived.set()
            await whole(answer)

        arrived.clear()
        task = asyncio.create_task(everything())
        await arrived.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await raw.peers[-1].ended.wait()
        await asyncio.sleep(0)
        assert not upstream._connections
        assert not upstream._slots


async def test_nobody_listens(raw, tmp_path):
    """Refused, unknown and absent addresses are `connect`, and provably not sent."""
    address = await raw.answering([OK])
    raw._servers[0].close()
    await raw._servers[0].wait_closed()
    missing = type(address)(f"unix:{tmp_path}/absent")
    for where in (address, missing):
        upstream = raw.upstream(where)
        failure = await refused(upstream.exchange(b"GET", b"/", HOST))
        assert (failure.kind, failure.sent, failure.upstream) == ("connect", False, where.origin)
        assert upstream._slots == 0


async def test_a_head_that_must_not_go_out(raw):
    """What would split a request is a ValueError before any connection is made."""
    upstream = raw.upstream(await raw.answering([OK]))
    for kwargs in ({"target": b"/\r\nx: y"}, {"headers": [(b"host", b"a\nb")]}, {"headers": [*HOST, (b"content-length", b"2")]}):
        with pytest.raises(ValueError, match="request's"):
            await upstream.exchange(**({"method": b"GET", "target": b"/", "headers": HOST} | kwargs))
    with pytest.raises(ValueError, match="no body"):
        await upstream.exchange(b"POST", b"/", [*HOST, (b"content-length", b"2")], length=2)
    assert raw.peers == []
