"""The verified-token cache (THREATS A25, section 3 "Verified-token caches"): its key, its bounds, its end, and that it changes no verdict."""

from __future__ import annotations

import gc
import tracemalloc
from math import nan
from uuid import uuid4

import pytest

from cognito_guard import TokenRejected
from cognito_guard.testing import bad_tokens
from cognito_guard.testing.octets import decode, segment


def cached(guard, token) -> bool:
    """Whether two questions get one Principal, which is so only if the first answer was kept."""
    return guard.authenticate(token) is guard.authenticate(token)


def test_a_hit_is_the_same_frozen_principal(pool, guard_of):
    """A hit answers the very Principal of the first time, and nobody who shares it can change what it holds."""
    guard = guard_of(pool)
    token = pool.access(groups=["staff"], claims={"custom:tree": {"a": [1, {"b": 2}]}})
    first = guard.authenticate(token)
    assert guard.authenticate(token) is first
    with pytest.raises(TypeError):
        first.claims["cognito:groups"] = ("admin",)
    with pytest.raises(TypeError):
        first.claims["custom:tree"]["a"][1]["b"] = 3
    with pytest.raises(AttributeError):
        first.groups.add("admin")
    with pytest.raises(AttributeError):
        first.groups = {"admin"}
    assert first.claims["cognito:groups"] == ("staff",)


def test_the_key_is_the_whole_token(pool, guard_of):
    """CVE-2026-35030, CVE-2026-35039: beside a cached token, one that differs in any place, or in its end only, is judged by itself."""
    guard = guard_of(pool)
    token = pool.access()
    guard.authenticate(token)
    head, payload, signature = token.split(".")
    octets = decode(signature)
    for at in range(0, 256, 5):
        other = octets[:at] + bytes([octets[at] ^ 0x80]) + octets[at + 1 :]
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(f"{head}.{payload}.{segment(other)}")
        assert caught.value.code == "signature_invalid"
    for at in range(0, len(token), 29):
        with pytest.raises(TokenRejected):
            guard.authenticate(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])
        with pytest.raises(TokenRejected):
            guard.authenticate(token[:at])
    other = pool.access(username="root")
    assert guard.authenticate(other).username == "root"


@pytest.mark.parametrize("leeway", [0, 0.5, 30])
def test_an_entry_ends_at_exp(pool, times, guard_of, leeway):
    """CVE-2026-107719: an entry holds up to `exp` plus leeway, and not on that instant."""
    guard = guard_of(pool, leeway=leeway)
    token = pool.access(expires_in=600.25)
    end = times.wall_now + 600.25 + leeway
    principal = guard.authenticate(token)
    times.wall_now = end - 0.001
    assert guard.authenticate(token) is principal
    for late in (0, 0.001, 60, 1e9):
        times.wall_now = end + late
        with pytest.raises(TokenRejected, match="expired"):
            guard.authenticate(token)
        assert len(guard._cache) == 0


@pytest.mark.parametrize(("claim", "ahead", "code"), [("nbf", 0, "not_yet_valid"), ("iat", 60, "issued_in_future")])
def test_an_entry_begins_where_its_claims_do(pool, times, guard_of, claim, ahead, code):
    """A clock that is set back before `nbf`, or far before `iat`, refuses the cached token as it would refuse a new one."""
    guard = guard_of(pool)
    start = times.wall_now
    token = pool.access(claims={claim: start})
    principal = guard.authenticate(token)
    times.wall_now = start - ahead
    assert guard.authenticate(token) is principal
    times.wall_now = start - ahead - 1
    with pytest.raises(TokenRejected) as caught:
        guard.authenticate(token)
    assert caught.value.code == code
    times.wall_now = start
    assert guard.authenticate(token) == principal


def test_a_clock_that_answers_nan_refuses(pool, times, guard_of):
    """NaN is before no date: new and cached tokens are refused, and good again once the clock is."""
    guard = guard_of(pool)
    token, other = pool.access(), pool.access()
    guard.authenticate(token)
    now, times.wall_now = times.wall_now, nan
    for each in (token, other, token):
        with pytest.raises(TokenRejected):
            guard.authenticate(each)
    times.wall_now = now
    assert cached(guard, token)


def test_the_number_is_bounded(pool, guard_of):
    """However many tokens come, no more than `cache_tokens` are kept; one that is asked for all the time stays."""
    guard = guard_of(pool, cache_tokens=10)
    hot = pool.access()
    principal = guard.authenticate(hot)
    for _ in range(60):
        guard.authenticate(pool.access())
        assert guard.authenticate(hot) is principal
        assert len(guard._cache) <= 10
    assert len(guard._cache) > 4


