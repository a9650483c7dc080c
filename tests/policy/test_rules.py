"""The single rules, one by one: what each grants, what it refuses to be built from, how it prints."""

from __future__ import annotations

import enum
import math
from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import (
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    FromClient,
    Granted,
    HasScope,
    InGroup,
    IsDelegated,
    IsMachine,
    IsPerson,
    Rule,
    rule_scopes,
)
from cognito_guard.token.principal import Principal

NOW = 1_800_000_000
OWN_ORDER = ("bronze", "silver", "gold")


def access(**claims: Any) -> Principal:
    return Principal({"iss": "https://issuer.example", "client_id": "web", "sub": "subject", "exp": NOW + 1, **claims}, "access")


def in_groups(*groups: str) -> Principal:
    return access(**{"cognito:groups": list(groups)})


@pytest.mark.parametrize("rule_group", ["admin", "Admin", "eu-west-1_AbC_Google", "night shift", "管理"])
@pytest.mark.parametrize(
    "held",
    [
        lambda group: [],
        lambda group: [""],
        lambda group: [group[:-1]],
        lambda group: [f"{group}s"],
        lambda group: [f"super{group}"],
        lambda group: [f"{group} other"],
        lambda group: [f"{group},other"],
        lambda group: [f" {group}"],
        lambda group: [f"{group}\n"],
        lambda group: [f"{group}\x00"],
        lambda group: [f"{group}\u200b"],
        lambda group: [f"{group}s", group[:-1], "", group[0]],
        lambda group: [group.swapcase() if group.swapcase() != group else f"{group}x"],
    ],
)
def test_t17_a_group_is_held_exactly_or_not_at_all(rule_group, held):
    """T17: no group, an empty one, a prefix, a superset or a case variant never grants; the group among others does."""
    assert not InGroup(rule_group).judge(in_groups(*held(rule_group)))
    assert InGroup(rule_group).judge(in_groups(*held(rule_group), rule_group))


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "",
        " ",
        "orders/rea",
        "orders/reads",
        "orders",
        "read",
        "Orders/Read",
        "ORDERS/READ",
        "my-orders/read",
        "orders/read/all",
        "orders/read,orders/write",
        "orders/read\torders/write",
        "orders/read\u00a0x",
        "orders/read\n",
        "orders/*",
        "* orders/ read",
    ],
)
def test_t17_a_scope_is_granted_exactly_or_not_at_all(scope):
    """T17: no scope, a prefix, a superset, a case variant or a foreign separator never grants; the scope among others does."""
    claims = {} if scope is None else {"scope": scope}
    assert not HasScope("orders/read").judge(access(**claims))
    assert HasScope("orders/read").judge(access(scope=f"{scope or ''} orders/read x"))


def test_t17_scopes_and_groups_are_not_mixed_up():
    """A group's name in `scope`, a scope's in `cognito:groups`, and a scope in an ID token grant nothing."""
    assert not InGroup("admin").judge(access(scope="admin"))
    assert not HasScope("admin").judge(in_groups("admin"))
    assert not HasScope("admin").judge(Principal({"aud": "web", "sub": "s", "scope": "admin"}, "id"))


@pytest.mark.parametrize(
    ("rule", "granted", "denied"),
    [
        (FromClient("web"), [access()], [access(client_id="web2"), access(client_id="WEB"), access(client_id="we")]),
        (IsMachine(), [access(sub="web"), access(sub="web", username=None)], [access(), access(sub="web", username="web")]),
        (
            IsPerson(),
            [access(username="ada"), Principal({"aud": "web", "sub": "s"}, "id")],
            [access(sub="web"), access(), access(username=None)],
        ),
        (
            IsDelegated(),
            [access(act={"sub": "agent"}), access(act={})],
            [access(), access(act="agent"), access(act=["agent"]), access(act=None), access(act=True)],
        ),
        (
            IsDelegated(subject="agent"),
            [access(act={"sub": "agent"})],
            [
                access(),
                access(act={}),
                access(act={"sub": "agents"}),
                access(act={"sub": ["agent"]}),
                access(act={"act": {"sub": "agent"}}),
                access(act="agent"),
            ],
        ),
        (
            AssuranceAtLeast("urn:cognito:loa:3"),
            [access(acr="urn:cognito:loa:3"), access(acr="urn:cognito:loa:4")],
            [
                access(),
                access(acr="urn:cognito:loa:1"),
                access(acr="urn:cognito:loa:2"),
                access(acr="urn:cognito:loa:5"),
                access(acr="urn:cognito:loa:33"),
                access(acr="URN:COGNITO:LOA:4"),
                access(acr=""),
                access(acr=4),
                access(acr=["urn:cognito:loa:4"]),
            ],
        ),
        (AssuranceAtLeast("urn:cognito:loa:1"), [access(acr="urn:cognito:loa:1")], [access(), access(acr="unknown")]),
        (
            AssuranceAtLeast("silver", order=OWN_ORDER),
            [access(acr="silver"), access(acr="gold")],
            [access(acr="bronze"), access(acr="urn:cognito:loa:4")],
        ),
    ],
)
def test_what_a_rule_grants(rule: Rule, granted, denied):
    """Each rule grants these principals and no others; a claim of a wrong type denies."""
    for principal in granted:
        assert rule.judge(principal) == Granted()
    for principal in denied:
        verdict = rule.judge(principal)
        assert not verdict
        assert verdict.lacking == (rule,)


