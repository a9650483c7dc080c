"""CognitoMCP: servers of the MCP SDK and of FastMCP, asked by the SDK's own client over loopback (issue 3)."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from fastmcp import FastMCP
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from cognito_guard import HasScope, InGroup, IsMachine, IsPerson, parse_rule
from cognito_guard.adapters.mcp import PRINCIPAL, CognitoMCP, current_principal
from cognito_guard.errors import ConfigurationError, Unavailable
from cognito_guard.testing import SAMPLE_ROUTES, Case, LocalUserPool, behaviour
from cognito_guard.web import ProtectedResource

POOL = LocalUserPool()
CASES = behaviour(POOL)
EVERYBODY = IsPerson() | IsMachine()


@pytest.fixture
def anyio_backend() -> str:
    """The SDK's servers run under uvicorn."""
    return "asyncio"


def resource(url: str = "https://mcp.example.com/mcp", pool: LocalUserPool = POOL) -> ProtectedResource:
    return ProtectedResource(url, authorization_servers=[pool.issuer], scopes=["orders/read"])


class Table:
    """One server for each demand of the sample routes, told apart by path."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        guard = POOL.guard()
        rules = {path: parse_rule(str(rule)) for path, kind, rule in SAMPLE_ROUTES if kind == "protect"}
        self._apps = {
            path: CognitoMCP(guard, resource=resource(), rule=rule).wrap(self._server)
            for path, rule in (rules | {"/private": EVERYBODY}).items()
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._apps.get(scope["path"], self._apps["/private"])(scope, receive, send)

    async def _server(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope["path"])
        body = b"" if scope["method"] == "HEAD" else scope[PRINCIPAL].subject.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


# an MCP server has no open routes
ROWS = [case for case in CASES if not case.target.startswith(("/open/", "/maybe"))]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
async def test_the_behaviour_table_before_a_wrapped_server(case: Case, table: Table) -> None:
    """Every row about protected resources. A Guard that has keys cannot show an outage, so these rows get a Guard of their own."""
    if case.keys_unavailable:
        table = Table()
        POOL.outage()
    table.reached.clear()
    try:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(table), base_url="http://test") as web:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
            answer = await web.request(case.method, case.target, headers=headers)
    finally:
        POOL.recover()
    assert case.check(answer.status_code, answer.headers.raw, answer.content, reached=bool(table.reached)) == []


def greet() -> str:
    """Who am I?"""
    principal, token = current_principal(), get_access_token()
    assert principal is not None
    assert token is not None
    assert (token.subject, (token.claims or {})["username"]) == (principal.subject, "jane")
    if not InGroup("staff").judge(principal):
        return f"{principal.username} of {token.client_id}"
    return f"staff {principal.username}"


def wrapped(cognito: CognitoMCP, **how: Any) -> Any:
    server = MCPServer("orders")
    server.tool()(greet)
    return cognito.wrap(server.streamable_http_app(**how))


def by_settings(cognito: CognitoMCP, **how: Any) -> Any:
    server = MCPServer("orders", **cognito.settings())
    server.tool()(greet)
    return server.streamable_http_app(**how)


def by_fastmcp(cognito: CognitoMCP, **how: Any) -> Any:
    server = FastMCP("orders", auth=cognito.fastmcp())
    server.tool(greet)
    return server.http_app(**how)


def bearer(pool: LocalUserPool = POOL, **keywords: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {pool.access(**keywords)}"}


async def ask(url: str, **client: Any) -> str:
    async with (
        httpx2.AsyncClient(timeout=20, **client) as web,
        streamable_http_client(f"{url}/mcp", http_client=web) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("greet", {})
        return str(result.content[0].text)


@pytest.mark.parametrize("stateless_http", [False, True])
@pytest.mark.parametrize("build", [wrapped, by_settings, by_fastmcp])
async def test_the_sdks_client_calls_a_tool(build: Any, stateless_http: bool, serve_asgi: Any) -> None:  # noqa: FBT001
    """With sessions and without: a good token is let in, and the tool knows whose it is. Others are answered before any tool."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = build(CognitoMCP(POOL.guard(), resource=resource(f"{url}/mcp")), stateless_http=stateless_http)
    serve_asgi(app, listening)
    good = bearer(scopes=["orders/read"])
    assert await ask(url, headers=good) == f"jane of {POOL.client}"
    assert await ask(url, headers=bearer(scopes=["orders/read"], groups=["staff"])) == "staff jane"
    async with httpx2.AsyncClient() as web:
        document = (await web.get(f"{url}/.well-known/oauth-protected-resource/mcp")).json()
        for headers, status in (({}, 401), (bearer(), 403), ({"Authorization": f"Bearer {POOL.bad('expired')}"}, 401)):
            answer = await web.post(f"{url}/mcp", headers=headers, json={})
            assert answer.status_code == status
            assert f'resource_metadata="{url}/.well-known/oauth-protected-resource/mcp"' in answer.headers["www-authenticate"]
    assert document["scopes_supported"] == ["orders/read"]
    assert document["authorization_servers"] == [POOL.issuer]
    assert document["resource"] == f"{url}/mcp"


