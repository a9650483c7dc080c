"""Waiting for another thread's fetch: in a thread, in an asyncio task, in a trio task.

Decides how one waiter sleeps and is woken, from whatever thread; not what for.
"""

from __future__ import annotations

import sys
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class ThreadWaiter:
    """Sleeps in its thread. `wake` may be called from any thread, at any time, more than once."""

    __slots__ = ("_event", "wake")

    def __init__(self) -> None:
        self._event = Event()
        self.wake = self._event.set

    def wait(self, seconds: float) -> bool:
        """False when time ran out."""
        return self._event.wait(seconds)


class AsyncioWaiter:
    """Sleeps in a task of the running loop. `wake` raises RuntimeError once that loop is closed."""

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._future = loop.create_future()

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self._release, True)

    async def wait(self, seconds: float) -> bool:
        """False when time ran out."""
        timer = self._loop.call_later(seconds, self._release, False)
        try:
            return bool(await self._future)
        finally:
            timer.cancel()

    def _release(self, woken: bool) -> None:  # noqa: FBT001 - call_soon passes arguments by position
        if not self._future.done():
            self._future.set_result(woken)


class TrioWaiter:
    """Sleeps in a trio task. `wake` raises trio.RunFinishedError, a RuntimeError, once that run is over."""

    __slots__ = ("_event", "_token", "_trio")

    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def wake(self) -> None:
        self._token.run_sync_soon(self._event.set)

    async def wait(self, seconds: float) -> bool:
        """False when time ran out."""
        with self._trio.move_on_after(seconds):
            await self._event.wait()
            return True
        return False


Waiter = ThreadWaiter | AsyncioWaiter | TrioWaiter


def async_waiter() -> AsyncioWaiter | TrioWaiter:
    """A waiter of the library that runs the current task. RuntimeError outside asyncio and trio."""
    trio = sys.modules.get("trio")
    # a thread may be importing it at this moment, as httpx does: half of it runs nobody's task
    current_task = getattr(getattr(trio, "lowlevel", None), "current_task", None)
    if current_task is not None:
        try:
            # trio first: as a guest it runs inside asyncio's loop, which then looks as if it were ours
            current_task()
            return TrioWaiter(trio)
        except RuntimeError:
            pass
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        raise RuntimeError("keys are awaited under asyncio or trio; elsewhere use the synchronous call")
    return AsyncioWaiter(asyncio.get_running_loop())
