"""Codes, refresh tokens and clients' own credentials: what is answered, what is refused, and what a theft costs."""

from __future__ import annotations

from base64 import b64encode

import pytest

CALLBACK = "http://localhost:3000/callback"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def error(answer):
    """The error of a refusal, which is a 400 in OAuth's form and is not stored."""
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store"), answer.text
    assert set(answer.json()) == {"error", "error_description"}
    return answer.json()["error"]


def basic(pair):
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


# --- codes


def test_a_code_works_once_and_a_second_try_revokes(person):
    """T35: whoever comes second gets nothing, and what came of the code is worth nothing from then on."""
    person.ask().sign_in()
    first = person.tokens().json()
    assert person.user_info(first["access_token"]).status_code == 200
    assert error(person.tokens()) == "invalid_grant"
    assert person.user_info(first["access_token"]).status_code == 401
    assert error(person.refresh(first["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "another-verifier-another-verifier-another-ver"},
        {"code_verifier": None},
        {"code_verifier": ""},
        {"redirect_uri": None},
        {"redirect_uri": "http://localhost:3000/callback/"},
        {"redirect_uri": "myapp://in"},
    ],
    ids=str,
)
def test_a_code_with_the_wrong_proof(person, changed):
    """A wrong verifier or redirect URI gets nothing, and spends the code: there is no second guess."""
    person.ask().sign_in()
    assert error(person.tokens(**changed)) == "invalid_grant"
    assert error(person.tokens()) == "invalid_grant"


def test_a_code_of_another_client(person):
    """It is refused, and stays good for its own client, so that nobody can spend other people's codes."""
    person.ask().sign_in()
    assert error(person.tokens("rotating")) == "invalid_grant"
    assert error(person.tokens("server", client_secret="server0secret0000000000000")) == "invalid_grant"
    assert person.tokens().status_code == 200


def test_a_code_lives_for_five_minutes(person, clock):
    """It is good for 300 seconds, and not on the 300th."""
    person.ask().sign_in()
    clock.now += 299
    assert person.tokens().status_code == 200
    person.ask(prompt="login").sign_in()
    clock.now += 300
    assert error(person.tokens()) == "invalid_grant"


def test_an_invented_code(person):
    """Nothing comes of a code that was never made, twice or not."""
    form = {"grant_type": "authorization_code", "client_id": "web", "code": "invented", "redirect_uri": CALLBACK}
    assert [error(person.post_token(form)) for _ in range(2)] == ["invalid_grant"] * 2


# --- refreshing


def test_refresh_without_rotation(person, clock, claims_of):
    """New tokens of the same sign-in, no new refresh token, no nonce; the old refresh token goes on to its 30 days."""
    began = int(clock.now)
    first = person.ask(nonce="n-1").sign_in().tokens().json()
    clock.now += 100
    answer = person.refresh(first["refresh_token"]).json()
    assert set(answer) == {"access_token", "id_token", "expires_in", "token_type"}
    old, new = claims_of(first["access_token"]), claims_of(answer["access_token"])
    kept = ("sub", "origin_jti", "event_id", "auth_time", "scope", "client_id", "acr", "amr")
    assert [new[name] for name in kept] == [old[name] for name in kept]
    assert (new["jti"] != old["jti"], new["iat"], new["auth_time"]) == (True, began + 100, began)
    assert "nonce" not in claims_of(answer["id_token"])
    clock.now = began + 30 * 86400 - 1
    assert person.refresh(first["refresh_token"]).status_code == 200
    clock.now += 1
    assert error(person.refresh(first["refresh_token"])) == "invalid_grant"


def test_rotation_and_its_grace(person, clock):
    """Each refresh brings a new token for the remaining lifetime; the old one works on for the grace of 30 seconds."""
    began = clock.now
    first = person.ask("rotating").sign_in().tokens("rotating").json()["refresh_token"]
    clock.now += 1000
    second = person.refresh(first, "rotating").json()["refresh_token"]
    assert second != first
    clock.now += 29
    assert person.refresh(first, "rotating").json()["refresh_token"] not in (first, second)
    clock.now = began + 30 * 86400 - 1
    third = person.refresh(second, "rotating").json()["refresh_token"]
    clock.now += 1
    assert error(person.refresh(third, "rotating")) == "invalid_grant"


def test_reuse_after_the_grace_revokes_the_family(person, clock):
    """RFC 9700 section 4.14.2: of two holders one is a thief; both are out."""
    first = person.ask("rotating").sign_in().tokens("rotating").json()
    second = person.refresh(first["refresh_token"], "rotating").json()
    clock.now += 30
    assert error(person.refresh(first["refresh_token"], "rotating")) == "invalid_grant"
    assert error(person.refresh(second["refresh_token"], "rotating")) == "invalid_grant"
    assert person.user_info(second["access_token"]).status_code == 401


def test_a_grace_of_nothing(person):
    """With a grace of 0 the same second is too late."""
    first = person.ask("strict").sign_in().tokens("strict").json()
    second = person.refresh(first["refresh_token"], "strict").json()
    assert error(person.refresh(first["refresh_token"], "strict")) == "invalid_grant"
    assert error(person.refresh(second["refresh_token"], "strict")) == "invalid_grant"


def test_a_refresh_token_of_another_client(person):
    """It is refused, and its owner keeps it."""
    token = person.ask().sign_in().tokens().json()["refresh_token"]
    assert error(person.refresh(token, "rotating")) == "invalid_grant"
    assert person.refresh(token).status_code == 200


def test_refresh_narrows_scopes_and_never_widens(person, claims_of):
    """RFC 6749 section 6."""
    token = person.ask().sign_in().tokens().json()["refresh_token"]
    narrow = person.refresh(token, scope="orders/read").json()
    assert claims_of(narrow["access_token"])["scope"] == "orders/read"
    assert "id_token" not in narrow
    assert error(person.refresh(token, scope="orders/read orders/write")) == "invalid_scope"


@pytest.mark.parametrize("token", ["invented", "a.b.c.d.e", "é", "x" * 8000])
def test_junk_in_the_place_of_a_refresh_token(person, token):
    """A refusal, and no crash; an access token is none either."""
    assert error(person.refresh(token)) == "invalid_grant"


# --- who is calling


@pytest.mark.parametrize("how", ["header", "body"])
def test_both_ways_of_sending_a_secret(person, how):
    """client_secret_basic and client_secret_post, as the discovery document says."""
    secret = {"client_secret": "machine0secret0000000000000", "client_id": "machine"} if how == "body" else {}
    headers = {} if how == "body" else basic("machine:machine0secret0000000000000")
    answer = person.post_token({"grant_type": "client_credentials", **secret}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "headers", "expected"),
    [
        ({}, {}, "invalid_request"),
        ({"client_id": "nobody"}, {}, "invalid_client"),
        ({"client_id": "machine"}, {}, "invalid_client"),
        ({"client_id": "machine", "client_secret": "wrong"}, {}, "invalid_client"),
        ({"client_id": "machine", "client_secret": "MACHINE0SECRET0000000000000"}, {}, "invalid_client"),
        ({"client_id": "machine", "client_secret": "é"}, {}, "invalid_client"),
        ({"client_id": "web", "client_secret": "anything"}, {}, "invalid_client"),
        ({}, basic("machine:wrong"), "invalid_client"),
        ({}, basic("machine:"), "invalid_client"),
        ({}, basic("machine"), "invalid_request"),
        ({}, basic(":machine0secret0000000000000"), "invalid_request"),
        ({}, {"Authorization": "Basic !!!"}, "invalid_request"),
        ({}, {"Authorization": "Basic"}, "invalid_request"),
        ({}, {"Authorization": "Basic /w=="}, "invalid_request"),
        ({}, {"Authorization": "Bearer x"}, "invalid_request"),
        ({"client_secret": "machine0secret0000000000000"}, basic("machine:machine0secret0000000000000"), "invalid_request"),
        ({"client_id": "reading"}, basic("machine:machine0secret0000000000000"), "invalid_client"),
    ],
    ids=str,
)
def test_clients_that_are_not_who_they_say(person, form, headers, expected):
    """One way of saying who one is, and the right one; never a token."""
    answer = person.post_token({"grant_type": "client_credentials", **form}, headers=headers)
    assert error(answer) == expected
    assert "0secret" not in answer.text.lower()


