"""The key ring for threads, asyncio and trio at once, over an issuer in memory."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest
import trio

from cognito_guard import errors
from cognito_guard.keys import Fetched, FetchFailed, KeyRing, KeyTimes
from cognito_guard.keys.waiting import async_waiter
from cognito_guard.pool import JwksUrl

URL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123xyz/.well-known/jwks.json"


@pytest.fixture
def ring(endpoint, clock):
    return KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, monotonic=clock)


def settled(ring: KeyRing) -> None:
    """Wait until no fetch is under way (its thread has ended)."""
    for thread in threading.enumerate():
        if thread.name == "cognito-guard-keys":
            thread.join(10)
    assert ring._ring.flight is None


async def _asleep(ring: KeyRing, tasks: int) -> None:
    """Give way to the loop until so many tasks wait."""
    while len(ring._waiters) < tasks:  # noqa: ASYNC110 - the ring has no event to wait for
        await asyncio.sleep(0)


def test_nothing_is_fetched_before_the_first_question(ring, endpoint) -> None:
    """Building costs no network; `find` never fetches for a kid that nobody waits for."""
    assert ring.find("a") is None
    assert endpoint.fetches == 0
    assert ring.key("a").kid == "a"
    assert ring.find("a") is ring.held.keys["a"] is ring.key("a")
    assert endpoint.urls == [URL]


def test_32_threads_on_a_cold_ring_cause_one_fetch(ring, endpoint) -> None:
    """Single flight for threads."""
    endpoint.open.clear()
    with ThreadPoolExecutor(32) as threads:
        asked = [threads.submit(ring.key, "ab"[n % 2]) for n in range(32)]
        endpoint.arrived.acquire()
        endpoint.open.set()
        kids = [answer.result(10).kid for answer in asked]
    assert kids == ["a", "b"] * 16
    assert endpoint.fetches == 1
    assert not ring._waiters


def test_1000_tasks_on_a_cold_ring_cause_one_fetch(ring, endpoint) -> None:
    """Single flight for asyncio, and the loop is never blocked: it opens the gate itself."""
    endpoint.open.clear()

    async def main() -> list[str]:
        tasks = [asyncio.create_task(ring.key_async("a")) for _ in range(1000)]
        await _asleep(ring, 1000)
        endpoint.open.set()
        return [(await task).kid for task in tasks]

    assert asyncio.run(main()) == ["a"] * 1000
    assert endpoint.fetches == 1


def test_asyncio_trio_and_threads_share_one_fetch(ring, endpoint) -> None:
    """Two asyncio loops, a trio run and threads wait for the same flight, and are woken from another thread."""
    endpoint.open.clear()

    async def in_asyncio() -> list[str]:
        return [key.kid for key in await asyncio.gather(*(ring.key_async("a") for _ in range(20)))]

    async def in_trio() -> list[str]:
        kids = []

        async def one() -> None:
            kids.append((await ring.key_async("a")).kid)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        return kids

    with ThreadPoolExecutor(28) as threads:
        loops = [
            threads.submit(asyncio.run, in_asyncio()),
            threads.submit(asyncio.run, in_asyncio()),
            threads.submit(trio.run, in_trio),
        ]
        plain = [threads.submit(ring.key, "b") for _ in range(20)]
        while len(ring._waiters) < 80:
            time.sleep(0)
        endpoint.open.set()
        assert [loop.result(10) for loop in loops] == [["a"] * 20] * 3
        assert {key.result(10).kid for key in plain} == {"b"}
    assert endpoint.fetches == 1
    assert not ring._waiters


def test_trio_as_a_guest_of_asyncio(ring) -> None:
    """In a trio task inside asyncio's loop it is trio that waits, although a loop runs."""

    async def host() -> str:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        outcomes = []

        async def guest() -> str:
            return (await ring.key_async("a")).kid

        def over(outcome: object) -> None:
            outcomes.append(outcome)
            done.set()

        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=over, host_uses_signal_set_wakeup_fd=True
        )
        await done.wait()
        assert (await ring.key_async("b")).kid == "b"
        return outcomes[0].unwrap()

    assert asyncio.run(host()) == "a"


