"""The decision event: what was decided about one request, and who gets to hear of it.

Decides who listens: the log `cognito_guard`, a hook of the user's, the current OpenTelemetry span. Decides nothing about the request,
and no listener's failure changes what was.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal

from cognito_guard.errors import TokenRejected, Unavailable
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Result
from cognito_guard.web.paths import TwoFaced
from cognito_guard.web.routes import Preflights, Protect, Public, Route

_set = object.__setattr__
Verdict = Literal["granted", "open", "denied", "rejected", "refused", "unavailable"]


class Decision(Value):
    """What was decided about one request, for logs and counters; `str()` is one line of ASCII.

    `verdict`: granted; open (public, a preflight, or anonymous where that passes); denied (a good token without the right); rejected (a
    bad token); refused (before looking at a token); unavailable. `code` says more, `status` is None for what was forwarded. `enforced` is
    False in report-only mode, where `status` is what the client would have got. `route` is the pattern that decided, None for an
    ambiguous target and for a resource's metadata, and `rule` its rule as text. Of a token that verified, and of no other, `subject`,
    `client_id` and `jti`. Nothing that the client sent unverified stands in here: no path, no header, no token.
    """

    __slots__ = ("verdict", "code", "status", "enforced", "route", "rule", "subject", "client_id", "jti")
    verdict: Verdict
    code: str
    status: int | None
    enforced: bool
    route: str | None
    rule: str | None
    subject: str | None
    client_id: str | None
    jti: str | None

    def __init__(
        self,
        verdict: Verdict,
        code: str,
        status: int | None,
        route: Route | TwoFaced | None,
        result: Result,
        *,
        enforced: bool = True,
    ) -> None:
        # one is made for each request: what `Value._set` would do, written out
        _set(self, "verdict", verdict)
        _set(self, "code", code)
        _set(self, "status", status)
        _set(self, "enforced", enforced)
        _set(self, "route", route.pattern if isinstance(route, Route) else None)
        _set(self, "rule", route.rule_text if isinstance(route, Protect) else None)
        principal = result if isinstance(result, Principal) else None
        _set(self, "subject", None if principal is None else principal.subject)
        _set(self, "client_id", None if principal is None else principal.client_id)
        _set(self, "jti", None if principal is None else principal.jti)

    @property
    def facts(self) -> dict[str, str | int | bool]:
        """What there is to tell, by name."""
        return {name: fact for name, fact in zip(self._names, self._fields(), strict=True) if fact is not None}

    def __str__(self) -> str:
        told = {**self.facts}
        said = f"{told.pop('verdict')} {told.pop('code')}"
        if not told.pop("enforced"):
            said = f"not enforced: {said}"
        # ascii() keeps a claim with a line break in it on its line
        return said + "".join(f" {name}={fact!a}" for name, fact in told.items())


class Recorder:
    """Tells of decisions. `on_decision` is called with each; an exception in it is logged, the first one only, and goes no further."""

    def __init__(self, on_decision: Callable[[Decision], object] | None, *, enforced: bool) -> None:
        self._on_decision = on_decision
        self._enforced = enforced
        self._failed: set[str] = set()

    def forwarded(self, route: Route | TwoFaced, result: Result) -> None:
        """A request passed, and was meant to. Costs next to nothing where nobody listens."""
        span = _current_span() if "opentelemetry.trace" in sys.modules else None
        if self._on_decision is None and span is None and not _log.isEnabledFor(logging.DEBUG):
            return
        enforced = self._enforced and isinstance(route, Route) and route.mode is None
        if isinstance(result, Principal):
            decision = Decision("granted", "granted", None, route, result, enforced=enforced)
        else:
            code = "public" if isinstance(route, Public) else "preflight" if isinstance(route, Preflights) else "anonymous"
            decision = Decision("open", code, None, route, result, enforced=enforced)
        self._tell(logging.DEBUG, decision, span)

    def answered(self, answer: Challenge, route: Route | TwoFaced | None, result: Result, *, enforced: bool = True) -> None:
        """A request was answered; not `enforced`, it would have been."""
        verdict: Verdict = "refused"
        level = logging.INFO
        if isinstance(result, Unavailable):
            verdict, level = "unavailable", logging.WARNING
        elif isinstance(result, Principal):
            verdict = "denied"
        elif isinstance(result, TokenRejected):
            verdict = "rejected"
        elif answer.status < 300:
            verdict, level = "open", logging.DEBUG
        if not enforced:
            level = max(level, logging.WARNING)
        span = _current_span() if "opentelemetry.trace" in sys.modules else None
        if self._on_decision is None and span is None and not _log.isEnabledFor(level):
            return
        self._tell(level, Decision(verdict, answer.code, answer.status, route, result, enforced=enforced), span)

    def failed(self, what: str) -> None:
        """A hook of the user's raised: tell the first time, with the traceback of the exception at hand."""
        if what not in self._failed:
            self._failed.add(what)
            _log.error("%s raised; what was decided stands, and further failures are not logged", what, exc_info=True)

    def _tell(self, level: int, decision: Decision, span: Any) -> None:
        _log.log(level, "%s", decision, extra={"decision": decision})
        try:
            if span is not None:
                span.set_attributes({f"cognito_guard.{name}": fact for name, fact in decision.facts.items()})
            if self._on_decision is not None:
                self._on_decision(decision)
        except Exception:  # noqa: BLE001 - whatever a listener does, the decision stands
            self.failed("on_decision" if self._on_decision is not None else "the OpenTelemetry span")


def _current_span() -> Any:
    """The span that is being recorded, if the application uses OpenTelemetry; this package never imports it."""
    get_current_span = getattr(sys.modules["opentelemetry.trace"], "get_current_span", None)  # None: half imported
    span = None if get_current_span is None else get_current_span()
    return span if span is not None and span.is_recording() else None


_log = logging.getLogger("cognito_guard")
