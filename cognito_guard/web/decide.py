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
from cognito_guard.web.routes import Identify, Preflights, Protect, Public, Route

Result = Principal | TokenRejected | CredentialsRefused | Unavailable | None
"""What became of the credentials; None: there were none, or nobody looked."""

_set = object.__setattr__  # once a request: `Value._set` costs twice as much


class Forward(Value):
    """Hand the request to the application.

    `principal` is None on a public route, for a preflight that may pass, without credentials on an `Identify` route, and in report-only
    mode for whatever would have been refused.
    """

    __slots__ = ("principal",)
    principal: Principal | None

    def __init__(self, principal: Principal | None) -> None:
        _set(self, "principal", principal)


Outcome = Forward | Challenge


def decide(route: Route | TwoFaced, result: Result, *, now: float, realm: str, resource_metadata: str = "") -> Outcome:
    """The outcome for a request on this route. `now` is in seconds since the epoch, for rules that look at the sign-in's age.

    `Public` and `Preflights` forward whatever the result. Only the absence of credentials is anonymous on `Identify`; a bad token is
    answered as everywhere. Any exception is a bug of the caller or ours, and must become a 500.
    """
    if isinstance(route, Protect):
        if isinstance(result, Principal):
            if route.rule is None:
                return Forward(result)
            verdict = route.rule.judge(result, now=now)
            if isinstance(verdict, Granted):
                return Forward(result)
            return challenge(verdict, realm=realm, resource_metadata=resource_metadata)
    elif isinstance(route, Identify):
        if result is None or isinstance(result, Principal):
            return Forward(result)
    elif isinstance(route, (Public, Preflights)):
        return Forward(None)
    elif isinstance(route, TwoFaced):
        return challenge(route, realm=realm)
    else:
        raise TypeError("a route is Public, Identify, Protect or Preflights")
    return challenge(result, realm=realm, resource_metadata=resource_metadata)