@pytest.mark.parametrize(
    ("expected", "equal", "different"),
    [
        (True, [True], [1, 1.0, "true", "True", False, None, [True]]),
        (False, [False], [0, 0.0, "", "false", None, []]),
        (1, [1, 1.0], [True, "1", 1.5, [1], {"a": 1}]),
        (0, [0, 0.0, -0.0], [False, "0", None, ""]),
        (1.5, [1.5], [1, "1.5"]),
        (2**53 + 1, [2**53 + 1], [2**53, float(2**53)]),
        ("1", ["1"], [1, True, "1 ", "01"]),
        ("acme", ["acme"], ["Acme", "acm", "acmes", ["acme"], {"acme": "acme"}, "acme "]),
        ("", [""], [None, [], {}, 0, False]),
    ],
)
def test_a_claim_equals_by_type_and_value(expected, equal, different):
    """`ClaimIs` compares JSON scalars: booleans are not numbers, strings are not parsed, arrays are not searched."""
    rule = ClaimIs("custom:x", expected)
    for value in equal:
        assert rule.judge(access(**{"custom:x": value}))
    for value in different:
        assert not rule.judge(access(**{"custom:x": value}))
    assert not rule.judge(access())
    assert not rule.judge(access(**{"custom:X": expected, "custom": {"x": expected}}))


@pytest.mark.parametrize(
    ("auth_time", "granted"),
    [
        (NOW, True),
        (NOW - 300, True),
        (NOW - 300.5, False),
        (NOW - 301, False),
        (NOW + 60, True),
        (NOW + 60.5, False),
        (0, False),
        (-1, False),
        (10**400, False),
        (-(10**400), False),
        (NOW * 1000, False),
        (math.nan, False),
        (math.inf, False),
        (str(NOW), False),
        (True, False),
        ([NOW], False),
        (None, False),
    ],
)
def test_the_age_of_a_sign_in(auth_time, granted):
    """`AuthenticatedWithin` takes the last second in, allows 60 s of clock skew ahead, and denies what is not a date."""
    assert bool(AuthenticatedWithin(300).judge(access(auth_time=auth_time), now=NOW)) is granted
    assert not AuthenticatedWithin(300).judge(access(), now=NOW)


@pytest.mark.parametrize("now", [None, math.nan, math.inf, -1, True, "1800000000", NOW * 1000])
@pytest.mark.parametrize(
    "rule",
    [
        AuthenticatedWithin(300),
        HasScope("lacking") & AuthenticatedWithin(300),
        HasScope("a") | AuthenticatedWithin(300),
        HasScope("a") | (HasScope("b") & (InGroup("c") | AuthenticatedWithin(300))),
    ],
)
def test_a_rule_that_needs_the_time_never_goes_without(rule, now):
    """Without a usable `now` judging raises, whatever the principal: a forgotten clock shows in the first test, not on the day it matters."""
    for principal in (access(), access(scope="a", auth_time=NOW)):
        with pytest.raises(ConfigurationError, match="now"):
            rule.judge(principal, now=now)


def test_a_rule_without_time_ignores_now():
    """A front may always pass `now`."""
    assert HasScope("a").judge(access(scope="a"), now=NOW)
    assert HasScope("a").judge(access(scope="a"))


