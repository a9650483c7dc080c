"""Where verifiers break: a cold stampede, a flood of unknown kids, an endpoint that hangs. The key ring beside PyJWT's PyJWKClient.

    python benchmarks/key_ring.py

Goals: one fetch for 8 threads and 1,000 tasks that ask a cold ring at once; a known key that waits for nothing, whatever else goes on.
Both fetch from one JWKS server on loopback and get the same limits, so that a run stays short: 1 s for a fetch, one fetch a second for
unknown kids (by default 8 s and 10 s here, 30 s and 30 s for PyJWKClient). PyJWKClient is synchronous, so its tasks wait in asyncio's
thread pool, as its users let them. Takes about 40 s.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Event, Thread
from typing import NamedTuple

import jwt
from rounds import interleave, show

from cognito_guard import HttpFetch, JwksUrl, KeyTimes, TokenRejected, Unavailable
from cognito_guard.keys import KeyRing
from cognito_guard.testing import LocalUserPool

THREADS, TASKS = 8, 1000
CALM, STORM = 1.5, 3.5  # seconds
PACE = 0.001  # seconds between two questions of a thread, so that the interpreter's lock is not what is measured


class Contender(NamedTuple):
    """One way to get keys. `ask` raises `refusal` for an unknown kid or where no keys can be had."""

    ask: Callable[[str], object]
    ask_async: Callable[[str], Awaitable[object]]
    refusal: tuple[type[Exception], ...]


def ours(url: str, *, fresh: float = 3600) -> Contender:
    times = KeyTimes(fresh_min=min(300, fresh), fresh_max=fresh, refill=1, burst=1)
    ring = KeyRing(JwksUrl(url), algorithms=("RS256",), fetch=HttpFetch(timeout=1, deadline=1), times=times)

    def ask(kid: str) -> object:
        return ring.find(kid) or ring.key(kid)

    async def ask_async(kid: str) -> object:
        return ring.find(kid) or await ring.key_async(kid)

    return Contender(ask, ask_async, (TokenRejected, Unavailable))


def pyjwt(url: str, *, fresh: float = 300) -> Contender:
    client = jwt.PyJWKClient(url, lifespan=fresh, timeout=1, cooldown_duration=1)

    async def ask_async(kid: str) -> object:
        return await asyncio.to_thread(client.get_signing_key, kid)

    return Contender(client.get_signing_key, ask_async, (jwt.PyJWKClientError, jwt.PyJWKClientConnectionError))


CONTENDERS: dict[str, Callable[..., Contender]] = {"cognito_guard": ours, "PyJWKClient": pyjwt}


def jwks_url(pool: LocalUserPool) -> str:
    return f"{pool.issuer}/.well-known/jwks.json"


def fetched(pool: LocalUserPool) -> int:
    return sum(pool.fetches.values())


# --- a cold ring


def stampede(contender: Contender, kid: str) -> float:
    """Seconds until 8 threads and 1,000 tasks, let go at once, all have the key."""
    together = Barrier(THREADS + 1)

    def in_thread() -> None:
        together.wait()
        assert contender.ask(kid)

    async def tasks() -> float:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(THREADS) as threads:
            waiting = [loop.run_in_executor(threads, in_thread) for _ in range(THREADS)]
            while together.n_waiting < THREADS:  # noqa: ASYNC110 - a Barrier wakes nobody in a loop
                await asyncio.sleep(0.001)
            started = time.perf_counter()
            together.wait()
            assert all(await asyncio.gather(*(contender.ask_async(kid) for _ in range(TASKS))))
            await asyncio.gather(*waiting)
            return time.perf_counter() - started

    return asyncio.run(tasks())


# --- a known key, while others ask for unknown ones


class Latencies(NamedTuple):
    """Milliseconds of the questions for a known key, the failed ones among them."""

    taken: list[float]
    failed: int

    def __str__(self) -> str:
        p99 = statistics.quantiles(self.taken, n=100)[98] if len(self.taken) > 1 else self.taken[0]
        return f"{statistics.median(self.taken):9.3f} {p99:9.3f} {max(self.taken):9.3f} ms  {len(self.taken):5} answers, {self.failed} failures"


def known_key(contender: Contender, kid: str, seconds: float) -> Latencies:
    """One thread that asks for a known key again and again."""
    taken, failed = [], 0
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        try:
            contender.ask(kid)
        except contender.refusal:
            failed += 1
        taken.append((time.perf_counter() - started) * 1e3)
        time.sleep(PACE)
    return Latencies(taken, failed)


def flood(contender: Contender, over: Event) -> None:
    """A thread that asks for kids which nobody publishes."""
    for number in count():
        if over.is_set():
            return
        try:
            contender.ask(f"unknown-{number}")
        except contender.refusal:
            time.sleep(PACE)


def storm(contender: Contender, kid: str, *, flooded: bool) -> Latencies:
    """Latencies of a known key, while 4 other threads flood the contender with unknown kids."""
    over = Event()
    threads = [Thread(target=flood, args=(contender, over)) for _ in range(4 if flooded else 0)]
    for thread in threads:
        thread.start()
    try:
        return known_key(contender, kid, STORM)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def scenario(title: str, *, fresh: float, flooded: bool, hangs: bool) -> None:
    print(f"\n{title}\n                             median       p99       max")
    for name, make in CONTENDERS.items():
        with LocalUserPool().serve_jwks() as pool:
            contender, kid = make(jwks_url(pool), fresh=fresh), pool.key().kid
            contender.ask(kid)
            calm = known_key(contender, kid, CALM)
            if hangs:
                pool.outage("hang")
            else:
                pool.slow(0.2)
            before = fetched(pool)
            stormy = storm(contender, kid, flooded=flooded)
            fetches = fetched(pool) - before
            pool.recover()
        print(f"  {name:14} before  {calm}")
        print(f"  {name:14} during  {stormy}; {fetches} fetches")


def main() -> None:
    print(f"Python {sys.version.split()[0]}")
    with LocalUserPool().serve_jwks() as pool:
        kid, url = pool.key().kid, jwks_url(pool)
        makers = {
            "cognito_guard, ring.find": lambda: KeyRing(JwksUrl(url), algorithms=("RS256",)),
            "PyJWKClient.get_signing_key": lambda: jwt.PyJWKClient(url),
        }
        ring, client = (make() for make in makers.values())
        cached = jwt.PyJWKClient(url, cache_keys=True)
        assert ring.key(kid)

        def repeat(look_up: Callable[[str], object]) -> Callable[[], int]:
            def run() -> int:
                for _ in range(20_000):
                    look_up(kid)
                return 20_000

            return run

        names = ("cognito_guard, ring.find", "PyJWKClient.get_signing_key", "PyJWKClient with cache_keys (never renewed)")
        look_ups = (ring.find, client.get_signing_key, cached.get_signing_key)
        medians = interleave({name: repeat(look_up) for name, look_up in zip(names, look_ups, strict=True)}, rounds=7)
        show("a known key, nothing else going on", medians, against=names[0])

    print(f"\n{THREADS} threads and {TASKS} tasks ask at once, nothing is held, the endpoint takes 200 ms")
    for name, make in CONTENDERS.items():
        with LocalUserPool().serve_jwks() as pool:
            pool.slow(0.2)
            seconds = stampede(make(jwks_url(pool)), pool.key().kid)
            print(f"  {seconds * 1e3:10.0f} ms  {fetched(pool)} fetches  {name}")

    scenario("4 threads flood with unknown kids, the endpoint takes 200 ms", fresh=300, flooded=True, hangs=False)
    scenario("4 threads flood with unknown kids, and the endpoint hangs", fresh=300, flooded=True, hangs=True)
    scenario("nobody floods, but the keys are due for renewal, and the endpoint hangs", fresh=1, flooded=False, hangs=True)


if __name__ == "__main__":
    main()
