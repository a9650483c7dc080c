"""ASGI: a middleware around any application. Translation only: the front decides.

Every scope type that is not judged here is kept from the application, but for `lifespan`, which carries no request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.routes import Route

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

PRINCIPAL = "cognito_guard.principal"


class CognitoASGI:
    """Lets through to `app` what `routes` and the Guard allow, and answers the rest itself, before reading any of the body.

    `CognitoASGI(app, guard, routes=[Public("/health"), Protect("/admin/*", InGroup("admin"))])`; without routes, everything needs a
    valid token. It also fits `add_middleware(CognitoASGI, guard=guard, routes=[...])`. The application finds the Principal in
    `scope["cognito_guard.principal"]`, in a scope of its own: None on a public route, and for anonymous requests under `Identify`.
    `realm` stands in the challenges.

    Only `http` is judged. A websocket is closed before it is accepted (code 1008), and any other scope type raises, as the ASGI
    specification asks of what is not supported. A bug in the Guard raises too, and the server answers 500.
    Wrong arguments raise `ConfigurationError`; correct the call. Any other exception is a bug, or the application's own.
    """

    def __init__(self, app: ASGIApp, guard: Guard, *, routes: Iterable[Route] = (), realm: str = "api") -> None:
        if not callable(app):
            raise ConfigurationError("CognitoASGI", ["app: give an ASGI application"])
        self._app = app
        self._front = Front(guard, routes, realm=realm)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._app(scope, receive, send)
            case "websocket":
                await _close(receive, send)
            case _:
                raise NotImplementedError("CognitoASGI judges http only and lets no other scope type through")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the specification allows any iterable, so one that can be iterated only once must still reach the application
        given = scope.get("headers", ())
        headers = given if isinstance(given, list | tuple) else list(given)
        outcome = await self._front.judge_async(
            scope["method"],
            scope["path"],
            headers,
            raw_path=scope.get("raw_path"),
            root_path=scope.get("root_path", ""),
        )
        if isinstance(outcome, Challenge):
            await _answer(outcome, send, head=scope["method"] == "HEAD")
        else:
            await self._app({**scope, "headers": headers, PRINCIPAL: outcome.principal}, receive, send)


async def _answer(answer: Challenge, send: Send, *, head: bool) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _close(receive: Receive, send: Send) -> None:
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.close", "code": 1008})