SHAPES = {
    "plain": lambda pool: pool.access(username=str(uuid4()), groups=["staff"]),
    "id": lambda pool: pool.id(
        username=str(uuid4()), claims={"cognito:roles": [f"arn:aws:iam::111122223333:role/{uuid4()}"] * 3}
    ),
    "groups": lambda pool: pool.access(groups=[f"g{at}" for at in range(100)]),
    "long groups": lambda pool: pool.access(groups=[f"{at}" * 40 for at in range(100)]),
    "nested": lambda pool: pool.access(claims={"custom:tree": [{"a": []} for _ in range(100)]}),
    "many claims": lambda pool: pool.access(claims={f"custom:{at}": at for at in range(200)}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bytes_are_bounded(pool, guard_of, shape):
    """Whatever the tokens are made of, what the cache keeps takes about `cache_bytes` at most, every part of its Principals read."""
    bound = 400_000
    guard = guard_of(
        pool, pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client), cache_bytes=bound
    )
    tokens = [SHAPES[shape](pool).encode() for _ in range(150)]
    guard.authenticate(pool.access())
    guard.forget_tokens()
    gc.collect()
    tracemalloc.start()
    try:
        empty = tracemalloc.get_traced_memory()[0]
        for token in tokens:
            principal = guard.authenticate(token)
            assert principal.claims and principal.groups is not None and principal.scopes is not None and principal.subject  # noqa: PT018
        del principal
        gc.collect()
        full = tracemalloc.get_traced_memory()[0] - empty
    finally:
        tracemalloc.stop()
    assert bound / 5 < full < bound * 1.15
    assert len(guard._cache) < len(tokens)


def test_a_token_larger_than_the_cache_passes_unkept(pool, guard_of):
    """What would not fit is verified each time, and pushes nothing out."""
    guard = guard_of(pool, cache_bytes=20_000)
    small, large = pool.access(), pool.access(claims={"custom:notes": "x" * 10_000})
    principal = guard.authenticate(small)
    for _ in range(5):
        assert not cached(guard, large)
    assert guard.authenticate(small) is principal


def test_refused_tokens_are_not_kept(pool, guard_of):
    """Junk neither fills the cache nor pushes a good token out."""
    guard = guard_of(pool, cache_tokens=4)
    token = pool.access()
    principal = guard.authenticate(token)
    for bad in bad_tokens(pool):
        with pytest.raises(TokenRejected):
            guard.authenticate(bad.token)
        with pytest.raises(TokenRejected):
            guard.authenticate(bad.token.encode("utf-8", "surrogatepass"))
        assert len(guard._cache) == 1
    assert guard.authenticate(token) is principal


@pytest.mark.parametrize("off", [{"cache_tokens": 0}, {"cache_tokens": 1}, {"cache_bytes": 0}, {"cache_bytes": 1}])
def test_the_cache_can_be_off(pool, guard_of, off):
    """Without a cache each question is verified anew, with an equal answer."""
    guard = guard_of(pool, **off)
    token = pool.access()
    assert not cached(guard, token)
    assert guard.authenticate(token) == guard.authenticate(token)
    assert len(guard._cache) == 0


def test_tokens_can_be_forgotten(pool, guard_of):
    """`forget_tokens` empties the cache; the same tokens are then verified anew."""
    guard = guard_of(pool)
    token = pool.access()
    principal = guard.authenticate(token)
    guard.forget_tokens()
    assert len(guard._cache) == 0
    again = guard.authenticate(token)
    assert again == principal
    assert again is not principal


def test_an_entry_that_is_forgotten_gives_its_room_back(pool, times, guard_of):
    """A token that goes in and out of its time many times is counted once, and costs no other token its place."""
    guard = guard_of(pool, cache_bytes=80_000)
    others = [pool.access() for _ in range(3)]
    kept = [guard.authenticate(token) for token in others]
    token, now = pool.access(), times.wall_now
    for _ in range(100):
        times.wall_now = now
        guard.authenticate(token)
        times.wall_now = now - 3600
        with pytest.raises(TokenRejected):
            guard.authenticate(token)
    times.wall_now = now
    assert all(guard._cache.young.get(token) for token in others)
    assert all(guard.authenticate(token) is principal for token, principal in zip(others, kept, strict=True))


def test_explain_asks_no_cache(pool, times, guard_of):
    """A report is made without the cache: each holds a Principal of its own."""
    guard = guard_of(pool)
    token = pool.access()
    principal = guard.authenticate(token)
    report = guard.explain(token)
    assert report.principal == principal
    assert report.principal is not principal
