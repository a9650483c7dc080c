"""From the authorization request to the code: what is asked, what is answered, and who hears of a mistake."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from cognito_guard.local_pool import local_pool_app

CALLBACK = "http://localhost:3000/callback"
FITTING = {
    "response_type": "code",
    "client_id": "web",
    "redirect_uri": CALLBACK,
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
    "state": "s-1",
}


def test_the_code_and_the_state(person):
    """The application gets a code and its own state, letter for letter, at the URL that it asked for, and nothing else."""
    person.ask().sign_in()
    assert person.answer.status_code == 303  # a form's answer: the password is not posted on
    assert person.answer.headers["location"].startswith(f"{CALLBACK}?code=")
    assert set(person.told) == {"code", "state"}
    assert person.told["state"] == "a state&=/é"
    assert person.answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("redirect_uri", ["https://app.example.com/in?tenant=1", "myapp://in"])
def test_other_callbacks(person, redirect_uri):
    """A query of the callback's own stays in front; an application's own scheme is as good as https."""
    person.ask(redirect_uri=redirect_uri, state=None).sign_in()
    location = person.answer.headers["location"]
    assert location.startswith(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}code=")


def test_wrong_password_stays_on_the_page(person):
    """The same words for a wrong password and an unknown user; the name is kept, escaped; no session comes of it."""
    person.ask().sign_in("ada", "wrong-password")
    assert (person.answer.status_code, "Incorrect username or password." in person.answer.text) == (401, True)
    assert 'value="ada"' in person.answer.text
    person.submit(username='"><script>alert(1)</script>', password="x")
    assert "<script" not in person.answer.text
    assert "Incorrect username or password." in person.answer.text
    assert person.ask().answer.status_code == 200


def test_a_federated_user_has_no_password_here(person):
    """Neither an empty password nor the page of another provider opens it; nor does a provider's page open a native user."""
    person.ask().submit(username="Google_jane", password="")
    assert person.answer.status_code == 401
    for username in ("ada", "Okta_joe", ""):
        person.ask(identity_provider="Google").submit(username=username)
        assert "Google, simulated" in person.answer.text
    assert person.submit(username="Google_jane").told["code"]


def test_an_odd_username(person, claims_of):
    """What HTML could take for its own is a username like any other."""
    issued = person.ask().sign_in('<b>"&', "odd-password").tokens().json()
    assert claims_of(issued["access_token"])["username"] == '<b>"&'
    assert '<b>"' not in person.ask(prompt="select_account").answer.text


# --- one session, several requests


def test_a_session_signs_in_at_once(person, another):
    """The second request of a browser needs no page; another browser does."""
    person.ask().sign_in()
    assert person.ask("server").told["code"]
    assert another.ask().answer.status_code == 200


def test_the_session_ends_after_an_hour(person, clock):
    """Managed login's cookie lives for an hour, whatever the tokens do."""
    person.ask().sign_in()
    clock.now += 3599
    assert person.ask().told["code"]
    clock.now += 1
    assert person.ask().answer.status_code == 200


def test_a_sign_in_makes_a_new_session(person):
    """The session before a sign-in is dead after it (fixation)."""
    person.ask().sign_in()
    [name] = [name for name in person.http.cookies if name.endswith("_session")]
    old = person.http.cookies[name]
    person.ask(prompt="login").sign_in()
    assert person.http.cookies[name] != old
    person.http.cookies.clear()
    person.http.cookies.set(name, old)
    assert person.ask().answer.status_code == 200


def test_cookies_are_closed_to_scripts(person):
    """HttpOnly, SameSite=Lax, for the whole host, and named by port, since cookies do not know ports."""
    person.ask().sign_in()
    port = urlsplit(person.served.url).port
    for cookie in person.answer.headers.get_list("set-cookie"):
        assert cookie.startswith(f"local_1_{port}_session=")
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_prompt(person):
    """none: an error instead of a page. login: the page in spite of a session. select_account, consent: a page to confirm."""
    assert person.ask(prompt="none").told["error"] == "login_required"
    person.ask(prompt="login").sign_in()
    assert person.ask(prompt="none").told["code"]
    assert 'name="password"' in person.ask(prompt="login").answer.text
    page = person.ask(prompt="select_account").answer.text
    assert "Continue as ada" in page
    assert "orders/read" in page
    assert person.submit().told["code"]
    assert "Continue as ada" in person.ask(prompt="consent").answer.text
    person.get(person.answer.text.split('class="button plain" href="')[1].split('"')[0].replace("&amp;", "&"))
    assert person.sign_in("max").answer.status_code == 200  # the TOTP step: another account was chosen


