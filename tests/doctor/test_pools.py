"""A pool's id, its issuers, JWK Sets and discovery documents: what each answer of the world comes to."""

from __future__ import annotations

import json

import pytest

from cognito_guard import UserPool
from cognito_guard.doctor import Answer, NoAnswer
from cognito_guard.doctor.pools import (
    ALGORITHMS,
    discovery_finding,
    given_keys_finding,
    issuer_finding,
    keys_finding,
    outcome_of,
    pool_finding,
)
from cognito_guard.jose.jwk import parse_jwk_set
from cognito_guard.pool import JwksDocument, JwksFile
from cognito_guard.testing import LocalUserPool

POOL = LocalUserPool()
URL = POOL.user_pool.issuers[0].keys.url
DOMAIN = "https://shop.auth.eu-west-1.amazoncognito.com"


def jwks(*members):
    return parse_jwk_set(json.dumps({"keys": members}).encode(), ALGORITHMS)


@pytest.mark.parametrize(
    ("pool_id", "partition"),
    [
        ("eu-west-1_AbC123xyz", "aws"),
        ("us-gov-west-1_AbC123xyz", "aws-us-gov"),
        ("eusc-de-east-1_AbC123xyz", "aws-eusc"),
        ("us-isob-east-1_AbC123xyz", "aws-iso-b"),
        ("us-iso-east-1_AbC123xyz", "aws-iso"),
    ],
)
def test_region_and_partition(pool_id, partition):
    """They stand in the id."""
    found = pool_finding(pool_id, ())
    assert (found.status, found.found) == ("ok", f"{pool_id}: region {pool_id.partition('_')[0]}, partition {partition}")


@pytest.mark.parametrize(
    ("pool_id", "advice"),
    [
        ("eu-west-1", "write the pool's id as the console shows it"),
        ("local_1", "for an emulator give --issuer"),
        ("cn-north-1_AbC", "the China regions have no user pools"),
    ],
)
def test_an_id_that_is_none(pool_id, advice):
    """It fails, with what to write; an emulator's issuer makes an id of any form good."""
    found = pool_finding(pool_id, ())
    assert found.status == "failed"
    assert advice in found.advice
    local = UserPool("local_1", issuer="http://127.0.0.1:9229/local_1")
    assert pool_finding("local_1", local.issuers).status == "ok"


@pytest.mark.parametrize(
    ("answer", "others", "status", "told"),
    [
        (Answer(200, json.dumps(POOL.jwks()).encode()), False, "ok", "it answers with a JWK Set"),
        (Answer(403), True, "ok", "the endpoint answered 403, so this pool does not use it, which is fine"),
        (Answer(404), True, "ok", "the endpoint answered 404, so this pool does not use it, which is fine"),
        (Answer(403), False, "failed", "the endpoint answered 403"),
        (Answer(302, fields=(("location", "https://portal.example"),)), False, "failed", "redirects are not followed"),
        (Answer(500), True, "warning", "the endpoint answered 500"),
        (Answer(200, b"<html>"), False, "failed", "JSON"),
        (Answer(200, b"x", (("content-encoding", "gzip"),)), False, "failed", "the answer is compressed"),
        (NoAnswer("timeout", "no answer within 5 s"), True, "warning", "no answer within 5 s"),
        (NoAnswer("name", "the host name has no address here"), False, "failed", "the host name has no address here"),
    ],
)
def test_an_issuer_form(answer, others, status, told):
    """403 and 404 are fine where the other form answers; an outage beside a good form is a warning, alone a failure; each has its fix."""
    found = issuer_finding(URL, outcome_of(answer), others_answer=others)
    assert (found.name, found.status) == ("issuer", status)
    assert found.found.startswith(f"{URL}: ")
    assert told in found.found
    assert bool(found.advice) == (status != "ok")


def test_two_good_keys():
    """What Cognito publishes."""
    found = keys_finding(URL, jwks(*POOL.jwks()["keys"]))
    assert (found.status, found.found) == ("ok", f"{URL}: 2 usable keys (RSA, 2048 bits)")


def test_one_key():
    """An emulator's set: a warning that says so."""
    found = keys_finding(URL, jwks(POOL.jwks()["keys"][0]))
    assert (found.status, "1 usable key (" in found.found, "moto" in found.advice) == ("warning", True, True)


def test_members_that_are_left_out():
    """Which, and why; the rest is used."""
    one, two = POOL.jwks()["keys"]
    found = keys_finding(URL, jwks(one, two, one | {"kid": "enc", "use": "enc"}, one | {"kid": "weak", "n": "AQAB"}))
    assert found.status == "warning"
    assert "left out: keys[2]: use is not 'sig'; keys[3]: the RSA modulus is not of 2048" in found.found


