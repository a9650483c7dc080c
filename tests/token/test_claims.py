"""The claim rules, row by row (RFC 7519 §4.1; THREATS A9, A12-A14, T25)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.pool import Profile, UserPool
from cognito_guard.token.claims import CHECKS, MAX_DATE, first_fault, valid_from, valid_until

NOW = 1_800_000_000
Claims = dict[str, Any]
Profiles = dict[str, Profile]

# every JSON type in awkward values, by the type that it is of
VALUES: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [True, False],
    "number": [0, 1, -1, 2**70, 1.5, -0.0, 1e300],
    "string": ["", "x", "1800003600", "NaN", "access", "\x00", " "],
    "array": [[], ["x"], [NOW + 60], [["x"]], [None], ["x", 1], ["x", None], ["x", ["y"]], [{}]],
    "object": [{}, {"x": 1}, {"sub": "x"}],
}


def wrong(*right: str) -> list[Any]:
    """A value of every JSON type but these."""
    return [value for kind, values in VALUES.items() if kind not in right for value in values]


def fault(claims: Claims, profile: Profile, now: float = NOW, leeway: float = 0) -> tuple[str, str] | None:
    return first_fault(claims, profile, now, leeway)


@pytest.mark.parametrize("kind", ["access", "identity", "machine"])
def test_cognitos_own_claims_pass(kind: str, request: pytest.FixtureRequest, profiles: Profiles) -> None:
    """What Cognito mints breaks no row, for a person, an ID token and a machine."""
    claims = request.getfixturevalue(kind)
    assert fault(claims, profiles["id" if kind == "identity" else "access"]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sub", value) for value in [*wrong("string"), ""]),
        *(("username", value) for value in wrong("string", "null")),
        *(("jti", value) for value in wrong("string")),
        *(("scope", value) for value in wrong("string")),
        *(("cognito:groups", value) for value in wrong("array")),
        *(("cognito:groups", value) for value in VALUES["array"] if value not in ([], ["x"])),
        *(("exp", value) for value in wrong("number")),
        *(("nbf", value) for value in wrong("number")),
        *(("iat", value) for value in wrong("number")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["access", "identity", "machine"])
def test_a14_wrong_types(kind: str, name: str, value: Any, request: pytest.FixtureRequest, profiles: Profiles) -> None:
    """A claim of a wrong JSON type is claim_invalid, in every kind of token, and no TypeError leaves (A14)."""
    claims = request.getfixturevalue(kind) | {name: value}
    assert fault(claims, profiles["id" if kind == "identity" else "access"]) == ("claim_invalid", name)


@pytest.mark.parametrize("value", ["x", "", " ", "\x00", "😀"])
@pytest.mark.parametrize("name", ["username", "jti", "scope"])
def test_a14_any_string_will_do(name: str, value: str, access: Claims, profiles: Profiles) -> None:
    """Form is judged, not content: AWS asks that formats are not validated."""
    assert fault(access | {name: value}, profiles["access"]) is None


def test_a14_username_null_counts_as_absent(access: Claims, machine: Claims, profiles: Profiles) -> None:
    """`username: null` is no fault, and a machine's token may then lack `sub` too."""
    assert fault(access | {"username": None}, profiles["access"]) is None
    del machine["sub"]
    assert fault(machine | {"username": None}, profiles["access"]) is None


def test_a14_sub_may_be_absent_only_without_username(
    access: Claims, machine: Claims, identity: Claims, profiles: Profiles
) -> None:
    """Only an access token without `username` may lack `sub`; `sub: null` is not absence."""
    for claims in (access, machine, identity):
        del claims["sub"]
    assert fault(machine, profiles["access"]) is None
    assert fault(machine | {"sub": None}, profiles["access"]) == ("claim_invalid", "sub")
    assert fault(access, profiles["access"]) == ("claim_missing", "sub")
    assert fault(machine | {"username": ""}, profiles["access"]) == ("claim_missing", "sub")
    assert fault(identity, profiles["id"]) == ("claim_missing", "sub")


@pytest.mark.parametrize("value", [value for values in VALUES.values() for value in values], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "auth_time",
        "origin_jti",
        "acr",
        "amr",
        "act",
        "version",
        "event_id",
        "cognito:username",
        "email",
        "custom:x",
        "identities",
    ],
)
def test_a14_other_claims_are_not_judged(name: str, value: Any, access: Claims, profiles: Profiles) -> None:
    """Any other claim may be of any type: it is no fault of the token."""
    assert fault(access | {name: value}, profiles["access"]) is None


# --- A9: time