@pytest.mark.parametrize("lowlevel", [None, ModuleType("trio.lowlevel")])
def test_trio_that_another_thread_imports_at_this_moment(monkeypatch, lowlevel) -> None:
    """httpx imports it in the thread that fetches: half of it must not turn a request's wait for keys into an error."""
    half = ModuleType("trio")
    if lowlevel is not None:
        half.lowlevel = lowlevel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trio", half)

    async def wait() -> bool:
        waiter = async_waiter()
        waiter.wake()
        return await waiter.wait(10)

    assert asyncio.run(wait())


def test_outside_any_event_loop_awaiting_is_a_mistake(ring, endpoint) -> None:
    """No asyncio, no trio: an error that says so, and no waiter stays behind."""
    endpoint.open.clear()
    with pytest.raises(RuntimeError):
        ring.key_async("a").send(None)
    assert not ring._waiters


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_cancelled_task_leaves_nothing_behind_and_its_fetch_serves_the_others(ring, endpoint, library) -> None:
    """The task that started the fetch is cancelled; another one that waits gets the keys of the same fetch."""
    endpoint.open.clear()

    async def in_asyncio() -> str:
        leader = asyncio.create_task(ring.key_async("a"))
        await _asleep(ring, 1)
        follower = asyncio.create_task(ring.key_async("a"))
        await _asleep(ring, 2)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert len(ring._waiters) == 1
        endpoint.open.set()
        return (await follower).kid

    async def in_trio() -> str:
        kids = []

        async def follow() -> None:
            kids.append((await ring.key_async("a")).kid)

        async def lead() -> None:
            await ring.key_async("a")
            kids.append("the leader was not cancelled")

        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as doomed:
                doomed.start_soon(lead)
                while not ring._waiters:
                    await trio.lowlevel.checkpoint()
                nursery.start_soon(follow)
                while len(ring._waiters) < 2:
                    await trio.lowlevel.checkpoint()
                doomed.cancel_scope.cancel()
            assert len(ring._waiters) == 1
            endpoint.open.set()
        return kids[0]

    assert (asyncio.run(in_asyncio()) if library == "asyncio" else trio.run(in_trio)) == "a"
    assert endpoint.fetches == 1


def test_a_loop_that_was_closed_does_not_break_the_others(ring, endpoint) -> None:
    """A waiter whose loop is gone is passed over; the settle reaches everybody else."""
    endpoint.open.clear()
    loop = asyncio.new_event_loop()
    task = loop.create_task(ring.key_async("a"))
    while not ring._waiters:
        loop.run_until_complete(asyncio.sleep(0))
    (waiter,) = ring._waiters
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    ring._waiters.add(waiter)  # as if the loop had been closed with its task still asleep
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ring.key, "a")
        while len(ring._waiters) < 2:
            time.sleep(0)
        endpoint.open.set()
        assert asked.result(10).kid == "a"


def test_a_waiter_that_is_woken_twice_or_too_late_is_woken_once() -> None:
    """A settle and a timeout may meet: the second one passes silently."""
    heard = []

    async def main() -> bool:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
        waiter = async_waiter()
        waiter.wake()
        waiter.wake()
        woken = await waiter.wait(10)
        waiter.wake()
        await asyncio.sleep(0)
        return woken

    assert asyncio.run(main())
    assert heard == []


