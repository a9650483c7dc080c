"""The ASGI application: routes, and what holds for all of them (Host, CORS, nosniff).

Decides which names this server answers to. A page on the web that is given a name for 127.0.0.1 (DNS rebinding) is refused by it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cognito_guard.local_pool.browser import Browsers
from cognito_guard.local_pool.cognito_api import CognitoApi
from cognito_guard.local_pool.discovery import Discovery
from cognito_guard.local_pool.login import ManagedLogin
from cognito_guard.local_pool.logout import Logout
from cognito_guard.local_pool.pages import told
from cognito_guard.local_pool.revoke import Revocation
from cognito_guard.local_pool.settings import Settings
from cognito_guard.local_pool.state import PoolState
from cognito_guard.local_pool.store import Store
from cognito_guard.local_pool.token_endpoint import TokenEndpoint
from cognito_guard.local_pool.userinfo import UserInfo
from cognito_guard.testing import LocalUserPool
from cognito_guard.urls import is_loopback

_PLAIN: Final = re.compile(rb"[!-~]*")
_EXPOSED: Final = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"


def local_pool_app(
    settings: Settings, mint: LocalUserPool, base: str, *, entropy: Callable[[int], bytes] = secrets.token_bytes
) -> ASGIApp:
    """The server of one pool at `base` (`http://127.0.0.1:9229`). `settings` are filled; `mint` names the issuer below `base`."""
    port = int(base.rpartition(":")[2])
    pool = PoolState(settings, mint, Store(clock=mint.clock, entropy=entropy), base)
    browsers = Browsers(settings, port, entropy(32))
    login, discovery = ManagedLogin(pool, browsers), Discovery(pool)
    jwks, configuration = (f"/{settings.pool_id}/.well-known/{name}" for name in ("jwks.json", "openid-configuration"))
    app = Starlette(
        routes=[
            Route("/", discovery.front_page),
            Route("/", CognitoApi(pool).answer, methods=["POST"]),
            Route(jwks, discovery.jwks),
            Route(configuration, discovery.configuration),
            Route("/oauth2/authorize", login.authorize),
            Route("/login", login.login_page),
            Route("/login", login.step, methods=["POST"]),
            Route("/oauth2/token", TokenEndpoint(pool).answer, methods=["POST"]),
            Route("/oauth2/userInfo", UserInfo(pool).answer, methods=["GET", "POST"]),
            Route("/oauth2/revoke", Revocation(pool).answer, methods=["POST"]),
            Route("/logout", Logout(pool, browsers).answer),
        ],
        exception_handlers={404: _not_found},
    )
    app.router.redirect_slashes = False
    shared = frozenset({jwks, configuration, "/oauth2/token", "/oauth2/userInfo", "/oauth2/revoke"})
    return _Front(app, shared)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return told("There is nothing here", "The front page of this user pool lists its addresses.", 404)


class _Front:
    """What stands before every route."""

    def __init__(self, app: ASGIApp, shared: frozenset[str]) -> None:
        self._app = app
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        shared = scope["path"] in self._shared or (scope["path"] == "/" and scope["method"] in ("POST", "OPTIONS"))

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered["X-Content-Type-Options"] = "nosniff"
                if shared:  # no credentials of a browser's own count there, so any page may read the answer
                    answered["Access-Control-Allow-Origin"] = "*"
                    answered["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        answer: ASGIApp = self._app
        if not _is_here(headers.getlist("host")):
            answer = PlainTextResponse("This development server answers to localhost and loopback addresses only.\n", 421)
        elif not _PLAIN.fullmatch(scope["query_string"]):  # it goes into links and redirects as it came
            answer = PlainTextResponse("The query holds octets that must be percent-encoded.\n", 400)
        elif shared and scope["method"] == "OPTIONS":
            answer = _preflight(headers)
        await answer(scope, receive, send_on)


def _is_here(hosts: list[str]) -> bool:
    """Whether the Host field names this machine; on which port is nobody's business, since ports are forwarded."""
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].rpartition(":")
    host = name if colon and port.isascii() and port.isdecimal() else hosts[0]
    bracketed = host.startswith("[") and host.endswith("]")
    return is_loopback(host[1:-1] if bracketed else host.lower())


def _preflight(headers: Headers) -> Response:
    allowed = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": "600"}
    asked = headers.get("access-control-request-headers")
    return Response(status_code=204, headers=allowed | ({"Access-Control-Allow-Headers": asked} if asked else {}))
