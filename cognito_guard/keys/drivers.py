"""`KeyRing`: the state machine of `ring`, driven for threads and event loops of one process at once.

Obeys the ring's answers and does what they ask: start a fetch in a thread of its own, wait, wake, raise. The lock guards a decision
and is never held across a fetch or a wait.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from threading import Lock, Thread
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from cognito_guard.errors import CognitoGuardError, TokenRejected, Unavailable
from cognito_guard.jose.jwk import VerificationKey
from cognito_guard.keys.documents import Failure, Good, Outcome, read
from cognito_guard.keys.fetching import Fetch, FetchFailed, HttpFetch
from cognito_guard.keys.ring import (
    NOTHING,
    OVERDUE,
    Absent,
    Foreign,
    Found,
    Held,
    MayFetch,
    Refused,
    Ring,
    Ticket,
    Wait,
)
from cognito_guard.keys.static import StaticKeys
from cognito_guard.keys.status import KeyStatus, LastFailure
from cognito_guard.keys.times import KeyTimes
from cognito_guard.keys.waiting import ThreadWaiter, Waiter, async_waiter
from cognito_guard.pool import JwksUrl

if TYPE_CHECKING:
    from cognito_guard.keys.snapshot import Snapshots


class KeyRing:
    """The keys behind one JWKS URL, for any number of threads, tasks and event loops.

    `held` is what is trusted now: read it without a lock, compare it by identity. Nothing is fetched before the first question.

    - `algorithms`: those for which keys are wanted. `fetch`: how; `HttpFetch()` by default. `times`: for how long.
    - `monotonic`: seconds that never go back. `clock`: seconds since the epoch, for `snapshots`, the directory of snapshots or None.

    Each fetch runs in a daemon thread that ends with it, so there is nothing to close. A forked child keeps the keys and starts
    clean otherwise. Not for signal handlers: one that interrupts a decision would wait for itself.
    """

    __slots__ = (
        "__weakref__", "_algorithms", "_fetch", "_lock", "_monotonic", "_ring", "_siblings", "_snapshots", "_waiters", "held", "times", "url",
    )  # fmt: skip
    held: Held
    _waiters: set[Waiter]

    def __init__(
        self,
        source: JwksUrl,
        *,
        algorithms: tuple[str, ...],
        fetch: Fetch | None = None,
        times: KeyTimes | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        snapshots: str | os.PathLike[str] | None = None,
    ) -> None:
        self.url = source.url
        self.times = KeyTimes() if times is None else times
        self._algorithms = algorithms
        self._fetch: Fetch = HttpFetch() if fetch is None else fetch
        self._monotonic = monotonic
        self._siblings: frozenset[KeyRing | StaticKeys] = frozenset()
        self._snapshots: Snapshots | None = None
        if snapshots is not None:
            from cognito_guard.keys.snapshot import Snapshots  # late: most programs keep none

            self._snapshots = Snapshots(os.fspath(snapshots), self.url, clock)
        self.held = self._from_snapshot()
        self._start_clean()
        _RINGS.add(self)

    def link(self, *siblings: KeyRing | StaticKeys) -> None:
        """Name the rings of the same pool's other issuer forms; while one of them holds keys, a 403 here means a foreign issuer."""
        self._siblings |= frozenset(siblings) - {self}

    def find(self, kid: str) -> VerificationKey | None:
        """The key, without waiting; None means that a wait is needed: call `key` or await `key_async`.

        A key that is due for renewal is returned at once, and the renewal starts. Raises as `key` does.
        """
        held = self.held
        if self._monotonic() < held.fresh_until:
            key = held.keys.get(kid)
            if key is not None:
                return key
        answer = self._decide(kid, depart=False)
        return answer if isinstance(answer, VerificationKey) else None

    def key(self, kid: str) -> VerificationKey:
        """The key; waits for one fetch at most, no longer than `times.deadline`. For threads.

        - `TokenRejected`: `key_unknown`, `key_refused`, or `issuer_unknown` for the issuer form that the pool does not use.
        - `Unavailable`: the keys cannot be had; try again after `retry_after` seconds.
        Any other exception is a bug.
        """
        return cast("VerificationKey", self._wait(kid))  # None comes only where no kid was asked for

    async def key_async(self, kid: str) -> VerificationKey:
        """`key` for tasks of asyncio and trio: waits without blocking the loop. A cancelled task leaves nothing behind."""
        return cast("VerificationKey", await self._wait_async(kid))

    def renew(self) -> None:
        """Start a fetch unless the keys are fresh, one is under way, or a failure is too recent. Does not wait."""
        try:
            self._decide(None)
        except CognitoGuardError:
            pass  # nobody waits; whoever asks for a key will hear of it

    def load(self) -> CognitoGuardError | None:
        """Fetch unless the keys are fresh, and wait. None if usable keys are held then, else why not. For threads."""
        try:
            self._wait(None)
        except CognitoGuardError as failure:
            return None if self._holds(self._monotonic()) else failure
        return None

    async def load_async(self) -> CognitoGuardError | None:
        """`load` for tasks of asyncio and trio."""
        try:
            await self._wait_async(None)
        except CognitoGuardError as failure:
            return None if self._holds(self._monotonic()) else failure
        return None

    def status(self) -> KeyStatus:
        """What this ring shows of itself, at one moment."""
        now = self._monotonic()
        with self._lock:
            ring, held = self._ring, self.held
            fetches, failed, failure, failed_at = ring.fetches, ring.failed, ring.failure, ring.failed_at
        return KeyStatus(
            self.url,
            held,
            now,
            fetches=fetches,
            failures=failed,
            last_failure=None if failure is None else LastFailure(failure.code, failure.text, now - failed_at),
            snapshot_problem=None if self._snapshots is None else self._snapshots.problem,
        )

    def _decide(self, kid: str | None, joined: int = 0, *, depart: bool = True) -> VerificationKey | Ticket | None:
        """Ask the ring and obey. A ticket is one to wait for; None is "found" without a kid, or "a fetch is needed" if not to depart."""
        now = self._monotonic()
        elsewhere = any(now < sibling.held.usable_until for sibling in self._siblings)
        ticket: Ticket | None = None
        woken: Iterable[Waiter] = ()
        with self._lock:
            ring = self._ring
            flight = ring.flight
            answer = ring.ask(kid, now, elsewhere=elsewhere, joined=joined)
            if flight is not None and ring.flight is None:
                woken = self._take_waiters()  # the flight was overdue
            if isinstance(answer, MayFetch) and depart:
                ticket = ring.depart(now, spends=answer.spends)
            elif isinstance(answer, Found | Refused) and answer.due:
                ticket = ring.depart(now)
            failure = ring.failure
        _wake(woken)
        if ticket is not None:
            self._launch(ticket)
        match answer:
            case Found(key):
                return key
            case Wait(flight):
                return flight if depart else None
            case MayFetch():
                return ticket
            case Refused():
                raise TokenRejected("key_refused", "kid")
            case Absent():
                raise TokenRejected("key_unknown", "kid")
            case Foreign():
                raise TokenRejected("issuer_unknown", "iss")
        why = f" ({failure.text})" if failure is not None else ""
        raise Unavailable(
            "keys_unavailable", f"the issuer's keys cannot be fetched{why}", retry_after=max(0.0, answer.until - now)
        )

    def _wait(self, kid: str | None) -> VerificationKey | None:
        joined = 0
        while isinstance(answer := self._decide(kid, joined), Ticket):
            joined = joined or answer.number
            waiter = ThreadWaiter()
            if self._enlist(waiter, answer):
                try:
                    woken = waiter.wait(max(0.0, answer.deadline - self._monotonic()))
                finally:
                    self._forget(waiter)
                if not woken:
                    self._close(answer, OVERDUE)
        return answer

    async def _wait_async(self, kid: str | None) -> VerificationKey | None:
        joined = 0
        while isinstance(answer := self._decide(kid, joined), Ticket):
            joined = joined or answer.number
            waiter = async_waiter()
            if self._enlist(waiter, answer):
                try:
                    woken = await waiter.wait(max(0.0, answer.deadline - self._monotonic()))
                finally:
                    self._forget(waiter)
                if not woken:
                    self._close(answer, OVERDUE)
        return answer

    def _launch(self, ticket: Ticket) -> None:
        try:
            Thread(target=self._fly, args=(ticket,), name="cognito-guard-keys", daemon=True).start()
        except (RuntimeError, MemoryError):
            self._close(ticket, Failure("no_thread", "no thread could be started for the fetch"))

    def _fly(self, ticket: Ticket) -> None:
        outcome: Outcome = Failure("fetch_raised", "the fetch callable ended its thread")
        try:
            fetched = self._fetch(self.url)
            outcome = read(fetched, self._algorithms)
            # before anybody is woken: a program that ends with its first token has its snapshot all the same
            if isinstance(outcome, Good) and self._snapshots is not None and self._ring.supersedes(ticket):
                self._snapshots.save(fetched.body)
        except FetchFailed as failed:
            outcome = Failure(failed.code, failed.text)
        except BaseException as error:  # noqa: BLE001 - whatever a user's callable raises is an outage, and this thread has no caller
            outcome = Failure("fetch_raised", f"the fetch callable raised {type(error).__name__}")
        finally:
            self._close(ticket, outcome)

    def _close(self, ticket: Ticket, outcome: Outcome) -> None:
        now, jitter = self._monotonic(), int.from_bytes(os.urandom(4)) / 2**32
        with self._lock:
            self._ring.settle(ticket, outcome, now, jitter)
            self.held = self._ring.held
            woken = self._take_waiters()
        _wake(woken)

    def _enlist(self, waiter: Waiter, ticket: Ticket) -> bool:
        """Whether the waiter will be woken; False if the flight ended in between."""
        with self._lock:
            if self._ring.flight is not ticket:
                return False
            self._waiters.add(waiter)
            return True

    def _forget(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.discard(waiter)

    def _take_waiters(self) -> set[Waiter]:
        waiters, self._waiters = self._waiters, set()
        return waiters

    def _holds(self, now: float) -> bool:
        return now < self.held.usable_until

    def _from_snapshot(self) -> Held:
        kept = None if self._snapshots is None else self._snapshots.load(self._algorithms, self.times.usable)
        if kept is None:
            return NOTHING
        fetched_at = self._monotonic() - kept.age
        return Held(
            keys=kept.good.jwks.keys,
            refused=kept.good.jwks.refused,
            fresh_until=fetched_at,  # trusted at once, and due for renewal
            usable_until=fetched_at + self.times.usable,
            source="snapshot",
            fetched_at=fetched_at,
            left_out=kept.good.jwks.left_out,
        )

    def _start_clean(self) -> None:
        """All that a forked child must not inherit: a lock that a lost thread held, a state it was changing, waiters, flights."""
        self._lock = Lock()
        self._waiters = set()
        self._ring = Ring(self.times, self.held)


_RINGS: WeakSet[KeyRing] = WeakSet()


def _after_fork() -> None:
    for ring in list(_RINGS):
        ring._start_clean()  # noqa: SLF001


os.register_at_fork(after_in_child=_after_fork)


def _wake(waiters: Iterable[Waiter]) -> None:
    for waiter in waiters:
        try:
            waiter.wake()
        except RuntimeError:
            pass  # its event loop has ended
