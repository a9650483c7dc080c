"""ASGI: a middleware around any application. Translation only: the front decides.

Every scope type that is not judged here is kept from the application, but for `lifespan`, which carries no request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Unpack

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, FrontSettings
from cognito_guard.web.asgi_scope import Caller, from_scope, refusal, shown
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
    Starlette's `request.user` and `request.auth` answer from it (`cognito_guard.web.asgi_scope.Caller`). `settings` are those of every
    front.

    A websocket is judged as the GET that its handshake is, once, before it is accepted: it outlives its token, so close it at
    `principal.expires_at` where that matters. One that is refused gets the answer itself where the server has the denial response extension;
    elsewhere it is closed with 4400, 4401, 4403 or 4503 (4000 and the status), the reason being the code. Most servers turn a close before
    the acceptance into a bare 403. Browsers can send a token only as `FromSubprotocol`, `FromQuery` or a cookie.

    What a server hides, no middleware can judge. uvicorn with httptools, and granian, cut off `#` and what follows it, and leave of an
    absolute-form target (`GET http://other/x`) the path alone; uvicorn with h11, and hypercorn, show both, and they are refused (400). The
    application sees what is judged here, so the two agree; a proxy in between must not route by what is hidden. `Host` and the forwarded
    fields choose nothing here, and `scope["path"]` everything: an application that decides by `request.url` decides by what the client
    wrote into `Host`.

    Any other scope type raises, as the ASGI specification asks of what is not supported. A bug in the Guard raises too, and the server
    answers 500. Wrong arguments raise `ConfigurationError`; correct the call. Any other exception is a bug, or the application's own.
    """

    def __init__(self, app: ASGIApp, guard: Guard, *, routes: Iterable[Route] = (), **settings: Unpack[FrontSettings]) -> None:
        if not callable(app):
            raise ConfigurationError("CognitoASGI", ["app: give an ASGI application"])
        self._app = app
        self._front = Front(guard, routes, **settings)
        self._protected_before = self._front.protected_before
        self._granted = self._front.granted_as_before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        # the specification allows any iterable, so one that can be iterated only once must still reach the application
        headers = scope.get("headers", ())
        if type(headers) is not list and kind != "lifespan":
            headers = list(headers)
            scope = {**scope, "headers": headers}
        if kind == "http":
            get = scope.get
            route = self._protected_before((scope["method"], scope["path"], get("raw_path"), get("root_path", "")))
            if route is not None and (principal := self._granted(route, headers)) is not None:
                caller = Caller(principal)
                await self._app({**scope, PRINCIPAL: principal, "user": caller, "auth": caller}, receive, send)
                return
        elif kind == "lifespan":
            await self._app(scope, receive, send)
            return
        elif kind != "websocket":
            raise NotImplementedError("CognitoASGI judges http and websocket, and lets no other scope type through")
        request = from_scope(scope, headers)
        outcome = await self._front.judge_async(request)
        if isinstance(outcome, Challenge):
            if kind == "http" or (await receive())["type"] == "websocket.connect":
                for message in refusal(scope, outcome):
                    await send(message)
            return
        caller = Caller(outcome.principal)
        inner = {**scope, PRINCIPAL: outcome.principal, "user": caller, "auth": caller}
        if kind == "websocket" and (seen := self._front.without_credentials(request)) is not request:
            inner |= shown(scope, seen)
        await self._app(inner, receive, send)
