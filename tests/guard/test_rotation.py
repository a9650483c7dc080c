"""The Guard while its keys change, are late, or are gone; on clocks moved by hand (DESIGN 3.3, THREATS A17, T26, T27)."""

from __future__ import annotations

from typing import get_args

import pytest

from cognito_guard import Guard, KeyTimes, TokenRejected, Unavailable, UserPool
from cognito_guard.testing import BAD_TOKEN_NAMES, LocalUserPool, Outage, bad_token, bad_tokens
from cognito_guard.testing.octets import payload_of

DAY = 86400
LONG = 3 * DAY  # a token that outlives what is tried on it
FRESH = KeyTimes().fresh_max
USABLE = KeyTimes().usable


def test_a_rotation_is_noticed_at_once(pool, guard_of, verdict):
    """A token of a key that was never seen costs one fetch and is accepted; tokens of the key before stay good."""
    guard = guard_of(pool)
    old = pool.access()
    assert verdict(guard, old) == "accepted"
    pool.rotate()
    assert [verdict(guard, token) for token in (pool.access(), pool.access(), old)] == ["accepted"] * 3
    assert sum(pool.fetches.values()) == 2


def test_a_withdrawn_key_ends_its_tokens(pool, times, guard_of, verdict):
    """After the next good fetch a withdrawn key's tokens are refused, the cached like those never seen; the others stay cached."""
    guard = guard_of(pool)
    cached, unseen = pool.access(expires_in=LONG), pool.access(expires_in=LONG)
    pool.rotate()
    new = pool.access(expires_in=LONG)
    assert [verdict(guard, token) for token in (new, cached)] == ["accepted"] * 2
    principal = guard.authenticate(new)
    pool.withdraw()
    assert verdict(guard, cached) == "accepted"  # nobody has asked the pool yet
    times.advance(FRESH)
    assert verdict(guard, new) == "accepted"  # and this began the renewal
    assert [verdict(guard, token) for token in (cached, unseen, cached, unseen)] == ["key_unknown"] * 4
    assert guard.authenticate(new) is principal


def test_a_withdrawn_key_is_not_renewed_by_its_own_token(pool, times, guard_of, verdict):
    """A withdrawn key's cached token may begin the renewal itself; it is served once more by the keys held then, and never after."""
    guard = guard_of(pool)
    cached = pool.access(expires_in=LONG)
    assert verdict(guard, cached) == "accepted"
    pool.rotate()
    pool.withdraw()
    times.advance(FRESH)
    assert [verdict(guard, cached) for _ in range(3)] == ["accepted", "key_unknown", "key_unknown"]


def test_a_key_replaced_under_its_kid(pool, times, guard_of, verdict):
    """New material under the same kid takes effect with the next fetch: what the old key signed is a forgery then, cached or not."""
    guard = guard_of(pool)
    cached, unseen = pool.access(expires_in=LONG), pool.access(expires_in=LONG)
    kid = pool.key().kid
    assert verdict(guard, cached) == "accepted"
    pool.replace()
    new = pool.access(expires_in=LONG)
    assert pool.key().kid == kid
    assert verdict(guard, new) == "signature_invalid"  # the old key is trusted until it is due
    times.advance(FRESH)
    assert verdict(guard, cached) == "accepted"
    assert [verdict(guard, token) for token in (cached, unseen, new)] == ["signature_invalid", "signature_invalid", "accepted"]


def test_a_key_that_comes_back_is_another_object(pool, times, guard_of, verdict):
    """A token forgotten with its key is verified anew when the key is published again."""
    guard = guard_of(pool)
    old_key = pool.key()
    token = pool.access(expires_in=LONG)
    assert verdict(guard, token) == "accepted"
    pool.rotate()
    pool.withdraw()
    times.advance(FRESH)
    assert [verdict(guard, token) for _ in range(2)] == ["accepted", "key_unknown"]
    pool._publication._published += (old_key,)
    times.advance(FRESH)
    assert verdict(guard, token) == "accepted"


