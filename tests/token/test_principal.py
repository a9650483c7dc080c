"""The Principal: which claim answers which question; frozen, silent, and honest about what it does not know (THREATS A13, A14, A25)."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.token.principal import Principal, freeze

Claims = dict[str, Any]
NOW = 1_800_000_000
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"


def test_a_person(access: Claims) -> None:
    """Every answer of a person's access token."""
    who = Principal(access, "access")
    assert (who.subject, who.client_id, who.username) == (access["sub"], CLIENT, "jane")
    assert (who.scopes, who.groups) == ({"openid", "orders/read"}, {"staff"})
    assert (who.issuer, who.token_use) == (access["iss"], "access")
    assert (who.issued_at, who.expires_at, who.auth_time) == (NOW - 10, NOW + 3600, NOW - 10)
    assert (who.jti, who.origin_jti) == ("jti", "origin")
    assert (who.acr, who.amr, who.actor) == (None, None, None)
    assert (who.is_person, who.is_machine) == (True, False)


def test_an_id_token(identity: Claims) -> None:
    """`aud` is the client, `cognito:username` the name; an ID token has no scopes, even if it says so, and is always a person's."""
    who = Principal(identity | {"scope": "orders/read", "username": "mallory"}, "id")
    assert (who.client_id, who.username) == (CLIENT, "jane")
    assert who.scopes == frozenset()
    assert who.groups == {"staff"}
    assert (who.is_person, who.is_machine) == (True, False)


def test_an_access_token_does_not_answer_with_id_claims(access: Claims) -> None:
    """`aud` is a resource there, and `cognito:username` a stranger's claim."""
    del access["username"]
    who = Principal(access | {"aud": "https://api.example.com", "cognito:username": "mallory"}, "access")
    assert (who.client_id, who.username) == (CLIENT, None)


@pytest.mark.parametrize(
    ("change", "person", "machine"),
    [
        ({"username": "jane"}, True, False), ({"username": "", "sub": CLIENT}, True, False), ({"username": "jane", "sub": CLIENT}, True, False), ({"sub": CLIENT}, False, True),
        ({"sub": CLIENT, "username": None}, False, True), ({}, False, True), ({"username": None}, False, True), ({"sub": "someone"}, False, False),
        ({"sub": "someone", "username": None}, False, False), ({"sub": CLIENT.upper()}, False, False),
    ],
    ids=repr,
)  # fmt: skip
def test_person_machine_or_neither(change: Claims, person: bool, machine: bool, access: Claims) -> None:  # noqa: FBT001
    """A machine has no username and no sub but its client's; a sub alone makes neither (COGNITO 1.2)."""
    del access["sub"], access["username"]
    who = Principal(access | change, "access")
    assert (who.is_person, who.is_machine) == (person, machine)


def test_subject_of_a_machine_without_sub(machine: Claims) -> None:
    """The client speaks for itself (RFC 9068 §2.2)."""
    del machine["sub"]
    assert Principal(machine, "access").subject == CLIENT


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("a b", {"a", "b"}), ("", set()), (" ", set()), ("   ", set()), ("a  b", {"a", "b"}), (" a ", {"a"}), ("a a", {"a"}), ("a\tb", {"a\tb"}), ("a\nb", {"a\nb"}),
        ("a\xa0b", {"a\xa0b"}), ("a\x85b", {"a\x85b"}), ("a\x1cb", {"a\x1cb"}), ("a\u2003b", {"a\u2003b"}), ("a\u3000b", {"a\u3000b"}), ("a,b", {"a,b"}), ("a+b", {"a+b"}),
        ("A a", {"A", "a"}), ("\x00", {"\x00"}), ("https://api/x/read y", {"https://api/x/read", "y"}),
    ],
    ids=repr,
)  # fmt: skip
def test_a13_scopes_split_at_u0020_only(scope: str, scopes: set[str], access: Claims) -> None:
    """No other white space parts two scopes: `admin\\tx` must not grant `admin` (A13)."""
    assert Principal(access | {"scope": scope}, "access").scopes == scopes


def test_a13_groups_are_taken_as_they_are(access: Claims) -> None:
    """A group may hold spaces, commas, brackets: nothing is split, folded or trimmed."""
    names = ["staff admin", "a,b", "[x]", " padded ", "", "STAFF", "é", "a\u0301"]
    assert Principal(access | {"cognito:groups": names}, "access").groups == set(names)
    assert Principal(access | {"cognito:groups": []}, "access").groups == frozenset()


def test_no_groups_and_no_scopes(access: Claims) -> None:
    """Absent claims are empty sets."""
    del access["cognito:groups"], access["scope"]
    who = Principal(access, "access")
    assert (who.groups, who.scopes) == (frozenset(), frozenset())


WRONG: dict[str, list[Any]] = {
    "auth_time": [None, True, False, "1", [], {}, [1]],
    "acr": [None, True, 1, [], ["urn:cognito:loa:4"], {}],
    "amr": [None, True, 1, "pwd", {}, ["pwd", 1], [["pwd"]], [None], {"pwd": 1}],
    "origin_jti": [None, True, 1, [], {}],
    "act": [None, True, 1, "x", [], [{"sub": "x"}]],
    "cognito:username": [None, True, 1, [], {}],
}
ANSWER = {"act": "actor", "cognito:username": "username"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values], ids=repr)
def test_a14_optional_claims_of_a_wrong_type_are_none(name: str, value: Any, identity: Claims) -> None:
    """They stay in `claims` as sent, and answer None (A14)."""
    who = Principal(identity | {name: value}, "id")
    assert getattr(who, ANSWER.get(name, name)) is None
    assert who.claims[name] == freeze(value)


