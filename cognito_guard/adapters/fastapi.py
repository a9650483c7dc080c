"""FastAPI: dependencies that hand the Principal to an endpoint, and the security scheme that `/docs` signs in with.

Translation only: the front decides. FastAPI parses a request's body before it asks dependencies, so a refusal comes after the body was
read; where that matters, wrap the application in `cognito_guard.adapters.asgi.CognitoASGI` as well, with the same Guard.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

from fastapi import HTTPException, Security
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowAuthorizationCode, OAuthFlows
from fastapi.security import OAuth2 as OAuth2Scheme
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, FrontSettings
from cognito_guard.policy import Rule
from cognito_guard.policy.rules import rule_scopes
from cognito_guard.token.principal import Principal
from cognito_guard.web import Identify, Protect
from cognito_guard.web.asgi_scope import conceal, refusal, sent
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.request import Request

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

PRINCIPAL = "cognito_guard.principal"
Model = Callable[[Principal], Any]


class Refused(HTTPException):
    """A request that is not let through; `challenge` is the whole answer, and it is what the client gets.

    A handler of the application's own for `Refused` or for its status comes before ours, as ever in FastAPI; it keeps `headers`.
    """

    def __init__(self, challenge: Challenge) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in challenge.headers}
        kept = {name: headers[name] for name in headers if name not in ("content-type", "content-length")}
        super().__init__(challenge.status, detail={"code": challenge.code}, headers=kept)
        self.challenge = challenge


class CognitoAuth:
    """The dependencies of one application, and its OpenAPI security scheme.

        auth = CognitoAuth(guard, domain="https://shop.auth.eu-west-1.amazoncognito.com", client="3n4b5urk1ft4fl3mg5e62d9ado")
        app = FastAPI(**auth.docs())

        @app.get("/orders")
        def orders(who: Annotated[Principal, auth.requires(HasScope("orders/read"))]): ...

    - `domain`: the pool's managed login. `client`: the app client with which `/docs` signs in, one without a secret; register
      `https://your.api/docs/oauth2-redirect` as a callback URL of it. Leave both out, and `/docs` asks for a token to be pasted.
    - `scheme_name`: its name in OpenAPI. `settings` are those of every front.

    The client gets the front's answer without any exception handler being registered. A websocket is refused before it is accepted:
    with the answer itself where the server can carry it, otherwise by a close, which servers turn into 403.

    In tests, `app.dependency_overrides[auth] = as_user(groups=["staff"])` (`cognito_guard.testing`) puts somebody in the place of the
    token's holder; rules are judged as ever. Any callable without parameters fits, asynchronous or not, of the application whose route
    it is; where it gives None, the token counts. One demand alone is overridden by its `.dependency`, in FastAPI's own way.

    Wrong arguments raise `ConfigurationError` with every mistake; correct the call. Any other exception is a bug.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        domain: str | None = None,
        client: str | None = None,
        scheme_name: str = "Cognito",
        **settings: Unpack[FrontSettings],
    ) -> None:
        problems: list[str] = []
        if (domain is None) != (client is None):
            problems.append("domain, client: give both, for signing in from /docs, or neither")
        if domain is not None and not (isinstance(domain, str) and _DOMAIN.fullmatch(domain)):
            problems.append("domain: give the managed login's address, such as 'https://shop.auth.eu-west-1.amazoncognito.com'")
        if client is not None and not (isinstance(client, str) and _CLIENT.fullmatch(client)):
            problems.append("client: give one app client id (1 to 128 letters, digits, '_' and '+')")
        try:
            self._front = Front(guard, **settings)
        except ConfigurationError as wrong:
            problems += wrong.problems
        if problems:
            raise ConfigurationError("CognitoAuth", problems)
        self._guard, self._settings = guard, settings
        self._client = client
        # shared with the scheme and with docs(): what is required later appears in both
        self._scopes: dict[str, str] = {}
        self._selected: list[str] = []
        self.scheme_name = scheme_name
        self.model: Any = HTTPBearer(bearerFormat="JWT")
        if domain is not None:
            flow = OAuthFlowAuthorizationCode(authorizationUrl=f"{domain}/oauth2/authorize", tokenUrl=f"{domain}/oauth2/token")
            flow.scopes = self._scopes
            self.model = OAuth2(flows=OAuthFlows(authorizationCode=flow))

    def docs(self) -> dict[str, Any]:
        """What `FastAPI(...)` takes: *Authorize* in `/docs` signs in through managed login, with PKCE, and the document of `resource=`,
        where there is one, is served (RFC 9728)."""
        taken: dict[str, Any] = {}
        if self._client is not None:
            init = {"clientId": self._client, "usePkceWithAuthorizationCodeGrant": True, "scopes": self._selected}
            taken["swagger_ui_init_oauth"] = init
        resource = self._settings.get("resource")
        if resource is not None:

            def document(connection: HTTPConnection) -> Response:
                answer = resource.answer(sent(connection.scope))
                return Response(status_code=405) if answer is None else _Answer(answer)

            taken["routes"] = [Route(path, document, methods=["GET", "OPTIONS"]) for path in sorted(resource.paths)]
        return taken

    def requires(self, rule: Rule | None = None, *, model: Model | None = None) -> Any:
        """The dependency of a valid token, and of a principal that satisfies `rule`, where there is one.

        It gives the Principal, or what `model` makes of it: any callable, such as a class method of your dataclass,
        `lambda who: User.model_validate(dict(who.claims))` (pydantic) or `lambda who: msgspec.convert(who.claims, User)`. What it
        raises is the application's own. Fits `Annotated`, a default value, and `dependencies=[...]` of routes and routers.
        """
        route = Protect("/*", rule)
        scopes = [] if rule is None else sorted(rule_scopes(rule))
        self._selected += [scope for scope in scopes if scope not in self._scopes]
        self._scopes.update(dict.fromkeys(scopes, ""))
        return Security(self._demand(route, model), scopes=scopes)

    def optional(self, *, model: Model | None = None) -> Any:
        """The dependency that gives None without credentials; a token that is there must be good. `model` is not asked for None."""
        return Security(self._demand(Identify("/*"), model))

    def __call__(self) -> NoReturn:
        """Not to be called: it is the key of `dependency_overrides`, whose keys are callables. As a dependency it would demand nothing."""
        raise ConfigurationError("CognitoAuth", ["Depends(auth): write auth.requires(...) or auth.optional()"])

    def _demand(self, route: Protect | Identify, model: Model | None) -> _Demand:
        return _Demand(self, self._front, self._front_of_stand_in, route, model)

    def _front_of_stand_in(self, principal: Any) -> Front:
        return Front(_StandIn(principal, self._guard), **self._settings)  # type: ignore[arg-type]