@pytest.mark.parametrize("kind", [kind for kind in get_args(Outage) if kind != "hang"])
def test_an_outage_of_every_kind(pool, times, guard_of, verdict, kind):
    """T26: until `usable` an outage costs nothing, cached or not; from then on it is 503, for cached tokens too; it heals."""
    guard = guard_of(pool)
    cached, unseen = pool.access(expires_in=LONG), pool.access(expires_in=LONG)
    assert verdict(guard, cached) == "accepted"
    pool.outage(kind)
    for _ in range(3):
        times.advance(USABLE / 4)
        assert [verdict(guard, token) for token in (cached, unseen, pool.access())] == ["accepted"] * 3
    times.advance(USABLE / 4)
    for token in (cached, unseen):
        with pytest.raises(Unavailable) as caught:
            guard.authenticate(token)
        assert caught.value.code == "keys_unavailable"
        assert 0 <= caught.value.retry_after <= 60
    pool.recover()
    times.advance(60)
    assert [verdict(guard, token) for token in (cached, unseen, cached)] == ["accepted"] * 3


def test_a_fetch_that_hangs_holds_nobody_with_a_known_key(pool, times, guard_of, verdict):
    """T26: while the renewal hangs, tokens of held keys pass at once; who has no key waits for the deadline and gets 503."""
    guard = guard_of(pool, key_times=KeyTimes(deadline=0.05))
    cached, unseen = pool.access(expires_in=LONG), pool.access(expires_in=LONG)
    assert verdict(guard, cached) == "accepted"
    with pool.outage("hang"):
        times.advance(FRESH)
        assert guard.authenticate(cached)
        pool.wait_until_fetched(2)
        assert guard.authenticate(unseen)
        times.advance(USABLE)
        for token in (cached, unseen):
            with pytest.raises(Unavailable, match="keys cannot be fetched"):
                guard.authenticate(token)
    times.advance(60)
    assert [verdict(guard, token) for token in (cached, unseen)] == ["accepted"] * 2


def test_forged_tokens_during_an_outage(pool, times, guard_of, verdict):
    """T26: while keys cannot be had, unknown kids get 503 or 401 and a bounded number of fetches, and good tokens pass."""
    guard = guard_of(pool)
    good = pool.access(expires_in=LONG)
    assert verdict(guard, good) == "accepted"
    forged = [pool.sign(payload_of(good), pool.header(kid=f"kid-{at}")) for at in range(60)]
    before = sum(pool.fetches.values())
    with pool.outage("status_500"):
        assert {verdict(guard, token) for token in forged} <= {"key_unknown", "keys_unavailable"}
        assert verdict(guard, good) == "accepted"
    assert sum(pool.fetches.values()) - before <= 3
    times.advance(60)
    pool.rotate()
    assert verdict(guard, pool.access()) == "accepted"


def test_a_flood_of_unknown_kids_and_a_rotation(pool, times, guard_of, verdict):
    """Unknown kids cost three fetches and then one in 10 s; a rotation in their midst is picked up within those 10 s."""
    guard = guard_of(pool)
    good = pool.access(expires_in=LONG)
    assert verdict(guard, good) == "accepted"
    forged = [pool.sign(payload_of(good), pool.header(kid=f"kid-{at}")) for at in range(40)]
    assert {verdict(guard, token) for token in forged} == {"key_unknown"}
    assert sum(pool.fetches.values()) == 4
    pool.rotate()
    new = pool.access()
    assert verdict(guard, new) == "key_unknown"
    times.advance(10)
    assert verdict(guard, forged[0]) == "key_unknown"
    assert verdict(guard, new) == "accepted"
    assert sum(pool.fetches.values()) == 5


def test_the_issuer_form_that_a_pool_does_not_use(pool, times, guard_of, verdict):
    """While the other form holds keys, its 403 means an unknown issuer: 401, remembered for 60 s; before, nobody can know: 503."""
    guard = guard_of(pool)
    foreign = [pool.access(issuer_form="updated", expires_in=LONG) for _ in range(5)]
    url = f"{pool.updated_issuer}/.well-known/jwks.json"
    assert verdict(guard, foreign[0]) == "keys_unavailable"
    assert verdict(guard, pool.access()) == "accepted"
    assert {verdict(guard, token) for token in foreign} == {"issuer_unknown"}
    assert pool.fetches[url] == 1
    times.advance(59)
    assert {verdict(guard, token) for token in foreign} == {"issuer_unknown"}
    assert pool.fetches[url] == 1
    times.advance(2)
    assert {verdict(guard, token) for token in foreign} == {"issuer_unknown"}
    assert pool.fetches[url] == 2


