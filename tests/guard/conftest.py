"""What the Guard's tests share: clocks moved by hand, a local pool on them, and ways to ask a Guard that only report the verdict."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from cognito_guard import Guard, KeyTimes, Principal, TokenRejected, Unavailable
from cognito_guard.testing import LocalUserPool


class Times:
    """A wall clock and a monotonic one; they move by `advance` only."""

    def __init__(self) -> None:
        self.wall_now = 1_790_000_000.0
        self.monotonic_now = 1000.0

    def wall(self) -> float:
        return self.wall_now

    def monotonic(self) -> float:
        return self.monotonic_now

    def advance(self, seconds: float) -> None:
        self.wall_now += seconds
        self.monotonic_now += seconds


def landed() -> None:
    """Return when no fetch is in the air: each has a thread of its own, and that thread has ended."""
    for thread in threading.enumerate():
        if thread.name == "cognito-guard-keys":
            thread.join(30)
            assert not thread.is_alive()


def verdict(guard: Guard, token: Any) -> str:
    """ "accepted", or the code."""
    try:
        principal = guard.authenticate(token)
    except (TokenRejected, Unavailable) as error:
        return error.code
    finally:
        landed()
    assert isinstance(principal, Principal)
    return "accepted"


@pytest.fixture
def times() -> Times:
    """Both clocks."""
    return Times()


@pytest.fixture
def pool(times: Times) -> Iterator[LocalUserPool]:
    """A pool on the fake wall clock; whoever still waits in a fetch is let go at the end."""
    pool = LocalUserPool(clock=times.wall)
    yield pool
    pool.recover()
    landed()


@pytest.fixture
def guard_of(times: Times) -> Callable[..., Guard]:
    """`guard_of(pool, *profiles, **settings)`: a Guard on the pool's keys and on both fake clocks."""

    def make(pool: LocalUserPool, *profiles: Any, **settings: Any) -> Guard:
        return pool.guard(*profiles, **({"monotonic": times.monotonic} | settings))

    return make


def _trio(guard: Guard, token: Any) -> Principal:
    return trio.run(guard.authenticate_async, token)


@pytest.fixture(params=["threads", "asyncio", "trio"])
def ask(request: pytest.FixtureRequest) -> Callable[[Guard, Any], Principal]:
    """`ask(guard, token)` in a thread, in an asyncio task and in a trio task."""
    ways = {
        "threads": lambda guard, token: guard.authenticate(token),
        "asyncio": lambda guard, token: asyncio.run(guard.authenticate_async(token)),
        "trio": _trio,
    }
    return ways[request.param]


@pytest.fixture(name="verdict")
def _verdict() -> Callable[[Guard, Any], str]:
    """`verdict(guard, token)`: "accepted" or the code, once every fetch that it caused has ended."""
    return verdict


@pytest.fixture(name="landed")
def _landed() -> Callable[[], None]:
    """`landed()`: wait until no fetch is in the air."""
    return landed


@pytest.fixture
def quick() -> KeyTimes:
    """Key times with short pauses after a failure: any step of 3 s or more ends them, so that their randomness decides nothing."""
    return KeyTimes(backoff_min=1, backoff_max=2)
