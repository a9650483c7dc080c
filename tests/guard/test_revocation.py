"""Revocation: the hooks of both kinds, their failures, and the deny list (THREATS A14: a claim of the wrong type counts as revoked)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import nan
from typing import Any

import pytest

from cognito_guard import ConfigurationError, DenyList, Guard, Principal, TokenRejected, Unavailable
from cognito_guard.testing import LocalUserPool

DAY = 86400


def awaiting(hook: Callable[[Principal], Any]) -> Callable[[Principal], Any]:
    """The same hook, to be awaited."""

    async def ask(principal: Principal) -> Any:
        return hook(principal)

    return ask


@pytest.fixture(params=["is_revoked", "is_revoked_async"])
def hooked(request, pool, guard_of):
    """`hooked(hook)`: a way to ask a Guard that has the hook as its one or its other argument."""

    def make(hook: Callable[[Principal], Any]) -> Callable[[str], Principal]:
        if request.param == "is_revoked":
            return guard_of(pool, is_revoked=hook).authenticate
        guard = guard_of(pool, is_revoked_async=awaiting(hook))
        return lambda token: asyncio.run(guard.authenticate_async(token))

    return make


def test_a_hook_is_asked_every_time(hooked, pool):
    """The hook sees the verified Principal, on the first question and on every hit, and its "yes" takes effect at once."""
    asked, revoked = [], set()

    def hook(principal: Principal) -> bool:
        asked.append(principal)
        return principal.jti in revoked

    ask = hooked(hook)
    token, other = pool.access(), pool.access()
    principal = ask(token)
    assert ask(token) is principal
    assert asked == [principal, principal]
    revoked.add(principal.jti)
    for _ in range(2):
        with pytest.raises(TokenRejected) as caught:
            ask(token)
        assert caught.value.code == "revoked"
    assert ask(other).jti not in revoked
    revoked.clear()
    assert ask(token) is principal


def test_a_hook_never_sees_a_bad_token(hooked, pool):
    """What does not verify is refused before anybody is asked about it."""
    ask = hooked(lambda _: pytest.fail("the hook was asked"))
    for name in ("expired", "attacker_signature", "client_other", "sub_number"):
        with pytest.raises(TokenRejected):
            ask(pool.bad(name))


class HookError(Exception):
    """What a store's client raises."""


def test_a_hook_that_fails(hooked, pool):
    """Nobody knows then: 503, never accepted and never the caller's 401; the next answer counts again. Its error is the cause."""
    state = {"down": False}

    def hook(_: Principal) -> bool:
        if state["down"]:
            raise HookError
        return False

    ask = hooked(hook)
    token = pool.access()
    for down in (True, False, True, False):
        state["down"] = down
        if not down:
            assert ask(token).username == "jane"
            continue
        with pytest.raises(Unavailable) as caught:
            ask(token)
        assert caught.value.code == "revocation_unavailable"
        assert caught.value.retry_after > 0
        assert isinstance(caught.value.__cause__, HookError)


@pytest.mark.parametrize("answer", [None, 0, 1, "", "no", [], [1], nan, object(), NotImplemented, ...])
def test_an_answer_that_is_no_bool(hooked, pool, answer):
    """Only True and False are answers; what is merely truthy or falsy is a hook that failed."""
    with pytest.raises(Unavailable) as caught:
        hooked(lambda _: answer)(pool.access())
    assert caught.value.code == "revocation_unavailable"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_the_program_passes(pool, guard_of, stop):
    """A hook's KeyboardInterrupt, or its cancellation, is not an outage: it comes through."""

    def hook(_: Principal) -> bool:
        raise stop

    with pytest.raises(stop):
        guard_of(pool, is_revoked=hook).authenticate(pool.access())
    guard = guard_of(pool, is_revoked_async=awaiting(hook))
    guard.warm_up()
    with pytest.raises(stop):
        guard.authenticate_async(pool.access()).send(None)  # one step without a loop: with keys at hand nothing is waited for


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_a_guard_with_only_the_async_hook_refuses_threads(pool, guard_of, kind):
    """`authenticate` could not ask it, so it refuses at once, whatever the token; `authenticate_async` asks it."""
    guard = guard_of(pool, is_revoked_async=awaiting(lambda _: False))
    with pytest.raises(ConfigurationError, match="use authenticate_async, or give both"):
        guard.authenticate(pool.access() if kind == "good" else "x.y.z")
    assert asyncio.run(guard.authenticate_async(pool.access())).username == "jane"