@pytest.mark.parametrize("stranger", [None, {}, {"scope": "a"}, "a", object(), Principal])
def test_only_a_principal_is_judged(stranger):
    """Claims that nobody verified are refused by the family's error, not read."""
    with pytest.raises(ConfigurationError, match="principal"):
        HasScope("a").judge(stranger)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        *[
            (lambda bad=bad: HasScope(bad), "scope")
            for bad in ("", "a b", " a", "a\t", 'a"b', "a\\b", "a\n", "ä", "a\x7f", "a" * 514, None, 1, b"a", ["a"], ("a", "b"))
        ],
        *[
            (lambda bad=bad: InGroup(bad), "group")
            for bad in ("", "a\n", "a\x00", "\u200b", "\u202eadmin", "\ud800", "a" * 129, None, 1, b"a", ["a"])
        ],
        *[(lambda bad=bad: FromClient(bad), "client_id") for bad in ("", "a b", "a/b", "a" * 129, None, ["a"])],
        *[(lambda bad=bad: ClaimIs(bad, "x"), "name") for bad in ("", "a\n", "a" * 257, None, 1)],
        *[
            (lambda bad=bad: ClaimIs("x", bad), "value")
            for bad in (None, [], ["a"], {}, ("a",), math.nan, math.inf, -math.inf, 10**301, 1e301, b"a", "\ud800", 1j)
        ],
        *[(lambda bad=bad: IsDelegated(subject=bad), "subject") for bad in ("", "a\n", "a" * 257, 1, True, ["a"])],
        *[
            (lambda bad=bad: AssuranceAtLeast(bad), "level")
            for bad in ("", "gold", "URN:COGNITO:LOA:1", "urn:cognito:loa:5", 1, None, ["a"])
        ],
        *[
            (lambda bad=bad: AssuranceAtLeast("a", order=bad), "order")
            for bad in (
                "a",
                "abc",
                b"a",
                (),
                [],
                ["a", "a"],
                ["a", ""],
                ["a", 1],
                ["a", ["b"]],
                ["a", "b c"],
                ["a", 'b"'],
                None,
                1,
            )
        ],
        *[
            (lambda bad=bad: AuthenticatedWithin(bad), "seconds")
            for bad in (-1, -0.5, math.nan, math.inf, True, False, "300", None, 10**400, 1j)
        ],
    ],
)
def test_mistakes_are_refused_when_built(build, argument):
    """A wrong argument raises `ConfigurationError` that names it; a list where one name belongs changes no meaning silently."""
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert caught.value.code == "configuration"
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [argument]


def test_all_mistakes_of_a_constructor_are_reported_at_once():
    """A constructor with two bad arguments names both."""
    with pytest.raises(ConfigurationError) as caught:
        ClaimIs("", None)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["name", "value"]


def test_the_longest_names_that_cognito_permits():
    """A full scope is a resource server's id (256), a slash and a scope (256); a group's name has 128 characters."""
    scope, group = f"{'r' * 256}/{'s' * 256}", "\u00e9" * 128
    assert HasScope(scope).judge(access(scope=f"a {scope}"))
    assert InGroup(group).judge(in_groups(group))


def test_rules_are_values():
    """Equal by what is written, hashable, immutable; True and 1 stay apart; members of a string enumeration are plain strings."""

    class Scope(str, enum.Enum):  # noqa: UP042 - whose str() is 'Scope.READ', unlike a StrEnum's
        READ = "orders/read"

    assert HasScope(Scope.READ) == HasScope("orders/read")
    assert repr(HasScope(Scope.READ)) == "HasScope('orders/read')"
    assert HasScope("a") != InGroup("a")
    assert AssuranceAtLeast("silver", order=list(OWN_ORDER)) == AssuranceAtLeast("silver", order=OWN_ORDER)
    assert AssuranceAtLeast("silver", order=OWN_ORDER) != AssuranceAtLeast("silver", order=(*OWN_ORDER, "platinum"))
    assert ClaimIs("x", 1) == ClaimIs("x", 1.0)
    assert ClaimIs("x", True) != ClaimIs("x", 1)
    assert ClaimIs("x", "1") != ClaimIs("x", 1)
    assert (HasScope("a") & ClaimIs("x", True)) != (HasScope("a") & ClaimIs("x", 1))
    assert len({HasScope("a"), HasScope("a"), ClaimIs("x", True), ClaimIs("x", 1), ClaimIs("x", 1.0)}) == 3
    with pytest.raises(AttributeError):
        HasScope("a").scope = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    "written",
    [
        "HasScope('orders/read')",
        "InGroup('night shift')",
        "FromClient('web')",
        "ClaimIs('custom:x', True)",
        "IsMachine()",
        "IsPerson()",
        "IsDelegated()",
        "IsDelegated(subject='agent')",
        "AssuranceAtLeast('urn:cognito:loa:3')",
        "AssuranceAtLeast('silver', order=('bronze', 'silver', 'gold'))",
        "AuthenticatedWithin(300)",
        "HasScope('a') & (InGroup('b') | InGroup('c')) & IsPerson()",
        "HasScope('a') | InGroup('b') & InGroup('c')",
    ],
)
def test_repr_is_as_written(written):
    """A rule prints as the Python that builds it."""
    assert repr(eval(written)) == written


def test_the_scopes_that_a_rule_names():
    """For API descriptions: every scope of the rule, wherever it stands."""
    assert rule_scopes(HasScope("a") & (HasScope("b") | InGroup("g") & HasScope("c"))) == {"a", "b", "c"}
    assert rule_scopes(InGroup("g")) == frozenset()
