"""Starlette: a decorator for endpoints of every kind. Translation only: the front decides.

Works on functions and methods, synchronous or not, on websocket endpoints, and on `HTTPEndpoint` and `WebSocketEndpoint` classes. To
guard a whole application by path, wrap it in `cognito_guard.adapters.asgi.CognitoASGI` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isclass, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, FrontSettings
from cognito_guard.policy import Rule
from cognito_guard.web import Identify, Protect
from cognito_guard.web.asgi_scope import Caller, conceal, refusal, sent
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Forward
from cognito_guard.web.request import Request

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

PRINCIPAL = "cognito_guard.principal"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class CognitoStarlette:
    """Decorators for the endpoints of one application.

        cognito = CognitoStarlette(guard)

        @cognito.requires(HasScope("orders/read"))
        async def orders(request): ...

    The endpoint finds the Principal in `request.scope["cognito_guard.principal"]`, and as Starlette's own `request.user`
    (`.principal`, `.identity` is its subject) and `request.auth.scopes`. A refusal is answered before the endpoint runs and before any
    of the body is read. A websocket is refused before it is accepted: with the answer itself where the server can carry it, otherwise
    by a close, which servers turn into 403. `settings` are those of every front.

    Wrong arguments raise `ConfigurationError`; correct the call. Any other exception is a bug, or the endpoint's own.
    """

    def __init__(self, guard: Guard, **settings: Unpack[FrontSettings]) -> None:
        self._front = Front(guard, **settings)
        self._resource = settings.get("resource")

    def requires(self, rule: Rule | None = None) -> Callable[[Endpoint], Endpoint]:
        """A decorator: a valid token is needed, and a principal that satisfies `rule`, where there is one."""
        return self._decorator(Protect("/*", rule))

    def optional(self) -> Callable[[Endpoint], Endpoint]:
        """A decorator: without credentials the endpoint runs, its principal None; a token that is there must be good."""
        return self._decorator(Identify("/*"))

    def routes(self) -> list[Route]:
        """Routes to put among the application's: the document of `resource=`, where there is one (RFC 9728)."""
        resource = self._resource
        if resource is None:
            return []

        def document(connection: HTTPConnection) -> Response:
            answer = resource.answer(sent(connection.scope))
            return Response(status_code=405) if answer is None else _Answer(answer)

        return [Route(path, document, methods=["GET", "OPTIONS"]) for path in sorted(resource.paths)]

    def _decorator(self, route: Protect | Identify) -> Callable[[Endpoint], Endpoint]:
        def decorate(endpoint: Endpoint) -> Endpoint:
            guard_it = _guarded_class if isclass(endpoint) else _guarded_function
            guarded: Endpoint = guard_it(endpoint, self._front, route)
            return guarded

        return decorate


def _guarded_class(endpoint: Any, front: Front, route: Protect | Identify) -> Any:
    if not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
        raise ConfigurationError("CognitoStarlette", ["requires: of classes, it takes HTTPEndpoint and WebSocketEndpoint"])

    class Guarded(endpoint):  # type: ignore[misc]
        async def dispatch(self) -> None:
            request = sent(self.scope)
            outcome = await front.judge_as_async(route, request)
            if isinstance(outcome, Challenge):
                await _Answer(outcome)(self.scope, self.receive, self.send)
            else:
                _admit(self.scope, outcome, front, request)
                await super().dispatch()

    Guarded.__name__, Guarded.__qualname__, Guarded.__doc__ = endpoint.__name__, endpoint.__qualname__, endpoint.__doc__
    Guarded.__module__ = endpoint.__module__
    return Guarded


def _guarded_function(endpoint: Any, front: Front, route: Protect | Identify) -> Any:
    @wraps(endpoint)
    async def guarded_async(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(args, kwargs)
        request = sent(connection.scope)
        outcome = await front.judge_as_async(route, request)
        if not isinstance(outcome, Challenge):
            _admit(connection.scope, outcome, front, request)
            return await endpoint(*args, **kwargs)
        answer = _Answer(outcome)
        if isinstance(connection, WebSocket):
            return await answer(connection.scope, connection.receive, connection.send)
        return answer

    @wraps(endpoint)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(args, kwargs)
        request = sent(connection.scope)
        outcome = front.judge_as(route, request)
        if isinstance(outcome, Challenge):
            return _Answer(outcome)
        _admit(connection.scope, outcome, front, request)
        return endpoint(*args, **kwargs)

    return guarded_async if _is_async(endpoint) else guarded


def _is_async(endpoint: Any) -> bool:
    return iscoroutinefunction(endpoint) or iscoroutinefunction(getattr(endpoint, "__call__", None))  # noqa: B004


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    for given in (*args, *kwargs.values()):
        if isinstance(given, HTTPConnection):
            return given
    raise ConfigurationError("CognitoStarlette", ["requires: the endpoint is called with neither a Request nor a WebSocket"])


def _admit(scope: Scope, outcome: Forward, front: Front, request: Request) -> None:
    principal = scope[PRINCIPAL] = outcome.principal
    scope["user"] = scope["auth"] = Caller(principal)
    conceal(scope, request, front.without_credentials(request))


class _Answer(Response):
    """A Response, so that decorators in between can treat it as one, that says exactly what the front says."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__(challenge.body, challenge.status)
        self.raw_headers = list(challenge.headers)
        self._challenge = challenge

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        for message in refusal(scope, self._challenge):
            await send(message)
