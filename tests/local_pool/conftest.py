"""A served pool with a clock of its own, and a person at a browser that knows no script: httpx."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from cognito_guard.local_pool import Client, Group, ResourceServer, Served, Settings, User, serve
from cognito_guard.testing import LocalUserPool

CALLBACK = "http://localhost:3000/callback"
SIGNED_OUT = "http://localhost:3000/bye"
API = "https://api.example.com/orders"
VERIFIER = "verifier-verifier-verifier-verifier-verifier-1"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

SETTINGS = Settings(
    port=0,
    users=[
        User("ada", "ada-password", groups=["staff", "admin"], attributes={"email": "ada@example.com", "custom:team": "7"}),
        User("max", "max-password", totp="654321", mfa=True),
        User('<b>"&', "odd-password"),
        User("joe", provider="Okta"),
        User("jane", provider="Google", groups=["staff"], attributes={"email": "jane@example.com", "email_verified": False}),
    ],
    groups=[
        Group("staff", role="arn:aws:iam::123456789012:role/staff", precedence=2),
        Group("admin", role="arn:aws:iam::1:role/a"),
    ],
    clients=[
        Client("web", callbacks=[CALLBACK, "https://app.example.com/in?tenant=1", "myapp://in"], sign_outs=[SIGNED_OUT]),
        Client("rotating", callbacks=[CALLBACK], rotation_grace=30),
        Client("strict", callbacks=[CALLBACK], rotation_grace=0),
        Client("server", secret="server0secret0000000000000", callbacks=[CALLBACK], scopes=["openid", "email", "orders/read"]),
        Client("machine", secret="machine0secret0000000000000", grants=["client_credentials"], access_seconds=600),
        Client("reading", secret="reading0secret0000000000000", grants=["client_credentials"], scopes=["orders/read"]),
        Client("api", grants=["password"]),
        Client("hashed", secret="hashed0secret0000000000000", grants=["password"], rotation_grace=30),
    ],
    resource_servers=[ResourceServer("orders", scopes=["read", "write"])],
)


class Clock:
    """Seconds since the epoch, set by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Person:
    """Somebody at a browser: keeps cookies, fills in forms, and stops where a redirect leaves the pool."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.http = httpx.Client(base_url=served.url, trust_env=False, verify=False)
        self.answer = httpx.Response(200)

    def ask(self, client: str = "web", **changed: Any) -> Person:
        """Begin: GET /oauth2/authorize, followed to the login page if there is one. None leaves a parameter out."""
        asked = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": CALLBACK,
            "state": "a state&=/é",
            "scope": "openid orders/read",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changed
        return self.get("/oauth2/authorize", {name: value for name, value in asked.items() if value is not None})

    def get(self, path: str, parameters: Any = None) -> Person:
        self.answer = self.http.get(path, params=parameters)
        while self.answer.is_redirect and self.answer.headers["location"].startswith("/"):
            self.answer = self.http.get(urljoin(str(self.answer.url), self.answer.headers["location"]))
        return self

    @property
    def hidden(self) -> dict[str, str]:
        return {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.answer.text)
        }

    def submit(self, **fields: str) -> Person:
        """Fill in the page's form and send it off."""
        action = re.search(r'<form method="post" action="([^"]+)"', self.answer.text)
        assert action, self.answer.text
        self.answer = self.http.post(unescape(action[1]), data={**self.hidden, **fields})
        return self

    def sign_in(self, username: str = "ada", password: str | None = None) -> Person:
        return self.submit(username=username, password=password or f"{username}-password")

    @property
    def told(self) -> dict[str, str]:
        """What the application is told at its callback."""
        assert self.answer.is_redirect, (self.answer.status_code, self.answer.text)
        query = urlsplit(self.answer.headers["location"]).query
        return {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}

    def tokens(self, client: str = "web", **changed: Any) -> httpx.Response:
        """Redeem the code."""
        form = {
            "grant_type": "authorization_code",
            "client_id": client,
            "code": self.told["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changed
        return self.post_token({name: value for name, value in form.items() if value is not None})

    def refresh(self, token: str, client: str = "web", **more: str) -> httpx.Response:
        return self.post_token({"grant_type": "refresh_token", "client_id": client, "refresh_token": token} | more)

    def post_token(self, form: Any, **more: Any) -> httpx.Response:
        return self.http.post("/oauth2/token", data=form, **more)

    def user_info(self, access_token: str) -> httpx.Response:
        return self.http.get("/oauth2/userInfo", headers={"Authorization": f"Bearer {access_token}"})


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def served(clock: Clock) -> Iterator[Served]:
    """One server for all tests: each brings its own browser, and the clock only goes forward."""
    pool = LocalUserPool("local_1", issuer="http://127.0.0.1/local_1", client="web", clock=clock)
    with serve(pool, settings=SETTINGS) as running:
        yield running


@pytest.fixture
def person(served: Served) -> Iterator[Person]:
    somebody = Person(served)
    yield somebody
    somebody.http.close()


@pytest.fixture
def another(served: Served) -> Iterator[Person]:
    somebody = Person(served)
    yield somebody
    somebody.http.close()


@pytest.fixture(scope="session")
def claims_of(served: Served) -> Callable[[str], dict[str, Any]]:
    """The claims of a token, after a Guard with a real HTTP fetch has verified it."""
    from cognito_guard import AnyClient, Guard

    pool = served.pool.user_pool
    guard = Guard(pool.access_tokens(client=AnyClient), pool.id_tokens(client=AnyClient), clock=served.pool.clock)

    def claims(token: str) -> dict[str, Any]:
        return dict(guard.authenticate(token).claims)

    return claims
