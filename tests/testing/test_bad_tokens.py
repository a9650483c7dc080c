"""THREATS A1 to A14, T22, T23, T25, T27, T28, T31: every bad token gets exactly its verdict from a default Guard."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard import TokenRejected
from cognito_guard.testing import BAD_TOKEN_NAMES, LocalUserPool, bad_token, bad_tokens
from cognito_guard.testing.octets import payload_of


@pytest.fixture(scope="module")
def warm():
    """A pool, and its Guard, which holds keys."""
    pool = LocalUserPool()
    guard = pool.guard()
    guard.authenticate(pool.access())
    return pool, guard


@pytest.mark.parametrize("name", BAD_TOKEN_NAMES)
def test_every_bad_token_gets_its_code(warm, name):
    """Code and claim are those of the catalogue; nothing of the token stands in the error; bytes and str are one."""
    pool, guard = warm
    bad = bad_token(pool, name)
    verdicts = []
    for token in (bad.token, bad.token.encode("utf-8", "surrogatepass"), bad.token):
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(token)
        verdicts.append((caught.value.code, caught.value.claim))
        assert caught.value.__context__ is None
        shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        assert not any(part in shown for part in bad.token.split(".") if len(part) > 8)
    assert verdicts == [(bad.code, bad.claim)] * 3


@pytest.mark.parametrize("name", BAD_TOKEN_NAMES)
def test_the_event_loop_gives_the_same_verdict(warm, name):
    """`authenticate_async` answers as `authenticate` does."""
    pool, guard = warm
    bad = bad_token(pool, name)
    with pytest.raises(TokenRejected) as caught:
        asyncio.run(guard.authenticate_async(bad.token))
    assert (caught.value.code, caught.value.claim) == (bad.code, bad.claim)


@pytest.mark.parametrize("form", ["original", "updated", "both"])
def test_no_bad_token_opens_a_socket_of_its_own(form):
    """T27: whatever a token holds, nothing but the pool's own JWKS URLs is fetched, and that a bounded number of times."""
    pool = LocalUserPool(issuer_form=form)
    guard = pool.guard()
    verdicts = {}
    for bad in bad_tokens(pool):
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(bad.token)
        verdicts[bad.name] = (caught.value.code, caught.value.claim) == (bad.code, bad.claim)
    assert [name for name, right in verdicts.items() if not right] == []
    known = {f"{issuer}/.well-known/jwks.json" for issuer in (pool.issuer, pool.updated_issuer)}
    assert pool.fetches.keys() <= known
    assert sum(pool.fetches.values()) <= 5


def test_a_cold_guard_gives_the_same_verdicts(pool):
    """The first token that a Guard ever sees is judged as the thousandth: each bad token meets a Guard without keys."""
    wrong = []
    for bad in bad_tokens(pool):
        with pytest.raises(TokenRejected) as caught:
            pool.guard().authenticate(bad.token)
        if (caught.value.code, caught.value.claim) != (bad.code, bad.claim):
            wrong.append(bad.name)
    assert wrong == []


def test_an_emulators_pool_has_the_same_bad_tokens():
    """The catalogue fits a pool with an issuer of its own."""
    pool = LocalUserPool("local_1", issuer="http://127.0.0.1:9229/local_1")
    guard = pool.guard()
    for bad in bad_tokens(pool):
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(bad.token)
        assert (bad.name, caught.value.code) == (bad.name, bad.code)


def test_the_good_siblings_pass(warm):
    """What the bad tokens are made from is good: they fail for their fault alone."""
    pool, guard = warm
    assert guard.authenticate(pool.access()).username == "jane"
    assert guard.authenticate(pool.machine()).is_machine
    bare = payload_of(pool.access(without=["jti", "origin_jti", "event_id", "version", "iat", "auth_time"]))
    assert guard.authenticate(pool.sign(bare, pool.header(typ="at+jwt"))).jti is None


def test_a_served_pool_verifies_over_http(pool):
    """`serve_jwks()` with the Guard's own HTTP client: good tokens pass, and an ID token has its own key."""
    with pool.serve_jwks() as served:
        guard = served.guard()
        assert guard.authenticate(served.access(groups=["staff"])).groups == {"staff"}
        with pytest.raises(TokenRejected, match="issuer"):
            guard.authenticate(pool.access())
        id_guard = served.guard(served.user_pool.id_tokens(client=served.client))
        assert id_guard.authenticate(served.id()).is_person
    assert pool.fetches == {f"{served.issuer}/.well-known/jwks.json": 2}
