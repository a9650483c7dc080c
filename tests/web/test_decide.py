"""Decide: every kind of route against every result (DESIGN 3.4; THREATS T14)."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.errors import CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.policy import AuthenticatedWithin, InGroup
from cognito_guard.token.principal import Principal
from cognito_guard.web import Identify, Preflights, Protect, Public
from cognito_guard.web.decide import Forward, decide
from cognito_guard.web.paths import TwoFaced
from cognito_guard.web.routes import Route

STAFF = Principal({"iss": "i", "sub": "s", "client_id": "c", "exp": 9, "auth_time": 900, "cognito:groups": ["staff"]}, "access")
RESULTS: dict[str, Any] = {
    "good token": STAFF,
    "no credentials": None,
    "malformed": CredentialsRefused("credentials_malformed", ""),
    "ambiguous": CredentialsRefused("credentials_ambiguous", ""),
    "expired": TokenRejected("expired"),
    "unknown issuer": TokenRejected("issuer_unknown"),
    "garbage": TokenRejected("not_a_jwt"),
    "outage": Unavailable("keys_unavailable", "", retry_after=3),
}
ROUTES: dict[str, tuple[Route | TwoFaced, list[Any]]] = {
    "public": (Public("/*"), [Forward(None)] * 8),
    "identify": (Identify("/*"), [Forward(STAFF), Forward(None), 400, 400, 401, 401, 401, 503]),
    "protect": (Protect("/*"), [Forward(STAFF), 401, 400, 400, 401, 401, 401, 503]),
    "rule that holds": (Protect("/*", InGroup("staff")), [Forward(STAFF), 401, 400, 400, 401, 401, 401, 503]),
    "rule that does not": (Protect("/*", InGroup("admin")), [403, 401, 400, 400, 401, 401, 401, 503]),
    "recent enough": (Protect("/*", AuthenticatedWithin(100)), [Forward(STAFF), 401, 400, 400, 401, 401, 401, 503]),
    "too old": (Protect("/*", AuthenticatedWithin(99)), [401, 401, 400, 400, 401, 401, 401, 503]),
    "preflights": (Preflights("/*"), [Forward(None)] * 8),
    "two readings": (TwoFaced("/x", ""), [400] * 8),
}
TABLE = [(kind, result, expected) for kind, (_, row) in ROUTES.items() for result, expected in zip(RESULTS, row, strict=True)]


@pytest.mark.parametrize(("kind", "result", "expected"), TABLE)
def test_every_route_against_every_result(kind: str, result: str, expected: Any) -> None:
    """T14: only the absence of credentials is anonymous; everything else is answered as under Protect."""
    outcome = decide(ROUTES[kind][0], RESULTS[result], now=1000, realm="api")
    assert (outcome if isinstance(outcome, Forward) else outcome.status) == expected


@pytest.mark.parametrize("result", ["token", {"sub": "s"}, True, ValueError("x"), object()])
@pytest.mark.parametrize("route", [Identify("/*"), Protect("/*"), Protect("/*", InGroup("staff"))])
def test_what_is_no_result_is_never_forwarded(route: Route, result: Any) -> None:
    """A Guard that answers something else is a bug, and bugs do not open doors."""
    with pytest.raises(TypeError):
        decide(route, result, now=1000, realm="api")


@pytest.mark.parametrize("route", [None, InGroup("staff"), "/*", Route("/*"), Protect])
def test_what_is_no_route_is_never_forwarded(route: Any) -> None:
    """A rule in the place of a route, above all, must not pass for a route without a rule."""
    with pytest.raises(TypeError):
        decide(route, STAFF, now=1000, realm="api")
