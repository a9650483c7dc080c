"""Tenants known at run time: what `resolve` may answer, when it is asked, and what a de-listed tenant's tokens are worth."""

from __future__ import annotations

from collections import Counter

import pytest

from cognito_guard import AnyClient, ConfigurationError, Guard, KeyTimes, TokenRejected, Unavailable, UserPool
from cognito_guard.guard import trust
from cognito_guard.testing import LocalUserPool, bad_tokens


class Tenants:
    """An allow-list of pools, the endpoint of all of them, and a count of questions."""

    def __init__(self, times) -> None:
        self.times = times
        self.pools: dict[str, LocalUserPool] = {}
        self.listed: dict[str, object] = {}
        self.asked: Counter[str] = Counter()
        self.fetched: Counter[str] = Counter()

    def add(self, name: str) -> LocalUserPool:
        pool = LocalUserPool(f"eu-west-1_{name}", clock=self.times.wall)
        self.pools[pool.user_pool.id] = pool
        for issuer in pool.user_pool.issuers:
            self.listed[issuer.url] = pool.user_pool.access_tokens(client=pool.client)
        return pool

    def resolve(self, issuer: str):
        self.asked[issuer] += 1
        return self.listed.get(issuer)

    def fetch(self, url: str):
        self.fetched[url] += 1
        return self.pools[url.split("/")[3]].fetch(url)

    def guard(self, *profiles, **settings) -> Guard:
        clocks = {"clock": self.times.wall, "monotonic": self.times.monotonic}
        return Guard(*profiles, **({"resolve": self.resolve, "fetch": self.fetch} | clocks | settings))


@pytest.fixture
def tenants(times) -> Tenants:
    """No tenants yet."""
    return Tenants(times)


def test_tenants_come_and_are_kept_apart(tenants, verdict):
    """A tenant's tokens are accepted as soon as `resolve` names its profile, each by its own keys."""
    guard = tenants.guard()
    one = tenants.add("Tenant001")
    assert verdict(guard, one.access()) == "accepted"
    stranger = LocalUserPool("eu-west-1_Tenant002", clock=tenants.times.wall)
    token = stranger.access()
    assert verdict(guard, token) == "issuer_unknown"
    two = tenants.add("Tenant002")
    assert verdict(guard, token) == "accepted"
    assert verdict(guard, two.access(claims={"iss": one.issuer})) == "key_unknown"
    assert verdict(guard, one.access(client="another")) == "client_refused"
    assert verdict(guard, one.id()) == "token_use_refused"
    assert len(guard.key_status()) == 4


def test_every_bad_token_of_a_tenant(tenants):
    """A tenant's bad tokens get the codes that they get from a fixed profile."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    guard.authenticate(pool.access())
    for bad in bad_tokens(pool):
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(bad.token)
        assert (bad.name, caught.value.code, caught.value.claim) == (bad.name, bad.code, bad.claim)


def test_a_refused_issuer_fetches_nothing(tenants, verdict):
    """None means an unknown issuer, and nothing is fetched or kept for it."""
    guard = tenants.guard()
    for at in range(30):
        stranger = LocalUserPool("eu-west-1_Stranger1", clock=tenants.times.wall)
        assert verdict(guard, stranger.access(claims={"iss": f"https://issuer.example/{at}"})) == "issuer_unknown"
    assert not tenants.fetched
    assert guard.key_status() == ()


@pytest.mark.parametrize("issuer", [None, 1, ["https://issuer.example"], {"a": 1}, True])
def test_an_issuer_that_is_no_string_asks_nobody(tenants, verdict, issuer):
    """`resolve` is given strings only, and only of tokens whose form is right."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    assert verdict(guard, pool.access(claims={"iss": issuer})) == "issuer_unknown"
    assert verdict(guard, pool.bad("alg_none")) == "algorithm_refused"
    assert verdict(guard, pool.bad("claim_twice")) == "payload_malformed"
    assert not tenants.asked


def test_fixed_profiles_come_first(tenants, verdict):
    """`resolve` is never asked about an issuer that a profile names, and cannot widen what that profile accepts."""
    pool = tenants.add("Tenant001")
    tenants.listed[pool.issuer] = pool.user_pool.access_tokens(client=AnyClient)
    guard = tenants.guard(pool.user_pool.access_tokens(client="web"))
    assert verdict(guard, pool.access(client="web")) == "accepted"
    assert verdict(guard, pool.access(client="another")) == "client_refused"
    assert verdict(guard, pool.id()) == "token_use_refused"
    assert not tenants.asked
    assert verdict(guard, tenants.add("Tenant002").access()) == "accepted"


def test_a_delisted_tenant_is_out_at_once(tenants, verdict):
    """`resolve` is asked for every token, cached or not: a tenant that it names no longer is refused from that moment."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    token = pool.access()
    principal = guard.authenticate(token)
    assert guard.authenticate(token) is principal
    assert tenants.asked[pool.issuer] == 2
    profile, tenants.listed[pool.issuer] = tenants.listed[pool.issuer], None
    assert [verdict(guard, each) for each in (token, pool.access(), token)] == ["issuer_unknown"] * 3
    tenants.listed[pool.issuer] = profile
    assert verdict(guard, token) == "accepted"
    assert sum(tenants.fetched.values()) == 1


def test_a_changed_profile_takes_effect_at_once(tenants, verdict):
    """Another profile of the same tenant judges cached tokens anew."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    token = pool.access()
    assert verdict(guard, token) == "accepted"
    tenants.listed[pool.issuer] = pool.user_pool.access_tokens(client="another")
    assert verdict(guard, token) == "client_refused"
    tenants.listed[pool.issuer] = pool.user_pool.access_tokens(client=[pool.client, "another"], resource="https://api.example")
    assert verdict(guard, token) == "resource_refused"
    tenants.listed[pool.issuer] = pool.user_pool.access_tokens(client=[pool.client, "another"])
    assert verdict(guard, token) == "accepted"


