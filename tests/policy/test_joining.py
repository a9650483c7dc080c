"""Joined rules: boolean logic, one form for each meaning, and what a denial says is lacking."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import (
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    Denied,
    Granted,
    HasScope,
    InGroup,
    IsPerson,
    Rule,
    StepUp,
    all_of,
    any_of,
)
from cognito_guard.policy.joining import MAX_DEPTH
from cognito_guard.policy.rules import LEVELS
from cognito_guard.token.principal import Principal

NOW = 1_800_000_000
A, B, C = HasScope("a"), HasScope("b"), HasScope("c")
STAFF, ADMIN = InGroup("staff"), InGroup("admin")
STRONG, STRONGER = AssuranceAtLeast(LEVELS[2]), AssuranceAtLeast(LEVELS[3])
RECENT, JUST_NOW = AuthenticatedWithin(300), AuthenticatedWithin(30.5)


def access(scopes: str = "", groups: list[str] | None = None, **claims: Any) -> Principal:
    return Principal({"client_id": "web", "scope": scopes, "cognito:groups": groups or [], **claims}, "access")


# a small world, so that generated principals meet generated rules about as often as not
names = st.sampled_from(["a", "b", "c"])
step_up_rules = st.one_of(
    st.builds(AssuranceAtLeast, st.sampled_from(LEVELS)), st.builds(AuthenticatedWithin, st.sampled_from([0, 30.5, 300, 3600]))
)
scope_rules = st.builds(HasScope, names)
single_rules = st.one_of(
    scope_rules, step_up_rules, st.builds(InGroup, names), st.builds(ClaimIs, names, st.sampled_from(["x", 1]))
)
holdings = st.fixed_dictionaries(
    {},
    optional={
        "scope": st.lists(names).map(" ".join),
        "cognito:groups": st.lists(names),
        "acr": st.sampled_from([*LEVELS, "unknown"]),
        "auth_time": st.sampled_from([NOW, NOW - 30, NOW - 31, NOW - 300, NOW - 4000, NOW + 61]),
        "a": st.sampled_from(["x", 1, True]),
        "b": st.sampled_from(["x", 1, True]),
    },
)


def principal(held: dict[str, Any]) -> Principal:
    return Principal({"client_id": "web", **held}, "access")


def joined(single: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    def wider(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
        return st.one_of(
            st.builds(lambda left, right: left & right, rules, rules), st.builds(lambda left, right: left | right, rules, rules)
        )

    return st.recursive(single, wider, max_leaves=8)


trees = st.recursive(
    single_rules,
    lambda parts: st.tuples(st.sampled_from([all, any]), st.lists(parts, min_size=1, max_size=3)),
    max_leaves=10,
)


def built(tree: Any) -> Rule:
    if isinstance(tree, Rule):
        return tree
    word, parts = tree
    rule = built(parts[0])
    for part in parts[1:]:
        rule = rule & built(part) if word is all else rule | built(part)
    return rule


def truth(tree: Any, of: Principal) -> bool:
    if isinstance(tree, Rule):
        return bool(tree.judge(of, now=NOW))
    word, parts = tree
    return word([truth(part, of) for part in parts])


@settings(deadline=None, database=None)
@given(trees, holdings)
def test_joined_rules_are_boolean_logic(tree, held):
    """However rules are joined and flattened, `&` is all of them and `|` is any of them."""
    assert bool(built(tree).judge(principal(held), now=NOW)) is truth(tree, principal(held))


@settings(deadline=None, database=None)
@given(joined(single_rules), holdings, holdings)
def test_what_is_unmet_is_the_rest_of_the_rule(rule, held, more):
    """A principal who gets more is granted exactly when the more meets `unmet`; every lacking rule is one that denies."""
    verdict = rule.judge(principal(held), now=NOW)
    if isinstance(verdict, Denied):
        for lacking in verdict.lacking:
            assert not lacking.judge(principal(held), now=NOW)
        grown = {**more, **held}
        grown["scope"] = f"{held.get('scope', '')} {more.get('scope', '')}"
        grown["cognito:groups"] = [*held.get("cognito:groups", []), *more.get("cognito:groups", [])]
        assert bool(rule.judge(principal(grown), now=NOW)) is bool(verdict.unmet.judge(principal(grown), now=NOW))


@settings(deadline=None, database=None)
@given(joined(single_rules), holdings)
def test_step_up_is_offered_exactly_where_a_new_sign_in_would_do(rule, held):
    """`step_up` is there if and only if the best sign-in would be granted, and the sign-in that it names is enough by itself."""
    verdict = rule.judge(principal(held), now=NOW)
    if isinstance(verdict, Denied):
        best = rule.judge(principal({**held, "acr": LEVELS[-1], "auth_time": NOW}), now=NOW)
        assert (verdict.step_up is not None) is bool(best)
        if verdict.step_up is not None:
            assert verdict.scopes == ()
            named = {name: claim for name, claim in held.items() if name not in ("acr", "auth_time")}
            named |= dict(zip(("acr",), verdict.step_up.acr_values, strict=False))
            named |= {} if verdict.step_up.max_age is None else {"auth_time": NOW - verdict.step_up.max_age}
            assert rule.judge(principal(named), now=NOW)


@settings(deadline=None, database=None)
@given(joined(st.one_of(scope_rules, step_up_rules)), holdings)
def test_the_scopes_that_are_named_would_do(rule, held):
    """Where scopes and a sign-in can meet the rule, the named scopes are lacking, and with the best sign-in they are enough."""
    verdict = rule.judge(principal(held), now=NOW)
    if isinstance(verdict, Denied):
        assert not set(verdict.scopes) & principal(held).scopes
        grown = {"scope": " ".join([held.get("scope", ""), *verdict.scopes]), "acr": LEVELS[-1], "auth_time": NOW}
        assert rule.judge(principal(grown), now=NOW)


@pytest.mark.parametrize(
    ("rule", "of", "scopes", "step_up"),
    [
        (A, access(), ("a",), None),
        (STAFF, access(), (), None),
        (A & B, access("a"), ("b",), None),
        (A & B, access(), ("a", "b"), None),
        (B & A & B, access(), ("b", "a"), None),
        # a scope is lacking, and so is a group that no scope stands in for: the scope is still true to name
        (A & STAFF, access(), ("a",), None),
        (A & STAFF, access("a"), (), None),
        # any of several: the first that would do
        (A | B, access(), ("a",), None),
        (STAFF | B, access(), ("b",), None),
        (A & STAFF | B & C, access(), ("b", "c"), None),
        (A & STAFF | B & ADMIN, access(), ("a",), None),
        (STAFF | ADMIN, access(), (), None),
        ((A | B) & C, access("b"), ("c",), None),
        # the sign-in alone
        (STRONG, access(), (), StepUp((LEVELS[2],), None)),
        (RECENT, access(), (), StepUp((), 300)),
        (JUST_NOW, access(), (), StepUp((), 30)),
        (RECENT & JUST_NOW, access(), (), StepUp((), 30)),
        (STRONG & STRONGER, access(), (), StepUp((LEVELS[3],), None)),
        (STRONG & RECENT, access(), (), StepUp((LEVELS[2],), 300)),
        # a new sign-in replaces both, so it is asked for both, though only one is lacking
        (STRONG & RECENT, access(acr=LEVELS[2]), (), StepUp((LEVELS[2],), 300)),
        (STRONG & RECENT, access(auth_time=NOW), (), StepUp((LEVELS[2],), 300)),
        # a lacking right wins
        (A & RECENT, access(), ("a",), None),
        (A & RECENT, access("a"), (), StepUp((), 300)),
        (RECENT & A, access("a"), (), StepUp((), 300)),
        (RECENT & STRONG, access(), (), StepUp((LEVELS[2],), 300)),
        (A & RECENT, access(auth_time=NOW), ("a",), None),
        (STAFF & RECENT, access(), (), None),
        (STAFF & RECENT, access(groups=["staff"]), (), StepUp((), 300)),
        # unless one alternative asks for the sign-in alone
        (A | RECENT, access(), (), StepUp((), 300)),
        (A & RECENT | STAFF & STRONG, access(groups=["staff"]), (), StepUp((LEVELS[2],), None)),
        (A & RECENT | STAFF & STRONG, access(), ("a",), None),
        (STRONG | RECENT, access(), (), StepUp((LEVELS[2],), None)),
        ((A | RECENT) & STRONG, access("a"), (), StepUp((LEVELS[2],), None)),
        # levels in two orders that share none: no sign-in would do
        (STRONG & AssuranceAtLeast("gold", order=("gold",)), access(), (), None),
    ],
)
def test_what_a_denial_asks_for(rule, of, scopes, step_up):
    """The scopes to name and the sign-in to ask for, under `&` and `|`."""
    verdict = rule.judge(of, now=NOW)
    assert isinstance(verdict, Denied)
    assert (verdict.scopes, verdict.step_up) == (scopes, step_up)


def test_a_denial_says_what_is_lacking():
    """`lacking` lists the single rules once each, `unmet` keeps their joints, `str` reads as a sentence; no claim of the token in it."""
    rule = A & (STAFF | ADMIN) & B & A & (ClaimIs("tenant", "acme") | IsPerson())
    verdict = rule.judge(access("b", ["secret-group"], tenant="secret-tenant"))
    assert isinstance(verdict, Denied)
    assert verdict.lacking == (A, STAFF, ADMIN, ClaimIs("tenant", "acme"), IsPerson())
    assert verdict.unmet == A & (STAFF | ADMIN) & A & (ClaimIs("tenant", "acme") | IsPerson())
    assert str(verdict) == "lacking scope:a and (group:staff or group:admin) and scope:a and (claim:tenant=acme or person)"
    assert "secret" not in f"{verdict!r}{verdict}"


def test_verdicts_are_conditions():
    """`Granted` is true and one shared value, `Denied` is false; both are values."""
    granted = A.judge(access("a"))
    assert granted
    assert granted is B.judge(access("b"))
    assert granted == Granted()
    assert str(granted) == "granted"
    assert not A.judge(access())
    assert A.judge(access()) == A.judge(access("b"))
    assert len({A.judge(access()), A.judge(access("b")), granted}) == 2


@pytest.mark.parametrize(
    "misuse", [lambda: bool(A), lambda: A and B, lambda: A or B, lambda: not A, lambda: B if A else C, lambda: bool(A & B)]
)
def test_a_rule_has_no_truth(misuse):
    """`and`, `or`, `not` and `if` would drop half of a rule, so a rule refuses to be a condition."""
    with pytest.raises(TypeError, match=r"join with & and \|"):
        misuse()


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: A & "b",
        lambda: "b" | A,
        lambda: A & None,
        lambda: A | True,
        lambda: A & {"b"},
        lambda: ~A,
        lambda: A ^ B,
        lambda: -A,
    ],
)
def test_only_rules_are_joined_and_nothing_is_negated(misuse):
    """Other operands and operators are type errors."""
    with pytest.raises(TypeError):
        misuse()


def test_a_joined_rule_has_one_form():
    """Parentheses around the same word change nothing; the order stays as written."""
    assert (A & B) & C == A & (B & C) == all_of(A, B, C)
    assert (A | B) | C == A | (B | C) == any_of(A, B, C)
    assert A & B != B & A
    assert A & B | C != A & (B | C)
    assert hash((A & B) & C) == hash(A & (B & C))
    assert all_of(A) == any_of(A) == A
    assert list((A & (B | C)).leaves()) == [A, B, C]


@pytest.mark.parametrize("helper", [all_of, any_of])
@pytest.mark.parametrize("arguments", [(), ("ab",), (["a", "b"],), ([A, B],), (A, "b"), (A, None), (HasScope,)])
def test_lists_of_rules_are_rules(helper, arguments):
    """An empty list, a bare string, a list not unpacked and anything else that is no rule are refused."""
    with pytest.raises(ConfigurationError, match="rules"):
        helper(*arguments)


def test_depth_is_bounded_when_built():
    """A rule that is nested without end is refused when built, so that judging it cannot exhaust the stack."""
    rule: Rule = A
    for step in range(MAX_DEPTH):
        rule = rule & B if step % 2 else rule | B
    assert rule.judge(access("b"))
    assert isinstance(rule.judge(access()), Denied)
    with pytest.raises(ConfigurationError, match="nested"):
        rule | C
    assert len(list(all_of(*[A] * 5000).leaves())) == 5000
