"""MCP: the Model Context Protocol's servers, of the Python SDK and of FastMCP. Translation only: the front decides.

The SDK asks a token verifier and words the answers itself; `CognitoMCP.wrap` stands in front of it and answers as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl, ConfigDict
from starlette.authentication import AuthCredentials
from starlette.types import ASGIApp, Receive, Scope, Send

from cognito_guard.errors import ConfigurationError, Unavailable
from cognito_guard.front import Front, FrontSettings
from cognito_guard.policy import HasScope, Rule, all_of
from cognito_guard.token.principal import Principal
from cognito_guard.web.asgi_scope import from_scope, refusal
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.request import Request
from cognito_guard.web.resource import ProtectedResource
from cognito_guard.web.routes import Protect

if TYPE_CHECKING:
    from fastmcp.server.auth import AuthProvider

    from cognito_guard.guard import Guard

PRINCIPAL = "cognito_guard.principal"


class CognitoAccessToken(AccessToken):
    """What the SDK's `get_access_token()` gives, with the Principal besides."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    principal: Principal


def current_principal() -> Principal | None:
    """In a tool, a resource or a prompt: whose request this is; None outside of one. Judge finer rules on it."""
    user = auth_context_var.get()
    token = None if user is None else user.access_token
    return token.principal if isinstance(token, CognitoAccessToken) else None


class CognitoMCP:
    """The protection of one MCP server.

        resource = ProtectedResource("https://mcp.example.com/mcp", authorization_servers=[pool.issuers[0].url], scopes=["orders/read"])
        cognito = CognitoMCP(guard, resource=resource)

        app = cognito.wrap(MCPServer("orders").streamable_http_app())     # any ASGI server runs it
        server = FastMCP("orders", auth=cognito.fastmcp())                # FastMCP; it wraps by itself
        server = MCPServer("orders", **cognito.settings())                # the SDK's own way, for server.run("streamable-http")

    Every request needs a token with *all* scopes of the resource, or one that satisfies `rule`, where one is given. Clients read the
    document of the resource (RFC 9728) to learn where to sign in and what to ask for: without `scopes` they would ask Cognito for
    what its discovery document lists, which are no scopes of yours, so it takes at least one. Cognito registers no clients on request:
    give clients the id of an app client. To accept only tokens made for this server, give the Guard's profile the same `resource=`.

    Tools find `current_principal()` and the SDK's `get_access_token()`. `settings` are those of every front.
    Wrong arguments raise `ConfigurationError` with every mistake; correct the call. Any other exception is a bug, or the server's own.
    """

    def __init__(self, guard: Guard, *, rule: Rule | None = None, **settings: Unpack[FrontSettings]) -> None:
        resource = settings.get("resource")
        if not isinstance(resource, ProtectedResource):
            raise ConfigurationError("CognitoMCP", ["resource: give a ProtectedResource(...)"])
        self._resource: dict[str, Any] = json.loads(resource.document)
        self._scopes: list[str] = self._resource.get("scopes_supported", [])
        if not self._scopes:
            raise ConfigurationError("CognitoMCP", ["resource: its scopes name at least one; clients ask Cognito for these"])
        demand = Protect("/*", all_of(*map(HasScope, self._scopes)) if rule is None else rule)
        self._front = Front(guard, [demand], **settings)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The server's ASGI application behind ours; leave its own `auth` and `token_verifier` out. `lifespan` passes through."""
        inner = AuthContextMiddleware(app)

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            if scope["type"] != "http":
                raise NotImplementedError("MCP is spoken over http; no other scope type is let through")
            request = from_scope(scope, list(scope["headers"]))
            outcome = await self._front.judge_async(request)
            if isinstance(outcome, Challenge):
                for message in refusal(scope, outcome):
                    await send(message)
                return
            principal = outcome.principal
            seen = {**scope, "headers": request.headers, PRINCIPAL: principal}
            if principal is not None:
                token = _access_token(_credentials(request), principal)
                seen |= {"user": AuthenticatedUser(token), "auth": AuthCredentials(token.scopes)}
            await inner(seen, receive, send)

        return guarded

    def settings(self) -> dict[str, Any]:
        """`auth` and `token_verifier` of the SDK's server.

        The SDK words the answers then, and differently: the first of two Authorization fields counts, what is malformed is 401, and an
        outage 500; `rule` is not asked, all scopes are. `wrap` has none of this.
        """
        servers = self._resource["authorization_servers"]
        auth = AuthSettings(
            issuer_url=AnyHttpUrl(servers[0]),
            resource_server_url=AnyHttpUrl(self._resource["resource"]),
            required_scopes=self._scopes,
            validate_token_resource=False,  # the Guard's profile does, where it was given resource=
        )
        return {"auth": auth, "token_verifier": self}

    def fastmcp(self) -> AuthProvider:
        """`auth` of a FastMCP server, which puts `wrap` in front of itself."""
        from fastmcp.server.auth import AuthProvider
        from starlette.middleware import Middleware

        cognito = self

        class Provider(AuthProvider):
            async def verify_token(self, token: str) -> Any:
                return await cognito.verify_token(token)

            def get_middleware(self) -> list[Middleware]:
                return [Middleware(cognito.wrap)]

        return Provider()

    async def verify_token(self, token: str) -> CognitoAccessToken | None:
        """The SDK's `TokenVerifier`: None for a token that is rejected; its scopes are the SDK's to judge. Raises `Unavailable`."""
        request = Request("POST", "/", [(b"authorization", b"Bearer " + token.encode("latin-1", "replace"))])
        outcome = await self._front.judge_as_async(_VALID, request)
        if not isinstance(outcome, Challenge):
            return None if outcome.principal is None else _access_token(token, outcome.principal)
        if outcome.status == 503:
            raise Unavailable("keys_unavailable", "the token cannot be judged at the moment", retry_after=1)
        return None


_VALID = Protect("/*")


def _credentials(request: Request) -> str:
    """The token as it was sent, for tools that pass it on; empty where it came by another way than `Authorization`."""
    field = next((value for name, value in request.headers if name.lower() == b"authorization"), b"")
    return field.rpartition(b" ")[2].decode("latin-1")


def _access_token(token: str, principal: Principal) -> CognitoAccessToken:
    return CognitoAccessToken(
        token=token,
        client_id=principal.client_id,
        scopes=sorted(principal.scopes),
        expires_at=int(principal.expires_at),
        subject=principal.subject,
        claims=_thawed(principal.claims),
        principal=principal,
    )


def _thawed(document: Any) -> Any:
    """The claims as plain JSON, which is what pydantic copies and writes."""
    if isinstance(document, Mapping):
        return {name: _thawed(member) for name, member in document.items()}
    return [_thawed(member) for member in document] if isinstance(document, tuple) else document