def test_each_call_asks_its_own_hook(pool, guard_of):
    """Of two hooks, threads ask the plain one and event loops the awaited one; with the plain one alone, loops ask that."""
    no, yes = (lambda _: False), (lambda _: True)
    both = guard_of(pool, is_revoked=no, is_revoked_async=awaiting(yes))
    token = pool.access()
    assert both.authenticate(token)
    with pytest.raises(TokenRejected, match="revoked"):
        asyncio.run(both.authenticate_async(token))
    assert both.authenticate(token)
    with pytest.raises(TokenRejected, match="revoked"):
        asyncio.run(guard_of(pool, is_revoked=yes).authenticate_async(token))


@pytest.fixture
def denied(times) -> DenyList:
    """A deny list on the fake wall clock."""
    return DenyList(clock=times.wall)


@pytest.fixture
def guard(pool, guard_of, denied) -> Guard:
    """A Guard that asks it."""
    return guard_of(pool, is_revoked=denied)


def minted(guard: Guard, pool: Any, **keywords: Any) -> tuple[str, Principal]:
    token = pool.access(**keywords)
    return token, guard.authenticate(token)


def test_one_token_is_denied(pool, guard, denied, verdict):
    """`deny_token` takes back the one token, cached as it is, and no other of the same person."""
    token, principal = minted(guard, pool)
    other, _ = minted(guard, pool)
    denied.deny_token(principal.jti)
    assert [verdict(guard, each) for each in (token, other)] == ["revoked", "accepted"]


def test_a_sign_in_is_denied(pool, guard, denied, verdict):
    """`deny_sign_in` takes back every token of one refresh-token family, those refreshed later too."""
    token, principal = minted(guard, pool)
    denied.deny_sign_in(principal.origin_jti)
    refreshed = pool.access(claims={"origin_jti": principal.origin_jti})
    assert [verdict(guard, each) for each in (token, refreshed, pool.access())] == ["revoked", "revoked", "accepted"]
    assert verdict(guard, pool.access(claims={"origin_jti": None}, without=["jti"])) == "revoked"


def test_a_subject_is_cut_off(pool, times, guard, denied, verdict):
    """`deny_subject` takes back what the subject was issued up to now, or up to a moment, and nothing that is issued later."""
    old, principal = minted(guard, pool)
    others, _ = minted(guard, pool, username="joe")
    denied.deny_subject(principal.subject)
    same_second = pool.access()
    times.advance(1)
    later = pool.access()
    assert [verdict(guard, each) for each in (old, same_second, later, others)] == ["revoked", "revoked", "accepted", "accepted"]
    denied.deny_subject(principal.subject, issued_until=1)  # an earlier cut takes nothing back
    assert verdict(guard, same_second) == "revoked"
    denied.deny_subject(principal.subject, issued_until=times.wall_now + 60)
    assert verdict(guard, later) == "revoked"


def test_a_subject_is_denied_under_every_issuer_form(times, guard_of, denied, verdict):
    """A pool may switch its issuer; who was denied under one form is denied under the other."""
    pool = LocalUserPool(clock=times.wall, issuer_form="both")
    guard = guard_of(pool, is_revoked=denied)
    _, principal = minted(guard, pool)
    updated = pool.access(issuer_form="updated")
    assert verdict(guard, updated) == "accepted"
    denied.deny_subject(principal.subject)
    assert verdict(guard, updated) == "revoked"


def test_a_machine_is_cut_off_by_its_client(pool, times, guard, denied, verdict):
    """A machine's subject is its client, with or without `sub`."""
    tokens = [pool.machine(), pool.machine(without=["sub"])]
    denied.deny_subject(pool.client)
    assert [verdict(guard, token) for token in tokens] == ["revoked", "revoked"]
    times.advance(1)
    assert verdict(guard, pool.machine()) == "accepted"


