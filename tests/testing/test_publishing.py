from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.jose.jwk import parse_jwk_set
from cognito_guard.testing import LocalUserPool

WITHIN = 10


def url(pool, *, updated=False):
    return f"{pool.updated_issuer if updated else pool.issuer}/.well-known/jwks.json"


def kids(pool):
    return [key["kid"] for key in pool.jwks()["keys"]]


@pytest.mark.parametrize(("form", "original", "updated"), [("original", 200, 403), ("updated", 403, 200), ("both", 200, 200)])
def test_the_issuer_forms_that_are_served(form, original, updated):
    """A pool that never switched answers 403 on the other form, as AWS does."""
    pool = LocalUserPool(issuer_form=form)
    assert pool.fetch(url(pool)).status == original
    assert pool.fetch(url(pool, updated=True)).status == updated


def test_a_fetch_answers_the_jwk_set():
    """The body is the JWK Set, with the Cache-Control that was asked for."""
    pool = LocalUserPool(cache_control="max-age=60")
    answer = pool.fetch(url(pool))
    assert json.loads(answer.body) == pool.jwks()
    assert answer.cache_control == "max-age=60"


def test_fetches_are_counted_by_url(pool):
    """Every fetch counts, foreign URLs too: a test can say that nothing else was asked."""
    assert pool.fetches == {}
    pool.fetch(url(pool))
    pool.fetch(url(pool))
    assert pool.fetch("https://attacker.example/jwks.json").status == 404
    assert pool.fetches == {url(pool): 2, "https://attacker.example/jwks.json": 1}


def test_rotation_adds_keys_and_signs_with_them(pool):
    """After `rotate()` old keys are still published; `withdraw()` takes them away."""
    old = pool.key("access"), pool.key("id")
    pool.rotate()
    assert {pool.key("access"), pool.key("id")}.isdisjoint(old)
    assert kids(pool) == [old[1].kid, old[0].kid, pool.key("id").kid, pool.key("access").kid]
    assert pool.header()["kid"] == pool.key().kid
    pool.withdraw()
    assert kids(pool) == [pool.key("id").kid, pool.key("access").kid]


def test_the_old_key_still_signs_when_asked(pool):
    """A token of before the rotation can be minted after it."""
    old = pool.key()
    pool.rotate()
    keys = parse_jwk_set(pool.fetch(url(pool)).body, ["RS256"]).keys
    head, payload, signature = pool.sign({"a": 1}, key=old).split(".")
    from cognito_guard.testing.octets import decode

    assert keys[old.kid].verify(decode(signature), f"{head}.{payload}".encode())


def test_replacing_keeps_the_kids(pool):
    """Same kids, new key material: what a verifier must notice without an unknown kid."""
    before = kids(pool)
    old = pool.key()
    pool.replace()
    assert kids(pool) == before
    assert pool.key().kid == old.kid
    assert pool.key().modulus != old.modulus


def test_replacing_after_a_rotation_leaves_the_older_keys(pool):
    """Only the keys that sign now are replaced."""
    oldest = [key["n"] for key in pool.jwks()["keys"]]
    pool.rotate()
    rotated = [key["n"] for key in pool.jwks()["keys"]][2:]
    pool.replace()
    now = [key["n"] for key in pool.jwks()["keys"]]
    assert now[:2] == oldest
    assert set(now[2:]).isdisjoint(rotated)


def test_withdrawing_without_older_keys_is_a_mistake(pool):
    """A withdrawal that withdraws nothing would make a test prove nothing."""
    with pytest.raises(ConfigurationError, match=r"rotate\(\) first"):
        pool.withdraw()


def test_rotations_are_each_objects_own(pool):
    """A new object of the same id is a pool on a good day: tests do not disturb each other."""
    before = pool.jwks()
    other = LocalUserPool()
    other.rotate()
    other.outage()
    assert pool.jwks() == before
    assert pool.fetch(url(pool)).status == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [("status_403", 403), ("status_404", 404), ("status_429", 429), ("status_500", 500), ("status_503", 503), ("redirect", 302)],
)
def test_outages_by_status(pool, kind, status):
    """The endpoint answers, and not with keys; a failure promises no freshness."""
    with pool.outage(kind):
        answer = pool.fetch(url(pool))
    assert (answer.status, answer.cache_control) == (status, "")
    assert pool.fetch(url(pool)).status == 200


@pytest.mark.parametrize("kind", ["html", "empty", "empty_set", "truncated"])
def test_outages_by_body(pool, kind):
    """A 200 that is no JWK Set: our parser refuses each."""
    with pool.outage(kind):
        answer = pool.fetch(url(pool))
    assert answer.status == 200
    with pytest.raises(ValueError):
        parse_jwk_set(answer.body, ["RS256"])


def test_the_oversized_body_is_right_but_for_its_size(pool):
    """Only a cap on octets refuses it: the JWK Set inside is good."""
    with pool.outage("oversized"):
        body = pool.fetch(url(pool)).body
    assert len(body) > 8 << 20
    assert len(parse_jwk_set(body, ["RS256"]).keys) == 2


@pytest.mark.parametrize(("kind", "error"), [("refused", ConnectionRefusedError), ("timeout", TimeoutError)])
def test_outages_of_the_network(pool, kind, error):
    """The network fails as Python's own clients show it, until the pool recovers."""
    pool.outage(kind)
    with pytest.raises(error):
        pool.fetch(url(pool))
    pool.recover()
    assert pool.fetch(url(pool)).status == 200


def test_unknown_kinds_and_delays_are_refused(pool):
    """A misspelled outage would be no outage."""
    with pytest.raises(ConfigurationError, match="status_500"):
        pool.outage("500")
    for seconds in (0, -1, 61, float("nan")):
        with pytest.raises(ConfigurationError, match="seconds"):
            pool.slow(seconds)


@pytest.mark.parametrize("disturb", [lambda pool: pool.outage("hang"), lambda pool: pool.slow(60)])
def test_waits_end_when_the_pool_recovers(pool, disturb):
    """A fetch that hangs or is slow is seen to have begun, and is answered with the keys of the moment in which it is released."""
    disturb(pool)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(pool.fetch, url(pool))
        pool.wait_until_fetched(1, within=WITHIN)
        assert not answer.done()
        pool.rotate()
        pool.recover()
        assert json.loads(answer.result(WITHIN).body) == pool.jwks()


def test_a_hang_ends_with_its_block(pool):
    """As a context manager the outage recovers at its end, whoever waits."""
    with ThreadPoolExecutor(3) as threads:
        with pool.outage("hang"):
            answers = [threads.submit(pool.fetch, url(pool)) for _ in range(3)]
            pool.wait_until_fetched(3, within=WITHIN)
        assert [answer.result(WITHIN).status for answer in answers] == [200] * 3


def test_slowness_ends_by_itself(pool):
    """A slow fetch is answered after its time, without anybody's help; outage and slowness add up."""
    pool.slow(0.01)
    assert pool.fetch(url(pool)).status == 200
    pool.outage("status_500")
    assert pool.fetch(url(pool)).status == 500


def test_waiting_for_fetches_that_do_not_come(pool):
    """`wait_until_fetched` gives up, and says how many there were."""
    with pytest.raises(TimeoutError, match="0 fetches"):
        pool.wait_until_fetched(1, within=0.01)


def test_many_threads_fetch_at_once(pool):
    """Counting loses nothing between threads."""
    threads = [Thread(target=pool.fetch, args=(url(pool),)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN)
    assert pool.fetches == {url(pool): 16}