@pytest.mark.parametrize("answer", [True, "https://issuer.example", UserPool("eu-west-1_Tenant001"), (), [None]])
def test_an_answer_that_is_no_profile(tenants, answer):
    """What is neither None nor a profile is the application's mistake: `ConfigurationError`, on a cached token too, never a Principal."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    token = pool.access()
    guard.authenticate(token)
    tenants.listed[pool.issuer] = answer
    for each in (token, pool.access()):
        for call in (guard.authenticate, guard.explain):
            with pytest.raises(ConfigurationError, match="resolve"):
                call(each)


def test_a_profile_of_another_issuer(tenants):
    """A profile that does not hold the issuer that was asked for is a mistake, and trusts nobody."""
    pool, other = tenants.add("Tenant001"), tenants.add("Tenant002")
    tenants.listed[pool.issuer] = tenants.listed[other.issuer]
    with pytest.raises(ConfigurationError, match="issuers hold the one that was asked for"):
        tenants.guard().authenticate(pool.access())


def test_a_profile_whose_key_file_cannot_serve(tenants, tmp_path):
    """A tenant's missing key file is a mistake of the application, told with the path."""
    pool = tenants.add("Tenant001")
    broken = UserPool(pool.user_pool.id, jwks=str(tmp_path / "missing.json"))
    tenants.listed[pool.issuer] = broken.access_tokens(client=pool.client)
    with pytest.raises(ConfigurationError, match=r"missing\.json"):
        tenants.guard().authenticate(pool.access())


def test_a_resolve_that_raises(tenants):
    """Nobody knows then whether the tenant is trusted: 503, for cached tokens too."""
    pool = tenants.add("Tenant001")
    state = {"down": False}

    def resolve(issuer: str):
        if state["down"]:
            raise LookupError
        return tenants.resolve(issuer)

    guard = tenants.guard(resolve=resolve)
    token = pool.access()
    principal = guard.authenticate(token)
    state["down"] = True
    for each in (token, pool.access()):
        with pytest.raises(Unavailable) as caught:
            guard.authenticate(each)
        assert caught.value.code == "resolve_unavailable"
    state["down"] = False
    assert guard.authenticate(token) is principal


def test_the_keys_of_tenants_are_bounded(tenants, monkeypatch, verdict):
    """Beyond the bound the tenant that was asked for least recently is fetched again; its tokens stay good."""
    monkeypatch.setattr(trust, "_TENANTS", 3)
    guard = tenants.guard()
    pools = [tenants.add(f"Tenant00{at}") for at in range(1, 6)]
    for pool in pools:
        assert verdict(guard, pool.access()) == "accepted"
        assert verdict(guard, pools[0].access()) == "accepted"
    assert len(guard.key_status()) == 3 * 2
    fetched = sum(tenants.fetched.values())
    assert fetched == 5
    assert verdict(guard, pools[0].access()) == "accepted"
    assert sum(tenants.fetched.values()) == fetched
    assert verdict(guard, pools[1].access()) == "accepted"
    assert sum(tenants.fetched.values()) == fetched + 1


def test_an_evicted_tenants_withdrawn_key_is_forgotten(tenants, times, monkeypatch, verdict):
    """A cached token of a tenant whose keys were dropped meanwhile still follows that tenant's withdrawals."""
    monkeypatch.setattr(trust, "_TENANTS", 1)
    guard = tenants.guard()
    one, two = tenants.add("Tenant001"), tenants.add("Tenant002")
    token = one.access(expires_in=86400)
    assert [verdict(guard, each) for each in (token, two.access(), token)] == ["accepted"] * 3
    one.rotate()
    one.withdraw()
    times.advance(KeyTimes().fresh_max)
    assert [verdict(guard, token) for _ in range(3)] == ["accepted", "key_unknown", "key_unknown"]


def test_a_guard_of_tenants_only_warms_up(tenants):
    """Without fixed profiles there is nothing to fetch ahead."""
    guard = tenants.guard()
    guard.warm_up()
    assert guard.key_status() == ()
    assert guard.explain("x").closest is None


def test_a_tenant_with_two_kinds_of_token(tenants):
    """`resolve` may answer several profiles: a tenant's access tokens and its ID tokens."""
    pool = tenants.add("Tenant001")
    tenants.listed[pool.issuer] = [
        pool.user_pool.access_tokens(client=pool.client),
        pool.user_pool.id_tokens(client=pool.client),
    ]
    guard = tenants.guard()
    assert guard.authenticate(pool.access()).token_use == "access"
    assert guard.authenticate(pool.id()).token_use == "id"


def test_a_tenants_keys_outlive_its_clients(tenants, verdict):
    """A tenant whose clients change keeps its keys: nothing is fetched, so an outage costs nothing."""
    pool = tenants.add("Tenant001")
    guard = tenants.guard()
    assert verdict(guard, pool.access()) == "accepted"
    fetched = dict(pool.fetches)
    tenants.listed[pool.issuer] = pool.user_pool.access_tokens(client=["another", pool.client])
    pool.outage()
    assert verdict(guard, pool.access()) == "accepted"
    assert dict(pool.fetches) == fetched


@pytest.mark.parametrize("answer", [[], "profile", {"a": 1}, 3, [None]])
def test_answers_that_are_no_profiles(tenants, answer):
    """Whatever else `resolve` answers is a mistake of the application, told by name."""
    pool = tenants.add("Tenant001")
    tenants.listed[pool.issuer] = answer
    with pytest.raises(ConfigurationError, match="answer None, a profile, or several"):
        tenants.guard().authenticate(pool.access())
