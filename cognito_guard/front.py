"""The front: from the facts of a request to its outcome. Every adapter calls this and translates, nothing more.

Decides the order: the path, the route, the credentials, the Guard, the rule; each of them decides its own. A public route asks
nobody. Each request leaves one decision event (see `decision.py`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from cognito_guard.decision import Decision, Recorder
from cognito_guard.errors import ConfigurationError, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.hooks import is_plain_callable
from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge, realm_problem
from cognito_guard.web.credentials import USUAL, Source, malformed, named_token, source_problems, unscanned_bearer, without_tokens
from cognito_guard.web.decide import Forward, Outcome, Result, decide
from cognito_guard.web.origin import is_preflight
from cognito_guard.web.page import ErrorPage, paged
from cognito_guard.web.paths import TwoFaced, read_path
from cognito_guard.web.report_only import ReportOnly, _ReportOnly
from cognito_guard.web.request import HeaderPair, Request
from cognito_guard.web.resource import ProtectedResource
from cognito_guard.web.routes import Preflights, Protect, Public, Route, Routes

if TYPE_CHECKING:
    from cognito_guard.guard import Guard
    from cognito_guard.guard.cache import Entry

Target = tuple[str, str, bytes | None, str]
"""Method, path, raw_path and root_path of a request."""

__all__ = ["Decision", "Front", "FrontSettings", "Forward", "Challenge", "Outcome", "Request"]


class FrontSettings(TypedDict, total=False):
    """What every front takes beside its Guard and its routes; each may be left out.

    - `realm`: stands in the challenges; `"api"` if left out.
    - `credentials`: where a token may be beside `Authorization`, which is looked at first and wins: `FromCookie`, `FromHeader`, and for
      websockets `FromQuery` and `FromSubprotocol`. The first that has a value counts.
    - `resource`: a `ProtectedResource`, whose document is then served, and named in the challenges.
    - `mode`: `ReportOnly`, or nothing.
    - `on_decision`: called with each `Decision`, in the thread or on the loop that judges: for counters, and quick. An exception in it is
      logged, the first one only, and changes nothing.
    - `error_page`: called with each refusal and its request; gives header pairs and a body, or None for the problem document. Only
      `content-type` and the body are taken. An exception in it is logged likewise, and the problem document sent.
    """

    realm: str
    credentials: Sequence[Source]
    resource: ProtectedResource
    mode: _ReportOnly
    on_decision: Callable[[Decision], object]
    error_page: ErrorPage


class Front:
    """Judges requests for one Guard and one table of routes. Build one at start and share it; it keeps nothing of a request.

    The settings are those of `FrontSettings`. Wrong arguments raise `ConfigurationError` with every mistake; correct the call.
    """

    def __init__(self, guard: Guard, routes: Iterable[Route] = (), **settings: Unpack[FrontSettings]) -> None:
        problems: list[str] = []
        if not callable(getattr(guard, "authenticate", None)) or not callable(getattr(guard, "authenticate_async", None)):
            problems.append("guard: give a Guard")
        try:
            self._routes = Routes(routes)
        except ConfigurationError as wrong:
            problems += wrong.problems
        problems += _setting_problems(settings)
        if problems:
            raise ConfigurationError("Front", problems)
        # what was matched before: the same target always falls under the same route
        self._remembered: dict[Target, Route | TwoFaced] = {}
        self._protected: dict[Target, Protect] = {}
        self.protected_before: Callable[[Target], Protect | None] = self._protected.get
        """The route of a target that was judged before, if it is a `Protect`, for `granted_as_before`; None says nothing."""
        self._guard = guard
        self._realm = settings.get("realm", "api")
        self._sources = tuple(settings.get("credentials", ()))
        self._resource = settings.get("resource")
        self._metadata_url = "" if self._resource is None else self._resource.metadata_url
        self._report_only = "mode" in settings
        self._error_page = settings.get("error_page")
        self._recall: Callable[[str], Entry | None] | None = getattr(guard, "recall", None)
        # by the whole Authorization field: what was granted before, for as long as the Guard still knows it
        self._known: dict[bytes, _Known] = {}
        self._recorder = Recorder(settings.get("on_decision"), enforced=not self._report_only)
        self._on_decision = settings.get("on_decision")
        self._still_knows: Callable[[Entry], bool] | None = getattr(guard, "still_knows", None)
        if self._report_only:
            _log.warning("report-only: every request is let through, whatever is decided about it")
        else:
            for route in self._routes.report_only:
                _log.warning("report-only: %s lets every request through, whatever is decided about it", route)

    def judge(self, request: Request) -> Outcome:
        """Forward or Challenge, by the routes; for middlewares in threads.

        A Challenge is to be sent as it is. An exception out of the Guard that is no rejection, refusal or outage is a bug and comes
        through: answer 500, never forward.
        """
        document = self.document(request)
        return document if document is not None else self.judge_as(self.route(request), request)

    async def judge_async(self, request: Request) -> Outcome:
        """`judge` for event loops, asyncio's and trio's."""
        document = self.document(request)
        return document if document is not None else await self.judge_as_async(self.route(request), request)

    def document(self, request: Request) -> Challenge | None:
        """The metadata of the resource, if that is what the request asks for: the first step of `judge`."""
        document = None if self._resource is None else self._resource.answer(request)
        if document is not None:
            self._recorder.answered(document, None, None)
        return document

    def without_credentials(self, request: Request) -> Request:
        """The request as the application may see it: of a websocket, a token in the query or among the subprotocols is taken out.

        For whatever is forwarded, public routes included. Any other request comes back as it is.
        """
        return without_tokens(request, self._sources) if request.kind == "websocket" else request

    def granted_before(
        self, method: str, path: str, raw_path: bytes | None, root_path: str, headers: Sequence[HeaderPair]
    ) -> Principal | None:
        """The Principal of an http request that may pass, if the Guard knows its token from before: the common case, and quick.

        None says nothing about the request: judge it. Asks the same route, Guard and rule as `judge` does, in the same order.
        """
        route = self._protected.get((method, path, raw_path, root_path))
        return None if route is None else self.granted_as_before(route, headers)

    def granted_as_before(self, route: Protect, headers: Iterable[HeaderPair]) -> Principal | None:
        """`granted_before` by the demand of `route`, as `judge_as` is to `judge`."""
        if self._still_knows is None:
            return None
        field: bytes | None = None
        for name, value in headers:
            if name == b"authorization" or (len(name) == 13 and name.lower() == b"authorization"):
                if field is not None:
                    return None
                field = value
        if field is None:
            return None
        known = self._known.get(field)
        if known is None or not self._still_knows(known.entry):
            known = self._learn(field)
            if known is None:
                return None
        principal = known.entry.principal
        if known.last is not route and known.granted.get(id(route)) is not route:
            rule = route.rule
            if rule is not None and not rule.judge(principal, now=self._guard.clock() if rule.needs_now else None):
                return None
            if rule is None or not rule.needs_now:  # else it is judged each time: its answer changes by itself
                known.grant(route)
        # whether anybody would hear of it: asked here, since this is what every request of a busy server comes by
        if self._on_decision is not None or "opentelemetry.trace" in _modules or _log.isEnabledFor(logging.DEBUG):
            self._recorder.forwarded(route, principal)
        return principal

    def _learn(self, field: bytes) -> _Known | None:
        """What the Guard knows of the token in an Authorization field, if that is what it plainly holds."""
        if self._recall is None or field[:7] not in USUAL:
            return None
        # what the Guard knows from before is a token letter by letter
        entry = self._recall(field[7:].decode("latin-1"))
        if entry is None:
            self._known.pop(field, None)
            return None
        known = _Known(entry)
        if len(field) <= _LONGEST_FIELD:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[field] = known
        return known

    def judge_as(self, route: Route | TwoFaced, request: Request) -> Outcome:
        """Forward or Challenge, by the demand of `route`, whatever the request's path and method: for decorators and dependencies."""
        token = self._credentials(route, request)
        if not isinstance(token, str):
            return self._close(route, token, request)
        try:
            principal = self._guard.authenticate(token)
        except (TokenRejected, Unavailable, CredentialsRefused) as refusal:
            return self._close(route, malformed(token) or refusal, request)
        return self._close(route, _verified(principal), request)

    async def judge_as_async(self, route: Route | TwoFaced, request: Request) -> Outcome:
        """`judge_as` for event loops, asyncio's and trio's."""
        token = self._credentials(route, request)
        if not isinstance(token, str):
            return self._close(route, token, request)
        try:
            principal = await self._guard.authenticate_async(token)
        except (TokenRejected, Unavailable, CredentialsRefused) as refusal:
            return self._close(route, malformed(token) or refusal, request)
        return self._close(route, _verified(principal), request)

    def route(self, request: Request) -> Route | TwoFaced:
        """What decides about the request: the second step of `judge`, which `judge_as` completes."""
        if self._routes.know_preflights and request.kind == "http" and is_preflight(request.method, request.headers):
            path = read_path(request.path, request.raw_path, request.root_path)
            return self._routes.match(request.method, path, preflight=True)
        target = (request.method, request.path, request.raw_path, request.root_path)
        route = self._remembered.get(target)
        if route is None:
            route = self._routes.match(request.method, read_path(request.path, request.raw_path, request.root_path))
            if (
                request.kind == "http"
                and len(request.method) + len(request.path) + len(request.raw_path or b"") <= _LONGEST_REMEMBERED
            ):
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                    self._protected.clear()
                self._remembered[target] = route
                if (
                    type(route) is Protect and request.method != "OPTIONS"
                ):  # what may be a preflight is told by more than its target
                    self._protected[target] = route
        return route

    def _credentials(self, route: Route | TwoFaced, request: Request) -> str | CredentialsRefused | None:
        """The token to ask the Guard about; none where the request is decided without one.

        Its alphabet is judged only if the Guard does not take it: what the Guard takes has been read letter by letter.
        """
        if isinstance(route, (Public, Preflights, TwoFaced)):
            return None
        try:
            token = unscanned_bearer(request.headers)
            return named_token(request, self._sources) if token is None and self._sources else token
        except CredentialsRefused as refusal:
            return refusal

    def _close(self, route: Route | TwoFaced, result: Result, request: Request) -> Outcome:
        outcome = decide(route, result, now=self._guard.clock(), realm=self._realm, resource_metadata=self._metadata_url)
        if isinstance(outcome, Forward):
            self._recorder.forwarded(route, result)
            return outcome
        enforced = not self._report_only and (isinstance(route, TwoFaced) or route.mode is None)
        self._recorder.answered(outcome, route, result, enforced=enforced)
        if not enforced:
            return Forward(None)
        return outcome if self._error_page is None else self._paged(self._error_page, outcome, request)

    def _paged(self, page: ErrorPage, answer: Challenge, request: Request) -> Challenge:
        try:
            return paged(answer, page(answer, request))
        except Exception:  # noqa: BLE001 - a page that cannot be made must not turn a 401 into a 500
            self._recorder.failed("error_page")
            return answer


