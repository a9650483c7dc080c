"""CognitoASGI never blocks its event loop: a key endpoint that hangs, and a latency probe beside it (DESIGN 3.3)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import anyio
import anyio.lowlevel

from cognito_guard.adapters.asgi import CognitoASGI
from cognito_guard.testing import LocalUserPool

BLOCKED = 1.0  # a loop that waits for keys stands still for seconds: the fetch's deadline


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(front: CognitoASGI, token: str, kind: str = "http") -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + token.encode())]
    await front({"type": kind, "method": "GET", "path": "/x", "headers": headers}, receive, send)
    status: int = sent[0].get("status") or sent[0]["code"]
    return status


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - fetches happen in threads, which set no event of ours
        await anyio.sleep(0.001)


async def test_a_hanging_key_endpoint_blocks_nobody() -> None:
    """Requests wait for a key that is not known, http and websocket; the loop beats on, and requests with known keys are answered."""
    pool = LocalUserPool()
    front = CognitoASGI(app, pool.guard())
    known = pool.access()
    assert await ask(front, known) == 200
    pool.rotate()
    strange = pool.access()
    answered: list[int] = []
    beats: list[float] = []
    over = False

    async def wait(kind: str) -> None:
        answered.append(await ask(front, strange, kind))

    async def heart() -> None:
        while not over:
            begun = perf_counter()
            await anyio.sleep(0.001)
            beats.append(perf_counter() - begun)

    with pool.outage("hang"), anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heart)
            for kind in ("http", "http", "websocket"):
                tasks.start_soon(wait, kind)
            await until(lambda: sum(pool.fetches.values()) == 2)
            latencies: list[float] = []
            while len(beats) < 50 or len(latencies) < 200:
                begun = perf_counter()
                assert await ask(front, known) == 200
                latencies.append(perf_counter() - begun)
                await anyio.lowlevel.checkpoint()
            assert answered == []
            pool.recover()
            await until(lambda: len(answered) == 3)
            over = True
    assert answered == [200] * 3
    assert sum(pool.fetches.values()) == 2
    assert max(latencies) < BLOCKED
    assert statistics.median(latencies) < 0.05
    assert max(beats) < BLOCKED


async def test_a_slow_first_fetch_blocks_nobody() -> None:
    """Nothing is known yet: public routes and refusals are answered at once, and the loop beats on."""
    pool = LocalUserPool()
    front = CognitoASGI(app, pool.guard())
    statuses: list[int] = []

    async def wait() -> None:
        statuses.append(await ask(front, pool.access()))

    with pool.outage("hang"), anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until(lambda: bool(pool.fetches))
            begun = perf_counter()
            for _ in range(50):
                assert await ask(front, pool.bad("alg_none")) == 401
                await anyio.lowlevel.checkpoint()
            assert perf_counter() - begun < 50 * BLOCKED
            assert statuses == []
            pool.recover()
    assert statuses == [200]
