"""The checks together: their order, what follows from what, and what is left out and why. Without sockets."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cognito_guard import JwksUrl, UserPool
from cognito_guard.doctor import Answer, Connected, NoAnswer, PoolSubject, Subject, UpstreamSubject, examine
from cognito_guard.testing import LocalUserPool

POOL = LocalUserPool()
ORIGINAL, UPDATED = (issuer.url for issuer in POOL.user_pool.issuers)
DOMAIN = "https://shop.auth.eu-west-1.amazoncognito.com"
JWKS = "/.well-known/jwks.json"
DISCOVERY = "/.well-known/openid-configuration"
DATED = (("date", "Thu, 01 Jan 2026 00:00:00 GMT"),)
GOOD = Answer(200, json.dumps(POOL.jwks()).encode(), DATED, began=1767225600.4, ended=1767225600.6)


def document(issuer):
    members = {
        "issuer": issuer,
        "jwks_uri": issuer + JWKS,
        "authorization_endpoint": f"{DOMAIN}/oauth2/authorize",
        "token_endpoint": f"{DOMAIN}/oauth2/token",
    }
    return Answer(200, json.dumps(members).encode())


LOGIN = Answer(302, fields=(("location", "/login"),))
HEALTHY = {
    ORIGINAL + JWKS: GOOD,
    UPDATED + JWKS: Answer(403),
    ORIGINAL + DISCOVERY: document(ORIGINAL),
    f"{DOMAIN}/oauth2/authorize": LOGIN,
}
PATIENT = PoolSubject(POOL.user_pool.id, POOL.user_pool.issuers, clients=("web", "mobile"))


def examined(network, *pools, **named):
    return [(each.name, each.status, each.found) for each in examine(Subject(pools or (PATIENT,), **named), network, {})]


def names_and_statuses(found):
    return [(name, status) for name, status, _ in found]


def test_everything_is_well(scripted):
    """Each check once, in order; every client is tried; nobody is asked twice but managed login."""
    network = scripted(HEALTHY, {"http://127.0.0.1:8000": Connected("it takes TCP connections")})
    found = examined(
        network, redirect_uri="https://app.example.com/callback", upstreams=(UpstreamSubject("http://127.0.0.1:8000"),)
    )
    assert names_and_statuses(found) == [
        (name, "ok")
        for name in (
            "proxy", "authorities", "pool", "issuer", "issuer", "keys", "discovery", "domain", "app client", "app client", "clock",
            "upstream",
        )
    ]  # fmt: skip
    assert [url.partition("?")[0] for url in network.asked] == [
        ORIGINAL + JWKS, UPDATED + JWKS, ORIGINAL + DISCOVERY, *[f"{DOMAIN}/oauth2/authorize"] * 3,
    ]  # fmt: skip
    tries = [parse_qs(urlsplit(url).query) for url in network.asked[-2:]]
    assert [each["client_id"] for each in tries] == [["web"], ["mobile"]]
    assert len({each[name][0] for each in tries for name in ("state", "code_challenge")}) == 4


def test_the_updated_issuer_is_in_use(scripted):
    """Then the original form answers 403, and the discovery document of the updated one is asked."""
    answers = {ORIGINAL + JWKS: Answer(403), UPDATED + JWKS: GOOD, UPDATED + DISCOVERY: document(UPDATED)}
    found = examined(scripted(answers))
    assert [row for row in found if row[0] in ("issuer", "discovery")] == [
        (
            "issuer",
            "ok",
            f"{ORIGINAL}{JWKS}: the endpoint answered 403, so this pool does not use it, which is fine: another one answers",
        ),
        ("issuer", "ok", f"{UPDATED}{JWKS}: it answers with a JWK Set"),
        ("discovery", "ok", f"{UPDATED}{DISCOVERY}: tokens carry the issuer {UPDATED}; managed login is at {DOMAIN}"),
    ]


def test_a_pool_that_is_not_there(scripted):
    """Both forms refuse: both fail, and what needs them is skipped."""
    found = examined(scripted({ORIGINAL + JWKS: Answer(404), UPDATED + JWKS: Answer(403)}))
    assert names_and_statuses(found)[3:] == [
        ("issuer", "failed"),
        ("issuer", "failed"),
        ("discovery", "skipped"),
        ("domain", "skipped"),
        ("app client", "skipped"),
        ("clock", "skipped"),
        ("upstream", "skipped"),
    ]


def test_a_wrong_id_asks_nobody(scripted):
    """There is nothing to ask, and the others are looked into all the same."""
    network = scripted(HEALTHY)
    found = examined(network, PoolSubject("nonsense", ()), PATIENT)
    assert names_and_statuses(found)[2:6] == [
        ("pool", "failed"),
        ("domain", "skipped"),
        ("app client", "skipped"),
        ("pool", "ok"),
    ]


def test_keys_from_elsewhere(scripted):
    """One question for both forms; the issuer, which may not be reachable at all, is not asked."""
    url = "https://keys.example/jwks.json"
    pool = UserPool("eu-west-1_AbC123xyz", jwks=JwksUrl(url))
    network = scripted({url: GOOD})
    found = examined(network, PoolSubject(pool.id, pool.issuers))
    assert network.asked == [url]
    assert ("discovery", "skipped", "the keys do not come from the issuer, so it is not asked") in found


def test_bundled_keys(scripted, tmp_path):
    """Nothing is asked at all."""
    (tmp_path / "keys.json").write_text(json.dumps(POOL.jwks()))
    pool = UserPool("eu-west-1_AbC123xyz", jwks=tmp_path / "keys.json")
    network = scripted()
    found = examined(network, PoolSubject(pool.id, pool.issuers))
    assert network.asked == []
    assert names_and_statuses(found)[:4] == [("proxy", "ok"), ("authorities", found[1][1]), ("pool", "ok"), ("keys", "ok")]


@pytest.mark.parametrize(
    ("pool", "named", "told"),
    [
        (PATIENT, {}, "no redirect URI is known"),
        (PoolSubject(PATIENT.id, PATIENT.issuers), {"redirect_uri": "app://callback"}, "none is named"),
    ],
)
def test_what_a_client_s_trial_needs(scripted, pool, named, told):
    """A client and a redirect URI; the domain is known from the pool."""
    [row] = [row for row in examined(scripted(HEALTHY), pool, **named) if row[0] == "app client"]
    assert row[1:] == ("skipped", told)


def test_managed_login_that_does_not_answer(scripted):
    """No client is tried there; a domain that was given comes before the pool's own."""
    given = "https://login.example.com"
    network = scripted(HEALTHY | {f"{given}/oauth2/authorize": NoAnswer("timeout", "no answer within 5 s")})
    found = examined(network, domain=given, redirect_uri="https://app.example.com/callback")
    assert names_and_statuses(found)[-4:] == [
        ("domain", "failed"),
        ("app client", "skipped"),
        ("clock", "ok"),
        ("upstream", "skipped"),
    ]
    assert network.asked[-1] == f"{given}/oauth2/authorize"