class _Known:
    """A token that the Guard knows, and the routes whose rules its holder satisfies, whatever the time."""

    __slots__ = ("entry", "granted", "last")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.granted: dict[int, Protect] = {}
        self.last: Protect | None = None

    def grant(self, route: Protect) -> None:
        """By identity, which is quick; the route is held, so that no other takes its place."""
        if len(self.granted) >= _MOST_ROUTES:
            self.granted.clear()
        self.granted[id(route)] = self.last = route


def _verified(principal: object) -> Principal:
    """What the Guard answered; None above all must not pass for a request without credentials."""
    if not isinstance(principal, Principal):
        raise TypeError("the Guard answered with something that is no Principal")
    return principal


def _setting_problems(settings: FrontSettings) -> list[str]:
    known = FrontSettings.__annotations__
    problems = [f"{name}: there is no such setting; there are {', '.join(known)}" for name in settings if name not in known]
    realm = realm_problem(settings.get("realm", "api"))
    if realm is not None:
        problems.append(realm)
    problems += source_problems(settings.get("credentials", ()))
    if "resource" in settings and not isinstance(settings["resource"], ProtectedResource):
        problems.append("resource: give a ProtectedResource(...)")
    if "mode" in settings and settings["mode"] != ReportOnly:
        problems.append("mode: the one mode there is to name is the exported value ReportOnly; leave it out to enforce")
    for name in ("on_decision", "error_page"):
        if not is_plain_callable(settings.get(name, str)):
            problems.append(f"{name}: give a plain callable; nothing here is awaited")
    return problems


_modules = sys.modules
_REMEMBERED = 1024
_LONGEST_FIELD = 4096  # octets of an Authorization field: those of larger tokens cost more to keep than to read
_MOST_ROUTES = 64
_LONGEST_REMEMBERED = 512  # letters of a target: so what is remembered stays small, whatever is sent
_log = logging.getLogger("cognito_guard")
