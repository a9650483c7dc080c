"""Clients that nobody here wrote: Authlib as a web application, amazon-cognito-identity-js under Node, and Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest
import uvicorn
from authlib.integrations.flask_client import OAuth
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from cognito_guard.local_pool import Client, ResourceServer, Settings, User, serve

WAIT = 20  # seconds at most, for each step


def missing(part: str) -> Any:
    """In CI a part that is missing is an error, not a skip."""
    reason = f"this test needs {part}"
    return pytest.fail(reason) if os.environ.get("COGNITO_GUARD_CI") == "1" else pytest.skip(reason)


# --- Authlib: discovery, code with PKCE, nonce, the ID token verified, userInfo, refresh, revocation


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_signs_in(another, method, monkeypatch):
    """An application with Authlib's Flask client, configured by the discovery document alone, completes the flow.

    It verifies the ID token itself: signature by our JWK Set, issuer, audience, nonce and `at_hash`.
    """
    served = another.served
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # its clock is the machine's: so must be that of the pool it talks to
    with serve(settings=_for_authlib()) as running:
        another.served = running
        another.http.base_url = running.url
        app = flask.Flask("client")
        app.secret_key = "testing"
        client = OAuth(app).register(
            "pool",
            client_id="server",
            client_secret="server0secret0000000000000",
            server_metadata_url=f"{running.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email orders/read",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": method,
            },
        )
        with app.test_request_context("/login"):
            answer = client.authorize_redirect("http://localhost:3000/callback")
            session = dict(flask.session)
        another.get(answer.headers["Location"])
        location = another.sign_in().answer.headers["location"]
        with app.test_request_context(location.removeprefix("http://localhost:3000")):
            flask.session.update(session)
            token = client.authorize_access_token()
            assert token["userinfo"]["email"] == "ada@example.com"
            assert token["userinfo"]["token_use"] == "id"
            assert client.userinfo(token=token)["email_verified"] == "true"
            renewed = client.fetch_access_token(grant_type="refresh_token", refresh_token=token["refresh_token"])
            assert renewed["access_token"] != token["access_token"]
        assert running.pool.guard(running.pool.user_pool.access_tokens(client="server")).authenticate(
            renewed["access_token"]
        ).scopes == {"openid", "email", "orders/read"}
    another.served = served


def _for_authlib() -> Settings:
    return Settings(
        port=0,
        users=[User("ada", "ada-password", attributes={"email": "ada@example.com"})],
        clients=[Client("server", secret="server0secret0000000000000", callbacks=["http://localhost:3000/callback"])],
        resource_servers=[ResourceServer("orders", scopes=["read"])],
    )


def test_authlib_as_a_machine(served):
    """Authlib's HTTPX client gets a machine's token and is refused in words that it understands."""
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

    for method in ("client_secret_basic", "client_secret_post"):
        with OAuth2Client(
            "machine", "machine0secret0000000000000", scope="orders/read", token_endpoint_auth_method=method, trust_env=False
        ) as client:
            token = client.fetch_token(f"{served.url}/oauth2/token", grant_type="client_credentials")
            assert (
                served.pool.guard(served.pool.user_pool.access_tokens(client="machine"))
                .authenticate(token["access_token"])
                .is_machine
            )
            with pytest.raises(OAuthError, match="invalid_scope"):
                client.fetch_token(f"{served.url}/oauth2/token", grant_type="client_credentials", scope="openid")


# --- amazon-cognito-identity-js

SCRIPT = """
const { CognitoUserPool, CognitoUser, AuthenticationDetails } = require('amazon-cognito-identity-js')
const [endpoint] = process.argv.slice(1)
const pool = new CognitoUserPool({ UserPoolId: 'local_1', ClientId: 'api', endpoint })
const user = new CognitoUser({ Username: 'ada', Pool: pool })
user.setAuthenticationFlowType('USER_PASSWORD_AUTH')
const call = method => new Promise((resolve, reject) => method((error, answer) => error ? reject(error) : resolve(answer)))
const signIn = Password => new Promise((onSuccess, onFailure) =>
  user.authenticateUser(new AuthenticationDetails({ Username: 'ada', Password }), { onSuccess, onFailure }))