@pytest.mark.parametrize("wrong", [None, 1, True, ["a"], {"a": "b"}])
def test_claims_of_the_wrong_type_count_as_revoked(pool, guard, denied, verdict, wrong):
    """A14: where a denial must look at `origin_jti` and cannot read it, the token is revoked; without such a denial it passes."""
    token = pool.access(claims={"origin_jti": wrong})
    assert verdict(guard, token) == "accepted"
    denied.deny_sign_in("somebody-else")
    assert verdict(guard, token) == "revoked"


def test_a_token_without_iat_is_cut_off(pool, guard, denied, verdict):
    """Nobody can say that it was issued after the cut."""
    token, principal = minted(guard, pool, without=["iat"])
    assert verdict(guard, token) == "accepted"
    denied.deny_subject(principal.subject, issued_until=1)
    assert verdict(guard, token) == "revoked"


def test_a_token_without_identifiers_is_found_by_its_subject_only(pool, guard, denied, verdict):
    """Where token revocation is off in the app client there is nothing to find it by but the subject."""
    token, principal = minted(guard, pool, without=["jti", "origin_jti"])
    denied.deny_token("some-jti")
    denied.deny_sign_in("some-origin-jti")
    assert verdict(guard, token) == "accepted"
    denied.deny_subject(principal.subject)
    assert verdict(guard, token) == "revoked"


@pytest.mark.parametrize("by", ["jti", "origin_jti", "subject"])
@pytest.mark.parametrize("ahead", [0, 60])
def test_a_denial_outlives_every_token_that_it_denies(pool, times, guard, denied, verdict, by, ahead):
    """The longest-lived token, of a clock as far ahead as is allowed, is denied to its last second; then the entry is forgotten."""
    token, principal = minted(guard, pool, issued_at=int(times.wall_now) + ahead, expires_in=DAY)
    if by == "jti":
        denied.deny_token(principal.jti)
    elif by == "origin_jti":
        denied.deny_sign_in(principal.origin_jti)
    else:
        denied.deny_subject(principal.subject, issued_until=principal.issued_at)
    times.advance(DAY + ahead - 0.001)
    assert verdict(guard, token) == "revoked"
    times.advance(61)
    assert verdict(guard, token) == "expired"
    assert [len(entries) for entries in (*denied._claims.values(), denied._subjects)] == [0, 0, 0]


def test_entries_are_forgotten_after_keep(pool, times, guard_of, verdict):
    """`keep` seconds and the minute that clocks may differ; a denial that is repeated begins anew."""
    denied = DenyList(keep=100, clock=times.wall)
    guard = guard_of(pool, is_revoked=denied)
    token, principal = minted(guard, pool)
    denied.deny_token(principal.jti)
    times.advance(159)
    assert verdict(guard, token) == "revoked"
    times.advance(1)
    assert verdict(guard, token) == "accepted"
    for _ in range(3):
        denied.deny_token(principal.jti)
        times.advance(159)
        assert verdict(guard, token) == "revoked"


@pytest.mark.parametrize(
    "call",
    [
        lambda denied: denied.deny_token(None),
        lambda denied: denied.deny_token(""),
        lambda denied: denied.deny_token(["a"]),
        lambda denied: denied.deny_sign_in(b"a"),
        lambda denied: denied.deny_sign_in(""),
        lambda denied: denied.deny_subject(""),
        lambda denied: denied.deny_subject(None),
        lambda denied: denied.deny_subject("b", issued_until=nan),
        lambda denied: denied.deny_subject("b", issued_until=-1),
        lambda denied: denied.deny_subject("b", issued_until=True),
        lambda denied: denied.deny_subject("b", issued_until=1_790_000_061),
        lambda denied: denied.deny_subject("b", issued_until=1_790_000_000_000),
    ],
)
def test_a_denial_that_cannot_be_meant(denied, call):
    """None, an empty name, milliseconds: refused, so that no denial is silently without effect."""
    with pytest.raises(ConfigurationError, match="give"):
        call(denied)
