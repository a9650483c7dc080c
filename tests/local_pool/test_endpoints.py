"""userInfo, revocation, logout, discovery, and what holds for all addresses: Host and CORS."""

from __future__ import annotations

import pytest

SIGNED_OUT = "http://localhost:3000/bye"


@pytest.fixture
def issued(person):
    return person.ask(scope="openid email profile aws.cognito.signin.user.admin").sign_in().tokens().json()


# --- userInfo


def test_user_info(person, issued, claims_of):
    """Attributes as strings, booleans too; `sub` is the token's."""
    answer = person.user_info(issued["access_token"])
    assert answer.json() == {
        "sub": claims_of(issued["access_token"])["sub"],
        "email": "ada@example.com",
        "email_verified": "true",
        "custom:team": "7",
        "username": "ada",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert issued["access_token"] not in answer.text  # T44
    posted = person.http.post("/oauth2/userInfo", headers={"Authorization": f"Bearer {issued['access_token']}"})
    assert posted.json() == answer.json()


def test_user_info_refuses(person, issued, served, clock):
    """Everything but a live access token of a person: 401, with a challenge."""
    machine = person.post_token({"grant_type": "client_credentials"}, auth=("machine", "machine0secret0000000000000")).json()[
        "access_token"
    ]
    foreign = served.pool.access(username="ada")  # well signed, but of no sign-in here
    for token in (issued["id_token"], issued["refresh_token"], machine, foreign, issued["access_token"][:-4] + "AAAA", "x"):
        answer = person.user_info(token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    clock.now += 3600
    assert person.user_info(issued["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([("Authorization", "Basic eDp5")], 401),
        ([("Authorization", "Bearer a b")], 400),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer a")], 400),
    ],
    ids=str,
)
def test_user_info_without_one_bearer_token(person, headers, status):
    """None is a 401, several or a broken one a 400."""
    assert person.http.get("/oauth2/userInfo", headers=headers).status_code == status


# --- revocation


def test_revocation(person, issued, claims_of):
    """The refresh token and its family's tokens are refused from then on, and still verify locally; a second time is 200 too."""
    form = {"client_id": "web", "token": issued["refresh_token"]}
    assert [person.http.post("/oauth2/revoke", data=form).status_code for _ in range(2)] == [200, 200]
    assert person.refresh(issued["refresh_token"]).json()["error"] == "invalid_grant"
    assert person.user_info(issued["access_token"]).status_code == 401
    assert claims_of(issued["access_token"])["username"] == "ada"


def test_revocation_leaves_other_sign_ins(person, another, issued):
    """Another browser's family lives on."""
    other = another.ask().sign_in().tokens().json()
    person.http.post("/oauth2/revoke", data={"client_id": "web", "token": issued["refresh_token"]})
    assert another.user_info(other["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("kind", "client", "status", "error"),
    [
        ("access_token", "web", 400, "unsupported_token_type"),
        ("id_token", "web", 400, "unsupported_token_type"),
        ("refresh_token", "rotating", 400, "unauthorized_client"),
        ("refresh_token", "server", 400, "invalid_client"),
        ("refresh_token", "nobody", 400, "invalid_client"),
        ("junk", "web", 200, None),
        ("", "web", 400, "invalid_request"),
    ],
)
def test_what_is_not_revoked(person, issued, kind, client, status, error):
    """Another kind of token, another client's, nothing at all; junk is 200 (RFC 7009 section 2.2). The family lives on."""
    answer = person.http.post("/oauth2/revoke", data={"client_id": client, "token": issued.get(kind, kind)})
    assert answer.status_code == status
    assert error is None or answer.json()["error"] == error
    assert person.refresh(issued["refresh_token"]).status_code == 200


# --- logout


def test_logout(person, issued):
    """The browser goes to the sign-out URL without its session; cookies are deleted as they were set (T42); tokens stay good."""
    answer = person.http.get("/logout", params={"client_id": "web", "logout_uri": SIGNED_OUT, "state": "x&y"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"{SIGNED_OUT}?state=x%26y")
    [cookie] = answer.headers.get_list("set-cookie")
    assert {"Max-Age=0", "Path=/", "HttpOnly"} <= set(cookie.split("; "))
    assert person.ask().answer.status_code == 200
    assert person.user_info(issued["access_token"]).status_code == 200


def test_a_cookie_that_was_kept_is_dead(person, issued):
    """T43: the session is gone on the server, not only in the browser."""
    kept = dict(person.http.cookies)
    person.http.get("/logout", params={"client_id": "web", "logout_uri": SIGNED_OUT})
    for name, value in kept.items():
        person.http.cookies.set(name, value)
    assert person.ask().answer.status_code == 200


def test_logout_to_sign_in_again(person, issued):
    """With redirect_uri and response_type the login page follows, and leads back to the application."""
    asked = {"client_id": "web", "redirect_uri": "http://localhost:3000/callback", "response_type": "code", "state": "again"}
    person.get("/logout", {**asked, "code_challenge": "c" * 43, "code_challenge_method": "S256"})
    assert 'name="password"' in person.answer.text
    assert person.sign_in("ada").told["state"] == "again"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_id": "web"},
        {"client_id": "nobody", "logout_uri": SIGNED_OUT},
        {"client_id": "rotating", "logout_uri": SIGNED_OUT},
        {"client_id": "web", "logout_uri": "http://localhost:3000/callback"},
        {"client_id": "web", "post_logout_redirect_uri": SIGNED_OUT},
        [("client_id", "web"), ("logout_uri", SIGNED_OUT), ("logout_uri", SIGNED_OUT)],
    ],
    ids=str,
)
def test_logouts_that_go_nowhere(person, issued, parameters):
    """A page, nobody is sent anywhere, and the session stays."""
    answer = person.http.get("/logout", params=parameters)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert person.ask(prompt="none").told["code"]


# --- discovery


def test_openid_configuration(person, served):
    """The members of Cognito's document, each at an address that answers."""
    document = person.http.get("/local_1/.well-known/openid-configuration").json()
    assert set(document) == {
        "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "revocation_endpoint", "end_session_endpoint",
        "jwks_uri", "response_types_supported", "scopes_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
    }  # fmt: skip
    assert document["issuer"] == served.issuer == f"{served.url}/local_1"
    for name, method in (("jwks_uri", "GET"), ("authorization_endpoint", "GET"), ("end_session_endpoint", "GET"),
                         ("token_endpoint", "POST"), ("userinfo_endpoint", "GET"), ("revocation_endpoint", "POST")):  # fmt: skip
        assert person.http.request(method, document[name]).status_code in (200, 400, 401)


def test_jwks(person):
    """Two RSA keys of 2048 bits with the members of Cognito's, and no private one."""
    answer = person.http.get("/local_1/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/json"
    assert "max-age" in answer.headers["cache-control"]
    keys = answer.json()["keys"]
    assert len(keys) >= 2
    for key in keys:
        assert set(key) == {"alg", "e", "kid", "kty", "n", "use"}
        assert len(key["n"]) == 342


def test_the_front_page_tells_no_secret(person, served):
    """Addresses and names, no password and no secret."""
    text = person.http.get("/").text
    assert served.issuer in text
    for hidden in ("ada-password", "machine0secret0000000000000", "123456"):
        assert hidden not in text


# --- Host and CORS


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:9229", "127.1.2.3:1"])
def test_hosts_that_are_here(person, host):
    """Loopback names and addresses, on whatever port: ports are forwarded."""
    assert person.http.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:9229", "127.0.0.1.evil.example", "192.168.0.1", "0.0.0.0", "[::]",
     "evil-localhost", "localhost:", "localhost:x", "[::1", "127.0.0.1@evil.example", "169.254.169.254", "a.localhost"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/local_1/.well-known/jwks.json", "/login"])
def test_hosts_that_are_not(person, host, path):
    """DNS rebinding: a page whose name leads to 127.0.0.1 is answered with nothing."""
    answer = person.http.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "evil" not in answer.text


def test_a_token_request_under_another_name(person):
    """Rebinding does not reach the token endpoint either."""
    assert person.http.post("/oauth2/token", data={"client_id": "web"}, headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/userInfo", "/oauth2/revoke", "/local_1/.well-known/jwks.json", "/"])
def test_scripts_of_other_origins_may_ask(person, path):
    """`*`, without credentials, as Cognito has it: a single-page application redeems its own code."""
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    preflight = person.http.options(path, headers={**asked, "Access-Control-Request-Headers": "authorization,x-amz-target"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-amz-target"
    assert "access-control-allow-credentials" not in preflight.headers
    answer = person.http.post(path, headers={"Origin": "http://localhost:3000"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login", "/logout"])
def test_scripts_of_other_origins_may_not_read_pages(person, path):
    """Where the browser's session counts, nobody else reads along."""
    for method in ("GET", "OPTIONS"):
        answer = person.http.request(method, path, headers={"Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_other_methods(person):
    """405 where the method is another one, 404 where there is nothing."""
    assert person.http.get("/oauth2/token").status_code == 405
    assert person.http.post("/oauth2/authorize").status_code == 405
    assert person.http.get("/oauth2/token/").status_code == 404
    assert person.http.get("/other_1/.well-known/jwks.json").status_code == 404
