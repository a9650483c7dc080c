"""Who may: rules as frozen values joined by `&` and `|`, the verdicts they give, and the same rules as text."""

from typing import TYPE_CHECKING, Any

from cognito_guard.policy.joining import Rule, all_of, any_of
from cognito_guard.policy.rules import (
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    FromClient,
    HasScope,
    InGroup,
    IsDelegated,
    IsMachine,
    IsPerson,
    rule_scopes,
)
from cognito_guard.policy.verdict import Denied, Granted, StepUp, Verdict

if TYPE_CHECKING:
    from cognito_guard.policy.text import format_rule, parse_rule

__all__ = [
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
    "rule_scopes",
    "Granted",
    "Denied",
    "StepUp",
    "Verdict",
    "parse_rule",
    "format_rule",
]


def __getattr__(name: str) -> Any:
    """The text form loads on first use: most programs write their rules in Python."""
    if name not in ("parse_rule", "format_rule"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cognito_guard.policy import text

    return getattr(text, name)
