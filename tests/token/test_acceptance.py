"""Which profile a verified token falls under, and which profiles contradict each other (THREATS A11, A12, T23; COGNITO 1.7, 1.8)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.errors import TokenRejected
from cognito_guard.jose.compact import JoseHeader
from cognito_guard.pool import AnyClient, JwksUrl, Profile, UserPool
from cognito_guard.token.acceptance import Acceptance, acceptances

POOL = UserPool("eu-west-1_AbC123xyz")
WEB, MOBILE, PARTNER = "web111", "mobile222", "partner333"
PLAIN = JoseHeader("RS256", "k", None)


def accepted(*profiles: Profile) -> dict[str, Acceptance]:
    problems: list[str] = []
    made = acceptances(profiles, problems)
    assert problems == []
    return made


def problems_of(*profiles: Profile) -> list[str]:
    problems: list[str] = []
    acceptances(profiles, problems)
    return problems


def choice(claims: dict[str, Any], *profiles: Profile, header: JoseHeader = PLAIN) -> Profile | tuple[str, str | None]:
    """The profile, or the code and claim of the rejection."""
    try:
        return accepted(*profiles)[POOL.issuers[0].url].profile(header, claims)
    except TokenRejected as error:
        return error.code, error.claim


ACCESS = POOL.access_tokens(client=[WEB, MOBILE])
BOUND = POOL.access_tokens(client=PARTNER, resource="https://api.example.com")
IDS = POOL.id_tokens(client=WEB)


def test_selects_by_token_use_and_client() -> None:
    """Each client of each use has exactly one profile; all the profiles of one pool stand behind both of its issuers."""
    every = (ACCESS, BOUND, IDS)
    assert choice({"token_use": "access", "client_id": WEB}, *every) is ACCESS
    assert choice({"token_use": "access", "client_id": MOBILE}, *every) is ACCESS
    assert choice({"token_use": "access", "client_id": PARTNER}, *every) is BOUND
    assert choice({"token_use": "id", "aud": WEB}, *every) is IDS
    assert set(accepted(*every)) == {issuer.url for issuer in POOL.issuers}


def test_a11_clients_do_not_leak_between_uses() -> None:
    """A client that may bring access tokens may not bring ID tokens, unless told."""
    every = (ACCESS, BOUND, IDS)
    assert choice({"token_use": "id", "aud": MOBILE}, *every) == ("client_refused", "aud")
    assert choice({"token_use": "id", "aud": PARTNER}, *every) == ("client_refused", "aud")


def test_a11_access_tokens_are_judged_by_client_id_alone() -> None:
    """A good aud does not help a foreign client_id, nor the other way round (A11)."""
    assert choice({"token_use": "access", "client_id": "foreign", "aud": WEB}, ACCESS) == ("client_refused", "client_id")
    assert choice({"token_use": "access", "aud": WEB}, ACCESS) == ("claim_missing", "client_id")
    assert choice({"token_use": "id", "aud": "foreign", "client_id": WEB}, IDS) == ("client_refused", "aud")
    assert choice({"token_use": "id", "client_id": WEB}, IDS) == ("claim_missing", "aud")


@pytest.mark.parametrize("client", [f"{WEB} ", WEB.upper(), WEB[:-1], f"{WEB}x", f"{WEB},{MOBILE}", f"{WEB}\x00"])
def test_a11_clients_are_compared_exactly(client: str) -> None:
    """No prefix, case or list in a string."""
    assert choice({"token_use": "access", "client_id": client}, ACCESS) == ("client_refused", "client_id")


@pytest.mark.parametrize("client", [None, True, 0, 1.5, "", [], [WEB], [WEB, WEB], {}, {WEB: 1}], ids=repr)
@pytest.mark.parametrize("anyone", [True, False])
def test_a14_client_of_a_wrong_type(client: Any, anyone: bool) -> None:  # noqa: FBT001
    """client_id of an access token and aud of an ID token are single strings, for AnyClient too; a list is refused (policy)."""
    access = POOL.access_tokens(client=AnyClient if anyone else WEB)
    ids = POOL.id_tokens(client=AnyClient if anyone else WEB)
    assert choice({"token_use": "access", "client_id": client}, access) == ("claim_invalid", "client_id")
    assert choice({"token_use": "id", "aud": client}, ids) == ("claim_invalid", "aud")


def test_any_client() -> None:
    """AnyClient takes every client id, and still wants one."""
    profile = POOL.access_tokens(client=AnyClient)
    assert choice({"token_use": "access", "client_id": "whoever"}, profile) is profile
    assert choice({"token_use": "access"}, profile) == ("claim_missing", "client_id")
    assert choice({"token_use": "id", "aud": "whoever"}, profile) == ("token_use_refused", "token_use")


@pytest.mark.parametrize("token_use", ["id", "refresh", "", "Access", "ACCESS", "access ", "access\x00", "at"])
def test_a12_another_token_use(token_use: str) -> None:
    """At an access door only `access` passes (A12)."""
    claims = {"token_use": token_use, "client_id": WEB, "aud": WEB}
    assert choice(claims, ACCESS) == ("token_use_refused", "token_use")


@pytest.mark.parametrize("token_use", [None, True, 0, 1.5, [], ["access"], {}, {"access": 1}], ids=repr)
def test_a14_token_use_of_a_wrong_type(token_use: Any) -> None:
    """An exact string, or claim_invalid; no TypeError for what cannot be hashed."""
    assert choice({"token_use": token_use, "client_id": WEB}, ACCESS, IDS) == ("claim_invalid", "token_use")


def test_a12_token_use_absent() -> None:
    """Identity-pool and load-balancer tokens have no token_use."""
    assert choice({"client_id": WEB, "aud": WEB}, ACCESS, IDS) == ("claim_missing", "token_use")


@pytest.mark.parametrize(
    ("typ", "access", "ids"),
    [(None, True, True), ("jwt", True, True), ("at+jwt", True, False), ("id+jwt", False, False), ("jws", False, False), ("", False, False), ("logout+jwt", False, False),
     ("dpop+jwt", False, False), ("secevent+jwt", False, False)],
)  # fmt: skip
def test_typ(typ: str | None, access: bool, ids: bool) -> None:  # noqa: FBT001
    """Absent, or what the profile lists (policy): an ID token that calls itself an access token is refused."""
    header = JoseHeader("RS256", "k", typ)
    refused = ("type_refused", "typ")
    assert choice({"token_use": "access", "client_id": WEB}, ACCESS, IDS, header=header) == (ACCESS if access else refused)
    assert choice({"token_use": "id", "aud": WEB}, ACCESS, IDS, header=header) == (IDS if ids else refused)


def test_a10_every_issuer_has_its_own_profiles() -> None:
    """Two pools: the profile of one is not found under the other's issuer."""
    other = UserPool("us-east-1_Other1234")
    theirs = other.access_tokens(client=PARTNER)
    made = accepted(ACCESS, theirs)
    with pytest.raises(TokenRejected) as caught:
        made[POOL.issuers[0].url].profile(PLAIN, {"token_use": "access", "client_id": PARTNER})
    assert caught.value.code == "client_refused"
    assert made[other.issuers[0].url].profile(PLAIN, {"token_use": "access", "client_id": PARTNER}) is theirs
    assert made[POOL.issuers[0].url].keys != made[other.issuers[0].url].keys