def test_step_up_claims(access: Claims) -> None:
    """acr, amr and auth_time as Cognito sends them; amr in its order."""
    who = Principal(access | {"acr": "urn:cognito:loa:4", "amr": ["pwd", "otp", "mfa"], "auth_time": 1.5}, "access")
    assert (who.acr, who.amr, who.auth_time) == ("urn:cognito:loa:4", ("pwd", "otp", "mfa"), 1.5)
    assert Principal(access | {"amr": []}, "access").amr == ()


def test_actor(access: Claims) -> None:
    """`act` of a token exchange, nested actors included, read-only (RFC 8693 §4.1)."""
    who = Principal(access | {"act": {"sub": "svc", "act": {"sub": "inner"}}}, "access")
    assert who.actor == {"sub": "svc", "act": {"sub": "inner"}}
    with pytest.raises(TypeError):
        who.actor["sub"] = "x"
    with pytest.raises(TypeError):
        who.actor["act"]["sub"] = "x"


def test_frozen_in_depth(access: Claims) -> None:
    """Claims are shared by every holder of a cached Principal: nothing in them can be changed (A25)."""
    who = Principal(access | {"custom": {"a": [{"b": [1]}]}}, "access")
    for change in (
        lambda: who.claims.__setitem__("sub", "x"),
        lambda: who.claims.__delitem__("sub"),
        lambda: who.claims["custom"].__setitem__("a", 1),
        lambda: who.claims["custom"]["a"].append(1),
        lambda: who.claims["custom"]["a"][0].update({}),
        lambda: who.claims["custom"]["a"][0]["b"].__setitem__(0, 2),
        lambda: who.claims["cognito:groups"].append("admin"),
        lambda: who.groups.add("admin"),
        lambda: who.scopes.add("admin"),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    assert who.claims["custom"]["a"][0]["b"] == (1,)
    assert isinstance(who.claims, Mapping)


@pytest.mark.parametrize(
    "name", ["subject", "client_id", "groups", "scopes", "claims", "token_use", "_claims", "issuer", "new", "actor"]
)
def test_attributes_cannot_be_set_or_deleted(name: str, access: Claims) -> None:
    """Before and after the first reading."""
    who = Principal(access, "access")
    for _ in range(2):
        with pytest.raises(AttributeError):
            setattr(who, name, "x")
        with pytest.raises(AttributeError):
            delattr(who, name)
        getattr(who, name, None)
    assert who.subject == access["sub"]


def test_repr_shows_issuer_client_and_token_use_only(access: Claims) -> None:
    """A Principal lands in logs: no name, no identifier, no claim beside the three (T29)."""
    who = Principal(access | {"email": "jane@example.com"}, "access")
    who.claims, who.groups, who.subject  # noqa: B018 - whatever was read before
    assert repr(who) == f"Principal(issuer={access['iss']!r}, client_id={CLIENT!r}, token_use='access')"
    assert str(who) == f"{who}" == repr(who)


def test_equal_by_claims(access: Claims) -> None:
    """Equal and of one hash when the claims are equal, read or not; else different, and never equal to a mapping."""
    one, same = Principal(access, "access"), Principal(dict(access), "access")
    one.claims, one.groups  # noqa: B018
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same}) == 1
    assert one != Principal(access | {"jti": "other"}, "access")
    assert one != Principal(access | {"custom:x": "y"}, "access")
    assert one != access
    assert one != one.claims


@pytest.mark.parametrize("read", [True, False])
def test_copies_and_pickles(read: bool, access: Claims) -> None:  # noqa: FBT001
    """A copy is itself; a pickle comes back equal and as frozen, whatever was read before."""
    who = Principal(access | {"custom": {"a": [1]}, "act": {"sub": "x"}}, "access")
    if read:
        who.claims, who.actor, who.groups, who.scopes  # noqa: B018
    assert copy.copy(who) is who
    assert copy.deepcopy({"who": who})["who"] is who
    back = pickle.loads(pickle.dumps(who))
    assert back == who
    assert back.token_use == "access"
    assert back.claims == who.claims
    with pytest.raises(AttributeError):
        back.subject = "x"


def test_read_twice_is_the_same(access: Claims) -> None:
    """What is read once is kept: a cached Principal costs nothing the second time."""
    who = Principal(access, "access")
    assert who.claims is who.claims
    assert who.groups is who.groups
    assert who.scopes is who.scopes


def thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: thaw(member) for name, member in value.items()}
    return [thaw(member) for member in value] if isinstance(value, tuple) else value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, database=None)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_freezing_loses_nothing(document: Claims) -> None:
    """Frozen, a JSON document still says the same, in the same order."""
    assert json.dumps(thaw(freeze(document))) == json.dumps(document)


OPTIONAL = [
    "auth_time",
    "acr",
    "amr",
    "act",
    "origin_jti",
    "cognito:username",
    "email",
    "version",
    "identities",
    "scope_",
    "custom:x",
]


@settings(max_examples=200, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(OPTIONAL), json_values, max_size=5), st.sampled_from(["access", "id"]))
def test_any_optional_claims(optional: Claims, token_use: Any) -> None:
    """Whatever the unjudged claims are, every part of the Principal can be read."""
    claims = {"sub": "s", "iss": "https://x", "exp": 1, "token_use": token_use, "client_id": "c", "aud": "c", **optional}
    who = Principal(claims, token_use)
    for name in dir(Principal):
        if not name.startswith("_"):
            getattr(who, name)
    hash(who)
    assert pickle.loads(pickle.dumps(who)) == who
