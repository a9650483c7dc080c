"""Several workers: forked after the sockets are bound, replaced when they die, stopped together.

Decides when a worker is started again. Knows nothing of what a worker does.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

_FORWARDED = (signal.SIGHUP, signal.SIGUSR1)
_STOPPING = (signal.SIGTERM, signal.SIGINT)
HANDLED = (*_FORWARDED, *_STOPPING)
"""Blocked by whoever listens before `run`, lest one of them ends a program that has said it is there; blocked after `run`, too."""


class Workers:
    """Runs `work` in `count` forked processes until SIGTERM or SIGINT, which they get too, as they do SIGHUP and SIGUSR1.

    `work` answers the exit status of its process. One that dies is replaced at once; one that dies within five seconds of its start
    is replaced after a pause, which doubles up to half a minute. `on_death` is called with the process id of each. The parent must
    have no threads when it calls `run`.
    """

    def __init__(self, count: int, work: Callable[[], int], *, on_death: Callable[[int], object] | None = None) -> None:
        self._count = count
        self._work = work
        self._on_death = on_death
        self._started: dict[int, float] = {}
        self._stopping = False
        self._pause = 0.0
        self._due: list[float] = []  # when a worker is to take a dead one's place, by the steady clock

    def run(self) -> int:
        """Start them and wait until they have ended. Answers 0 when that was asked for."""
        before = {number: signal.signal(number, self._received) for number in (*_FORWARDED, *_STOPPING)}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        try:
            for _ in range(self._count):
                self._start()
            while self._started or self._due:
                self._look()
                self._replace()
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # nothing may kill what has come to its end
            for number, handler in before.items():
                signal.signal(number, handler)
        return 0

    def _start(self) -> None:
        # a signal between the fork and the child's own handlers would be the parent's business in the wrong process
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, *_STOPPING))
        process = os.fork()
        if process == 0:
            self._be_worker(held)
        self._started[process] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _be_worker(self, held: set[signal.Signals | int]) -> None:
        status = 1
        try:
            self._started.clear()
            for number in (*_FORWARDED, *_STOPPING):
                # what comes before the worker listens must neither kill it half-built nor be lost: a stop ends it
                signal.signal(number, signal.SIG_IGN if number in _FORWARDED else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            status = self._work()
        except BaseException:  # noqa: BLE001 - whatever it was, only this process ends, and tells why
            _log.exception("a worker ended by an error")
        finally:
            logging.shutdown()
            os._exit(status)

    def _ended(self, process: int, status: int) -> None:
        lived = time.monotonic() - self._started.pop(process, 0.0)
        if self._on_death is not None:
            self._on_death(process)
        if self._stopping:
            return
        _log.error("worker %d ended (%s) after %.0f s; starting another", process, _how(status), lived)
        self._pause = 0.0 if lived >= _SHORT_LIFE else min(max(1.0, 2 * self._pause), 30.0)
        self._due.append(time.monotonic() + self._pause)

    def _look(self) -> None:
        """Take note of what has ended; with a replacement due, for a fifth of a second at most, else until something has."""
        if self._due and min(self._due) > time.monotonic():
            time.sleep(0.2)
        if self._started:
            process, status = os.waitpid(-1, os.WNOHANG if self._due else 0)
            if process:
                self._ended(process, status)

    def _replace(self) -> None:
        now = time.monotonic()
        due = [at for at in self._due if at <= now]
        self._due = [] if self._stopping else [at for at in self._due if at > now]
        for _ in due:
            if not self._stopping:
                self._start()

    def _received(self, number: int, _frame: FrameType | None) -> None:
        self._stopping |= number in _STOPPING
        for process in tuple(self._started):
            try:
                os.kill(process, signal.SIGTERM if number == signal.SIGINT else number)
            except ProcessLookupError:
                pass


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


_SHORT_LIFE = 5.0
_log = logging.getLogger("cognito_guard.gateway")