def test_known_keys_are_unaffected_by_a_flood_of_unknown_kids(ring, endpoint, clock) -> None:
    """Three fetches for a thousand unknown kids; a known key is found while such a fetch hangs."""
    ring.key("a")
    for n in range(1000):
        with pytest.raises(errors.TokenRejected) as caught:
            ring.key(f"unknown-{n}")
        assert (caught.value.code, caught.value.claim) == ("key_unknown", "kid")
    assert endpoint.fetches == 4
    clock.advance(10)
    endpoint.open.clear()
    with ThreadPoolExecutor(1) as threads:
        stuck = threads.submit(ring.key, "unknown")
        for _ in range(5):
            endpoint.arrived.acquire()
        assert ring.find("a") is ring.key("a")
        assert ring.find("unknown") is None
        endpoint.open.set()
        assert isinstance(stuck.exception(10), errors.TokenRejected)
    assert endpoint.fetches == 5
    with pytest.raises(errors.TokenRejected):
        ring.find("unknown")


def test_a_rotation_is_picked_up_during_a_flood(ring, endpoint, clock, jwks) -> None:
    """The flood has spent every chance; the next one, a refill later, brings the new key."""
    ring.key("a")
    for n in range(10):
        with pytest.raises(errors.TokenRejected):
            ring.key(f"unknown-{n}")
    endpoint.publish(jwks(a=0, b=1, c=2))
    with pytest.raises(errors.TokenRejected):
        ring.key("c")
    clock.advance(10)
    assert ring.key("c").kid == "c"


def test_a_stale_key_is_served_at_once_and_renewed_behind(ring, endpoint, clock, jwks) -> None:
    """Due for renewal: found without waiting, the same object if nothing changed; what was withdrawn goes with the renewal."""
    first, second = ring.key("a"), ring.key("b")
    endpoint.publish(jwks(a=0, c=2))
    clock.advance(3600)
    endpoint.open.clear()
    before = ring.held
    assert [ring.find("a") for _ in range(5)] == [first] * 5
    assert ring.find("b") is second
    endpoint.open.set()
    settled(ring)
    assert endpoint.fetches == 2
    assert ring.held is not before
    assert ring.held.keys["a"] is first
    assert "b" not in ring.held.keys
    with pytest.raises(errors.TokenRejected):
        ring.key("b")


def test_same_kid_with_new_material_takes_effect(ring, endpoint, clock, jwks) -> None:
    """The key object changes, so that whatever the old one verified no longer stands."""
    old = ring.key("a")
    endpoint.publish(jwks(a=2))
    clock.advance(3600)
    ring.find("a")
    settled(ring)
    assert ring.key("a") is not old
    assert ring.key("a") != old


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Fetched(429, b""), "status"),
        (Fetched(500, b""), "status"),
        (Fetched(403, b""), "denied"),
        (Fetched(302, b""), "redirect"),
        (Fetched(200, b"<html>"), "document"),
        (Fetched(200, b'{"keys":[]}'), "document"),
        (Fetched(200, b" " * 2_000_000), "too_large"),
        (FetchFailed("network", "Connection refused"), "network"),
        (ValueError("no"), "fetch_raised"),
        (SystemExit(3), "fetch_raised"),
        (asyncio.CancelledError(), "fetch_raised"),
        (None, "fetch_answer"),
        ({"status": 200}, "fetch_answer"),
    ],
)
def test_a_bad_answer_never_replaces_good_keys(ring, endpoint, clock, answer, code) -> None:
    """Whatever comes, even out of a user's own callable: keys stay for 24 h, then it is 503; it is recorded, and it recovers."""
    first, good = ring.key("a"), endpoint.answer
    before = ring.held
    endpoint.answer = answer
    clock.advance(86399)
    assert ring.find("a") is first
    settled(ring)
    assert ring.held is before
    assert ring.find("a") is first
    clock.advance(1)
    with pytest.raises(errors.Unavailable) as caught:
        ring.key("a")
    assert caught.value.code == "keys_unavailable"
    assert 0 <= caught.value.retry_after <= 60
    status = ring.status()
    assert (status.fetches, status.failures) == (3, 2) or (status.fetches, status.failures) == (2, 1)
    assert status.last_failure is not None
    assert status.last_failure.code == code
    endpoint.answer = good
    clock.advance(60)
    assert ring.key("a").kid == "a"


