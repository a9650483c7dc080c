"""Who may: rules as frozen values joined by `&` and `|`, the verdicts they give, and the same rules as text."""

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
from cognito_guard.policy.text import format_rule, parse_rule
from cognito_guard.policy.verdict import Denied, Granted, StepUp, Verdict

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
