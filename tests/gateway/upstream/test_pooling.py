"""Which connection serves which exchange, and which serves none any more (THREATS A24, T49)."""

from __future__ import annotations

import asyncio
import os

import pytest

from cognito_guard.gateway.upstream import Timeouts, UpstreamFailed
from cognito_guard.gateway.upstream.connection import Connection

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def get(upstream, path=b"/"):
    return await upstream.exchange(b"GET", path, HOST)


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)


async def test_a_clean_connection_is_used_again(raw):
    """Complete answers, keep-alive on both sides: one connection, the last used first."""
    upstream = raw.upstream(await raw.answering([OK] * 9))
    for _ in range(5):
        await get(upstream)
    assert len(raw.peers) == 1
    await asyncio.gather(get(upstream), get(upstream))
    last = upstream._idle[-1]
    await get(upstream)
    assert upstream._idle[-1] is last


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=0\r\n\r\nok",
    ],
)
async def test_an_upstream_that_closes(raw, answer):
    """Where the upstream does not keep it, nor do we."""
    upstream = raw.upstream(await raw.answering([answer]))
    for _ in range(2):
        assert (await get(upstream)).body == b"ok"
    assert len(raw.peers) == 2


async def test_idle_ones_close_in_time(raw):
    """After `keep_alive` seconds, or a bit before what the upstream's Keep-Alive says, an idle connection is closed."""
    upstream = raw.upstream(await raw.answering([OK]), keep_alive=0.05)
    await get(upstream)
    await raw.peers[0].ended.wait()
    await until(lambda: not upstream._connections)
    assert upstream._idle == []
    short = raw.upstream(await raw.answering([OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=2\r\n\r\n")]))
    await get(short)
    left = short._idle[0]._deadline.at - asyncio.get_running_loop().time()
    assert 1 < left <= 1.5


@pytest.mark.parametrize(
    "what", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\n", None], ids=["answer", "crlf", "eof"]
)
async def test_a_connection_that_spoke_or_closed_while_idle(raw, what):
    """Seen by the poll right before it is used, even when the loop had no time to read: the next exchange gets a new one."""

    async def handler(peer):
        await peer.head()
        await peer.send(OK)
        if len(raw.peers) == 1:
            await poisoned.wait()
            if what is not None:
                await peer.send(what)
            else:
                peer.writer.write_eof()
            done.set()
        await peer.gone()

    poisoned, done = asyncio.Event(), asyncio.Event()
    upstream = raw.upstream(await raw.serve(handler))
    await get(upstream)
    connection = upstream._idle[0]
    poisoned.set()
    await done.wait()
    answer = await get(upstream)
    assert answer.body == b"ok"
    assert len(raw.peers) == 2
    assert connection not in upstream._connections


async def test_the_poll_alone_sees_it(raw):
    """The loop has not run since the upstream spoke: `silent` still says no."""
    upstream = raw.upstream(await raw.answering([OK]))
    await get(upstream)
    connection = upstream._idle[0]
    now = asyncio.get_running_loop().time()
    assert connection.silent(now)
    os.write(raw.peers[0].writer.get_extra_info("socket").fileno(), b"x")
    assert not connection.silent(now)


async def test_an_aborted_answer_takes_its_connection(raw):
    """An answer that was not read to its end is not skipped over: the connection closes, and later reads say so."""
    upstream = raw.upstream(await raw.answering([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"], [OK]))
    answer = await get(upstream)
    answer.abort()
    answer.abort()
    with pytest.raises(UpstreamFailed):
        await answer.read()
    assert not answer.complete
    assert (await get(upstream)).body == b"ok"
    assert len(raw.peers) == 2


async def test_a_complete_answer_cannot_touch_its_connection(raw):
    """`abort` on a finished answer leaves alone whoever uses the connection now."""
    upstream = raw.upstream(await raw.answering([OK, OK]))
    first = await get(upstream)
    task = asyncio.create_task(get(upstream))
    await asyncio.sleep(0)
    first.abort()
    assert (await task).body == b"ok"
    assert len(raw.peers) == 1


async def test_cancelled_with_the_answer_in_hand(raw):
    """Cancelled between the answer's arrival and its delivery: a complete exchange's connection stays, a streamed one's is closed."""
    for octets, idle in ((OK, 1), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 0)):
        upstream = raw.upstream(await raw.answering([octets]))
        task = asyncio.create_task(get(upstream))
        waiting = None
        while waiting is None or not waiting.done():
            await asyncio.sleep(0)
            held = next(iter(upstream._connections), None)
            waiting = waiting or (held._waiter if held is not None else None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: len(upstream._connections) == idle)  # noqa: B023
        assert len(upstream._idle) == idle


async def test_no_more_than_so_many(raw):
    """Further exchanges wait in turn; each gets its own answer; the slot of a closed connection passes on too."""
    order, most = [], 0

    async def handler(peer):
        nonlocal most
        most = max(most, len(upstream._connections))
        while True:
            head = await peer.head()
            path = head.split()[1]
            order.append(path)
            close = b"\r\nConnection: close" if path in {b"/2", b"/5"} else b""
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2%b\r\n\r\n%b" % (close, path))
            if close:
                return

    upstream = raw.upstream(await raw.serve(handler), connections=1)
    paths = [b"/%d" % number for number in range(9)]
    answers = await asyncio.gather(*(get(upstream, path) for path in paths))
    assert [answer.body for answer in answers] == order == paths
    assert most == 1
    assert len(raw.peers) == 3
    assert upstream._slots == 1


async def test_overloaded(raw):
    """Waiting ends at the connect timeout as `overloaded`, not sent; the slot is not lost, nor when a waiting one is cancelled."""
    release = asyncio.Event()

    async def handler(peer):
        while True:
            await peer.head()
            await release.wait()
            await peer.send(OK)

    upstream = raw.upstream(await raw.serve(handler), connections=1, timeouts=Timeouts(connect=0.05))
    first = asyncio.create_task(get(upstream))
    await until(lambda: raw.peers)
    with pytest.raises(UpstreamFailed) as caught:
        await get(upstream)
    assert (caught.value.kind, caught.value.sent) == ("overloaded", False)
    assert not upstream.health.troubled
    waiting = asyncio.create_task(get(upstream))
    await until(lambda: upstream._queue)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not upstream._queue
    release.set()
    assert (await first).body == b"ok"
    assert (await get(upstream)).body == b"ok"


async def test_given_and_cancelled_at_once(raw):
    """A connection handed to somebody who is cancelled in that moment goes to the next in turn."""
    upstream = raw.upstream(await raw.answering([OK] * 5), connections=1)
    await get(upstream)
    connection = upstream._idle.pop()
    first, second = asyncio.create_task(get(upstream)), asyncio.create_task(get(upstream))
    await until(lambda: len(upstream._queue) == 2)
    upstream.freed(connection, None)
    first.cancel()
    assert (await second).body == b"ok"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(raw.peers) == 1


@pytest.mark.parametrize("soon", [False, True])
async def test_cancelled_in_the_moment_of_connecting(raw, monkeypatch, soon):
    """A connection that stands and whose exchange is cancelled before it hears of it: the slot is free again, nothing stays open."""
    made = Connection.connection_made

    def cancelled(self, transport):
        made(self, transport)
        if soon:
            asyncio.get_running_loop().call_soon(task.cancel)  # the one who waits has been told, and has not run yet
        else:
            task.cancel()

    upstream = raw.upstream(await raw.answering([OK]), connections=1)
    monkeypatch.setattr(Connection, "connection_made", cancelled)
    task = asyncio.create_task(get(upstream))
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert (upstream._slots, upstream._connections) == (0, set())
    assert (await get(upstream)).body == b"ok"
    assert upstream._slots == 1


@pytest.mark.parametrize("close", [False, True])
async def test_closed_in_the_moment_of_connecting(raw, monkeypatch, close):
    """A connection that stands too late, or is gone at once, serves nobody: `closed`, and nothing was sent."""
    made = Connection.connection_made

    def gone(self, transport):
        made(self, transport)
        if close:
            upstream._closed = True
        else:
            self.data_received(b"unasked")

    upstream = raw.upstream(await raw.answering([OK]))
    monkeypatch.setattr(Connection, "connection_made", gone)
    with pytest.raises(UpstreamFailed) as caught:
        await get(upstream)
    assert (caught.value.kind, caught.value.sent) == ("closed", False)
    await until(lambda: (upstream._slots, upstream._connections) == (0, set()))


async def test_a_slot_given_and_cancelled_at_once(raw):
    """The slot of a closed connection, handed to somebody who is cancelled in that moment, is free for the next."""
    upstream = raw.upstream(await raw.answering([OK] * 5), connections=1)
    await get(upstream)
    connection = upstream._idle.pop()
    first = asyncio.create_task(get(upstream))
    await until(lambda: upstream._queue)
    upstream.lost(connection)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    connection.abort()
    assert upstream._slots == 0
    assert (await get(upstream)).body == b"ok"


async def test_taken_out_of_service(raw):
    """After `retire` exchanges under way end well, idle connections are gone, and new exchanges are refused unsent."""
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await proceed.wait()
        await peer.send(OK)
        await peer.gone()

    upstream = raw.upstream(await raw.serve(handler))
    under_way = asyncio.create_task(get(upstream))
    await until(lambda: raw.peers)
    upstream.retire()
    with pytest.raises(UpstreamFailed) as caught:
        await get(upstream)
    assert not caught.value.sent
    proceed.set()
    assert (await under_way).body == b"ok"
    await until(lambda: not upstream._connections)


async def test_closing_ends_everything(raw):
    """`close` fails what is under way, waits in turn or connects, and returns when no connection is left; none comes after it."""
    upstream = raw.upstream(await raw.serve(lambda peer: peer.gone()), connections=2)
    under_way = asyncio.create_task(get(upstream))
    await until(lambda: raw.peers)
    connecting, queued, behind = (asyncio.create_task(get(upstream)) for _ in range(3))
    await until(lambda: len(upstream._queue) == 2)
    await upstream.close()
    assert not upstream._connections
    for task, sent in ((under_way, True), (connecting, None), (queued, False), (behind, False)):
        with pytest.raises(UpstreamFailed) as caught:
            await task
        assert caught.value.kind == "closed"
        assert sent is None or caught.value.sent is sent
    await until(lambda: not upstream._connections and not upstream._slots)


async def test_a_server_that_closes_at_once(raw):
    """Accepts and closes: a failure, never a hang, and no slot is lost."""

    async def handler(peer):
        return

    upstream = raw.upstream(await raw.serve(handler), connections=2)
    for _ in range(6):
        with pytest.raises(UpstreamFailed) as caught:
            await get(upstream)
        assert caught.value.kind == "closed"
    await until(lambda: upstream._slots == 0)


async def test_two_hundred_at_once_never_swap(raw):
    """THREATS T49: under load with closing, slow and cancelled exchanges everybody gets the answer to their own request."""

    async def handler(peer):
        while True:
            path = (await peer.head()).split()[1]
            number = int(path[1:])
            if number % 7 == 0:
                await asyncio.sleep(0.002)
            body = path * (1 + number % 3)
            octets = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            cut = number % len(octets)
            await peer.send(octets[:cut])
            await peer.send(octets[cut:])
            if number % 11 == 0:
                return

    upstream = raw.upstream(await raw.serve(handler), connections=8)

    async def one(number):
        path = b"/%d" % number
        try:
            answer = await get(upstream, path)
        except UpstreamFailed:
            return False
        body = answer.body
        while not answer.complete:
            body += await answer.read()
        assert body == path * (1 + number % 3)
        return True

    tasks = [asyncio.create_task(one(number)) for number in range(200)]
    for task in tasks[::13]:
        asyncio.get_running_loop().call_later(0.005, task.cancel)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in done if isinstance(each, AssertionError)]
    assert sum(each is True for each in done) > 100
    assert len(upstream._connections) <= 8
    await until(lambda: upstream._slots == len(upstream._connections) == len(upstream._idle))
