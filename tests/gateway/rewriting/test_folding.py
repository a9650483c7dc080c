"""Names that upstreams take for one another (THREATS A20, T1)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.rewriting.folding import Managed, folded, name_problem, trimmed_fold

NAMES = ["X-Cognito-Subject", "x-user", "X-A-1"]
SPELLED = [
    b"X-Cognito-Subject",
    b"x-cognito-subject",
    b"X_COGNITO_SUBJECT",
    b"x.cognito.subject",
    b"x-cognito_subject",
    b"x cognito subject",
    b" x-cognito-subject",
    b"x-cognito-subject ",
    b"x-cognito-subject\t",
    b"_x-cognito-subject_",
    b"x\xadcognito\xadsubject",
    b"x~cognito|subject",
]


@pytest.mark.parametrize("name", SPELLED)
def test_spellings_are_dropped(name):
    """T1: case, `_`, `.`, blanks at either end and any other octet in place of `-` do not get past."""
    managed = Managed(NAMES)
    assert managed.drops(name)
    assert managed.drops(name), "the second time from the memo"
    assert managed.without([(b"a", b"1"), (name, b"forged"), (b"b", b"2")]) == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.parametrize(
    "name", [b"x-cognito-subjects", b"xcognito-subject", b"x--cognito-subject", b"cognito-subject", b"", b"-"]
)
def test_other_names_pass(name):
    """Only what folds to a managed name is dropped."""
    assert not Managed(NAMES).drops(name)


def test_aliases():
    """The names seen that only look like ours are listed once each, for proxies that must be told; our own spelling is not."""
    headers = [
        (b"X-Cognito-Subject", b"1"),
        (b"X_Cognito_Subject", b"2"),
        (b"x_cognito_subject", b"3"),
        (b"x.user", b"4"),
        (b"y", b"5"),
    ]
    assert Managed(NAMES).aliases(headers) == [b"x_cognito_subject", b"x.user"]


@given(st.binary(max_size=80))
def test_fold(name):
    """Lower-case letters, digits and `-` only, one octet for each, and folding twice changes nothing."""
    fold = folded(name)
    assert len(fold) == len(name)
    assert re.fullmatch(rb"[a-z0-9-]*", fold)
    assert folded(fold) == fold
    assert folded(name.upper()) == folded(name.lower()) == fold
    assert trimmed_fold(name) == fold.strip(b"-")


@given(st.data())
def test_no_spelling_survives(data):
    """T1: whatever stands for `-`, in whatever case, with whatever of it at either end, every managed name is dropped."""
    managed = Managed(NAMES)
    other = st.sampled_from([octet for octet in range(256) if not chr(octet).isalnum() or octet > 127])
    name = data.draw(st.sampled_from(NAMES)).encode()
    cased = bytes(data.draw(st.sampled_from([octet, octet ^ 0x20])) if chr(octet).isalpha() else octet for octet in name)
    spelled = bytes(data.draw(other) if octet == ord("-") else octet for octet in cased)
    ends = st.lists(other, max_size=2).map(bytes)
    assert managed.drops(data.draw(ends) + spelled + data.draw(ends))


def test_a_flood_of_names_is_not_kept():
    """Names of clients' own making cost bounded memory: short ones push each other out, long ones are never kept."""
    managed = Managed(NAMES)
    for number in range(5000):
        managed.drops(b"x-%d" % number)
        managed.drops(b"x-%d-" % number + b"a" * 80)
    assert len(managed._memo) <= 2048
    assert max(map(len, managed._memo._young)) <= 64


@pytest.mark.parametrize(
    "name", ["", "x", "X_User", "x.user", "x user", "-x", "x-", "1x", "x" * 65, "ü-x", "x\n", 5, b"x-y", None]
)
def test_names_that_cannot_be_sent(name):
    """What a proxy may drop or confuse is no name for a setting."""
    assert name_problem(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_can(name):
    """Letters, digits and `-`."""
    assert name_problem(name) is None
