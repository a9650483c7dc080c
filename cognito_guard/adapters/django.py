"""Django: decorators for views, and a middleware for routes, under WSGI and ASGI. Translation only: the front decides.

Configured by one setting, `COGNITO_GUARD = Front(guard, routes=[...])`, with `Front` from `cognito_guard.front`; the decorators do not
look at its routes. Its mistakes are told when the settings load.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front
from cognito_guard.policy import Rule
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Outcome
from cognito_guard.web.environ import header_pairs, told_raw_path
from cognito_guard.web.request import Request
from cognito_guard.web.routes import Identify, Protect

View = TypeVar("View", bound=Callable[..., Any])


def requires(rule: Rule | None = None) -> Callable[[View], View]:
    """The view is called for a good token whose principal satisfies `rule`; without a rule, for every good token.

    It finds the Principal in `request.cognito_principal`. For functions, sync and async; for what `as_view()` returns; and for
    classes by Django's own `@method_decorator(requires(rule), name="dispatch")`. Where `CsrfViewMiddleware` is on, it answers unsafe
    methods before any decorator: put `@csrf_exempt` on top, since a cross-site page cannot send a token in `Authorization`.
    What is not a rule raises `ConfigurationError` at once; correct the call.
    """
    return _decorator(Protect("/*", rule))


def optional() -> Callable[[View], View]:
    """The view is called for a good token and for no credentials at all (`request.cognito_principal` is None then); a bad token is
    answered as everywhere."""
    return _decorator(Identify("/*"))


class CognitoMiddleware:
    """Name it in `MIDDLEWARE`: it answers what the routes of `COGNITO_GUARD` do not let through; what no route names needs a valid token.

    With routes that leave all open (`Public("/*")`) it still serves the document of a `resource`, and decorators decide the rest.
    Put it above what asks for a session or a CSRF token, and below what adds headers to every answer, such as CORS. Views find the
    Principal in `request.cognito_principal`: None on a public route, and for anonymous requests under `Identify`. Routes see
    `request.path_info` as the middlewares above leave it. Under WSGI, cookies as credentials of unsafe methods need an `Origin` that
    equals the host (see `CognitoWSGI`).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        _front()

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._call_async(request)
        refusal = _settled(_front().judge(_facts(request)), request)
        return refusal if refusal is not None else self._get_response(request)

    async def _call_async(self, request: HttpRequest) -> Any:
        refusal = _settled(await _front().judge_async(_facts(request)), request)
        return refusal if refusal is not None else await self._get_response(request)


def _decorator(demand: Protect | Identify) -> Callable[[View], View]:
    def decorate(view: View) -> Any:
        if isinstance(view, type) or not callable(view):
            way = "for a class write @method_decorator(requires(rule), name='dispatch')"
            raise ConfigurationError("cognito_guard", [f"requires() and optional() decorate functions; {way}"])
        if _is_async(view):

            @wraps(view)
            async def judged_async(request: HttpRequest, *args: Any, **keywords: Any) -> Any:
                refusal = _settled(await _front().judge_as_async(demand, _facts(request)), request)
                return refusal if refusal is not None else await view(request, *args, **keywords)

            return judged_async

        @wraps(view)
        def judged(request: HttpRequest, *args: Any, **keywords: Any) -> Any:
            refusal = _settled(_front().judge_as(demand, _facts(request)), request)
            return refusal if refusal is not None else view(request, *args, **keywords)

        return judged

    return decorate


def _is_async(view: Any) -> bool:
    """`dispatch` of an async view is a plain function that returns a coroutine; `method_decorator` hands it over bound, in a partial."""
    owner = getattr(getattr(view, "func", None), "__self__", None)
    return iscoroutinefunction(view) or getattr(owner, "view_is_async", False) is True


def _front() -> Front:
    front = getattr(settings, "COGNITO_GUARD", None)
    if not isinstance(front, Front):
        raise ConfigurationError("settings", ["COGNITO_GUARD: give Front(guard, routes=[...]), from cognito_guard.front"])
    return front


def _facts(request: HttpRequest) -> Request:
    """From the scope under ASGI, from the environment under WSGI; the path in both cases as Django will resolve it."""
    scope: dict[str, Any] = getattr(request, "scope", None) or {}
    environ: dict[str, Any] = request.META
    raw = (scope.get("raw_path") or b"").decode("latin-1") or environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    path, root_path = request.path_info, environ.get("SCRIPT_NAME", "").rstrip("/")
    return Request(
        request.method,
        root_path + path,
        list(scope["headers"]) if scope else header_pairs(environ),
        told_raw_path(raw, path, root_path),
        root_path,
        query=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
    )


def _settled(outcome: Outcome, request: HttpRequest) -> HttpResponse | None:
    if isinstance(outcome, Challenge):
        response = HttpResponse(b"" if request.method == "HEAD" else outcome.body, status=outcome.status)
        for name, value in outcome.headers:
            response.headers[name.decode("latin-1")] = value.decode("latin-1")
        return response
    request.cognito_principal = outcome.principal
    return None
