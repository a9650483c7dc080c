"""From a route and what became of the credentials to the outcome: forward the request, or answer it.

Decides nothing that the route, the Guard or the rule did not: it joins their answers. Knows the Guard's result, not the Guard, and
whatever is not a result of the family is an error here, never a Forward.
"""

from __future__ import annotations

from cognito_guard.errors import CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.policy import Granted
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value
from cognito_guard.web.challenge import Challenge, challenge
from cognito_guard.web.paths import TwoFaced
from cognito_guard.web.routes import Identify, Protect, Public, Route

Result = Principal | TokenRejected | CredentialsRefused | Unavailable | None
"""What became of the credentials; None: there were none, or nobody looked."""


class Forward(Value):
    """Hand the request to the application. `principal` is None on a public route, and without credentials on an `Identify` route."""

    __slots__ = ("principal",)
    principal: Principal | None

    def __init__(self, principal: Principal | None) -> None:
        object.__setattr__(self, "principal", principal)  # once a request: `_set` costs twice as much


Outcome = Forward | Challenge


def decide(route: Route | TwoFaced, result: Result, *, now: float, realm: str) -> Outcome:
    """The outcome for a request on this route. `now` is in seconds since the epoch, for rules that look at the sign-in's age.

    `Public` forwards whatever the result. Only the absence of credentials is anonymous on `Identify`; a bad token is answered as
    everywhere. Any exception is a bug of the caller or ours, and must become a 500.
    """
    if isinstance(route, TwoFaced):
        return challenge(route, realm=realm)
    if isinstance(route, Public):
        return Forward(None)
    if isinstance(result, Principal):
        if not isinstance(route, Protect) or route.rule is None:
            return Forward(result)
        verdict = route.rule.judge(result, now=now)
        return Forward(result) if isinstance(verdict, Granted) else challenge(verdict, realm=realm)
    if result is None and isinstance(route, Identify):
        return Forward(None)
    return challenge(result, realm=realm)
