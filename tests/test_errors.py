"""One family of errors: a closed set of codes, a text for each, picklable, and nothing of a token in them (THREATS T29)."""

from __future__ import annotations

import copy
import pickle
from typing import get_args

import pytest

from cognito_guard import errors
from cognito_guard.errors import (
    REJECTIONS,
    Code,
    CognitoGuardError,
    ConfigurationError,
    CredentialsRefused,
    RejectionCode,
    RuleSyntaxError,
    TokenRejected,
    Unavailable,
)

EVERY: list[CognitoGuardError] = [
    ConfigurationError("UserPool", ["pool_id: write it"]),
    ConfigurationError("Guard", ["leeway: give seconds", "clock: give a callable"]),
    RuleSyntaxError("scope:a scope:b", 8, "join with and/or"),
    TokenRejected("expired", "exp"),
    TokenRejected("signature_invalid"),
    CredentialsRefused("credentials_missing", "no credentials"),
    Unavailable("keys_unavailable", "no keys", retry_after=2.5),
]


def test_every_rejection_code_has_its_text() -> None:
    """The table and the type name the same codes; each text is one of its own, a line for a person."""
    assert set(REJECTIONS) == set(get_args(RejectionCode))
    assert len(set(REJECTIONS.values())) == len(REJECTIONS)
    for text in REJECTIONS.values():
        assert text.isprintable()
        assert text.isascii()
        assert '"' not in text, "it goes into a quoted challenge parameter"
        assert 10 < len(text) < 130


def test_codes_are_a_closed_set() -> None:
    """No code belongs to two kinds, and all are plain words that a log and a metric can carry."""
    kinds = [
        get_args(getattr(errors, kind)) for kind in ("RejectionCode", "UnavailableCode", "CredentialsCode", "ConfigurationCode")
    ]
    codes = [code for kind in kinds for code in kind]
    assert len(codes) == len(set(codes))
    assert set(codes) == {code for kind in get_args(Code) for code in (get_args(kind) or [kind])}
    assert all(code == code.lower() and code.replace("_", "").isalpha() for code in codes)


def test_codes_outside_the_set_cannot_be_made() -> None:
    """A rejection without a text is a bug that shows when it is raised."""
    with pytest.raises(KeyError):
        TokenRejected("no_such_code")  # type: ignore[arg-type]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: f"{type(error).__name__} {error.code}")
def test_one_base(error: CognitoGuardError) -> None:
    """`except CognitoGuardError` catches all of them, and each has a code."""
    assert isinstance(error, CognitoGuardError)
    assert isinstance(error, Exception)
    assert error.code in {code for kind in get_args(Code) for code in (get_args(kind) or [kind])}


def test_the_family_is_complete() -> None:
    """No error class stands beside the family."""
    public = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, BaseException)]
    assert set(public) == {CognitoGuardError, *map(type, EVERY)}


@pytest.mark.parametrize("error", EVERY, ids=lambda error: f"{type(error).__name__} {error.code}")
@pytest.mark.parametrize(
    "again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_errors_cross_processes(error: CognitoGuardError, again: object) -> None:
    """Type, message, code and fields survive."""
    other = again(error)  # type: ignore[operator]
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert other.args == error.args
    assert vars(other) == vars(error)


def test_rejections_name_the_claim_and_nothing_else() -> None:
    """The message is the code's own text and the claim's name; the only other field is the code."""
    error = TokenRejected("claim_invalid", "sub")
    assert str(error) == f"{REJECTIONS['claim_invalid']} (sub)"
    assert vars(error) == {"code": "claim_invalid", "claim": "sub"}
    assert str(TokenRejected("not_a_jwt")) == REJECTIONS["not_a_jwt"]
    assert vars(TokenRejected("not_a_jwt")) == {"code": "not_a_jwt", "claim": None}


def test_configuration_lists_every_problem() -> None:
    """One problem in line, several below each other; all of them as a tuple."""
    one = ConfigurationError("UserPool", ["a: b"])
    assert (str(one), one.problems, one.subject, one.code) == ("UserPool: a: b", ("a: b",), "UserPool", "configuration")
    two = ConfigurationError("UserPool", ["a: b", "c: d"])
    assert str(two) == "UserPool: \n  - a: b\n  - c: d"
    assert two.problems == ("a: b", "c: d")


@pytest.mark.parametrize(
    ("text", "position", "place", "under"),
    [
        ("scope:a or", 10, "character 11", ""), ("(scope:a", 0, "character 1", "("), ("a\nbc$d", 4, "line 2, character 3", "$"), ("x" * 500 + "$" + "y" * 500, 500, "character 501", "$"),
        ("", 0, "character 1", ""), ("a\x1b[31mb", 1, "character 2", " "),
    ],
)  # fmt: skip
def test_rule_syntax_points_at_the_place(text: str, position: int, place: str, under: str) -> None:
    """The mark stands under the character, counted from 0; people read it from 1, long lines are cut, and nothing moves a cursor."""
    error = RuleSyntaxError(text, position, "a rule is missing")
    assert (error.code, error.position, error.text) == ("rule_syntax", position, text)
    problem, shown, mark = str(error).split("\n")
    assert problem == f"rule: {place}: a rule is missing"
    assert shown[len(mark) - 1 : len(mark)] == under
    assert mark == " " * (len(mark) - 1) + "^"
    assert shown.isprintable()
    assert len(shown) < 110
    assert isinstance(error, ConfigurationError)


def test_unavailable_says_when_to_come_back() -> None:
    """Seconds, for Retry-After."""
    assert Unavailable("keys_unavailable", "x", retry_after=2.5).retry_after == 2.5