class _Demand(OAuth2Scheme):
    """One demand, a dependency and its own security scheme at once: FastAPI works on every dependency below another for each request.

    An OAuth2 by type whatever its `model` is, because older FastAPIs show the scopes of no other.
    """

    def __init__(
        self,
        auth: CognitoAuth,
        front: Front,
        front_of_stand_in: Callable[[Any], Front],
        route: Protect | Identify,
        make: Model | None,
    ) -> None:
        self.model, self.scheme_name = auth.model, auth.scheme_name
        self._auth, self._front, self._front_of_stand_in = auth, front, front_of_stand_in
        self._route, self._make = route, make

    async def __call__(self, connection: HTTPConnection) -> Any:
        scope = connection.scope
        overrides = getattr(scope.get("app"), "dependency_overrides", None)
        stand_in = await _called(overrides[self._auth]) if overrides and self._auth in overrides else None
        principal = None
        if stand_in is None and scope["type"] == "http" and isinstance(self._route, Protect):
            principal = self._front.granted_as_before(self._route, scope["headers"])
        if principal is None:
            principal = await self._judged(connection, stand_in)
        scope[PRINCIPAL] = principal
        return principal if self._make is None or principal is None else self._make(principal)

    async def _judged(self, connection: HTTPConnection, stand_in: Any) -> Principal | None:
        scope = connection.scope
        if stand_in is None:
            request = sent(scope)
            outcome = await self._front.judge_as_async(self._route, request)
            if request.kind == "websocket":
                conceal(scope, request, self._front.without_credentials(request))
                for remembered in ("_headers", "_query_params", "_url"):  # FastAPI has looked at them by now
                    connection.__dict__.pop(remembered, None)
        else:
            outcome = await self._front_of_stand_in(stand_in).judge_as_async(self._route, _STAND_IN_REQUEST)
        if isinstance(outcome, Challenge):
            _see_to_answer(connection)
            raise Refused(outcome)
        return outcome.principal


# older FastAPIs read no annotation of an object's call that is a string
_Demand.__call__.__annotations__["connection"] = HTTPConnection


async def _called(override: Callable[[], Any]) -> Any:
    given = override()
    return await given if isawaitable(given) else given


class _StandIn:
    """In a test, the Guard that takes whatever comes for the given Principal."""

    def __init__(self, principal: Any, guard: Guard) -> None:
        self._principal, self.clock = principal, guard.clock

    def authenticate(self, _token: str) -> Any:
        return self._principal

    async def authenticate_async(self, _token: str) -> Any:
        return self._principal


_STAND_IN_REQUEST = Request("GET", "/", [(b"authorization", b"Bearer stand-in")])


def _see_to_answer(connection: HTTPConnection) -> None:
    """Put our handler among the application's, so that nobody can forget it. Without this table of Starlette's, the answer would be
    FastAPI's for any HTTPException: the same status and header fields, the code under `detail`."""
    handlers = connection.scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(Refused, _answer)


async def _answer(connection: Any, refused: Refused) -> Response | None:
    answer = _Answer(refused.challenge)
    if connection.scope["type"] == "http":
        return answer
    await answer(connection.scope, connection.receive, connection.send)  # older Starlettes send none of a websocket's
    return None


class _Answer(Response):
    """A Response, so that FastAPI can treat it as one, that says exactly what the front says."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__(challenge.body, challenge.status)
        self.raw_headers = list(challenge.headers)
        self._challenge = challenge

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        for message in refusal(scope, self._challenge):
            await send(message)


_DOMAIN = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?|http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?")
_CLIENT = re.compile(r"[A-Za-z0-9_+]{1,128}")
