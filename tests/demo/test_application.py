"""The sample application: its headers, its documents, and who it believes to be asked by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from cognito_guard import AnyClient, Guard
from cognito_guard.demo.application import Told, sample_application
from cognito_guard.demo.settings import ROUTES, gateway_settings, pool_settings
from cognito_guard.gateway.settings import read
from cognito_guard.local_pool import Served, serve
from cognito_guard.reasons import REASONS
from cognito_guard.testing import BAD_TOKEN_NAMES

TOLD = Told("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "realm = 'demo'")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(settings=pool_settings(("http://127.0.0.1:1",))) as running:
        yield running


def ask(served: Served, path: str, *, method: str = "GET", host: str = "127.0.0.1:3", **fields: str) -> httpx.Response:
    """One request as the gateway would pass it on; `fields` are the `X-Cognito-*` ones."""
    headers = {f"x-cognito-{name}": value for name, value in fields.items()}

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(app=sample_application(served, TOLD))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, headers=headers)

    return anyio.run(asking)


def test_the_page_s_policy(served: Served) -> None:
    """No inline script or style, nothing from elsewhere; besides itself it may ask the pool."""
    answer = ask(served, "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src")} == {"'self'"}
    assert policy["connect-src"] == f"'self' {served.url}"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<style" not in answer.text
    assert not re.search(r"<[^>]+\s(?:on\w+|style)=", answer.text)
    script = ask(served, "/demo/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for path in ("/", "/demo/page.js", "/demo/page.css", "/demo/icon.svg"):
        document = ask(served, path)
        assert document.headers["cache-control"] == "no-store"
        assert document.headers["x-content-type-options"] == "nosniff"
        assert "https://" not in document.text
        assert "http://" not in document.text.replace("http://www.w3.org/2000/svg", "")


def test_what_the_page_is_told(served: Served) -> None:
    """Addresses, users with their passwords, the routes, and a text for each code; no signing key and no client's secret."""
    told = ask(served, "/demo/about.json")
    about = told.json()
    assert about["pool"] == {"url": served.url, "issuer": served.issuer, "client": "web", "scopes": about["pool"]["scopes"]}
    assert [user["password"] for user in about["users"]] == [user.password for user in served.settings.users]
    assert [route["path"] for route in about["routes"]] == [route.path for route in ROUTES]
    assert about["reasons"].keys() == REASONS.keys()
    assert str(served.settings.client("machine").secret) not in told.text


def test_the_catalogue(served: Served) -> None:
    """The test kit's bad tokens by name, each with the code that a Guard on this pool gives it; the rest is counted."""
    catalogue = ask(served, "/demo/bad-tokens.json").json()
    names = {bad["name"] for bad in catalogue["tokens"]}
    assert names < set(BAD_TOKEN_NAMES)
    assert len(names) + catalogue["left_out"] == len(BAD_TOKEN_NAMES)
    assert {"expired", "alg_none", "payload_exchanged", "client_other", "refresh_token"} <= names
    guard = served.pool.guard()
    assert [guard.explain(bad["token"]).code for bad in catalogue["tokens"]] == [bad["code"] for bad in catalogue["tokens"]]
    assert not [bad for bad in catalogue["tokens"] if bad["why"][:1] in "AT" and bad["why"][1:].isdigit()]


@pytest.mark.parametrize("path", ["/", "/demo/about.json", "/demo/bad-tokens.json", "/me"])
def test_a_name_that_points_here_is_refused(served: Served, path: str) -> None:
    """DNS rebinding: a page of somebody else's reads neither passwords nor tokens."""
    for host in ("evil.example", "localhost.evil.example:3"):
        answer = ask(served, path, host=host)
        assert answer.status_code == 400
        assert "password" not in answer.text
    assert ask(served, path, host="localhost:3").status_code == 200


def test_so_it_is_behind_the_gateway(demo: dict[str, Any]) -> None:
    """The gateway passes the Host on; and what a client says of itself it does not."""
    for host, status in (("evil.example", 400), ("localhost", 200)):
        connection = HTTPConnection(urlsplit(demo["gateway"]).netloc, timeout=20)
        try:
            connection.request("GET", "/hello", headers={"Host": host, "X-Cognito-Username": "root"})
            answer = connection.getresponse()
            assert (answer.status, b"root" in answer.read()) == (status, False)
        finally:
            connection.close()


def test_who_asks(served: Served) -> None:
    """As the gateway writes it: groups split first, then percent-decoded; a machine has a client alone."""
    fields = {
        "username": "J%C3%BCrgen",
        "subject": "s",
        "client": "web",
        "groups": "night%20shift,a%2Cb",
        "scopes": "openid orders/read",
    }
    assert ask(served, "/me", **fields).json() == {
        "username": "Jürgen",
        "subject": "s",
        "client": "web",
        "groups": ["night shift", "a,b"],
        "scopes": ["openid", "orders/read"],
    }
    assert ask(served, "/orders", client="machine", username="").json()["for"] == "machine"
    assert ask(served, "/hello", username="").json() == {"hello": "stranger"}
    assert ask(served, "/orders/7", method="DELETE", username="ada").json() == {"deleted": 7, "for": "ada"}
    assert ask(served, "/orders/7").status_code == 405


def test_the_gateway_s_settings(served: Served) -> None:
    """They are a whole file without mistakes, whose pool is the one that is served."""
    text = gateway_settings(
        pool="local_1", issuer=served.issuer, bind="127.0.0.1:1", admin="127.0.0.1:2", upstream="http://127.0.0.1:3"
    )
    settings = read(text, name="demo")
    guard = Guard(*settings.profiles)
    assert guard.authenticate(served.pool.access(client="web")).client_id == "web"
    assert guard.authenticate(served.pool.machine(scopes=["orders/read"], client="machine")).is_machine
    assert AnyClient not in [profile.clients for profile in settings.profiles]
    assert json.dumps(text)  # it goes into a document