def test_continue_needs_a_session_that_may(person):
    """`continue` cannot stand in for the password that prompt=login asks for."""
    person.ask(prompt="login").sign_in()
    person.ask(prompt="login")
    answer = person.http.post(
        f"/login?{urlsplit(str(person.answer.url)).query}", data={"form": person.hidden["form"], "step": "continue"}
    )
    assert 'name="password"' in answer.text


def test_max_age(person, clock, claims_of):
    """A session older than `max_age` asks for the password again; `auth_time` is the sign-in's."""
    person.ask().sign_in()
    began = int(clock.now)
    clock.now += 60
    issued = person.ask(max_age="60").tokens().json()
    assert claims_of(issued["access_token"])["auth_time"] == began
    clock.now += 1
    assert person.ask(max_age="60", prompt="none").told["error"] == "login_required"
    assert 'name="password"' in person.ask(max_age="60").answer.text
    issued = person.sign_in().tokens().json()
    assert claims_of(issued["access_token"])["auth_time"] == began + 61


# --- step-up


def test_the_totp_step(person, claims_of):
    """`acr_values` beyond a password ask for the code; acr, amr and auth_time stay over a refresh."""
    person.ask(acr_values="urn:cognito:loa:4").sign_in()
    assert "authenticator app" in person.answer.text
    person.submit(code="000000")
    assert (person.answer.status_code, "That is not the code." in person.answer.text) == (401, True)
    issued = person.submit(code="123456").tokens().json()
    for token in (issued["access_token"], issued["id_token"], person.refresh(issued["refresh_token"]).json()["access_token"]):
        claims = claims_of(token)
        assert (claims["acr"], claims["amr"]) == ("urn:cognito:loa:4", ("pwd", "otp", "mfa"))


def test_a_session_is_stepped_up(person, claims_of):
    """A password's session is not enough for more: the code is asked for, not the password; afterwards it is enough."""
    person.ask().sign_in()
    assert person.ask(acr_values="urn:cognito:loa:2", prompt="none").told["error"] == "login_required"
    person.ask(acr_values="urn:cognito:loa:2").submit()
    issued = person.submit(code="123456").tokens().json()
    assert claims_of(issued["access_token"])["acr"] == "urn:cognito:loa:4"
    assert person.ask(acr_values="urn:cognito:loa:4", prompt="none").told["code"]


def test_unknown_acr_values_ask_for_nothing(person):
    """acr_values is a wish (OpenID Connect Core section 5.5.1.1): a name that is not Cognito's is passed over."""
    assert person.ask(acr_values="urn:mace:incommon:iap:silver").sign_in().told["code"]


def test_a_user_with_mfa(person):
    """`mfa` asks for the user's own code at every sign-in."""
    person.ask().sign_in("max").submit(code="123456")
    assert person.answer.status_code == 401
    assert person.submit(code="654321").told["code"]


def test_a_half_finished_sign_in(person, another, clock):
    """It belongs to its browser and its request, ends after three minutes, and is used once."""
    person.ask().sign_in("max")
    pending = person.hidden["pending"]
    another.ask().submit(step="totp", pending=pending, code="654321")
    assert 'name="password"' in another.answer.text
    elsewhere = person.http.post(
        f"/login?{urlencode({**FITTING, 'state': 'other'})}",
        data={"form": person.hidden["form"], "step": "totp", "pending": pending, "code": "654321"},
    )
    assert elsewhere.status_code == 200
    clock.now += 180
    person.submit(code="654321")
    assert 'name="password"' in person.answer.text


# --- what is said on the page


def test_lang(person):
    """`lang=de` is German, whatever is not known is English."""
    page = person.ask(lang="de").answer.text
    assert '<html lang="de">' in page
    assert "Anmelden" in page
    assert '<html lang="en">' in person.ask(lang='"><script>').answer.text


