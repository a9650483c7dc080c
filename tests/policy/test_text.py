"""Rules as text: what is read, where a mistake is pointed at, and that writing and reading are inverse."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError, RuleSyntaxError
from cognito_guard.policy import (
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    FromClient,
    HasScope,
    InGroup,
    IsDelegated,
    IsMachine,
    IsPerson,
    Rule,
    format_rule,
    parse_rule,
)
from cognito_guard.policy.rules import LEVELS
from cognito_guard.policy.text import MAX_PARENTHESES, MAX_TEXT

A, B, C = HasScope("a"), HasScope("b"), HasScope("c")

WRITTEN = [
    ("scope:orders/write and (group:staff or group:admin)", HasScope("orders/write") & (InGroup("staff") | InGroup("admin"))),
    ("scope:https://api.example.com/orders.read", HasScope("https://api.example.com/orders.read")),
    ("scope:aws.cognito.signin.user.admin", HasScope("aws.cognito.signin.user.admin")),
    ("scope:a or scope:b and scope:c", A | B & C),
    ("(scope:a or scope:b) and scope:c", (A | B) & C),
    ("scope:a and scope:b or scope:c", A & B | C),
    ("client:3n4b5urk1ft4fl3mg5e62d9ado", FromClient("3n4b5urk1ft4fl3mg5e62d9ado")),
    ("machine or person", IsMachine() | IsPerson()),
    ("delegated", IsDelegated()),
    ("delegated:agent-7", IsDelegated(subject="agent-7")),
    ('group:"night shift"', InGroup("night shift")),
    ('group:"say \\"hi\\" \\\\ (all)"', InGroup('say "hi" \\ (all)')),
    ('group:"and" or group:"Or" or group:"not"', InGroup("and") | InGroup("Or") | InGroup("not")),
    ("group:android or group:oracle", InGroup("android") | InGroup("oracle")),
    ("group:machine and scope:true", InGroup("machine") & HasScope("true")),
    ("group:管理", InGroup("管理")),
    ("claim:custom:tenant=acme", ClaimIs("custom:tenant", "acme")),
    ("claim:email_verified=true", ClaimIs("email_verified", True)),
    ('claim:email_verified="true"', ClaimIs("email_verified", "true")),
    ("claim:level=3", ClaimIs("level", 3)),
    ("claim:level=-1.5e+20", ClaimIs("level", -1.5e20)),
    ('claim:level="3"', ClaimIs("level", "3")),
    ("claim:code=007", ClaimIs("code", "007")),
    ("claim:id=3fa85f64-5717-4562-b3fc-2c963f66afa6", ClaimIs("id", "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    ('claim:"a=b"="x=y"', ClaimIs("a=b", "x=y")),
    ('claim:note=""', ClaimIs("note", "")),
    ('claim:note="\\n\\u0000\\u202e"', ClaimIs("note", "\n\x00\u202e")),
    ("acr>=urn:cognito:loa:3", AssuranceAtLeast(LEVELS[2])),
    ('acr>=silver[bronze<silver<"go[ld"]', AssuranceAtLeast("silver", order=["bronze", "silver", "go[ld"])),
    ("authenticated-within:300", AuthenticatedWithin(300)),
    ("authenticated-within:0.5", AuthenticatedWithin(0.5)),
]


@pytest.mark.parametrize(("text", "rule"), WRITTEN)
def test_texts_and_their_rules(text, rule):
    """Each text is this rule, and is what the rule prints as."""
    assert parse_rule(text) == rule
    assert format_rule(rule) == text
    assert str(rule) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("  scope:a\n\tand\r\n  scope:b  ", A & B),
        ("((scope:a))and(scope:b)", A & B),
        ("scope:a and (scope:b and scope:c)", A & B & C),
        ('scope:"a"', A),
        ('group:"\\u0061"', InGroup("a")),
        ("authenticated-within:3e2", AuthenticatedWithin(300)),
        (
            "acr>=urn:cognito:loa:3[urn:cognito:loa:1<urn:cognito:loa:2<urn:cognito:loa:3<urn:cognito:loa:4]",
            AssuranceAtLeast(LEVELS[2]),
        ),
    ],
)
def test_other_spellings(text, rule):
    """Blanks, line breaks, spare parentheses and spare quotes change nothing."""
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "a rule is missing"),
        ("   ", 3, "a rule is missing"),
        ("()", 1, "a rule is missing"),
        ("and scope:a", 0, "a rule is missing"),
        ("scope:a and", 11, "a rule is missing"),
        ("scope:a or or scope:b", 11, "a rule is missing"),
        ('"scope:a"', 0, "a rule is missing"),
        ("role:x", 0, "unknown kind of rule 'role'; write one of scope:NAME"),
        ("scope:a and Scope:b", 12, "unknown kind of rule 'Scope'"),
        ("machines", 0, "unknown kind"),
        ("not group:banned", 0, "no negation"),
        ("scope:a and not group:b", 12, "no negation"),
        ("scope:a AND scope:b", 8, "write 'and'"),
        ("scope:a & scope:b", 8, "write 'and'"),
        ("scope:a || scope:b", 8, "write 'or'"),
        ("scope:a scope:b", 8, "write 'and' or 'or'"),
        ("(scope:a scope:b)", 9, "write 'and' or 'or'"),
        ("scope:a, scope:b", 7, "must follow"),
        ("scope:a&scope:b", 7, "must follow"),
        ("machine:x", 7, "must follow"),
        ("scope:a*", 7, "must follow"),
        ("(scope:a", 8, "'(' of character 1 is never closed"),
        ("scope:a)", 7, "a ')' without its '('"),
        ("scope", 5, "after scope write ':'"),
        ("scope:", 6, "a name is missing after 'scope:'"),
        ("scope: a", 6, "a name is missing"),
        ("scope:and group:b", 6, "if it is 'and', put it in double quotes"),
        ('scope:"a b"', 6, "scope: write one scope"),
        ('group:""', 6, "group: write one group"),
        ("client:a/b", 7, "client_id"),
        ('group:"a', 6, "never closed"),
        ('group:"a\\"', 6, "never closed"),
        ('group:"a\\q"', 8, "in double quotes write"),
        ('group:"a\nb"', 8, "in double quotes write"),
        ('group:"\\ud800"', 6, "group"),
        ("delegated:", 10, "a name is missing"),
        ("claim", 5, "after claim write ':'"),
        ("claim:x", 7, "write '=' and a value"),
        ("claim:x =1", 7, "write '=' and a value"),
        ("claim:x=", 8, "a name is missing after '='"),
        ("claim:x=True", 8, "write true or false"),
        ("claim:x=null", 8, "write true or false"),
        ("claim:x=[1]", 8, "a name is missing"),
        ("claim:x=1e999", 6, "value"),
        (f"claim:x={'9' * 5000}", 8, "too long"),
        ("acr=a", 3, "write '>='"),
        ("acr>=gold", 5, "level: write one of"),
        ("acr>=a[b<c]", 5, "level: write one of b, c"),
        ("acr>=a[a<a]", 5, "order"),
        ("acr>=a[a<b", 10, "']' after them"),
        ("acr>=a[]", 7, "a name is missing"),
        ("authenticated-within", 20, "write ':'"),
        ("authenticated-within:5m", 21, "as a number"),
        ("authenticated-within:-1", 21, "seconds"),
        ("authenticated-within:true", 21, "as a number"),
        ("(" * (MAX_PARENTHESES + 1) + "scope:a", MAX_PARENTHESES, "nested parentheses"),
        ("scope:" + "a" * MAX_TEXT, MAX_TEXT, "at most 8192 characters"),
    ],
)
def test_mistakes_are_pointed_at(text, position, problem):
    """A text that is no rule raises `RuleSyntaxError` at the exact place, with a sentence that helps."""
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text)
    assert caught.value.code == "rule_syntax"
    assert caught.value.position == position
    assert problem in caught.value.problems[0]
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", [None, 1, b"scope:a", ["scope:a"], A])
def test_only_strings_are_read(text):
    """Anything but a string is a mistake of the call, not of a text."""
    with pytest.raises(ConfigurationError) as caught:
        parse_rule(text)
    assert caught.value.code == "configuration"
    with pytest.raises(ConfigurationError, match="give a rule"):
        format_rule("scope:a")  # type: ignore[arg-type]


def test_nesting_is_bounded_by_errors_alone():
    """The deepest text is read; one level more, or a text of parentheses alone, is an error and never a RecursionError."""
    nested = "scope:a and scope:b or scope:c"
    for _ in range(MAX_PARENTHESES - 1):
        nested = f"scope:a and ({nested}) or scope:c"
    assert isinstance(parse_rule(nested), Rule)
    for text in (
        f"scope:a and ({nested}) or scope:c",
        f"scope:a and (({nested})) or scope:c",
        "(" * MAX_TEXT,
        "scope:a and(" * 600,
    ):
        with pytest.raises(RuleSyntaxError):
            parse_rule(text)


def test_a_long_flat_text_is_read():
    """Length alone does no harm up to the bound."""
    text = " or ".join(f"group:g{number}" for number in range(590))
    assert len(text) <= MAX_TEXT
    assert format_rule(parse_rule(text)) == text


nasty = st.sampled_from(
    [" ", '"', "\\", "(", ")", "and", "or", "not", ":", "=", "<", "[", "true", "1", "\u00e9", "\U0001f600", "-", ","]
)
names = st.one_of(st.lists(nasty, min_size=1, max_size=5).map("".join), st.text(min_size=1, max_size=20))
groups = names.filter(str.isprintable)
tokens = st.text([chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\'], min_size=1, max_size=20)
words = st.sampled_from(["and", "or", "not", "AND", "machine", "true", "null", "5", "1e5"])
values = st.one_of(
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(-1e299, 1e299),
    words,
    names,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
).filter(lambda value: not isinstance(value, str) or not any("\ud800" <= character <= "\udfff" for character in value))
orders = st.lists(st.one_of(tokens, words), min_size=1, max_size=4, unique=True)
rules = st.recursive(
    st.one_of(
        st.builds(HasScope, st.one_of(tokens, words)),
        st.builds(InGroup, st.one_of(groups, words)),
        st.builds(FromClient, st.from_regex(r"[A-Za-z0-9_+]{1,26}", fullmatch=True)),
        st.builds(ClaimIs, st.one_of(groups, words), values),
        st.sampled_from([IsMachine(), IsPerson(), IsDelegated()]),
        st.builds(lambda subject: IsDelegated(subject=subject), groups),
        st.builds(AssuranceAtLeast, st.sampled_from(LEVELS)),
        orders.flatmap(lambda order: st.builds(lambda level: AssuranceAtLeast(level, order=order), st.sampled_from(order))),
        st.builds(AuthenticatedWithin, st.one_of(st.integers(0, 10**9), st.floats(0, 1e9))),
    ),
    lambda parts: st.one_of(st.builds(lambda a, b: a & b, parts, parts), st.builds(lambda a, b: a | b, parts, parts)),
    max_leaves=10,
)


@settings(deadline=None, database=None, max_examples=200)
@given(rules)
def test_what_is_written_reads_back(rule):
    """Every rule, whatever its names hold, prints as a one-line text of visible characters that reads back as an equal rule."""
    text = format_rule(rule)
    assert text.isprintable()
    assert parse_rule(text) == rule
    assert format_rule(parse_rule(text)) == text


pieces = st.one_of(
    st.sampled_from(["scope:", "group:", "claim:", "client:", "acr>=", "machine", "delegated", "authenticated-within:"]),
    st.sampled_from([" and ", " or ", "not ", "true", "a"]),
    st.sampled_from('=>:"\\() [<]5-&\n\x00\ud800\u00a0'),
)


@settings(deadline=None, database=None, max_examples=300)
@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
@example('scope:"' + "\\" * MAX_TEXT)
@example("scope:a" + " " * MAX_TEXT)
@example("authenticated-within:" + "9" * 5000)
def test_any_text_is_a_rule_or_a_syntax_error(text):
    """No text brings out another exception; an error points into the text, and a rule that was read is one that can be written."""
    rule, position = None, 0
    try:
        rule = parse_rule(text)
    except RuleSyntaxError as error:
        position = error.position
    assert 0 <= position <= len(text)
    assert rule is None or parse_rule(format_rule(rule)) == rule
