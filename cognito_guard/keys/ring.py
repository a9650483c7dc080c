"""The key ring's state machine: which keys are trusted, who fetches, who waits, who is refused.

Decides; never waits, fetches or locks. `now` is seconds on a monotonic clock and `jitter` a number in [0, 1), both arguments. The
caller serialises the calls; `held` alone may be read at any time, since it changes as a whole and in one assignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Literal, NamedTuple

from cognito_guard.jose.jwk import VerificationKey
from cognito_guard.keys.documents import Failure, Good, Outcome
from cognito_guard.keys.times import KeyTimes
from cognito_guard.value import Value

Source = Literal["network", "snapshot", "static", "none"]


class Held(Value):
    """The keys that are trusted at one time. Never changed, only replaced as a whole; two are the same only if identical.

    `keys` by kid; `refused`, kids that were published but cannot be trusted. `fresh_until` and `usable_until` lie on the ring's
    monotonic clock (`inf` for static keys, `-inf` while there are none), like `fetched_at`. `left_out` says which members of the
    set are not used, and why. A verification stands as long as `held.keys.get(kid)` is the *same object* that verified, and
    `now < usable_until`.
    """

    __slots__ = ("keys", "refused", "fresh_until", "usable_until", "source", "fetched_at", "left_out")
    keys: Mapping[str, VerificationKey]
    refused: frozenset[str]
    fresh_until: float
    usable_until: float
    source: Source
    fetched_at: float
    left_out: tuple[str, ...]

    def __init__(
        self,
        *,
        keys: Mapping[str, VerificationKey],
        refused: frozenset[str] = frozenset(),
        fresh_until: float,
        usable_until: float,
        source: Source,
        fetched_at: float = -inf,
        left_out: tuple[str, ...] = (),
    ) -> None:
        self._set(
            keys=keys,
            refused=refused,
            fresh_until=fresh_until,
            usable_until=usable_until,
            source=source,
            fetched_at=fetched_at,
            left_out=left_out,
        )

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Held({len(self.keys)} keys, source={self.source!r})"


NOTHING = Held(keys={}, fresh_until=-inf, usable_until=-inf, source="none")


class Ticket(NamedTuple):
    """A fetch in flight. Later tickets have higher numbers; past its deadline it counts as failed."""

    number: int
    started_at: float
    deadline: float


class Found(NamedTuple):
    """Verify with `key` now (None only where no kid was asked for). `due`: and `depart`, unless you leave it to somebody else."""

    key: VerificationKey | None
    due: bool


class Refused(NamedTuple):
    """The kid was published, and cannot be trusted. `due` as in `Found`."""

    due: bool


class MayFetch(NamedTuple):
    """Nobody is fetching: `depart` and fetch, or leave it. `spends`: this one is paid for from what unknown kids may cost."""

    spends: bool


class Wait(NamedTuple):
    """Somebody is fetching: ask again when this ticket is settled or its deadline has passed, with `joined` as its number."""

    ticket: Ticket


class Absent(NamedTuple):
    """The issuer publishes no such key, and is not asked again before `until`."""

    until: float


class Foreign(NamedTuple):
    """The issuer form is not one that the pool uses: it answered 403 or 404 while its sibling holds keys. Not asked before `until`."""

    until: float


class Down(NamedTuple):
    """The keys cannot be had: the last fetch failed, and the next one is not before `until`."""

    until: float


Answer = Found | Refused | MayFetch | Wait | Absent | Foreign | Down

OVERDUE = Failure("deadline", "the fetch did not end within the deadline")


class Ring:
    """The keys of one JWK Set URL. `held` and the counts are for reading; `ask`, `depart` and `settle` change them."""

    __slots__ = (
        "_denied_until", "_good", "_number", "_paid_until", "_retry_at", "_settled", "_streak",
        "failed", "failed_at", "failure", "fetches", "flight", "held", "times",
    )  # fmt: skip

    def __init__(self, times: KeyTimes, held: Held = NOTHING) -> None:
        self.times = times
        self.held = held
        self.flight: Ticket | None = None
        self.fetches = 0
        self.failed = 0
        self.failure: Failure | None = None  # the last one, kept when a later fetch succeeds
        self.failed_at = -inf
        self._number = 0  # of the last ticket
        self._settled = 0  # the highest ticket that has ended, well or not
        self._good = 0  # the ticket that brought the keys that are held
        self._streak = 0  # failures since the last good answer
        self._retry_at = -inf
        self._denied_until = -inf
        self._paid_until = -inf  # the token bucket in one number: every spent fetch moves it on by one refill

    def ask(self, kid: str | None, now: float, *, elsewhere: bool = False, joined: int = 0) -> Answer:
        """What to do about `kid`; None asks for the set as a whole. Changes nothing, except that an overdue flight is closed as failed.

        `elsewhere`: a sibling issuer form holds usable keys. `joined`: the number of the ticket that the caller has waited for;
        once it is settled the answer is final, so nobody waits for more than one fetch.
        """
        if self.flight is not None and now >= self.flight.deadline:
            # all of the pause, without jitter: when it is noticed is left to chance already
            self.settle(self.flight, OVERDUE, now, 1.0)
        held = self.held
        fresh = now < held.fresh_until
        if now < held.usable_until:
            due = not fresh and self.flight is None and now >= self._retry_at
            if kid is None:
                if fresh:
                    return Found(None, due=False)
            elif (key := held.keys.get(kid)) is not None:
                return Found(key, due)
            elif kid in held.refused:
                return Refused(due)
        final = 0 < joined <= self._settled
        if final and self._good >= joined:
            return Absent(self._affordable_at())
        if self.flight is not None and not final:
            return Wait(self.flight)
        if fresh and not self._streak:  # "unknown kid" is no reason to doubt keys that came in time
            return MayFetch(spends=True) if now >= self._affordable_at() else Absent(self._affordable_at())
        foreign_until = max(self._denied_until, self._retry_at)
        if elsewhere and self._denied_until > -inf and now >= held.usable_until and (final or now < foreign_until):
            return Foreign(foreign_until)
        if final or now < self._retry_at:
            return Down(self._retry_at)
        return MayFetch(spends=False)

    def depart(self, now: float, *, spends: bool = False) -> Ticket:
        """The ticket of a fetch that the caller starts. Only after `ask` allowed it, with no other call between."""
        if spends:
            self._paid_until = max(self._paid_until, now) + self.times.refill
        self.fetches += 1
        self._number += 1
        self.flight = Ticket(self._number, now, now + self.times.deadline)
        return self.flight

    def settle(self, ticket: Ticket, outcome: Outcome, now: float, jitter: float) -> None:
        """Close a fetch. The first outcome of a ticket counts, and a good one also when it comes late, unless newer keys are held."""
        current = ticket is self.flight
        if current:
            self.flight = None
            self._settled = ticket.number
        if isinstance(outcome, Good):
            if ticket.number > self._good:
                self._good = ticket.number
                self._settled = max(self._settled, ticket.number)
                self._streak = 0
                self._retry_at = self._denied_until = -inf
                self.held = self._renewed(outcome, ticket.started_at)
        elif current:
            self._fail(outcome, now, jitter)

    def supersedes(self, ticket: Ticket) -> bool:
        """Whether a good answer to `ticket` would be newer than the keys that are held."""
        return ticket.number > self._good

    def _renewed(self, good: Good, fetched_at: float) -> Held:
        times, old = self.times, self.held.keys
        keys = {}
        for kid, key in good.jwks.keys.items():
            before = old.get(kid)
            # the same object as before: what it verified stands, whatever else the set brought
            keys[kid] = before if before is not None and before == key else key
        return Held(
            keys=keys,
            refused=good.jwks.refused,
            fresh_until=fetched_at + min(max(good.max_age, times.fresh_min), times.fresh_max),
            usable_until=fetched_at + times.usable,
            source="network",
            fetched_at=fetched_at,
            left_out=good.jwks.left_out,
        )

    def _fail(self, failure: Failure, now: float, jitter: float) -> None:
        times = self.times
        pause = min(times.backoff_max, times.backoff_min * 2.0 ** min(self._streak, 30))
        self._streak += 1
        self._retry_at = now + pause * (0.5 + 0.5 * jitter)
        self._denied_until = now + times.foreign if failure.code == "denied" else -inf
        self.failed += 1
        self.failure, self.failed_at = failure, now

    def _affordable_at(self) -> float:
        return self._paid_until - (self.times.burst - 1) * self.times.refill