def test_login_hint_is_escaped(person):
    """The hint stands in the field, and stays there."""
    assert 'value="ada"' in person.ask(login_hint="ada").answer.text
    page = person.ask(login_hint='"><img src=x onerror=alert(1)>').answer.text
    assert "<img" not in page
    assert "&quot;&gt;&lt;img" in page


@pytest.mark.parametrize("path", ["/", "/login?" + urlencode(FITTING), "/oauth2/authorize", "/nothing/here"])
def test_every_page(person, path):
    """Says that it is for development; no script, no frame, no sniffing, not stored; styles by their hash."""
    answer = person.get(path).answer
    assert "For development only." in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


# --- whose mistake is told to whom

ELSEWHERE = [
    "http://localhost:3000/callback/",
    "http://localhost:3000/callback?x=1",
    "http://localhost:3000/callback#x",
    "http://localhost:3000/CALLBACK",
    "http://localhost:3000/x/../callback",
    "http://localhost:3000//callback",
    "http://localhost:3001/callback",
    "https://localhost:3000/callback",
    "http://127.0.0.1:3000/callback",
    "http://localhost:3000@evil.example/callback",
    "http://localhost:3000.evil.example/callback",
    "http://evil.example/callback",
    "http://evil.example/?http://localhost:3000/callback",
    "//evil.example/callback",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/callback",
    "https:evil.example",
    "https:/evil.example",
    "javascript:alert(1)//http://localhost:3000/callback",
    "data:text/html,x",
    " http://localhost:3000/callback",
    "http://localhost:3000/callback ",
    "http://localhost:3000/callback\t",
    "http://localhost:3000/callback\r\nX-Evil: 1",
    "http://localhost:3000/callback\0",
    "http://localhost:3000/callback%0d%0aX-Evil:1",
    "http://localhost\u3002evil.example/callback",
    "http://localhost:3000/call\u200bback",
    "MYAPP://in",
    "myapp://in/",
    "x" * 7000,
]


@pytest.mark.parametrize("url", ELSEWHERE, ids=range(len(ELSEWHERE)))
@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login", "/logout"])
def test_an_unknown_redirect_uri_is_told_on_our_page(person, path, url):
    """T32: nobody is sent to a URL that is not in the settings letter for letter, signed in or not."""
    for name in ("redirect_uri", "logout_uri") if path == "/logout" else ("redirect_uri",):
        answer = person.http.get(path, params={**FITTING, "redirect_uri": CALLBACK, name: url})
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "evil" not in answer.text


@pytest.mark.parametrize("client", ["", "nobody", "machine", "api", "<script>alert(1)</script>"])
def test_an_unknown_client_is_told_on_our_page(person, client):
    """Without a client there is no callback to trust; a client without callbacks has none either."""
    answer = person.ask(client).answer
    assert (answer.status_code, "location" in answer.headers, "<script" in answer.text) == (400, False, False)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_doubled_client_or_redirect_uri(person, name):
    """T34: neither the first nor the last is believed."""
    answer = person.http.get("/oauth2/authorize", params=[*FITTING.items(), (name, FITTING[name])])
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("name", ["state", "scope", "code_challenge", "response_type", "nonce"])
def test_other_doubled_parameters(person, name):
    """The application hears of it; of two states neither is sent back."""
    answer = person.http.get("/oauth2/authorize", params=[*FITTING.items(), (name, "a"), (name, "b")])
    told = parse_qs(urlsplit(answer.headers["location"]).query)
    assert told["error"] == ["invalid_request"]
    assert told.get("state") == (None if name == "state" else ["s-1"])


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "c" * 42 + "="}, "invalid_request"),
        ({"scope": "openid orders/delete"}, "invalid_scope"),
        ({"scope": "orders/read\torders/write"}, "invalid_scope"),
        ({"resource": "not a url"}, "invalid_target"),
        ({"resource": "http://api.example.com"}, "invalid_target"),
        ({"resource": "https://api.example.com/#x"}, "invalid_target"),
        ({"identity_provider": "Facebook"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "maybe"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "\u0661"}, "invalid_request"),
    ],
    ids=str,
)
def test_mistakes_that_the_application_hears_of(person, changed, error):
    """T36 and RFC 6749 section 4.1.2.1: at its callback, with its state, and never with a code; on /login as well."""
    person.ask().sign_in()
    for path in ("/oauth2/authorize", "/login"):
        asked = {name: value for name, value in {**FITTING, **changed}.items() if value is not None}
        answer = person.http.get(path, params=asked)
        told = parse_qs(urlsplit(answer.headers["location"]).query)
        assert answer.headers["location"].startswith(CALLBACK)
        assert (told["error"], told["state"], "code" in told) == ([error], ["s-1"], False)


