"""Several upstreams that serve the same."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard.gateway.upstream import Address, Health, Replicas, Timeouts, Upstream, UpstreamFailed

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def nobody(raw):
    address = await raw.answering([OK])
    raw._servers[-1].close()
    return address


def test_in_turn_among_the_healthy():
    """Round robin; an ejected one is passed over until its time is up; with none healthy it is the one that failed longest ago."""
    clock = Clock()
    a, b, c = (Upstream(Address(f"http://{name}"), clock=clock) for name in "abc")
    replicas = Replicas([a, b, c], clock=clock)
    assert [replicas.pick() for _ in range(4)] == [a, b, c, a]
    for _ in range(3):
        b.failed("connect")
    assert [replicas.pick() for _ in range(4)] == [c, a, c, a]
    clock.now = 1
    for _ in range(3):
        a.failed("connect")
        c.failed("connect")
    assert replicas.pick() is b
    assert replicas.pick([b]) in {a, c}
    assert replicas.pick([a, b, c]) is None
    clock.now = 5
    assert [replicas.pick() for _ in range(2)] == [b, b]


def test_the_only_one_is_always_taken():
    """A single upstream is never left out, whatever happened."""
    only = Upstream(Address("http://a"), health=Health(tolerated=1))
    only.failed("connect")
    replicas = Replicas([only])
    assert replicas.pick() is only
    assert replicas.pick([only]) is None


async def test_what_was_not_sent_goes_to_the_next(raw):
    """A refused connection costs nobody a request; after three the dead one is not even asked."""
    dead, alive = raw.upstream(await nobody(raw)), raw.upstream(await raw.answering([OK] * 9))
    replicas = Replicas([dead, alive])
    for _ in range(6):
        answer = await replicas.exchange(b"GET", b"/", lambda upstream: [(b"host", upstream.address.authority)])
        assert answer.upstream == alive.origin
    assert not dead.health.available(dead._clock())
    assert b"host: " + alive.address.authority in raw.requests[0]


async def test_what_may_have_been_sent_does_not(raw):
    """A POST that died on the way is not repeated: the upstream may have acted on it."""

    async def handler(peer):
        heads.append(await peer.head())

    heads = []
    broken, alive = raw.upstream(await raw.serve(handler)), raw.upstream(await raw.answering([OK]))
    with pytest.raises(UpstreamFailed) as caught:
        await Replicas([broken, alive]).exchange(b"POST", b"/", HOST)
    assert (caught.value.kind, caught.value.sent) == ("closed", True)
    assert len(heads) == 1
    assert raw.requests == []


async def test_all_dead(raw):
    """The last replica's failure is raised, each having been asked once."""
    upstreams = [raw.upstream(await nobody(raw)) for _ in range(3)]
    with pytest.raises(UpstreamFailed) as caught:
        await Replicas(upstreams).exchange(b"GET", b"/", HOST)
    assert (caught.value.kind, caught.value.upstream) == ("connect", upstreams[2].origin)
    assert all(upstream.health.troubled for upstream in upstreams)


async def test_an_answer_readmits(raw):
    """Whatever its status, an answer shows that the upstream is there."""
    upstream = raw.upstream(await raw.answering([b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"]))
    for _ in range(3):
        upstream.failed("answer_timeout")
    assert not upstream.health.available(upstream._clock())
    await upstream.exchange(b"GET", b"/", HOST)
    assert not upstream.health.troubled


@pytest.mark.parametrize(("status", "well"), [(200, True), (302, True), (404, False), (503, False)])
async def test_a_check(raw, status, well):
    """2xx and 3xx are well; a GET of the path with the upstream's own Host, over the ordinary connections."""
    upstream = raw.upstream(await raw.answering([b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status] * 2))
    replicas = Replicas([upstream])
    for _ in range(2):
        assert await replicas.check(upstream, b"/healthz", 5) is well
    assert upstream.health.available(upstream._clock()) is well
    assert raw.requests[0].startswith(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1")


async def test_checks_that_fail(raw):
    """No connection, no answer in time, an endless body: ill or bounded, and nothing is left open."""
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 100_000
    dead = raw.upstream(await nobody(raw))
    silent = raw.upstream(await raw.serve(lambda peer: peer.gone()))
    long = raw.upstream(await raw.answering([endless]))
    replicas = Replicas([dead, silent, long])
    assert await replicas.check(dead, b"/", 5) is False
    assert await replicas.check(silent, b"/", 0.05) is False
    assert await replicas.check(long, b"/", 5) is True
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not silent._connections
    assert not long._connections


async def test_a_check_without_a_connection_says_nothing(raw):
    """All connections busy is our own limit: health does not hear of it."""
    upstream = raw.upstream(await raw.serve(lambda peer: peer.gone()), connections=1, timeouts=Timeouts(connect=0.05))
    busy = asyncio.create_task(upstream.exchange(b"GET", b"/", HOST))
    await asyncio.sleep(0)
    assert await Replicas([upstream]).check(upstream, b"/", 5) is None
    assert not upstream.health.troubled
    busy.cancel()


async def test_watching(raw):
    """Every interval, each upstream; ill after two failed checks, well after the first good one."""
    statuses = [200, 503, 503, 200]
    seen = asyncio.Queue()

    async def handler(peer):
        while True:
            await peer.head()
            status = statuses.pop(0) if statuses else 200
            await peer.send(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
            seen.put_nowait(status)

    upstream = raw.upstream(await raw.serve(handler))
    probed = []
    told = upstream.health.probed

    class Told(Health):
        __slots__ = ()

        def probed(self, *, well, now):
            told(well=well, now=now)
            probed.append((well, health.available(now)))

    health, upstream.health = upstream.health, Told()
    task = asyncio.create_task(Replicas([upstream]).watch(b"/", 0.005))
    for _ in range(5):
        await seen.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert probed[:4] == [(True, True), (False, True), (False, False), (True, True)]


async def test_taken_out_of_service(raw):
    """`retire` and `close` are those of every replica."""
    replicas = Replicas([raw.upstream(await raw.answering([OK])) for _ in range(2)])
    for _ in range(2):
        await replicas.exchange(b"GET", b"/", HOST)
    replicas.retire()
    assert not any(upstream._idle for upstream in replicas.upstreams)
    with pytest.raises(UpstreamFailed) as caught:
        await replicas.exchange(b"GET", b"/", HOST)
    assert (caught.value.kind, caught.value.sent) == ("closed", False)
    await replicas.close()
    assert not any(upstream._connections or upstream._slots for upstream in replicas.upstreams)
