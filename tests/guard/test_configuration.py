"""The Guard's arguments: every mistake of one call at once, each with the argument's name and what to write instead."""

from __future__ import annotations

import functools
from math import inf, nan

import pytest

from cognito_guard import AnyClient, ConfigurationError, DenyList, Guard, UserPool
from cognito_guard.testing import LocalUserPool

POOL = UserPool("eu-west-1_Local0001")
PROFILE = POOL.access_tokens(client="web")


async def awaited(*_: object) -> bool:
    """A coroutine function."""
    return False


class Hook:
    """A hook whose call must be awaited."""

    async def __call__(self, principal: object) -> bool:
        """Never called."""
        return False

    async def ask(self, principal: object) -> bool:
        """Never called."""
        return False


def problems(*profiles: object, **settings: object) -> tuple[str, ...]:
    """The problems of `Guard(*profiles, **settings)`, which must be refused."""
    with pytest.raises(ConfigurationError) as caught:
        Guard(*profiles, **settings)
    return caught.value.problems


WRONG = [
    *[("leeway", value) for value in (-1, -0.001, nan, inf, -inf, True, "5", None, 10**400, 1j)],
    *[("clock", value) for value in (None, 5, "now", awaited)],
    *[("monotonic", value) for value in (None, 5, "now", awaited)],
    *[("resolve", value) for value in (5, {"https://issuer": PROFILE}, awaited, functools.partial(awaited, 1))],
    *[("is_revoked", value) for value in (5, {"jti"}, "jti", awaited, functools.partial(awaited, 1), Hook(), Hook().ask)],
    *[("is_revoked_async", value) for value in (5, {"jti"}, "jti")],
    *[("max_token_size", value) for value in (0, -1, 65535, 70000.0, nan, "70000", True, None)],
    *[("cache_tokens", value) for value in (-1, 1.5, nan, "10", True, None)],
    *[("cache_bytes", value) for value in (-1, 1.5, nan, "10", True, None)],
    *[("fetch", value) for value in (5, "https://keys.example")],
    *[("key_times", value) for value in (5, {"usable": 1})],
    *[("snapshots", value) for value in (5, b"/tmp/keys")],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_each_wrong_argument_is_named(argument, value):
    """A value that cannot be meant is refused when the Guard is built: negative, NaN, infinite, of another type, to be awaited."""
    (problem,) = problems(PROFILE, **{argument: value})
    assert problem.startswith(f"{argument}: give ")


def test_all_mistakes_at_once():
    """One error holds every mistake of the call, those of profiles and of key sources included."""
    found = problems(
        "eu-west-1_Local0001",
        PROFILE,
        PROFILE,
        leeway=-1,
        clock=None,
        monotonic=3,
        resolve=4,
        is_revoked=awaited,
        is_revoked_async=5,
        max_token_size=10,
        cache_tokens=-1,
        cache_bytes=nan,
        fetch=6,
        key_times=7,
        snapshots=8,
    )
    named = [problem.partition(":")[0].split()[0] for problem in found]
    assert sorted(named) == sorted(
        ["profiles", "profiles", "leeway", "clock", "monotonic", "resolve", "is_revoked", "is_revoked_async",
         "max_token_size", "cache_tokens", "cache_bytes", "fetch", "key_times", "snapshots"]
    )  # fmt: skip


def test_key_files_are_read_beside_other_mistakes(tmp_path):
    """A bundled key set that cannot serve is named beside a negative leeway."""
    profile = UserPool("eu-west-1_Local0001", jwks=str(tmp_path / "missing.json")).access_tokens(client="web")
    found = problems(profile, leeway=-1)
    assert [problem.partition(":")[0] for problem in found] == ["leeway", "jwks"]
    assert "missing.json" in found[1]


def test_a_wrong_clock_beside_a_snapshot(tmp_path):
    """A snapshot's age is asked of no clock that cannot be called: the mistake is named all the same."""
    pool = LocalUserPool()
    pool.guard(snapshots=tmp_path).warm_up()
    assert list(tmp_path.iterdir())
    profile = pool.user_pool.access_tokens(client="web")
    named = {problem.partition(":")[0] for problem in problems(profile, clock=5, monotonic=None, snapshots=tmp_path)}
    assert named == {"clock", "monotonic"}


@pytest.mark.parametrize(
    ("profiles", "told"),
    [
        ((), "profiles: give at least one"),
        ((POOL,), "number 1 is not one"),
        (([PROFILE],), "number 1 is not one"),
        ((PROFILE, "web", None), "number 2, 3 is not one"),
        ((PROFILE, PROFILE), "two accept access tokens of pool eu-west-1_Local0001 and client web"),
        ((PROFILE, POOL.access_tokens(client=["mobile", "web"], resource="https://api.example")), "client web"),
        ((PROFILE, POOL.access_tokens(client=AnyClient)), "AnyClient takes in every client"),
        ((PROFILE, UserPool("eu-west-1_Local0001", jwks={"keys": []}).id_tokens(client="web")), "different keys"),
    ],
)
def test_profiles_that_contradict_each_other(profiles, told):
    """No token may fit two profiles, and a pool has one set of keys; what is no profile is told by its place."""
    assert any(told in problem for problem in problems(*profiles))


@pytest.mark.parametrize("text", ["web", "staff"])
def test_a_bare_string_is_one_client(text):
    """`client="web"` is one client and not three letters."""
    assert POOL.access_tokens(client=text).clients == frozenset({text})


def test_what_is_meant_is_taken(tmp_path):
    """Borders that are allowed: a leeway of 0 and of a fraction, the least token size, no cache, plain hooks of every make."""
    for leeway in (0, 0.5, 300):
        Guard(PROFILE, leeway=leeway)
    for hook in (lambda _: False, DenyList(), functools.partial(lambda _one, _two: False, 1), {}.get):
        Guard(PROFILE, is_revoked=hook)
    Guard(PROFILE, is_revoked_async=awaited, max_token_size=65536, cache_tokens=0, cache_bytes=0, snapshots=tmp_path / "new")
    Guard(resolve=lambda _: None)


def test_building_fetches_nothing():
    """A Guard opens nothing before its first token."""
    pool = LocalUserPool()
    pool.guard()
    assert pool.fetches == {}


@pytest.mark.parametrize("argument", [{"keep": 0}, {"keep": -1}, {"keep": nan}, {"keep": inf}, {"keep": True}, {"keep": "60"}])
def test_a_deny_list_refuses_what_cannot_be_meant(argument):
    """`keep` is seconds above 0; it is named together with a clock that is none."""
    with pytest.raises(ConfigurationError) as caught:
        DenyList(**argument, clock=5)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["keep", "clock"]
