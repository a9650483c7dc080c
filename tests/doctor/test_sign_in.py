"""Managed login and the app client: what each answer of the authorize endpoint says of the client's settings."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from cognito_guard.doctor import Answer, NoAnswer
from cognito_guard.doctor.sign_in import client_finding, domain_finding

DOMAIN = "https://shop.auth.eu-west-1.amazoncognito.com"
AUTHORIZE = f"{DOMAIN}/oauth2/authorize"
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
CALLBACK = "https://app.example.com/callback"


def to(location, status=302):
    return Answer(status, fields=(("location", location),))


@pytest.fixture
def tried(scripted):
    """`tried(answer)`: the finding, and the parameters of the one question."""

    def call(answer):
        network = scripted({AUTHORIZE: answer})
        found = client_finding(DOMAIN, CLIENT, CALLBACK, network, challenge="c" * 43, state="s")
        [url] = network.asked
        return found, parse_qs(urlsplit(url).query, strict_parsing=True)

    return call


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (to(f"{DOMAIN}/login?client_id={CLIENT}"), "to the login page"),
        (to(f"/login?client_id={CLIENT}", 303), "to the login page"),
        (
            to("https://accounts.google.com/o/oauth2/v2/auth?client_id=g"),
            "straight to the identity provider at accounts.google.com",
        ),
        (Answer(200, b"<html>"), "to a login page"),
    ],
)
def test_let_in(tried, answer, told):
    """A login page, or an identity provider's, is what a browser should come to."""
    found, asked = tried(answer)
    assert (found.name, found.status, found.advice) == ("app client", "ok", "")
    assert told in found.found
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [CALLBACK],
        "state": ["s"],
        "code_challenge": ["c" * 43],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.parametrize(
    ("answer", "told", "advice"),
    [
        (
            to(f"{DOMAIN}/error?error=redirect_mismatch&client_id={CLIENT}"),
            "redirect_mismatch",
            f"Put {CALLBACK} among the allowed",
        ),
        (to(f"{CALLBACK}?error=unauthorized_client&state=s"), "unauthorized_client", "AllowedOAuthFlows=code"),
        (
            to(f"{CALLBACK}?error=invalid_request&error_description=no%1b[31mgrant"),
            "invalid_request (no [31mgrant)",
            "grant is on",
        ),
        (to(f"{CALLBACK}#error=invalid_scope"), "invalid_scope", "AllowedOAuthScopes"),
        (to(f"{CALLBACK}?error=server_error"), "server_error", "Lambda triggers"),
        (to("/error"), "it shows its error page", "an app client of the pool"),
        (Answer(302), "a redirect to nowhere", "an app client of the pool"),
        (to("https://[::1"), "a redirect to nowhere", "an app client of the pool"),
        (Answer(400, b"<html>"), "the authorize endpoint answered 400", "an app client of the pool"),
        (NoAnswer("timeout", "no answer within 5 s"), "no answer within 5 s", "port 443"),
    ],
)
def test_refused(tried, answer, told, advice):
    """The error, and the setting of the app client to change; of another server's words only what a terminal can show."""
    found, _ = tried(answer)
    assert found.status == "failed"
    assert told in found.found
    assert advice in found.advice
    assert "\x1b" not in found.found


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(400), "ok"),
        (to("/error"), "ok"),
        (Answer(404), "failed"),
        (Answer(503), "failed"),
        (NoAnswer("name", "the host name has no address here"), "failed"),
    ],
)
def test_the_domain(scripted, answer, status):
    """Any answer of the authorize endpoint shows that managed login is there."""
    network = scripted({AUTHORIZE: answer})
    found = domain_finding(DOMAIN, network)
    assert (found.name, found.status, bool(found.advice)) == ("domain", status, status != "ok")
    assert network.asked == [AUTHORIZE]