def test_a9_exp_is_required(access: Claims, profiles: Profiles) -> None:
    """No exp, no token; nbf and iat may be absent."""
    del access["iat"]
    assert fault(access, profiles["access"]) is None
    del access["exp"]
    assert fault(access, profiles["access"]) == ("claim_missing", "exp")


@pytest.mark.parametrize("leeway", [0, 1, 30, 0.5])
@pytest.mark.parametrize(
    ("after_exp", "good"), [(-1, True), (-0.001, True), (0, False), (0.001, False), (1, False), (10**9, False)]
)
def test_a9_expired_on_the_second_itself(leeway: float, after_exp: float, good: bool, access: Claims, profiles: Profiles) -> None:  # noqa: FBT001
    """Refused at now ≥ exp + leeway, accepted before (RFC 7519 §4.1.4)."""
    now = access["exp"] + leeway + after_exp
    assert fault(access, profiles["access"], now, leeway) == (None if good else ("expired", "exp"))


@pytest.mark.parametrize("leeway", [0, 30])
@pytest.mark.parametrize(("ahead", "good"), [(-10, True), (0, True), (0.001, False), (1, False), (3600, False)])
def test_a9_not_before(leeway: float, ahead: float, good: bool, access: Claims, profiles: Profiles) -> None:  # noqa: FBT001
    """Refused at nbf > now + leeway, accepted on the second itself (RFC 7519 §4.1.5)."""
    claims = access | {"nbf": NOW + leeway + ahead}
    assert fault(claims, profiles["access"], NOW, leeway) == (None if good else ("not_yet_valid", "nbf"))


@pytest.mark.parametrize(("leeway", "tolerated"), [(0, 60), (30, 60), (60, 60), (61, 61), (300, 300)])
def test_a9_issued_ahead(leeway: float, tolerated: float, access: Claims, profiles: Profiles) -> None:
    """Up to max(leeway, 60) seconds ahead is a clock's matter; a second more is refused."""
    assert fault(access | {"iat": NOW + tolerated}, profiles["access"], NOW, leeway) is None
    assert fault(access | {"iat": NOW + tolerated + 1}, profiles["access"], NOW, leeway) == ("issued_in_future", "iat")


def test_a9_exp_at_or_before_iat(access: Claims, profiles: Profiles) -> None:
    """A token that ended before it began is none."""
    for after, expected in ((-1, ("claim_invalid", "iat")), (0, ("claim_invalid", "iat")), (0.5, None)):
        claims = access | {"iat": NOW, "exp": NOW + after}
        assert fault(claims, profiles["access"], NOW - 5) == expected


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [-1, -0.5, -1e300, MAX_DATE + 1, MAX_DATE + 0.5, 1e300, 2**64, 10**400, -(10**400), NOW * 1000, math.inf, -math.inf, math.nan]
)  # fmt: skip
def test_a9_dates_out_of_range(name: str, value: float, access: Claims, profiles: Profiles) -> None:
    """From 0 to the end of 9999: milliseconds, negatives and the immense are claim_invalid, whatever the clock says (T25)."""
    assert fault(access | {name: value}, profiles["access"]) == ("claim_invalid", name)


def test_a9_bounds_and_fractions(access: Claims, profiles: Profiles) -> None:
    """The last second of 9999 counts, and nothing is truncated: half a second decides. There is no cap on lifetime."""
    assert fault(access | {"exp": MAX_DATE}, profiles["access"]) is None
    assert fault(access | {"exp": NOW + 0.5}, profiles["access"], NOW + 0.25) is None
    assert fault(access | {"exp": NOW + 0.5}, profiles["access"], NOW + 0.5) == ("expired", "exp")
    assert fault(access | {"nbf": NOW + 0.5}, profiles["access"]) == ("not_yet_valid", "nbf")
    assert fault(access | {"nbf": 0, "iat": 0}, profiles["access"]) is None
    assert fault(access | {"exp": 0}, profiles["access"]) == ("expired", "exp")


@pytest.mark.parametrize("now", [math.nan, math.inf])
def test_a9_a_broken_clock_refuses(now: float, access: Claims, profiles: Profiles) -> None:
    """NaN or infinity instead of the time: nothing passes."""
    assert fault(access, profiles["access"], now) == ("expired", "exp")


@pytest.mark.parametrize("now", [math.nan, -math.inf])
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a9_a_broken_clock_refuses_beginnings(name: str, now: float, access: Claims, profiles: Profiles) -> None:
    """With time running backwards or not at all, no beginning has come."""
    claims = {**access, "exp": MAX_DATE, name: NOW - 5}
    assert fault(claims, profiles["access"], now) is not None


def test_nan_leeway_refuses(access: Claims, profiles: Profiles) -> None:
    """So does a leeway that is not a number."""
    assert fault(access, profiles["access"], NOW, math.nan) == ("expired", "exp")