def test_during_an_outage_fetches_are_few_and_nobody_gets_401(ring, endpoint, clock) -> None:
    """THREATS T26: many kids, known and not, while the endpoint fails: 503 for all, and the pauses bound the fetches."""
    endpoint.answer = Fetched(500, b"")
    for second in range(120):
        for kid in ("a", f"unknown-{second}", "b"):
            with pytest.raises(errors.Unavailable):
                ring.key(kid)
        clock.advance(1)
    assert endpoint.fetches <= 12
    assert endpoint.most_at_once == 1


def test_a_hanging_fetch_is_bounded_for_every_waiter(endpoint) -> None:
    """Threads and tasks get 503 at the deadline though the callable never returns; its late answer is used all the same."""
    ring = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, times=KeyTimes(deadline=0.1))
    endpoint.open.clear()

    async def main() -> list[object]:
        return await asyncio.gather(*(ring.key_async("a") for _ in range(10)), return_exceptions=True)

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ring.key, "a") for _ in range(3)]
        tasks = threads.submit(asyncio.run, main())
        failures = [answer.exception(10) for answer in asked] + tasks.result(10)
    assert {type(failure) for failure in failures} == {errors.Unavailable}
    assert ring.status().last_failure.code == "deadline"
    assert endpoint.fetches == 1
    assert trio.run(lambda: _fails_in_trio(ring))
    endpoint.open.set()
    settled(ring)
    assert ring.find("a").kid == "a"


async def _fails_in_trio(ring: KeyRing) -> bool:
    with pytest.raises(errors.Unavailable):
        await ring.key_async("a")
    return True


@pytest.mark.parametrize("library", ["threads", "trio"])
def test_a_clock_that_stands_still_makes_nobody_wait_longer(endpoint, clock, library) -> None:
    """Whoever has slept until the deadline closes the flight, whatever the ring's own clock says; under trio, too."""
    ring = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, monotonic=clock, times=KeyTimes(deadline=0.1))
    endpoint.open.clear()
    if library == "trio":
        assert trio.run(lambda: _fails_in_trio(ring))
    else:
        with pytest.raises(errors.Unavailable):
            ring.key("a")


@pytest.mark.parametrize("library", ["threads", "asyncio", "trio"])
def test_a_deadline_that_passes_before_the_wait_begins(endpoint, clock, library) -> None:
    """A thread that was not scheduled for long: no negative wait, just the outage."""

    def jumping() -> float:
        clock.advance(6)
        return clock.now

    ring = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, monotonic=jumping, times=KeyTimes(deadline=5))
    endpoint.open.clear()
    ways = {
        "threads": ring.key,
        "asyncio": lambda kid: asyncio.run(ring.key_async(kid)),
        "trio": lambda kid: trio.run(ring.key_async, kid),
    }
    with pytest.raises(errors.Unavailable):
        ways[library]("a")


def test_a_dead_leader_hands_over(ring, endpoint, clock, monkeypatch) -> None:
    """A flight whose thread never ran: once its deadline has passed it counts as failed, and the next one fetches."""
    launched = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    ring.renew()
    monkeypatch.setattr(threading.Thread, "start", launched)
    assert ring.find("a") is None
    clock.advance(10)
    with pytest.raises(errors.Unavailable, match="deadline"):
        ring.key("a")
    clock.advance(1)
    assert ring.key("a").kid == "a"
    assert endpoint.fetches == 1


def test_waiters_of_a_dead_leader_are_woken_by_whoever_notices(ring, endpoint, clock) -> None:
    """A thread asleep on an overdue flight wakes when another caller closes it, not at the end of its own patience."""
    endpoint.open.clear()
    with ThreadPoolExecutor(1) as threads:
        asleep = threads.submit(ring.key, "a")
        while not ring._waiters:
            time.sleep(0)
        clock.advance(10)
        with pytest.raises(errors.Unavailable):
            ring.find("a")
        assert isinstance(asleep.exception(5), errors.Unavailable)