def test_two_authorization_fields(person):
    """Neither is believed."""
    answer = person.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        headers=[("Authorization", basic("machine:machine0secret0000000000000")["Authorization"])] * 2,
    )
    assert error(answer) == "invalid_request"


# --- which grants


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_id": "web"}, "invalid_request"),
        ({"client_id": "web", "grant_type": ""}, "invalid_request"),
        ({"client_id": "web", "grant_type": "password", "username": "ada", "password": "ada-password"}, "unsupported_grant_type"),
        ({"client_id": "web", "grant_type": "Authorization_Code"}, "unsupported_grant_type"),
        ({"client_id": "web", "grant_type": "client_credentials"}, "unauthorized_client"),
        ({"client_id": "api", "grant_type": "authorization_code", "code": "x"}, "unauthorized_client"),
        ({"client_id": "web", "grant_type": "authorization_code"}, "invalid_request"),
        ({"client_id": "web", "grant_type": "refresh_token"}, "invalid_request"),
    ],
    ids=str,
)
def test_grants_that_a_client_has_not(person, form, expected):
    """Each of OAuth's words in its place."""
    assert error(person.post_token(form)) == expected


@pytest.mark.parametrize(
    ("client", "scope", "expected"),
    [
        ("machine", "orders/write", "orders/write"),
        ("machine", "orders/read orders/read", "orders/read"),
        ("reading", None, "orders/read"),
        ("reading", "orders/write", None),
        ("machine", "openid", None),
        ("machine", "aws.cognito.signin.user.admin", None),
    ],
)
def test_scopes_of_machines(person, claims_of, client, scope, expected):
    """Those that were asked for, or all of the client's; only custom ones, and only its own."""
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    answer = person.post_token(form, auth=(client, f"{client}0secret0000000000000"))
    if expected is None:
        assert error(answer) == "invalid_scope"
    else:
        assert claims_of(answer.json()["access_token"])["scope"] == expected


# --- what is no form


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"grant_type=client_credentials&grant_type=refresh_token&client_id=web", FORM),
        (b"grant_type=refresh_token&client_id=web&client_id=web&refresh_token=x", FORM),
        (b"client_id=web&x=%FF", FORM),
        (b"client_id=web&x=\xff", FORM),
        (b"client_id=web&" + b"x=1&" * 100, FORM),
        (b"client_id=web&x=" + b"x" * 70_000, FORM),
        (b'{"client_id": "web"}', {"Content-Type": "application/json"}),
        (b"client_id=web", {}),
        (b"", FORM),
    ],
    ids=["grant twice", "client twice", "utf8", "raw octet", "many", "long", "json", "untyped", "empty"],
)
def test_what_is_no_form(person, content, headers):
    """Doubled, unreadable, too long, of another type: invalid_request, and no crash."""
    assert error(person.http.post("/oauth2/token", content=content, headers=headers)) == "invalid_request"