def test_an_outage_of_one_issuer_form_is_an_outage(pool, guard_of, verdict):
    """Only 403 and 404 say that a form is not used; a network failure of one form is 503, whatever the other holds."""

    def fetch(url: str):
        if url.startswith(pool.updated_issuer):
            raise ConnectionRefusedError
        return pool.fetch(url)

    guard = guard_of(pool, fetch=fetch)
    assert verdict(guard, pool.access()) == "accepted"
    assert verdict(guard, pool.access(issuer_form="updated")) == "keys_unavailable"


def test_a_pool_that_switches_its_issuer(times, guard_of, verdict):
    """Tokens of both forms are good while both are published, each fetched when a token first names it."""
    pool = LocalUserPool(clock=times.wall, issuer_form="both")
    guard = guard_of(pool)
    assert verdict(guard, pool.access()) == "accepted"
    assert len(pool.fetches) == 1
    assert verdict(guard, pool.access(issuer_form="updated")) == "accepted"
    assert len(pool.fetches) == 2


_BEFORE_KEYS = {
    "token_too_large", "not_a_jwt", "encrypted_token", "header_malformed", "header_parameter_refused", "algorithm_refused",
    "kid_refused", "payload_malformed", "issuer_unknown",
}  # fmt: skip


def test_no_fetch_before_a_token_has_the_right_form(pool, guard_of):
    """A3, T27: what is refused for its form or issuer never reaches the network, not even from a Guard that holds no keys."""
    guard = guard_of(pool)
    cheap = [bad for bad in bad_tokens(pool) if bad.code in _BEFORE_KEYS]
    assert len(cheap) > 80
    for bad in cheap:
        with pytest.raises(TokenRejected):
            guard.authenticate(bad.token)
    assert pool.fetches == {}


@pytest.mark.parametrize(
    "name", [name for name in BAD_TOKEN_NAMES if name.startswith(("embedded", "foreign", "loopback", "kid_", "issuer_"))]
)
def test_what_is_fetched_is_the_pools_own(pool, guard_of, name):
    """A3, T27: keys, URLs and kids in a token choose nothing; only the key set of the issuer that it names may be fetched."""
    fetched = []

    def fetch(url: str):
        fetched.append(url)
        return pool.fetch(url)

    with pytest.raises(TokenRejected):
        guard_of(pool, fetch=fetch).authenticate(bad_token(pool, name).token)
    assert set(fetched) <= {f"{pool.issuer}/.well-known/jwks.json"}


def test_the_two_clocks_do_not_mix(pool, times, guard_of, verdict):
    """A step of the wall clock ends tokens and ages no key; the monotonic clock ages keys and ends no token."""
    guard = guard_of(pool)
    token = pool.access(expires_in=DAY)
    assert verdict(guard, token) == "accepted"
    times.wall_now += DAY - 1
    assert verdict(guard, token) == "accepted"
    assert sum(pool.fetches.values()) == 1
    times.wall_now -= DAY - 1
    times.monotonic_now += USABLE * 3
    assert verdict(guard, token) == "accepted"
    assert sum(pool.fetches.values()) == 2
    times.wall_now += DAY
    assert verdict(guard, token) == "expired"


def test_given_keys_never_change(times, verdict):
    """Keys given as a mapping: nothing is fetched, cached and fresh tokens are good for as long as their claims say."""
    pool = LocalUserPool(clock=times.wall)
    profile = UserPool(pool.user_pool.id, jwks=pool.jwks()).access_tokens(client=pool.client)
    guard = Guard(profile, clock=times.wall, monotonic=times.monotonic)
    token = pool.access(expires_in=LONG)
    assert verdict(guard, token) == "accepted"
    times.advance(USABLE + 1)
    assert guard.authenticate(token) is guard.authenticate(token)
    pool.rotate()
    assert verdict(guard, pool.access()) == "key_unknown"
    assert pool.fetches == {}