def test_no_thread_is_an_outage_not_a_hang(ring, endpoint, clock, monkeypatch) -> None:
    """At the limit of threads: 503 at once, and recovery afterwards."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(errors.Unavailable):
            ring.key("a")
    assert ring.status().last_failure.code == "no_thread"
    clock.advance(1)
    assert ring.key("a").kid == "a"


def test_fetch_threads_are_daemons_and_end(ring, endpoint) -> None:
    """Nothing to close: the thread goes with its fetch, and would not hold up an exit."""
    endpoint.open.clear()
    ring.renew()
    endpoint.arrived.acquire()
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "cognito-guard-keys")
    assert thread.daemon
    endpoint.open.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of what is tested here
def test_a_forked_child_starts_clean(ring, endpoint, clock) -> None:
    """Forked while the lock is held and a fetch is under way: the child keeps the keys, fetches by itself, and waits for nobody."""
    ring.key("a")
    endpoint.open.clear()
    clock.advance(3600)
    ring.find("a")
    endpoint.arrived.acquire()
    endpoint.arrived.acquire()
    read, write = os.pipe()
    with ring._lock:
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            verdict = b"no"
            signal.alarm(10)  # a child that hangs is a failure, not a test that never ends
            try:
                endpoint.open.set()
                held = ring.held.keys["a"]
                clean = ring._ring.flight is None and not ring._waiters and ring.status().fetches == 0
                renewed = ring.find("a") is held and ring.load() is None and ring.held.source == "network"
                verdict = b"ok" if clean and renewed and ring.status().fetches == 1 else b"no"
            finally:
                os.write(write, verdict)
                os._exit(0)
    os.close(write)
    assert os.read(read, 2) == b"ok"
    os.close(read)
    os.waitpid(child, 0)
    endpoint.open.set()
    settled(ring)
    assert ring.status().fetches == 2


def test_foreign_form_and_its_sibling(endpoint, clock, jwks) -> None:
    """403 on one form while the other holds keys: unknown issuer for 60 s, one fetch a minute, whatever comes."""
    main = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, monotonic=clock)
    asked = []

    def denied(url: str) -> Fetched:
        asked.append(url)
        return Fetched(403, b"")

    other = KeyRing(JwksUrl("https://issuer.example/jwks.json"), algorithms=("RS256",), fetch=denied, monotonic=clock)
    main.link(main, other)
    other.link(main, other)
    with pytest.raises(errors.Unavailable):
        other.key("a")  # the sibling holds nothing yet: nobody can tell a foreign form from an outage
    main.key("a")
    for _ in range(300):
        with pytest.raises(errors.TokenRejected) as caught:
            other.key("a")
        assert (caught.value.code, caught.value.claim) == ("issuer_unknown", "iss")
        clock.advance(1)
    assert 5 <= len(asked) <= 6
    assert main.find("a") is not None


def test_load_tells_and_does_not_raise(ring, endpoint, clock) -> None:
    """None with usable keys, be they stale in an outage; the failure without; and nothing is fetched while they are fresh."""
    endpoint.answer, good = Fetched(500, b""), endpoint.answer
    assert isinstance(ring.load(), errors.Unavailable)
    clock.advance(1)
    endpoint.answer = good
    assert ring.load() is None
    assert asyncio.run(ring.load_async()) is None
    assert endpoint.fetches == 2
    clock.advance(3600)
    endpoint.answer = Fetched(500, b"")
    assert ring.load() is None
    assert trio.run(ring.load_async) is None
    clock.advance(86400)
    assert isinstance(asyncio.run(ring.load_async()), errors.Unavailable)


def test_status_shows_it_all(ring, endpoint, clock, jwks) -> None:
    """Age, source, limits, counts, the last failure and what was left out; before the first fetch as well."""
    status = ring.status()
    assert (status.url, status.source, status.keys, status.age, status.usable) == (URL, "none", 0, None, False)
    assert (status.fresh_for, status.usable_for, status.fetches, status.last_failure) == (0, 0, 0, None)
    endpoint.publish(jwks(a=0)[:-2] + b', {"kty": "EC", "kid": "e"}]}', "max-age=900")
    ring.key("a")
    clock.advance(100)
    status = ring.status()
    assert (status.source, status.keys, status.age, status.fresh_for, status.usable_for) == ("network", 1, 100, 800, 86300)
    assert (status.fetches, status.failures, status.usable) == (1, 0, True)
    assert status.left_out[0].startswith("keys[1]: kty")
    endpoint.answer = RuntimeError("a secret")
    clock.advance(900)
    ring.find("a")
    settled(ring)
    clock.advance(5)
    status = ring.status()
    assert (status.fetches, status.failures, status.fresh_for) == (2, 1, 0)
    assert (status.last_failure.code, status.last_failure.age) == ("fetch_raised", 5)
    assert "RuntimeError" in status.last_failure.text
    assert "secret" not in repr(status)


def test_errors_hold_no_kid(ring) -> None:
    """THREATS A4: the kid of a token is in no message, argument or context of an error."""
    with pytest.raises(errors.TokenRejected) as caught:
        ring.key("../../etc/passwd")
    assert "passwd" not in repr(vars(caught.value)) + str(caught.value)
    assert caught.value.__context__ is None


def test_a_ring_that_is_dropped_is_collected(endpoint) -> None:
    """The fork hook holds rings weakly: a Guard for a tenant may come and go."""
    import weakref

    ring = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint)
    ring.key("a")
    settled(ring)
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None


def test_many_threads_tasks_rotations_and_outages_at_once(endpoint, jwks) -> None:
    """A storm with real clocks and tiny limits: only right answers, one fetch at a time, and no waiter left."""
    times = KeyTimes(fresh_min=0.002, fresh_max=0.002, usable=60, refill=0.005, backoff_min=0.001, backoff_max=0.004, deadline=5)
    ring = KeyRing(JwksUrl(URL), algorithms=("RS256",), fetch=endpoint, times=times)
    ring.key("a")
    over = time.monotonic() + 1.0
    answers = [Fetched(200, jwks(a=0, b=1)), Fetched(500, b""), Fetched(200, jwks(a=0, c=2)), RuntimeError("no")]

    def in_thread(kid: str) -> set[str]:
        seen = set()
        while time.monotonic() < over:
            try:
                seen.add(ring.key(kid).kid)
            except errors.CognitoGuardError as error:
                seen.add(error.code)
        return seen

    async def in_tasks() -> set[str]:
        async def one(kid: str) -> set[str]:
            seen = set()
            while time.monotonic() < over:
                try:
                    seen.add((await ring.key_async(kid)).kid)
                except errors.CognitoGuardError as error:
                    seen.add(error.code)
                await asyncio.sleep(0)
            return seen

        return set().union(*await asyncio.gather(*(one(kid) for kid in ("a", "a", "a", "zzz"))))

    def rotate() -> None:
        turn = 0
        while time.monotonic() < over:
            endpoint.answer = answers[turn % len(answers)]
            turn += 1
            endpoint.arrived.acquire(timeout=0.01)

    with ThreadPoolExecutor(8) as threads:
        rotor = threads.submit(rotate)
        known = [threads.submit(in_thread, "a") for _ in range(3)]
        unknown = threads.submit(in_thread, "zzz")
        tasks = threads.submit(asyncio.run, in_tasks())
        assert [seen.result(20) for seen in known] == [{"a"}] * 3
        assert unknown.result(20) <= {"key_unknown", "keys_unavailable"}
        assert tasks.result(20) <= {"a", "key_unknown", "keys_unavailable"}
        rotor.result(20)
    settled(ring)
    assert endpoint.most_at_once == 1
    assert not ring._waiters