def test_algorithms_are_those_of_the_profiles() -> None:
    """User pools sign RS256, so nothing else is ever allowed for their keys."""
    assert accepted(ACCESS, IDS)[POOL.issuers[0].url].algorithms == ("RS256",)


# --- contradictions


def test_a_client_named_twice() -> None:
    """Two profiles of one use share a client: which resource would count? Said once, though a pool has two issuers."""
    again = POOL.access_tokens(client=[MOBILE, PARTNER], resource="https://api.example.com")
    [problem] = problems_of(ACCESS, IDS, again)
    assert problem.startswith("profiles: two accept access tokens")
    assert MOBILE in problem
    assert PARTNER not in problem


def test_the_same_profile_twice() -> None:
    """Equal profiles are a slip of the pen, and said."""
    [problem] = problems_of(ACCESS, POOL.access_tokens(client=[MOBILE, WEB]))
    assert problem.startswith("profiles: two accept access tokens")


@pytest.mark.parametrize("order", [1, -1])
def test_any_client_beside_a_named_one(order: int) -> None:
    """AnyClient would take the named one's tokens without its resource check."""
    [problem] = problems_of(*(POOL.access_tokens(client=AnyClient), BOUND)[::order])
    assert "AnyClient" in problem


def test_any_client_of_one_use_and_a_named_client_of_the_other() -> None:
    """Uses are apart: no contradiction."""
    assert problems_of(POOL.access_tokens(client=AnyClient), IDS) == []


def test_one_issuer_two_key_sources() -> None:
    """One issuer has one key source; two would let the weaker one in."""
    elsewhere = UserPool("eu-west-1_AbC123xyz", jwks=JwksUrl("https://keys.internal/jwks.json"))
    problems = problems_of(ACCESS, elsewhere.id_tokens(client=WEB))
    assert problems
    assert all("different keys" in problem for problem in problems)
    assert len(problems) == 1


def test_every_contradiction_is_reported() -> None:
    """All mistakes at once."""
    assert len(problems_of(ACCESS, POOL.access_tokens(client=WEB), POOL.access_tokens(client=MOBILE))) == 2


def test_no_profiles() -> None:
    """Nothing accepted, nothing wrong here: the Guard says that it needs one."""
    assert accepted() == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["access", "id", WEB, MOBILE, PARTNER, ""]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=3), inside, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(["token_use", "client_id", "aud"]), json_values))
def test_any_claims(claims: dict[str, Any]) -> None:
    """Any JSON object: a profile that names the client of the use it says, or TokenRejected."""
    answer = choice(claims, ACCESS, BOUND, IDS)
    if isinstance(answer, Profile):
        assert claims["token_use"] == answer.token_use
        assert claims["client_id" if answer.token_use == "access" else "aud"] in answer.clients