class Storage(TokenStorage):
    """Knows its app client from the start, as with Cognito it must: no client is registered on request."""

    def __init__(self, client: OAuthClientInformationFull) -> None:
        self.client = client
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError


@pytest.mark.parametrize("build", [wrapped, by_settings, by_fastmcp])
async def test_the_sdks_client_finds_its_way_to_managed_login_and_back(build: Any, serve_asgi: Any, managed_login: Any) -> None:
    """From the 401 to the document, from there to the pool's discovery document, and with the resource's scopes to a token: none of
    the pool's own scopes would do."""
    pool = managed_login.pool
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serve_asgi(build(CognitoMCP(pool.guard(), resource=resource(f"{url}/mcp", pool)), stateless_http=True), listening)
    redirect = "http://127.0.0.1:3030/callback"
    landed: list[dict[str, str]] = []

    async def sign_in(authorize: str) -> None:
        async with httpx2.AsyncClient() as web:
            await web.get(authorize)
            code = f"code{len(managed_login.requests)}"
            answer = await web.get(f"{managed_login.base}/oauth2/signed-in?code={code}")
        landed.append(dict(parse_qsl(urlsplit(answer.headers["location"]).query)))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**landed[-1])

    known = {"redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
    provider = OAuthClientProvider(
        f"{url}/mcp",
        OAuthClientMetadata.model_validate(known),
        Storage(OAuthClientInformationFull.model_validate({**known, "client_id": "webclient"})),
        redirect_handler=sign_in,
        callback_handler=callback,
    )
    assert await ask(url, auth=provider) == "jane of webclient"
    assert managed_login.requests[-1]["scope"] == "orders/read"


async def test_an_outage_is_never_the_callers_fault_for_a_verifier_either() -> None:
    """The SDK has no word for it but 500; None would be a 401 that makes clients drop good tokens."""
    cognito = CognitoMCP(POOL.guard(), resource=resource())
    with POOL.outage(), pytest.raises(Unavailable):
        await cognito.verify_token(POOL.access())
    cognito = CognitoMCP(POOL.guard(), resource=resource())
    assert await cognito.verify_token(POOL.bad("expired")) is None
    assert await cognito.verify_token("a b\xe9\u20ac") is None


async def test_claims_of_any_json_type_can_be_written_by_the_sdk() -> None:
    """What stands read-only in the Principal is plain JSON in the access token."""
    claims = {"custom": {"a": [1, {"b": None}]}}
    token = await CognitoMCP(POOL.guard(), resource=resource()).verify_token(POOL.access(claims=claims))
    assert token is not None
    assert json.loads(token.model_dump_json(exclude={"principal"}))["claims"]["custom"] == claims["custom"]


async def test_only_http_and_lifespan_reach_the_server() -> None:
    """Any other scope type raises."""

    async def server(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    reached: list[str] = []
    app: Any = CognitoMCP(POOL.guard(), resource=resource()).wrap(server)
    await app({"type": "lifespan"}, None, None)
    for kind in ("websocket", "http2"):
        with pytest.raises(NotImplementedError):
            await app({"type": kind, "path": "/", "headers": []}, None, None)
    assert reached == ["lifespan"]


async def test_outside_of_a_request_there_is_no_principal() -> None:
    """Tools called in a test, for one."""
    assert current_principal() is None


def test_mistakes_are_told_when_built() -> None:
    """No resource, and a resource whose scopes nobody could ask for."""
    with pytest.raises(ConfigurationError, match="ProtectedResource"):
        CognitoMCP(POOL.guard())
    without = ProtectedResource("https://mcp.example.com", authorization_servers=[POOL.issuer])
    with pytest.raises(ConfigurationError, match="at least one"):
        CognitoMCP(POOL.guard(), resource=without, rule=HasScope("a"))
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoMCP("guard", resource=resource())  # type: ignore[arg-type]