def test_upstreams(scripted):
    """Each by itself, with the fix that fits the way in which it does not answer."""
    connections = {"http://a:1": Connected("it takes TCP connections"), "https://b:1": NoAnswer("tls", "TLS failed")}
    upstreams = tuple(map(UpstreamSubject, ("http://a:1", "https://b:1", "http://c:1")))
    subject = Subject((PATIENT,), upstreams=upstreams)
    found = [each for each in examine(subject, scripted(HEALTHY, connections), {}) if each.name == "upstream"]
    assert [each.status for each in found] == ["ok", "failed", "failed"]
    assert "[[upstream]]" in found[1].advice
    assert "0.0.0.0" in found[2].advice


TEXT = some.text(some.characters(max_codepoint=255), max_size=60)
ANY_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inside: some.lists(inside, max_size=3) | some.dictionaries(some.sampled_from(["keys", "issuer", "kid", "n"]), inside),
    max_leaves=8,
)
ANSWERS = some.builds(
    Answer,
    some.integers(100, 599) | some.sampled_from([200, 302]),
    some.binary(max_size=60) | ANY_JSON.map(lambda document: json.dumps(document).encode()),
    some.lists(some.tuples(some.sampled_from(["date", "age", "location", "cache-control", "content-encoding"]), TEXT)).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(some.lists(ANSWERS, min_size=7, max_size=7), some.booleans())
def test_whatever_is_answered(answers, good_keys):
    """Any answer of anybody comes to findings in which nothing can disturb a terminal."""

    class Anything:
        def get(self, url):
            return GOOD if good_keys and url == ORIGINAL + JWKS else answers.pop()

    subject = Subject((PATIENT,), domain=DOMAIN, redirect_uri="https://app.example.com/callback")
    for each in examine(subject, Anything(), {}):
        assert (each.found + each.advice).isprintable()
