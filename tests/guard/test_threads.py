"""One Guard under many threads and event loops at once, while its pool's keys change: never a wrong Principal, one fetch at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cognito_guard import DenyList, KeyTimes, TokenRejected, Unavailable
from cognito_guard.testing import LocalUserPool

THREADS = 8
ROUNDS = 6


def test_threads_while_keys_change(times, guard_of, landed):
    """Under rotation, replacement, withdrawal and outage each answer is the token's own Principal or a code that fits the moment."""
    pool = LocalUserPool("eu-west-1_Threads01", clock=times.wall)
    guard = guard_of(pool, cache_tokens=16, key_times=KeyTimes(backoff_min=1, backoff_max=2))
    tokens = [(f"user-{at}", pool.access(username=f"user-{at}", expires_in=300_000)) for at in range(12)]
    first = list(tokens)
    lock = threading.Lock()
    barrier = threading.Barrier(THREADS + 1)
    codes: set[str] = set()

    def work(seed: int) -> None:
        for turn in range(ROUNDS):
            barrier.wait(30)
            for step in range(80):
                with lock:
                    name, token = tokens[(seed * 7 + step * 5 + turn) % len(tokens)]
                try:
                    principal = guard.authenticate(token)
                except (TokenRejected, Unavailable) as error:
                    codes.add(error.code)
                else:
                    assert principal.username == name
            barrier.wait(30)

    def disturb(turn: int) -> None:
        (pool.rotate, pool.replace, lambda: pool.outage("status_500"), pool.recover, pool.rotate, pool.withdraw)[turn]()
        with lock:
            tokens.extend((f"new-{turn}-{at}", pool.access(username=f"new-{turn}-{at}", expires_in=300_000)) for at in range(4))
        times.advance(3601)

    with ThreadPoolExecutor(THREADS) as threads:
        works = [threads.submit(work, seed) for seed in range(THREADS)]
        for turn in range(ROUNDS):
            barrier.wait(30)
            disturb(turn)
            barrier.wait(30)
        for each in works:
            each.result(30)
    assert codes <= {"key_unknown", "signature_invalid", "keys_unavailable"}
    times.advance(3601)
    guard.authenticate(pool.access())
    landed()
    for _, token in first:  # their key is withdrawn, and the Guard has heard of it
        with pytest.raises(TokenRejected):
            guard.authenticate(token)


def test_a_cold_start_of_threads_and_loops_costs_one_fetch(pool, guard_of):
    """Threads, and tasks of two event loops, that all wait for the first keys share one fetch and all get their own Principal."""
    guard = guard_of(pool)
    names = [f"user-{at}" for at in range(24)]
    tokens = {name: pool.access(username=name) for name in names}
    ready = threading.Barrier(10)

    def thread(name: str) -> list[str | None]:
        ready.wait(30)
        return [guard.authenticate(tokens[name]).username]

    async def tasks(some: list[str]) -> list[str | None]:
        ready.wait(30)
        return [who.username for who in await asyncio.gather(*(guard.authenticate_async(tokens[name]) for name in some))]

    with ThreadPoolExecutor(10) as threads:
        pool.outage("hang")
        asked = [threads.submit(thread, name) for name in names[:8]]
        asked += [threads.submit(lambda some: asyncio.run(tasks(some)), some) for some in (names[8:16], names[16:])]
        pool.wait_until_fetched()
        pool.recover()
        assert [name for each in asked for name in each.result(30)] == names
    assert sum(pool.fetches.values()) == 1


def test_revocation_reaches_every_thread(pool, guard_of):
    """Once a token is denied, no thread accepts it any more, however warm the cache."""
    denied = DenyList(clock=pool.clock)
    guard = guard_of(pool, is_revoked=denied)
    token = pool.access()
    jti = guard.authenticate(token).jti
    said = threading.Event()

    def work() -> list[str]:
        codes = []
        for _ in range(400):
            after = said.is_set()
            try:
                guard.authenticate(token)
            except TokenRejected as rejected:
                codes.append(rejected.code)
            else:
                assert not after
        return codes

    with ThreadPoolExecutor(4) as threads:
        works = [threads.submit(work) for _ in range(4)]
        denied.deny_token(jti)
        said.set()
        assert {code for each in works for code in each.result(30)} <= {"revoked"}
    with pytest.raises(TokenRejected, match="revoked"):
        guard.authenticate(token)
