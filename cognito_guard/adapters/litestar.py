"""Litestar: guards for handlers, controllers, routers and applications, and the Principal as a dependency.

Translation only: the front decides. Guards run before a handler's parameters and body are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Unpack

from litestar import Request, Response, asgi
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException, MethodNotAllowedException, WebSocketException
from litestar.handlers import BaseRouteHandler
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from cognito_guard.front import Front, FrontSettings
from cognito_guard.policy import Rule
from cognito_guard.token.principal import Principal
from cognito_guard.web.asgi_scope import Caller, conceal, refusal, sent
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.routes import Identify, Protect

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

PRINCIPAL = "cognito_guard.principal"
LitestarGuard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


class Refused(HTTPException):
    """A request that is not let through; `challenge` is the whole answer, and with the plugin it is what the client gets."""

    def __init__(self, challenge: Challenge) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in challenge.headers}
        kept = {name: headers[name] for name in headers if name not in ("content-type", "content-length")}
        super().__init__(status_code=challenge.status, headers=kept, extra={"code": challenge.code})
        self.challenge = challenge


class CognitoLitestar(InitPlugin):
    """The guards of one application, and its plugin.

        cognito = CognitoLitestar(guard)

        @get("/orders", guards=[cognito.requires(HasScope("orders/read"))])
        async def orders(principal: NamedDependency[Principal]) -> str: ...

        app = Litestar([orders], plugins=[cognito])

    Guards stand on any layer, and all of them must let a request through. The handler finds the Principal of the innermost as the
    dependency `principal`, in `request.scope["cognito_guard.principal"]`, and within `request.user` (`.principal`, `.identity` is its
    subject) and `request.auth.scopes`. Litestar answers OPTIONS by itself where no handler does, with the methods of the path; guards of
    the application cover that, others do not.

    A refused websocket is closed before it is accepted, which servers turn into 403. Without the plugin, refusals keep their status and
    header fields in a body of Litestar's own, and there is no dependency `principal`. `settings` are those of every front.

    Wrong arguments raise `ConfigurationError`; correct the call. Any other exception is a bug, or the handler's own.
    """

    def __init__(self, guard: Guard, **settings: Unpack[FrontSettings]) -> None:
        self._front = Front(guard, **settings)
        self._resource = settings.get("resource")

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Litestar calls this: our answers become the application's, handlers may ask for `principal`, and the document of
        `resource=`, where there is one, is served (RFC 9728)."""
        if isinstance(app_config.exception_handlers, dict):
            app_config.exception_handlers.setdefault(Refused, _answer)
        app_config.dependencies.setdefault("principal", Provide(_principal, sync_to_thread=False))
        if self._resource is not None:
            app_config.route_handlers.append(asgi(sorted(self._resource.paths), copy_scope=True)(self._document))
        return app_config

    async def _document(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None if self._resource is None else self._resource.answer(sent(scope))
        if answer is None:
            raise MethodNotAllowedException
        await _Answer(answer).to_asgi_response()(scope, receive, send)

    def requires(self, rule: Rule | None = None) -> LitestarGuard:
        """A guard: a valid token is needed, and a principal that satisfies `rule`, where there is one."""
        return self._guard(Protect("/*", rule))

    def optional(self) -> LitestarGuard:
        """A guard: without credentials the handler runs, its principal None; a token that is there must be good."""
        return self._guard(Identify("/*"))

    def _guard(self, route: Protect | Identify) -> LitestarGuard:
        async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
            scope: Any = connection.scope
            request = sent(scope)
            if self._resource is not None and self._resource.answer(request) is not None:
                return
            outcome = await self._front.judge_as_async(route, request)
            if not isinstance(outcome, Challenge):
                scope[PRINCIPAL] = outcome.principal
                scope["user"] = scope["auth"] = Caller(outcome.principal)
                conceal(scope, request, self._front.without_credentials(request))
            elif scope["type"] == "websocket":
                raise WebSocketException(detail=outcome.code, code=4000 + outcome.status)
            else:
                raise Refused(outcome)

        return guard


class _Answer(Response[bytes]):
    """A Response that says exactly what the front says."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__(challenge.body, status_code=challenge.status)
        self._challenge = challenge

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - Litestar gives them by name
            for message in refusal(scope, self._challenge):
                await send(message)  # type: ignore[arg-type]

        return answer


def _answer(_request: Request[Any, Any, Any], refused: Refused) -> Response[bytes]:
    return _Answer(refused.challenge)


def _principal(scope: Scope) -> Principal | None:
    principal: Principal | None = scope.get(PRINCIPAL)  # type: ignore[assignment]
    return principal