def test_a_confidential_client_may_do_without_pkce(person):
    """As at Cognito; but what was begun with it must be ended with it, and the other way round."""
    person.ask("server", scope="openid", code_challenge=None, code_challenge_method=None).sign_in()
    assert person.tokens("server", client_secret="server0secret0000000000000", code_verifier=None).status_code == 200
    person.ask("server", scope="openid", code_challenge=None, code_challenge_method=None)
    assert person.tokens("server", client_secret="server0secret0000000000000").json()["error"] == "invalid_grant"
    person.ask("server", scope="openid")
    assert (
        person.tokens("server", client_secret="server0secret0000000000000", code_verifier=None).json()["error"] == "invalid_grant"
    )


@pytest.mark.parametrize("query", ["%FF=%FE", "&".join(f"a{at}=1" for at in range(100)), "state=" + "x" * 9000])
def test_unreadable_queries(person, query):
    """Not UTF-8, too many parameters, one that is too long: a page, no crash."""
    for path in ("/oauth2/authorize", "/login", "/logout"):
        assert person.http.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("octet", [b"\x01", b"\n", b" ", b"\x7f", b"\xff"])
async def test_raw_octets_in_a_query(served, octet):
    """Whatever server is in front: what should have been percent-encoded reaches no link and no Location."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/oauth2/authorize",
        "query_string": urlencode(FITTING).encode() + octet,
        "headers": [(b"host", b"localhost")],
    }
    await local_pool_app(served.settings, served.pool, served.url)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"location" not in dict(sent[0]["headers"])


# --- forms that are not ours


def test_a_form_of_another_browser(person, another):
    """T35: somebody else's form does not sign a victim in, with or without a cookie of its own."""
    person.ask()
    action, proof = f"/login?{urlencode(FITTING)}", person.hidden["form"]
    fields = {"step": "password", "username": "ada", "password": "ada-password", "form": proof}
    assert another.http.post(action, data=fields).status_code == 403
    another.ask()
    assert another.http.post(action, data=fields).status_code == 403
    assert another.http.post(action, data={**fields, "form": ""}).status_code == 403
    assert not [name for name in another.http.cookies if name.endswith("_session")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_a_form_from_another_page(person, headers):
    """Even with cookie and field a form counts only from our own origin."""
    person.ask()
    fields = {**person.hidden, "username": "ada", "password": "ada-password"}
    assert person.http.post(f"/login?{urlencode(FITTING)}", data=fields, headers=headers).status_code == 403
    ours = {"Origin": person.served.url, "Sec-Fetch-Site": "same-origin"}
    assert person.http.post(f"/login?{urlencode(FITTING)}", data=fields, headers=ours).status_code == 303


@pytest.mark.parametrize(
    "content",
    ["step=password&step=totp", "%FF=1", "x" * 70_000, "step=nothing", ""],
    ids=["doubled", "utf8", "long", "unknown", "empty"],
)
def test_forms_that_cannot_be_read(person, content):
    """A refusal, and no crash."""
    person.ask()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    proof = f"form={person.hidden['form']}&" if content else ""
    answer = person.http.post(f"/login?{urlencode(FITTING)}", content=proof + content, headers=kind)
    assert answer.status_code in (400, 403)
    assert person.http.post(f"/login?{urlencode(FITTING)}", json={}).status_code == 400


@pytest.mark.parametrize(
    "cookies",
    ["{0}_form=x; {0}_session=x", "{0}_form=" + "é" * 43, "; ".join(f"c{at}=1" for at in range(500)), '{0}_form="\\015\\012"'],
)
def test_junk_cookies(person, cookies):
    """T16: names that we never gave count as none; the page comes with a name of ours."""
    name = f"local_1_{urlsplit(person.served.url).port}"
    answer = person.http.get("/login", params=FITTING, headers={"Cookie": cookies.format(name).encode()})
    assert answer.status_code == 200
    assert len(person.http.cookies[f"{name}_form"]) == 43