near = st.integers(NOW - 150, NOW + 150) | st.floats(NOW - 150, NOW + 150)


@settings(max_examples=300, deadline=None, database=None)
@given(st.just(NOW), st.integers(NOW, NOW + 300) | near, near, near, st.sampled_from([0, 1, 59, 61, 120]))
def test_validity_is_one_span(now: int, exp: float, nbf: float, iat: float, leeway: int) -> None:
    """valid_from and valid_until bound exactly the seconds at which the rows pass: the cache may trust them (A25)."""
    profile = UserPool("eu-west-1_AbC123xyz").access_tokens(client="c")
    claims = {"sub": "s", "username": "u", "exp": exp, "nbf": nbf, "iat": iat}
    if iat >= exp:
        return
    accepted = first_fault(claims, profile, now, leeway) is None
    assert accepted == (valid_from(claims, leeway) <= now < valid_until(claims, leeway))


def test_validity_without_nbf_and_iat(access: Claims) -> None:
    """A token that does not say when it begins has begun."""
    assert valid_from({"exp": NOW}, 0) <= 0
    assert valid_until({"exp": NOW}, 5) == NOW + 5


# --- resources


API = "https://api.example.com"


@pytest.mark.parametrize(
    ("aud", "good"),
    [
        (API, True), ([API], True), (["https://other.example.com", API], True), ("https://other.example.com", False), (f"{API}/", False), (API.upper(), False), (f"{API} ", False),
        (f"x {API}", False), ([f"{API} x"], False), ([], False), ("", False), ([""], False), ([[API]], False), ([API, 1], False), ([API, None], False), ({API: 1}, False),
        (None, False), (1, False), (True, False), ("3n4b5urk1ft4fl3mg5e62d9ado", False),
    ],
    ids=repr,
)  # fmt: skip
def test_resource(aud: Any, good: bool, access: Claims, profiles: Profiles) -> None:  # noqa: FBT001
    """With resource=, aud must be it, or a list of strings that holds it (RFC 8707; token exchange): exactly."""
    assert fault(access | {"aud": aud}, profiles["bound"]) == (None if good else ("resource_refused", "aud"))


def test_resource_absent(access: Claims, profiles: Profiles) -> None:
    """With resource=, a token without aud is refused; without it, a bound token is welcome (COGNITO 1.7)."""
    assert fault(access, profiles["bound"]) == ("resource_refused", "aud")
    assert fault(access | {"aud": API}, profiles["access"]) is None
    assert fault(access | {"aud": [API]}, profiles["access"]) is None


def test_one_of_several_resources(access: Claims) -> None:
    """Several resources: one is enough, and a substring is none."""
    profile = UserPool("eu-west-1_AbC123xyz").access_tokens(client="c", resource=["https://a.example", "https://b.example"])
    assert fault(access | {"aud": "https://b.example"}, profile) is None
    assert fault(access | {"aud": "https://b.exampl"}, profile) == ("resource_refused", "aud")


# --- the list of checks


def test_checks_are_named_once() -> None:
    """A report shows each check by name, once; each looks at one claim."""
    assert len({name for name, _ in CHECKS}) == len(CHECKS) == len({claim for _, claim in CHECKS})


def test_checks_are_made_in_the_order_listed(access: Claims, profiles: Profiles) -> None:
    """Of a token that breaks them all, each check put right brings the next one's fault: a report may call the rest not reached."""
    claims = dict.fromkeys(["sub", "username", "jti", "scope", "cognito:groups", "aud", "exp", "nbf", "iat"], True)
    good = access | {"aud": API, "nbf": NOW}
    for _, claim in CHECKS:
        found = fault(claims, profiles["bound"])
        assert found is not None
        assert found[1] == claim
        claims[claim] = good[claim]
    assert fault(claims, profiles["bound"]) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.dictionaries(st.sampled_from([*(claim for _, claim in CHECKS), "client_id", "token_use", "iss", "act"]), json_values),
    st.sampled_from(["access", "id", "bound"]),
    st.floats() | st.integers(NOW - 5, NOW + 5),
)
def test_any_claims(claims: Claims, kind: str, now: float) -> None:
    """Any JSON object: None or a fault of the closed kind, never an exception."""
    pool = UserPool("eu-west-1_AbC123xyz")
    profile = (
        pool.id_tokens(client="c") if kind == "id" else pool.access_tokens(client="c", resource=API if kind == "bound" else None)
    )
    answer = first_fault(claims, profile, now, 0)
    assert answer is None or (answer[1] in {claim for _, claim in CHECKS})
    assert answer is not None or 0 <= now < claims["exp"] <= MAX_DATE or now < 0
