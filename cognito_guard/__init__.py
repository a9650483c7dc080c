"""Verify Amazon Cognito tokens, and decide what their holders may do.

    pool = UserPool("eu-west-1_AbC123xyz")
    guard = Guard(pool.access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))
    principal = guard.authenticate(token)

Fronts live in `cognito_guard.adapters`, routes in `cognito_guard.web`, the test kit in `cognito_guard.testing`.
"""

from typing import TYPE_CHECKING, Any

from cognito_guard.errors import (
    CognitoGuardError,
    ConfigurationError,
    CredentialsRefused,
    RuleSyntaxError,
    TokenRejected,
    Unavailable,
)
from cognito_guard.guard import DenyList, Guard
from cognito_guard.keys import Fetched, HttpFetch, KeyStatus, KeyTimes
from cognito_guard.policy import (
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    Denied,
    FromClient,
    Granted,
    HasScope,
    InGroup,
    IsDelegated,
    IsMachine,
    IsPerson,
    Rule,
    all_of,
    any_of,
)
from cognito_guard.pool import AnyClient, JwksUrl, Profile, UserPool
from cognito_guard.token.principal import Principal
from cognito_guard.urls import InsecureHttp

if TYPE_CHECKING:
    from cognito_guard.guard.report import Report
    from cognito_guard.policy.text import format_rule, parse_rule

__version__ = "0.1.0"

__all__ = [
    "Guard",
    "UserPool",
    "Profile",
    "AnyClient",
    "InsecureHttp",
    "JwksUrl",
    "Principal",
    "Report",
    "DenyList",
    "Rule",
    "HasScope",
    "InGroup",
    "FromClient",
    "ClaimIs",
    "IsMachine",
    "IsPerson",
    "IsDelegated",
    "AssuranceAtLeast",
    "AuthenticatedWithin",
    "all_of",
    "any_of",
    "parse_rule",
    "format_rule",
    "Granted",
    "Denied",
    "Fetched",
    "HttpFetch",
    "KeyTimes",
    "KeyStatus",
    "CognitoGuardError",
    "ConfigurationError",
    "RuleSyntaxError",
    "TokenRejected",
    "CredentialsRefused",
    "Unavailable",
]


def __getattr__(name: str) -> Any:
    """What not every program needs loads on first use."""
    if name in ("parse_rule", "format_rule"):
        from cognito_guard.policy import text

        return getattr(text, name)
    if name == "Report":
        from cognito_guard.guard.report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
