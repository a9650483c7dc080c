"""From profiles to rings, and the warm-up."""

from __future__ import annotations

import asyncio
import json

import pytest
import trio

from cognito_guard import errors
from cognito_guard.keys import Fetched, KeyRing, KeyTimes, StaticKeys, open_rings, warm_up, warm_up_async
from cognito_guard.pool import UserPool

POOL = UserPool("eu-west-1_AbC123xyz")
OTHER = UserPool("us-east-1_Other1234")
ORIGINAL = "https://cognito-idp.eu-west-1.amazonaws.com/"


class Issuers:
    """A `Fetch` that serves every issuer whose URL starts with one of `serves`, and answers `otherwise` for the rest."""

    def __init__(self, body: bytes, *serves: str, otherwise: Fetched = Fetched(403, b"")) -> None:  # noqa: B008 - frozen
        self.body, self.serves, self.otherwise = body, serves, otherwise
        self.urls: list[str] = []

    def __call__(self, url: str) -> Fetched:
        self.urls.append(url)
        return Fetched(200, self.body) if url.startswith(self.serves) else self.otherwise


def profiles():
    return [POOL.access_tokens(client="abc"), POOL.id_tokens(client="abc"), OTHER.access_tokens(client="abc")]


def warm(profiles, rings, how: str) -> None:
    match how:
        case "threads":
            warm_up(profiles, rings)
        case "asyncio":
            asyncio.run(warm_up_async(profiles, rings))
        case "trio":
            trio.run(warm_up_async, profiles, rings)


def test_one_ring_for_each_source_and_nothing_fetched(jwks) -> None:
    """Profiles of one pool share its rings; opening costs no network."""
    fetch = Issuers(jwks(a=0), "https://")
    rings = open_rings(profiles(), fetch=fetch)
    assert len(rings) == 4
    assert {type(ring) for ring in rings.values()} == {KeyRing}
    assert {source.url for source in rings} == {ring.url for ring in rings.values()}
    assert fetch.urls == []


@pytest.mark.parametrize("how", ["threads", "asyncio", "trio"])
def test_a_warm_up_needs_one_issuer_form_of_each_pool(jwks, how) -> None:
    """A pool that never switched answers 403 on the other form: no failure, and tokens of that form are then foreign."""
    fetch = Issuers(jwks(a=0), "https://cognito-idp.")
    rings = open_rings(profiles(), fetch=fetch)
    warm(profiles(), rings, how)
    assert len(fetch.urls) == 4
    original, updated = (rings[issuer.keys] for issuer in POOL.issuers)
    assert original.find("a").kid == "a"
    with pytest.raises(errors.TokenRejected) as caught:
        updated.find("a")
    assert caught.value.code == "issuer_unknown"
    warm(profiles(), rings, how)
    assert len(fetch.urls) == 4


@pytest.mark.parametrize("how", ["threads", "asyncio", "trio"])
def test_a_warm_up_fails_for_a_pool_without_keys_and_says_which(jwks, how) -> None:
    """Unavailable names the pool and each of its endpoints; what the other pool got stays."""
    rings = open_rings(profiles(), fetch=Issuers(jwks(a=0), ORIGINAL, otherwise=Fetched(500, b"")))
    with pytest.raises(errors.Unavailable) as caught:
        warm(profiles(), rings, how)
    said = str(caught.value)
    assert OTHER.id in said
    assert "answered 500" in said
    assert POOL.id not in said
    assert 0 < caught.value.retry_after <= 60
    assert rings[POOL.issuers[0].keys].find("a").kid == "a"


def test_pools_of_one_name_are_judged_apart(jwks) -> None:
    """Two emulators that call their pool the same: one that answers does not excuse the other."""
    pools = [UserPool("local_1", issuer=f"http://127.0.0.1:{port}/local_1") for port in (9229, 9230)]
    wanted = [pool.access_tokens(client="abc") for pool in pools]
    with pytest.raises(errors.Unavailable, match="9230"):
        warm_up(wanted, open_rings(wanted, fetch=Issuers(jwks(a=0), "http://127.0.0.1:9229", otherwise=Fetched(500, b""))))


def test_key_sources_of_every_kind(tmp_path, jwks) -> None:
    """A file and a mapping give static keys, which serve both issuer forms of their pool; a warm-up has nothing to do for them."""
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(a=0))
    pools = [UserPool("eu-west-1_File", jwks=path), UserPool("eu-west-1_Mapping", jwks=json.loads(jwks(b=1)))]
    wanted = [pool.access_tokens(client="abc") for pool in pools]
    fetch = Issuers(b"")
    rings = open_rings(wanted, fetch=fetch)
    assert [type(ring) for ring in rings.values()] == [StaticKeys, StaticKeys]
    warm_up(wanted, rings)
    assert fetch.urls == []


def test_every_mistake_at_once(tmp_path) -> None:
    """All unreadable files in one error; wrong arguments likewise."""
    pools = [UserPool(f"eu-west-1_{name}", jwks=tmp_path / f"{name}.json") for name in ("One", "Two")]
    with pytest.raises(errors.ConfigurationError) as caught:
        open_rings(pool.access_tokens(client="abc") for pool in pools)
    assert [
        str(tmp_path / f"{name}.json") in problem for name, problem in zip(("One", "Two"), caught.value.problems, strict=True)
    ]
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ConfigurationError) as caught:
        open_rings([], fetch="https://", times={"usable": 1}, snapshots=tmp_path / "file")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["key_times", "fetch", "snapshots"]
    with pytest.raises(errors.ConfigurationError, match="snapshots"):
        open_rings([], snapshots=7)


def test_the_arguments_reach_the_rings(tmp_path, jwks, clock) -> None:
    """Times, clocks and the folder of snapshots."""
    wanted = [POOL.access_tokens(client="abc")]
    settings = {
        "fetch": Issuers(jwks(a=0), ORIGINAL),
        "times": KeyTimes(usable=7200),
        "monotonic": clock,
        "clock": lambda: 1.8e9,
        "snapshots": tmp_path / "kept",
    }
    warm_up(wanted, open_rings(wanted, **settings))
    status = open_rings(wanted, **settings)[POOL.issuers[0].keys].status()
    assert (status.source, status.usable_for) == ("snapshot", 7200)
