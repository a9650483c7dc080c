from __future__ import annotations

from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import pytest

from cognito_guard.jose.jwk import parse_jwk_set
from cognito_guard.testing import LocalUserPool
from cognito_guard.testing.octets import header_json
from cognito_guard.testing.signing_keys import SigningKey, signing_key


def test_access_and_id_keys_differ_in_kid_and_material(pool):
    """One pool has two key pairs, as AWS documents; a verifier that knows one of them is found out."""
    access, of_id = pool.key("access"), pool.key("id")
    assert access.kid != of_id.kid
    assert access.modulus != of_id.modulus
    assert {access.modulus.bit_length(), of_id.modulus.bit_length()} == {2048}


def test_pools_of_one_id_share_their_keys(pool):
    """Keys are made once per process and id: a suite of many pools pays once."""
    assert LocalUserPool().key() == pool.key()
    assert LocalUserPool("eu-west-1_Local0001").jwks() == pool.jwks()


def test_other_ids_have_other_keys(pool):
    """A token of one local pool never verifies in another."""
    other = signing_key("eu-west-1_Local0002", "access", 0)
    assert other.kid != pool.key().kid
    assert other.modulus != pool.key().modulus


def test_threads_that_ask_together_get_one_key():
    """Two threads never make two keys under one kid."""
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: signing_key("threads", "access", 0), range(8)))
    assert len(keys) == 1


def test_a_pool_that_mints_nothing_makes_no_key(monkeypatch):
    """Keys are made on first use: building a pool costs nothing."""

    def refuse(**_):
        raise AssertionError("a key was made")

    monkeypatch.setattr("cognito_guard.testing.signing_keys.generate_private_key", refuse)
    pool = LocalUserPool("eu-west-1_Unused001")
    assert pool.fetches == {}
    with pytest.raises(AssertionError, match="a key was made"):
        pool.access()


@pytest.mark.parametrize("use", ["access", "id"])
def test_kids_look_like_cognitos(pool, use):
    """Kids are base64 of 32 octets with `+`, `/` and `=`, so that code which takes them for URL-safe is found out."""
    kid = pool.key(use).kid
    assert len(b64decode(kid, validate=True)) == 32
    assert {"+", "/"} < set(kid)
    assert kid.endswith("=")


def test_the_jwk_is_published_as_cognito_does(pool):
    """Members and their order are Cognito's, and our own parser takes the set without leaving a key out."""
    keys = pool.jwks()["keys"]
    assert [list(key) for key in keys] == [["alg", "e", "kid", "kty", "n", "use"]] * 2
    assert {(key["alg"], key["e"], key["kty"], key["use"]) for key in keys} == {("RS256", "AQAB", "RSA", "sig")}
    assert [key["kid"] for key in keys] == [pool.key("id").kid, pool.key("access").kid]
    parsed = parse_jwk_set(header_json(pool.jwks()), ["RS256"])
    assert set(parsed.keys) == {pool.key("id").kid, pool.key("access").kid}
    assert parsed.left_out == ()


def test_the_private_key_is_not_printed(pool):
    """A key in a failing assertion shows its kid and nothing else."""
    key = pool.key()
    assert repr(key) == f"SigningKey(kid={key.kid!r})"
    assert key == SigningKey(key.kid, key.private)