async function main () {
  const told = {}
  told.wrong = await signIn('wrong-password').catch(error => error.code)
  const session = await signIn('ada-password')
  told.access = session.getAccessToken().getJwtToken()
  told.id = session.getIdToken().payload
  told.attributes = (await call(done => user.getUserAttributes(done))).map(each => [each.getName(), each.getValue()])
  const renewed = await call(done => user.refreshSession(session.getRefreshToken(), done))
  told.renewed = renewed.getAccessToken().getJwtToken()
  told.out = await new Promise((onSuccess, onFailure) => user.globalSignOut({ onSuccess, onFailure }))
  user.signInUserSession = renewed
  told.after = await call(done => user.getUserAttributes(done)).catch(error => error.code)
  console.log(JSON.stringify(told))
}
main().catch(error => { console.error(error); process.exit(1) })
"""


def test_amazon_cognito_identity_js(served, claims_of):
    """AWS's own JavaScript library signs in by `endpoint`, reads attributes, refreshes, signs out everywhere."""
    node = shutil.which("node")
    modules = Path(os.environ.get("COGNITO_GUARD_NODE_MODULES") or "node_modules")
    if node is None or not (modules / "amazon-cognito-identity-js").is_dir():
        missing("Node.js and npm's amazon-cognito-identity-js; name its node_modules in COGNITO_GUARD_NODE_MODULES")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    ran = subprocess.run(
        [str(node), "-e", SCRIPT, f"{served.url}/"],
        env={**environment, "NODE_PATH": str(modules.resolve())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["wrong"], told["out"], told["after"]) == ("NotAuthorizedException", "SUCCESS", "NotAuthorizedException")
    assert told["id"]["cognito:username"] == "ada"
    assert ["email", "ada@example.com"] in told["attributes"]
    assert claims_of(told["access"])["origin_jti"] == claims_of(told["renewed"])["origin_jti"]


# --- a browser

PAGE = """<!doctype html><title>client</title><pre id="told"></pre><script type="module">
const pool = "POOL"; const show = text => { document.querySelector("#told").textContent = text }
const url = octets => btoa(String.fromCharCode(...octets)).replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=/g, "")
const redirect = location.origin + "/", asked = new URLSearchParams(location.search)
if (asked.has("begin")) {
  const verifier = url(crypto.getRandomValues(new Uint8Array(48)))
  sessionStorage.setItem("verifier", verifier)
  const hashed = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))
  location = pool + "/oauth2/authorize?" + new URLSearchParams({ response_type: "code", client_id: "web", redirect_uri: redirect,
    scope: "openid email", state: "s-1", code_challenge: url(new Uint8Array(hashed)), code_challenge_method: "S256" })
} else if (asked.has("code")) {
  const answer = await fetch(pool + "/oauth2/token", { method: "POST", body: new URLSearchParams({ grant_type: "authorization_code",
    client_id: "web", code: asked.get("code"), redirect_uri: redirect, code_verifier: sessionStorage.getItem("verifier") }) })
  const token = (await answer.json()).access_token
  const who = await fetch(pool + "/oauth2/userInfo", { headers: { Authorization: "Bearer " + token } })
  const document_ = await (await fetch(pool + "/local_1/.well-known/openid-configuration")).json()
  show(asked.get("state") + " " + (await who.json()).email + " " + document_.issuer)
} else { show("signed out") }
</script>"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium that reaches loopback only, in dark mode, since the light one is everybody's."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing("Debian's chromium and chromium-driver")
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--blink-settings=preferredColorScheme=0",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--window-size=900,900",
        f"--user-data-dir={tmp_path}",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    running.set_page_load_timeout(WAIT)
    yield running
    running.quit()


@pytest.fixture
def page() -> Iterator[tuple[str, dict[str, str]]]:
    """A single-page client on a port of its own; what it holds of the pool is filled in by the test."""
    import socket
    import threading

    told = {"pool": ""}
    app = Starlette(routes=[Route("/", lambda _: HTMLResponse(PAGE.replace("POOL", told["pool"])))])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", told
        server.should_exit = True
        thread.join(10)


def test_a_browser_signs_in(browser, page):
    """A single-page application in Chromium: login page, wrong password, TOTP step, code redeemed by fetch, userInfo, logout.

    The pool's pages raise no error of the Content-Security-Policy, and their dark colours are in force.
    """
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    origin, told = page
    settings = Settings(
        port=0,
        users=[User("max", "max-password", mfa=True, attributes={"email": "max@example.com"})],
        clients=[Client("web", callbacks=[origin], sign_outs=[origin])],
    )

    def shown(css: str) -> Any:
        """The element, once there is one."""
        waiting = WebDriverWait(browser, WAIT, poll_frequency=0.05)
        return waiting.until(lambda _: browser.find_elements(By.CSS_SELECTOR, css))[0]

    def fill(**fields: str) -> None:
        for name, value in fields.items():
            element = shown(f"#{name}")
            element.clear()
            element.send_keys(value)
        shown("form button").click()

    def text() -> str:
        """What the client shows, once it does."""
        shown("#told:not(:empty)")
        return str(shown("#told").text)

    with serve(settings=settings) as served:
        told["pool"] = served.url
        browser.get(f"{origin}?begin=1")
        shown("#username")
        assert "For development only" in shown(".note").text
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(16, 19, 26)"
        fill(username="max", password="wrong-password")
        assert "Incorrect" in shown("[role=alert]").text
        refused = browser.get_log("browser")
        assert [each["message"] for each in refused if "401" not in each["message"]] == []
        fill(password="max-password")
        fill(code="123456")
        assert text() == f"s-1 max@example.com {served.issuer}"
        assert [each["message"] for each in browser.get_log("browser") if "favicon" not in each["message"]] == []

        browser.get(f"{origin}?begin=1")  # the session is kept: no page is shown
        assert text().startswith("s-1 max@example.com")
        browser.get(f"{served.url}/logout?client_id=web&logout_uri={origin}")
        assert text() == "signed out"
        browser.get(f"{origin}?begin=1")
        shown("#password")
        assert urlsplit(browser.current_url).path == "/login"
