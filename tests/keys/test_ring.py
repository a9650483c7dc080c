"""The state machine alone: no clock, thread or socket."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cognito_guard.jose.jwk import JwkSet, VerificationKey
from cognito_guard.keys import Held, KeyTimes
from cognito_guard.keys.documents import Failure, Good
from cognito_guard.keys.ring import Absent, Down, Foreign, Found, MayFetch, Refused, Ring, Ticket, Wait

OUTAGE = Failure("status", "the endpoint answered 500")
DENIED = Failure("denied", "the endpoint answered 403")


def key(kid: str, material: int = 0) -> VerificationKey:
    return VerificationKey(kid, "RS256", (material,), lambda signature, signing_input: False)


def good(max_age: int = 600, refused: frozenset[str] = frozenset(), **keys: int) -> Good:
    return Good(JwkSet({kid: key(kid, material) for kid, material in keys.items()}, refused), max_age)


def loaded(max_age: int = 600, times: KeyTimes | None = None, **keys: int) -> Ring:
    """A ring that fetched these keys (`a` by default) at second 0."""
    ring = Ring(times or KeyTimes())
    ring.settle(ring.depart(0.0), good(max_age, **(keys or {"a": 1})), 0.0, 0.0)
    return ring


def test_cold_ring_one_fetches_and_the_others_wait() -> None:
    """One fetch in flight: the first may fetch, everybody else joins, whatever the kid."""
    ring = Ring(KeyTimes())
    assert ring.ask("a", 0.0) == MayFetch(spends=False)
    ticket = ring.depart(0.0)
    assert ring.ask("a", 0.1) == Wait(ticket)
    assert ring.ask("zzz", 0.1) == Wait(ticket)
    ring.settle(ticket, good(a=1), 0.2, 0.0)
    assert ring.ask("a", 0.3, joined=ticket.number) == Found(ring.held.keys["a"], due=False)
    assert isinstance(ring.ask("zzz", 0.3, joined=ticket.number), Absent)


@pytest.mark.parametrize(("max_age", "fresh"), [(0, 300), (299, 300), (1000, 1000), (3600, 3600), (2**31, 3600)])
def test_fresh_is_max_age_within_bounds(max_age: int, fresh: float) -> None:
    """`Cache-Control` is honoured between 5 minutes and 1 hour; usable is 24 hours whatever it says."""
    ring = loaded(max_age)
    assert (ring.held.fresh_until, ring.held.usable_until) == (fresh, 86400)
    assert ring.held.source == "network"


def test_limits_count_from_the_start_of_the_fetch() -> None:
    """An answer that was long under way is not younger for that."""
    ring = Ring(KeyTimes())
    ring.settle(ring.depart(100.0), good(a=1), 109.0, 0.0)
    assert (ring.held.fetched_at, ring.held.fresh_until) == (100.0, 700.0)


def test_a_stale_key_is_found_and_renewed_once() -> None:
    """Past fresh a known key does not wait; exactly one asker is told to renew."""
    ring = loaded()
    assert ring.ask("a", 599.9) == Found(ring.held.keys["a"], due=False)
    assert ring.ask("a", 600.0) == Found(ring.held.keys["a"], due=True)
    ring.depart(600.0)
    assert ring.ask("a", 600.1) == Found(ring.held.keys["a"], due=False)


def test_an_outage_costs_nothing_before_usable_and_503_after() -> None:
    """Between the two limits an outage is unseen; after `usable` it is Down, never Absent."""
    ring = loaded()
    ring.settle(ring.depart(600.0), OUTAGE, 600.0, 0.0)
    assert ring.ask("a", 600.1) == Found(ring.held.keys["a"], due=False)
    assert ring.ask("a", 86399.9) == Found(ring.held.keys["a"], due=True)
    assert ring.ask("a", 86400.0) == MayFetch(spends=False)
    ring.settle(ring.depart(86400.0), OUTAGE, 86400.0, 0.0)
    assert isinstance(ring.ask("a", 86400.1), Down)


def test_failures_back_off_doubling_with_jitter() -> None:
    """1 s doubling to 60 s, of which half is random; a good answer starts over."""
    ring = Ring(KeyTimes())
    now, pauses = 0.0, []
    for jitter in (0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0):
        ring.settle(ring.depart(now), OUTAGE, now, jitter)
        answer = ring.ask("a", now)
        assert isinstance(answer, Down)
        assert ring.ask("a", answer.until) == MayFetch(spends=False)
        pauses.append(answer.until - now)
        now = answer.until
    assert pauses == [0.5, 2.0, 2.0, 6.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    ring.settle(ring.depart(now), good(a=1), now, 0.0)
    ring.settle(ring.depart(now), OUTAGE, now, 0.0)
    assert ring.ask("b", now) == Down(now + 0.5)


def test_a_thousand_failures_do_not_overflow() -> None:
    """The doubling is bounded."""
    ring = Ring(KeyTimes())
    for now in range(1100):
        ring.settle(ring.depart(float(now)), OUTAGE, float(now), 1.0)
    assert ring.ask("a", 1099.0) == Down(1159.0)
    assert (ring.fetches, ring.failed) == (1100, 1100)


def test_unknown_kids_spend_a_bucket() -> None:
    """Three fetches at once, then one every 10 s; in between the kid is absent, with the time of the next chance."""
    ring = loaded()
    for _ in range(3):
        assert ring.ask("zzz", 1.0) == MayFetch(spends=True)
        ring.settle(ring.depart(1.0, spends=True), good(a=1), 1.0, 0.0)
    assert ring.ask("zzz", 1.0) == Absent(11.0)
    assert ring.ask("zzz", 10.9) == Absent(11.0)
    assert ring.ask("zzz", 11.0) == MayFetch(spends=True)
    ring.settle(ring.depart(11.0, spends=True), good(a=1), 11.0, 0.0)
    assert ring.ask("zzz", 20.9) == Absent(21.0)
    assert isinstance(ring.ask("a", 20.9), Found)


def test_an_unknown_kid_after_a_failed_fetch_is_our_outage() -> None:
    """While the last fetch failed nobody knows whether the key exists: Down, not Absent; and the pause governs, not the bucket."""
    ring = loaded()
    ring.settle(ring.depart(1.0, spends=True), OUTAGE, 1.0, 0.0)
    assert ring.ask("zzz", 1.1) == Down(1.5)
    assert ring.ask("zzz", 1.5) == MayFetch(spends=False)


def test_who_has_waited_gets_the_final_answer_of_that_fetch() -> None:
    """Nobody waits twice: after the joined ticket a failure is Down and a good answer without the kid is Absent."""
    ring = loaded()
    ticket = ring.depart(1.0, spends=True)
    ring.settle(ticket, OUTAGE, 2.0, 0.0)
    later = ring.depart(50.0)
    assert isinstance(ring.ask("zzz", 50.0, joined=ticket.number), Down)
    assert ring.ask("zzz", 50.0, joined=later.number) == Wait(later)


def test_a_renewal_is_free_for_an_unknown_kid() -> None:
    """The first load and a due renewal spend nothing."""
    ring = loaded()
    assert ring.ask("zzz", 600.0) == MayFetch(spends=False)


def test_a_rotation_keeps_equal_keys_and_replaces_the_rest() -> None:
    """Equal keys stay the same object; new material under an old kid, and a withdrawn kid, take effect at once."""
    ring = loaded(a=1, b=2, c=3)
    before = ring.held
    ring.settle(ring.depart(1.0), good(a=1, b=22, d=4), 1.0, 0.0)
    assert ring.held is not before
    assert ring.held.keys["a"] is before.keys["a"]
    assert ring.held.keys["b"] is not before.keys["b"]
    assert set(ring.held.keys) == {"a", "b", "d"}
    assert set(before.keys) == {"a", "b", "c"}


def test_a_kid_that_becomes_ambiguous_is_refused() -> None:
    """THREATS A15: two keys under one kid, and the kid is refused although it was held; the renewal starts all the same."""
    ring = loaded()
    ring.settle(ring.depart(1.0), good(refused=frozenset({"a"}), b=2), 1.0, 0.0)
    assert ring.ask("a", 2.0) == Refused(due=False)
    assert ring.ask("a", 601.0) == Refused(due=True)


def test_foreign_issuer_form() -> None:
    """403 while the sibling holds keys: a foreign issuer, asked again after 60 s; without such a sibling an outage."""
    ring = Ring(KeyTimes())
    ticket = ring.depart(0.0)
    ring.settle(ticket, DENIED, 0.0, 0.0)
    assert ring.ask("a", 0.1, elsewhere=True) == Foreign(60.0)
    assert ring.ask("a", 59.9, elsewhere=True, joined=ticket.number) == Foreign(60.0)
    assert ring.ask("a", 0.1) == Down(0.5)
    assert ring.ask("a", 60.0, elsewhere=True) == MayFetch(spends=False)
    ring.settle(ring.depart(60.0), OUTAGE, 60.0, 0.0)
    assert isinstance(ring.ask("a", 60.1, elsewhere=True), Down)


def test_a_denial_never_takes_away_keys() -> None:
    """A 403 from a form that holds keys is an outage like any other."""
    ring = loaded()
    ring.settle(ring.depart(600.0), DENIED, 600.0, 0.0)
    assert isinstance(ring.ask("a", 600.1, elsewhere=True), Found)
    assert isinstance(ring.ask("zzz", 600.1, elsewhere=True), Down)


def test_a_dead_leader_hands_over() -> None:
    """A flight past its deadline has failed; after the pause somebody else fetches, and its late end changes nothing."""
    ring = Ring(KeyTimes())
    dead = ring.depart(0.0)
    assert ring.ask("a", 9.9) == Wait(dead)
    assert ring.ask("a", 10.0) == Down(11.0)
    assert ring.ask("a", 10.0, joined=dead.number) == Down(11.0)
    assert ring.failure is not None
    assert ring.failure.code == "deadline"
    heir = ring.depart(11.0)
    ring.settle(dead, OUTAGE, 11.5, 0.0)
    assert ring.ask("a", 11.6) == Wait(heir)
    assert (ring.fetches, ring.failed) == (2, 1)


def test_a_late_good_answer_counts_unless_newer_keys_are_held() -> None:
    """Slow is better than nothing; but an old answer never undoes a newer one."""
    ring = Ring(KeyTimes())
    slow = ring.depart(0.0)
    ring.ask("a", 10.0)
    heir = ring.depart(11.0)
    ring.settle(slow, good(a=1), 12.0, 0.0)
    assert isinstance(ring.ask("a", 12.0), Found)
    assert ring.flight is heir
    ring.settle(heir, good(b=2), 13.0, 0.0)
    ring.settle(slow, good(a=1), 14.0, 0.0)
    assert set(ring.held.keys) == {"b"}


def test_a_late_good_answer_ends_the_pause() -> None:
    """The endpoint works again: the next renewal is not held up by failures before."""
    ring = Ring(KeyTimes(fresh_min=1, fresh_max=1, backoff_min=60))
    slow = ring.depart(0.0)
    ring.ask("a", 10.0)
    ring.settle(slow, good(a=1), 12.0, 0.0)
    assert ring.ask("a", 12.0) == Found(ring.held.keys["a"], due=True)


def test_the_set_as_a_whole() -> None:
    """Without a kid the question is whether the keys are fresh."""
    ring = loaded()
    assert ring.ask(None, 1.0) == Found(None, due=False)
    assert ring.ask(None, 600.0) == MayFetch(spends=False)


@settings(max_examples=200, deadline=None)
@given(
    rotated_at=st.floats(1.0, 60.0),
    gaps=st.lists(st.floats(0.001, 0.7), min_size=5, max_size=50),
    took=st.floats(0.0, 0.05),
)
def test_a_rotation_is_noticed_within_a_refill_even_in_a_flood(rotated_at: float, gaps: list[float], took: float) -> None:
    """Garbage spends every chance, and still each chance brings the new set: at most one refill passes."""
    times = KeyTimes()
    ring, now, at = loaded(times=times), 0.0, 0
    while "new" not in ring.held.keys:
        if isinstance(answer := ring.ask("garbage", now), MayFetch):
            ticket = ring.depart(now, spends=answer.spends)
            published = {"a": 1, "new": 2} if now >= rotated_at else {"a": 1}
            now += took
            ring.settle(ticket, good(**published), now, 0.0)
        at += 1
        now += gaps[at % len(gaps)]
    assert ring.held.fetched_at <= rotated_at + times.refill + max(gaps) + took
    assert ring.fetches <= 1 + times.burst + now / times.refill


class Machine(RuleBasedStateMachine):
    """Any order of questions, fetches, late answers, outages and rotations."""

    @initialize()
    def start(self) -> None:
        self.times = KeyTimes()
        self.ring = Ring(self.times)
        self.now = 0.0
        self.published = {"a": 0, "b": 0}
        self.out: list[tuple[Ticket, dict[str, int]]] = []
        self.spent: list[float] = []
        self.free: list[float] = []
        self.newest = 0
        self.seen: dict[int, Held] = {}

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.5, 1.0, 5.0, 9.875, 10.0, 30.0, 60.0, 299.0, 600.0, 3600.0, 86400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(kid=st.sampled_from(["a", "b", "c"]), material=st.integers(0, 2), withdraw=st.booleans())
    def rotate(self, kid: str, material: int, *, withdraw: bool) -> None:
        self.published = {**self.published, kid: material}
        if withdraw and len(self.published) > 1:
            del self.published[kid]

    @rule(kid=st.sampled_from(["a", "b", "c", "x", "y"]), go=st.booleans(), elsewhere=st.booleans())
    def ask(self, kid: str, *, go: bool, elsewhere: bool) -> None:
        before, flight, failing = self.ring.held, self.ring.flight, self.ring.failed
        answer = self.ring.ask(kid, self.now, elsewhere=elsewhere)
        assert self.ring.held is before, "asking changes no keys"
        usable = self.now < before.usable_until
        if usable and kid in before.keys:
            assert isinstance(answer, Found), "a known key never waits"
            assert answer.key is before.keys[kid]
        else:
            assert not isinstance(answer, Found | Refused)
        if isinstance(answer, Foreign):
            assert elsewhere
            assert not usable
        if isinstance(answer, Absent):
            assert self.now < before.fresh_until, "an outage is never the caller's 401"
            assert answer.until > self.now
        if isinstance(answer, Wait):
            assert flight is not None
            assert self.now < flight.deadline
        if isinstance(answer, MayFetch) or (isinstance(answer, Found) and answer.due):
            assert self.ring.flight is None, "one fetch in flight"
            assert flight is None or self.ring.failed == failing + 1
            if go:
                spends = isinstance(answer, MayFetch) and answer.spends
                (self.spent if spends else self.free).append(self.now)
                self.out.append((self.ring.depart(self.now, spends=spends), dict(self.published)))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 5), age=st.integers(0, 4000), jitter=st.floats(0, 1, exclude_max=True))
    def good_answer(self, which: int, age: int, jitter: float) -> None:
        ticket, published = self.out.pop(which % len(self.out))
        before = self.ring.held
        self.ring.settle(ticket, good(age, **published), self.now, jitter)
        if ticket.number < self.newest:
            assert self.ring.held is before, "an old answer never undoes a newer one"
            return
        self.newest = ticket.number
        after = self.ring.held
        assert {kid: key.material for kid, key in after.keys.items()} == {kid: (n,) for kid, n in published.items()}
        for kid, held in after.keys.items():
            old = before.keys.get(kid)
            assert (held is old) == (old is not None and old.material == held.material), "equal keys keep their identity"
        assert 300 <= after.fresh_until - ticket.started_at <= 3600
        assert after.usable_until == ticket.started_at + 86400

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 5), denied=st.booleans(), jitter=st.floats(0, 1, exclude_max=True))
    def bad_answer(self, which: int, *, denied: bool, jitter: float) -> None:
        ticket, _ = self.out.pop(which % len(self.out))
        before, current = self.ring.held, ticket is self.ring.flight
        self.ring.settle(ticket, DENIED if denied else OUTAGE, self.now, jitter)
        assert self.ring.held is before, "a bad answer never replaces good keys"
        if current:
            answer = self.ring.ask("nobody", self.now)
            assert isinstance(answer, Down)
            assert self.now + 0.5 <= answer.until <= self.now + 60

    @invariant()
    def fetches_are_bounded(self) -> None:
        if not hasattr(self, "ring"):
            return
        for at, first in enumerate(self.spent):
            in_window = len(self.spent) - at
            assert in_window <= self.times.burst + (self.now - first) / self.times.refill + 1e-6
        assert self.ring.fetches == len(self.spent) + len(self.free)
        elapsed = self.now - (self.free[0] if self.free else self.now)
        # free ones: the first load, renewals (300 s apart), and retries (half a second apart at the least, after a failure each)
        assert len(self.free) <= 1 + elapsed / 300 + self.ring.failed + 1

    @invariant()
    def what_was_held_never_changes(self) -> None:
        if hasattr(self, "ring"):
            held = self.ring.held
            assert self.seen.setdefault(id(held), held) is held
            assert held.fresh_until <= held.usable_until
            assert held.source == ("network" if held.keys else "none")


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def test_held_is_compared_by_identity_and_frozen() -> None:
    """`held is entry_held` is the whole of a warm hit's check."""
    one, two = loaded().held, loaded().held
    assert one != two
    assert len({one, two}) == 2
    with pytest.raises(AttributeError):
        one.fresh_until = inf  # type: ignore[misc]
    assert "RS256" not in repr(one)
