"""Flask: an extension whose decorators say what a view demands. Translation only: the front decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.local import LocalProxy

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, FrontSettings
from cognito_guard.policy import Rule
from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Outcome
from cognito_guard.web.environ import from_environ
from cognito_guard.web.routes import Identify, Protect

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

View = TypeVar("View", bound=Callable[..., Any])
_KEY = "cognito_guard.principal"  # CognitoWSGI's key in the environment as well: a view finds the Principal whoever judged


class CognitoFlask:
    """`cognito = CognitoFlask(app, guard)`, or in an application factory `cognito = CognitoFlask()` and `cognito.init_app(app, guard)`.

    A view says what it demands, below the route's decorator; everything else stays open. To protect what is not named, wrap the
    application: `app.wsgi_app = CognitoWSGI(app.wsgi_app, guard, routes=[...])`.

        @app.get("/orders")
        @cognito.requires(HasScope("orders/read"))
        def orders(): ...

    It fits functions, sync and async; methods of a `MethodView`, and its `decorators`; and, for a whole blueprint, a function under
    `@blueprint.before_request`. What is refused is answered by the same Response everywhere: `after_request` functions see it, error
    handlers are not asked (`error_page` is the hook), and the view is not called. `settings` are those of `FrontSettings`; the document
    of a `resource` is served.

    Wrong arguments raise `ConfigurationError`; correct the call. Any other exception is a bug, or the application's own.
    """

    def __init__(self, app: Flask | None = None, guard: Guard | None = None, **settings: Unpack[FrontSettings]) -> None:
        self._demanding: set[Callable[..., Any]] = set()
        if app is not None:
            self.init_app(app, guard, **settings)
        elif guard is not None or settings:
            raise ConfigurationError("CognitoFlask", ["app: give it, or give guard and settings to init_app(app, guard)"])

    def init_app(self, app: Flask, guard: Guard | None, **settings: Unpack[FrontSettings]) -> None:
        """Give the views of `app` a Guard. One extension may serve several applications, each with its own."""
        if not isinstance(app, Flask):
            raise ConfigurationError("CognitoFlask", ["app: give a Flask application"])
        app.extensions.setdefault("cognito_guard", {})[self] = Front(guard, **settings)  # type: ignore[arg-type]  # Front judges it
        app.before_request(self._refuse_undemanding)
        if "resource" in settings:
            for path in settings["resource"].paths:
                app.add_url_rule(
                    path, "cognito_guard_resource", self._tell, methods=["GET", "OPTIONS"], provide_automatic_options=False
                )

    def requires(self, rule: Rule | None = None) -> Callable[[View], View]:
        """The view is called for a good token whose principal satisfies `rule`; without a rule, for every good token."""
        return self._decorator(Protect("/*", rule))

    def optional(self) -> Callable[[View], View]:
        """The view is called for a good token and for no credentials at all; a bad token is answered as everywhere."""
        return self._decorator(Identify("/*"))

    @property
    def principal(self) -> Principal | None:
        """Whose request this is: None where it is anonymous, and where nothing was demanded of it."""
        principal: Principal | None = request.environ.get(_KEY)
        return principal

    def _decorator(self, demand: Protect | Identify) -> Callable[[View], View]:
        def decorate(view: View) -> Any:
            if isinstance(view, type) or not callable(view):
                way = "name it in the class's `decorators = [...]`, or decorate the class's methods"
                raise ConfigurationError("CognitoFlask", [f"requires() and optional() decorate functions; {way}"])
            self._demanding.add(view)
            return _wrapped(view, self._front, demand)

        return decorate

    def _front(self) -> Front:
        front = current_app.extensions.get("cognito_guard", {}).get(self)
        if not isinstance(front, Front):
            raise ConfigurationError("CognitoFlask", ["call init_app(app, guard) for this application before it serves"])
        return front

    def _tell(self) -> NoReturn:
        """RFC 9728: the front answers by itself whoever may ask."""
        _settle(self._front().judge(from_environ(request.environ)))
        raise NotFound

    def _refuse_undemanding(self) -> None:
        """A view whose demand stands above its route's decorator was registered without it, and would be open."""
        if current_app.view_functions.get(request.endpoint or "") in self._demanding:
            problem = f"endpoint {request.endpoint!r}: write requires() or optional() below the route's decorator"
            raise ConfigurationError("CognitoFlask", [problem])


def _wrapped(view: Callable[..., Any], front: Callable[[], Front], demand: Protect | Identify) -> Any:
    if iscoroutinefunction(view):

        @wraps(view)
        async def judged_async(*args: Any, **keywords: Any) -> Any:
            _settle(await front().judge_as_async(demand, from_environ(request.environ)))
            return await view(*args, **keywords)

        return judged_async

    @wraps(view)
    def judged(*args: Any, **keywords: Any) -> Any:
        _settle(front().judge_as(demand, from_environ(request.environ)))
        return view(*args, **keywords)

    return judged


def _settle(outcome: Outcome) -> None:
    if isinstance(outcome, Challenge):
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in outcome.headers]
        # raised, so that no decorator in between takes it for the view's own answer; an exception with a response is handed on as it is
        raise HTTPException(response=Response(outcome.body, outcome.status, headers))
    request.environ[_KEY] = outcome.principal


def _present() -> Principal:
    principal: Principal | None = request.environ.get(_KEY)
    if principal is None:
        raise RuntimeError("this request has no principal: it is anonymous, or its view demands none")
    return principal


current_principal: Principal = LocalProxy(_present)  # type: ignore[assignment]
"""The Principal of the request being handled. False in a condition, and a RuntimeError on any other use, where there is none."""
