"""The front: from the facts of a request to its outcome. Every adapter calls this and translates, nothing more.

Decides the order: the path, the route, the credentials, the Guard, the rule; each of them decides its own. A public route asks
nobody. Each request leaves one decision event in the log `cognito_guard`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from cognito_guard.errors import ConfigurationError, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value
from cognito_guard.web.challenge import realm_problem
from cognito_guard.web.credentials import bearer_token
from cognito_guard.web.decide import Forward, Outcome, Result, decide
from cognito_guard.web.paths import TwoFaced, read_path
from cognito_guard.web.routes import Protect, Public, Route, Routes

if TYPE_CHECKING:
    from cognito_guard.guard import Guard

Verdict = Literal["granted", "open", "denied", "rejected", "refused", "unavailable"]
HeaderPair = tuple[bytes, bytes]


class Decision(Value):
    """What was decided about one request, for logs and counters; `str()` is one line of ASCII.

    `verdict`: granted; open (public, or anonymous where that passes); denied (a good token without the right); rejected (a bad
    token); refused (before looking at a token); unavailable. `code` says more, `status` is None for what was forwarded. `route` is the
    pattern that decided, None for an ambiguous target, and `rule` its rule as text. Of a token that verified, and of no other,
    `subject`, `client_id` and `jti`. Nothing that the client sent unverified stands in here: no path, no header, no token.
    """

    __slots__ = ("verdict", "code", "status", "route", "rule", "subject", "client_id", "jti")
    verdict: Verdict
    code: str
    status: int | None
    route: str | None
    rule: str | None
    subject: str | None
    client_id: str | None
    jti: str | None

    def __init__(self, verdict: Verdict, code: str, status: int | None, route: Route | TwoFaced, result: Result) -> None:
        rule = route.rule if isinstance(route, Protect) else None
        principal = result if isinstance(result, Principal) else None
        self._set(
            verdict=verdict,
            code=code,
            status=status,
            route=None if isinstance(route, TwoFaced) else route.pattern,
            rule=None if rule is None else str(rule),
            subject=None if principal is None else principal.subject,
            client_id=None if principal is None else principal.client_id,
            jti=None if principal is None else principal.jti,
        )

    def __str__(self) -> str:
        told = zip(self._names[2:], self._fields()[2:], strict=True)
        # ascii() keeps a claim with a line break in it on its line
        return f"{self.verdict} {self.code}" + "".join(f" {name}={fact!a}" for name, fact in told if fact is not None)


class Front:
    """Judges requests for one Guard and one table of routes. Build one at start and share it; it keeps nothing of a request.

    Wrong arguments raise `ConfigurationError` with every mistake; correct the call.
    """

    def __init__(self, guard: Guard, routes: Iterable[Route] = (), *, realm: str = "api") -> None:
        problems: list[str] = []
        if not callable(getattr(guard, "authenticate", None)) or not callable(getattr(guard, "authenticate_async", None)):
            problems.append("guard: give a Guard")
        try:
            self._routes = Routes(routes)
        except ConfigurationError as wrong:
            problems += wrong.problems
        problem = realm_problem(realm)
        if problem is not None:
            problems.append(problem)
        if problems:
            raise ConfigurationError("Front", problems)
        self._guard = guard
        self._realm = realm

    def judge(
        self, method: str, path: str, headers: Iterable[HeaderPair], *, raw_path: bytes | None = None, root_path: str = ""
    ) -> Outcome:
        """Forward or Challenge, for threads. `path` is percent-decoded, `raw_path` as it was sent; see `read_path` for both.

        `headers` are pairs of octets, names in any case; they are iterated at most once. An exception out of the Guard that is no
        rejection, refusal or outage is a bug and comes through: answer 500, never forward.
        """
        route, seen = self._look(method, path, headers, raw_path, root_path)
        if not isinstance(seen, str):
            return self._close(route, seen)
        try:
            principal = self._guard.authenticate(seen)
        except (TokenRejected, Unavailable, CredentialsRefused) as refusal:
            return self._close(route, refusal)
        return self._close(route, _verified(principal))

    async def judge_async(
        self, method: str, path: str, headers: Iterable[HeaderPair], *, raw_path: bytes | None = None, root_path: str = ""
    ) -> Outcome:
        """`judge` for event loops, asyncio's and trio's."""
        route, seen = self._look(method, path, headers, raw_path, root_path)
        if not isinstance(seen, str):
            return self._close(route, seen)
        try:
            principal = await self._guard.authenticate_async(seen)
        except (TokenRejected, Unavailable, CredentialsRefused) as refusal:
            return self._close(route, refusal)
        return self._close(route, _verified(principal))

    def _look(
        self, method: str, path: str, headers: Iterable[HeaderPair], raw_path: bytes | None, root_path: str
    ) -> tuple[Route | TwoFaced, str | CredentialsRefused | None]:
        """The route and the token to ask the Guard about; no token where the request is decided without one."""
        route = self._routes.match(method, read_path(path, raw_path, root_path))
        if isinstance(route, (Public, TwoFaced)):
            return route, None
        try:
            return route, bearer_token(headers)
        except CredentialsRefused as refusal:
            return route, refusal

    def _close(self, route: Route | TwoFaced, result: Result) -> Outcome:
        outcome = decide(route, result, now=self._guard.clock(), realm=self._realm)
        if isinstance(outcome, Forward):
            if _log.isEnabledFor(logging.DEBUG):
                _report(logging.DEBUG, _forwarded(route, result))
        elif isinstance(result, Unavailable):
            _report(logging.WARNING, Decision("unavailable", outcome.code, outcome.status, route, result))
        elif _log.isEnabledFor(logging.INFO):
            _report(logging.INFO, Decision(_kept_out(result), outcome.code, outcome.status, route, result))
        return outcome


def _verified(principal: object) -> Principal:
    """What the Guard answered; None above all must not pass for a request without credentials."""
    if not isinstance(principal, Principal):
        raise TypeError("the Guard answered with something that is no Principal")
    return principal


def _forwarded(route: Route | TwoFaced, result: Result) -> Decision:
    if isinstance(result, Principal):
        return Decision("granted", "granted", None, route, result)
    return Decision("open", "public" if isinstance(route, Public) else "anonymous", None, route, result)


def _kept_out(result: Result) -> Verdict:
    if isinstance(result, Principal):
        return "denied"
    return "rejected" if isinstance(result, TokenRejected) else "refused"


def _report(level: int, decision: Decision) -> None:
    _log.log(level, "%s", decision, extra={"decision": decision})


_log = logging.getLogger("cognito_guard")