def test_kids_that_are_not_distinct():
    """Two keys under one kid fail, since neither is trusted; one key under two kids is odd."""
    one, two = POOL.jwks()["keys"]
    third = LocalUserPool("eu-west-1_Other0001").jwks()["keys"][0]
    found = keys_finding(URL, jwks(one, two, third | {"kid": one["kid"]}))
    assert (found.status, "different keys share one kid" in found.found) == ("failed", True)
    found = keys_finding(URL, jwks(one, one | {"kid": "again"}))
    assert (found.status, "one key stands under several kids" in found.found) == ("warning", True)


def test_keys_that_were_given(tmp_path):
    """A bundled set is judged as a published one is, and never renewed; a file that is none fails."""
    (tmp_path / "keys.json").write_text(json.dumps(POOL.jwks()))
    found = given_keys_finding(JwksFile(tmp_path / "keys.json"))
    assert (found.status, "it is never renewed" in found.found) == ("ok", True)
    assert given_keys_finding(JwksDocument(json.dumps(POOL.jwks()))).status == "ok"
    found = given_keys_finding(JwksFile(str(tmp_path / "missing.json")))
    assert (found.status, found.advice) == ("failed", "Give the path of a JWK Set file")
    assert "cannot be read (No such file or directory)" in found.found


def discovered(named=POOL.issuer, **members):
    issuer = POOL.user_pool.issuers[0]
    document = {
        "issuer": named,
        "jwks_uri": issuer.keys.url,
        "authorization_endpoint": f"{DOMAIN}/oauth2/authorize",
        "token_endpoint": f"{DOMAIN}/oauth2/token",
    } | members
    body = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
    return discovery_finding(issuer, Answer(200, body), [each.url for each in POOL.user_pool.issuers])


def test_discovery():
    """It says which issuer tokens carry, and where managed login is."""
    found, domain = discovered()
    assert (found.status, domain) == ("ok", DOMAIN)
    assert f"tokens carry the issuer {POOL.user_pool.issuers[0].url}" in found.found
    updated = POOL.user_pool.issuers[1].url
    assert f"tokens carry the issuer {updated}" in discovered(named=updated)[0].found


@pytest.mark.parametrize("named", ["https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other", 7, [], None])
def test_another_issuer(named):
    """Tokens would be refused: this fails, and names nothing to sign in at."""
    found, domain = discovered(named)
    assert (found.status, domain, "issuer_unknown" in found.found) == ("failed", "", True)


@pytest.mark.parametrize(
    "members",
    [
        {"authorization_endpoint": None, "token_endpoint": None},
        {"authorization_endpoint": f"{POOL.issuer}/authorize", "token_endpoint": f"{POOL.issuer}/token"},
        {"authorization_endpoint": f"{POOL.issuer}/oauth2/authorize", "token_endpoint": f"{POOL.issuer}/oauth2/token"},
        {
            "authorization_endpoint": "https://.auth.eu-west-1.amazoncognito.com/oauth2/authorize",
            "token_endpoint": "https://.auth.eu-west-1.amazoncognito.com/oauth2/token",
        },
        {"token_endpoint": "https://elsewhere.example/oauth2/token"},
        {"authorization_endpoint": "http://shop.example/oauth2/authorize", "token_endpoint": "http://shop.example/oauth2/token"},
    ],
)
def test_a_pool_without_a_domain(members):
    """Whatever Cognito writes instead leads nowhere: a warning, and nothing to ask."""
    found, domain = discovered(**members)
    assert (found.status, domain) == ("warning", "")
    assert "it names no managed-login domain" in found.found


def test_keys_from_elsewhere_than_the_document_says():
    """Odd, but nothing that refuses a token."""
    found, domain = discovered(jwks_uri="https://elsewhere.example/jwks.json")
    assert (found.status, domain) == ("warning", DOMAIN)
    assert "its jwks_uri is not where the keys are fetched from" in found.found


@pytest.mark.parametrize("answer", [Answer(404), Answer(200, b"[]"), Answer(200, b"\xff"), NoAnswer("broken", "it broke off")])
def test_no_discovery_document(answer):
    """Verifying does without it."""
    found, domain = discovery_finding(POOL.user_pool.issuers[0], answer, [])
    assert (found.status, domain, "verified without it" in found.advice) == ("warning", "", True)
