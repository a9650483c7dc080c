"""What is in the tokens: COGNITO's tables, claim by claim, and the Guard's word on each."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest

from cognito_guard import Guard, TokenRejected, UserPool
from cognito_guard.testing.octets import decode, payload_of

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def header(token):
    return json.loads(decode(token.split(".")[0]))


def test_a_guard_with_its_real_fetch_accepts_both(person, served, clock):
    """`UserPool("local_1", issuer=url)` and a Guard that fetches over HTTP take what the server issued, each token by its own use."""
    issued = person.ask().sign_in().tokens().json()
    pool = UserPool("local_1", issuer=served.issuer)
    access = Guard(pool.access_tokens(client="web"), clock=clock).authenticate(issued["access_token"])
    identity = Guard(pool.id_tokens(client="web"), clock=clock).authenticate(issued["id_token"])
    assert (access.username, access.scopes, access.groups) == ("ada", {"openid", "orders/read"}, {"staff", "admin"})
    assert identity.subject == access.subject
    with pytest.raises(TokenRejected, match="encrypted"):
        Guard(pool.access_tokens(client="web"), clock=clock).authenticate(issued["refresh_token"])


def test_the_answer(person):
    """Exactly Cognito's members, not stored anywhere, and two keys: one for each kind of token."""
    answer = person.ask().sign_in().tokens()
    assert set(answer.json()) == {"access_token", "id_token", "refresh_token", "expires_in", "token_type"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    access, identity = header(answer.json()["access_token"]), header(answer.json()["id_token"])
    assert list(access) == list(identity) == ["kid", "alg"]
    assert access["kid"] != identity["kid"]
    assert {access["alg"], identity["alg"]} == {"RS256"}


def test_an_access_token_of_a_person(person, served, clock, claims_of):
    """The claims of the developer guide, and no other."""
    claims = claims_of(person.ask().sign_in().tokens().json()["access_token"])
    moving = {name: claims.pop(name) for name in ("sub", "jti", "origin_jti", "event_id")}
    assert all(UUID.fullmatch(value) for value in moving.values())
    assert claims == {
        "iss": served.issuer,
        "client_id": "web",
        "token_use": "access",
        "scope": "openid orders/read",
        "auth_time": int(clock.now),
        "iat": int(clock.now),
        "exp": int(clock.now) + 3600,
        "version": 2,
        "username": "ada",
        "cognito:groups": ("staff", "admin"),
        "acr": "urn:cognito:loa:1",
        "amr": ("pwd",),
    }


def test_an_id_token(person, served, clock, claims_of):
    """Attributes with their types, `at_hash` of the access token beside it, `nonce`, roles by precedence, the same family."""
    issued = person.ask(nonce="n-1").sign_in().tokens().json()
    claims, access = claims_of(issued["id_token"]), claims_of(issued["access_token"])
    assert claims["at_hash"] == urlsafe_b64encode(sha256(issued["access_token"].encode()).digest()[:16]).rstrip(b"=").decode()
    assert (claims["origin_jti"], claims["event_id"], claims["sub"]) == (access["origin_jti"], access["event_id"], access["sub"])
    assert claims["jti"] != access["jti"]
    moving = ("at_hash", "origin_jti", "event_id", "sub", "jti")
    assert {name: value for name, value in claims.items() if name not in moving} == {
        "iss": served.issuer,
        "aud": "web",
        "token_use": "id",
        "auth_time": int(clock.now),
        "iat": int(clock.now),
        "exp": int(clock.now) + 3600,
        "nonce": "n-1",
        "cognito:username": "ada",
        "cognito:groups": ("staff", "admin"),
        "cognito:roles": ("arn:aws:iam::1:role/a", "arn:aws:iam::123456789012:role/staff"),
        "cognito:preferred_role": "arn:aws:iam::1:role/a",
        "email": "ada@example.com",
        "email_verified": True,
        "custom:team": "7",
        "acr": "urn:cognito:loa:1",
        "amr": ("pwd",),
    }


def test_spelled_as_cognito_spells(person):
    r"""Compact JSON, and a solidus as `\/`."""
    payload = payload_of(person.ask().sign_in().tokens().json()["id_token"])
    assert b'"iss":"http:\\/\\/127.0.0.1' in payload
    assert b": " not in payload


@pytest.mark.parametrize(
    ("scope", "there", "absent"),
    [
        ("openid", {"email", "custom:team"}, set()),
        ("openid email", {"email", "email_verified"}, {"custom:team"}),
        ("openid profile", {"custom:team"}, {"email", "email_verified"}),
        ("openid phone", set(), {"email", "custom:team"}),
    ],
)
def test_attributes_follow_scopes(person, claims_of, scope, there, absent):
    """openid alone opens all; profile, email and phone open their own. userInfo agrees with the ID token."""
    issued = person.ask(scope=scope).sign_in().tokens().json()
    for told in (claims_of(issued["id_token"]), person.user_info(issued["access_token"]).json()):
        assert there <= set(told)
        assert not absent & set(told)


def test_without_openid_there_is_no_id_token(person):
    """An ID token is made for `openid`, and userInfo asks for it."""
    issued = person.ask(scope="orders/read").sign_in().tokens().json()
    assert "id_token" not in issued
    refused = person.user_info(issued["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    assert "openid" in refused.json()["error_description"]


def test_without_scope_all_of_the_client(person, claims_of):
    """Whoever asks for no scope gets every one that the client has."""
    issued = person.ask(scope=None).sign_in().tokens().json()
    scopes = "openid profile email phone aws.cognito.signin.user.admin orders/read orders/write"
    assert claims_of(issued["access_token"])["scope"] == scopes


def test_resource_binding(person, claims_of):
    """`resource` becomes the access token's `aud`, survives a refresh, and leaves the ID token alone."""
    issued = person.ask(resource="https://api.example.com/orders").sign_in().tokens().json()
    assert claims_of(issued["access_token"])["aud"] == "https://api.example.com/orders"
    assert claims_of(issued["id_token"])["aud"] == "web"
    again = person.refresh(issued["refresh_token"]).json()
    assert claims_of(again["access_token"])["aud"] == "https://api.example.com/orders"


def test_a_federated_user(person, served, claims_of):
    """Provider's name before the username, its group, `identities` as Cognito writes it, `fed` and no password level."""
    person.ask(scope="openid", identity_provider="Google").submit(username="Google_jane")
    issued = person.tokens().json()
    access, claims = claims_of(issued["access_token"]), claims_of(issued["id_token"])
    assert access["username"] == claims["cognito:username"] == "Google_jane"
    assert claims["cognito:groups"] == ("local_1_Google", "staff")
    assert (claims["amr"], "acr" in claims, claims["email_verified"]) == (("fed",), False, False)
    [identity] = claims["identities"]
    assert dict(identity) == {
        "userId": "jane",
        "providerName": "Google",
        "providerType": "Google",
        "issuer": None,
        "primary": "true",
        "dateCreated": "1704067200000",
    }
    told = person.user_info(issued["access_token"]).json()
    assert (told["email_verified"], json.loads(told["identities"])[0]["userId"]) == ("false", "jane")


def test_a_machine(person, clock, served, claims_of):
    """Client credentials: only an access token, custom scopes, no user; `sub` is the client."""
    answer = person.post_token({"grant_type": "client_credentials"}, auth=("machine", "machine0secret0000000000000"))
    assert set(answer.json()) == {"access_token", "expires_in", "token_type"}
    claims = claims_of(answer.json()["access_token"])
    assert all(UUID.fullmatch(claims.pop(name)) for name in ("jti", "event_id"))
    assert claims == {
        "iss": served.issuer,
        "sub": "machine",
        "client_id": "machine",
        "token_use": "access",
        "scope": "orders/read orders/write",
        "auth_time": int(clock.now),
        "iat": int(clock.now),
        "exp": int(clock.now) + 600,
        "version": 2,
    }


def test_rotated_keys_are_published(person, served, clock):
    """`pool.rotate()` reaches the server: new tokens name a new kid that its JWK Set has."""
    before = header(person.ask().sign_in().tokens().json()["access_token"])["kid"]
    served.pool.rotate()
    after = header(person.ask().tokens().json()["access_token"])["kid"]
    published = [key["kid"] for key in person.http.get("/local_1/.well-known/jwks.json").json()["keys"]]
    assert before != after
    assert {before, after} <= set(published)


def test_an_outage_reaches_the_jwks(person, served):
    """`pool.outage()` is the served pool's too."""
    with served.pool.outage("status_503"):
        assert person.http.get("/local_1/.well-known/jwks.json").status_code == 503
    with served.pool.outage("refused"):
        assert person.http.get("/local_1/.well-known/jwks.json").status_code == 503
    assert person.http.get("/local_1/.well-known/jwks.json").status_code == 200
