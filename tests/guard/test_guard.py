"""The Guard on tokens: good ones of every kind, bad ones by name, arguments of every type, several profiles, two Guards."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard import AnyClient, ConfigurationError, Guard, Principal, TokenRejected, UserPool
from cognito_guard.testing import BAD_TOKEN_NAMES, LocalUserPool, bad_token
from cognito_guard.testing.claims import subject_of
from cognito_guard.testing.octets import payload_of

API = "https://api.example.com"
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "access": ("access", {}),
    "id": ("id", {}),
    "machine": ("machine", {}),
    "updated issuer": ("access", {"issuer_form": "updated"}),
    "id, updated issuer": ("id", {"issuer_form": "updated"}),
    "resource-bound": ("access", {"resource": API}),
    "machine without sub": ("machine", {"without": ["sub"]}),
    "machine with null username": ("machine", {"claims": {"username": None}}),
    "without optional claims": ("access", {"without": ["iat", "jti", "origin_jti", "scope", "version", "auth_time", "event_id"]}),
    "fractional dates": ("access", {"issued_at": 1_789_999_999.25, "expires_in": 60.5}),
    "nested claims": ("access", {"claims": {"custom:tree": {"a": [{"b": [1, None, True, "ü"]}]}}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_good_tokens_of_every_kind(ask, times, guard_of, kind):
    """Each kind that Cognito mints is accepted cold and from the cache, by threads, asyncio and trio, and says whose it is."""
    pool = LocalUserPool(clock=times.wall, issuer_form="both")
    guard = guard_of(pool, pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client))
    method, keywords = KINDS[kind]
    token = getattr(pool, method)(**keywords)
    principal = ask(guard, token)
    assert principal.token_use == ("id" if method == "id" else "access")
    assert principal.subject == (pool.client if method == "machine" else subject_of("jane"))
    assert principal.is_machine == (method == "machine")
    assert principal.client_id == pool.client
    assert principal.issuer == (pool.updated_issuer if keywords.get("issuer_form") else pool.issuer)
    assert ask(guard, token) is principal
    assert ask(guard, token.encode()) is principal


def test_id_and_access_tokens_have_keys_of_their_own(pool, guard_of):
    """One fetch serves both kinds, though each is signed with a key of its own."""
    guard = guard_of(pool, pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client))
    assert pool.key("id").kid != pool.key("access").kid
    assert guard.authenticate(pool.id()).token_use == "id"
    assert guard.authenticate(pool.access()).token_use == "access"
    assert sum(pool.fetches.values()) == 1


def test_several_pools_clients_and_kinds(times):
    """Each profile accepts exactly its own: pool by pool, client by client, kind by kind, resource by resource."""
    shop = LocalUserPool("eu-west-1_Shop00001", clock=times.wall, client="web")
    partner = LocalUserPool("us-east-1_Partner01", clock=times.wall, client="partner")

    def fetch(url: str):
        return (partner if partner.user_pool.id in url else shop).fetch(url)

    guard = Guard(
        shop.user_pool.access_tokens(client=["web", "mobile"], resource=API),
        shop.user_pool.access_tokens(client="batch"),
        shop.user_pool.id_tokens(client="web"),
        partner.user_pool.access_tokens(client=AnyClient),
        clock=times.wall,
        monotonic=times.monotonic,
        fetch=fetch,
    )

    def code(token: str) -> str | None:
        try:
            guard.authenticate(token)
        except TokenRejected as rejected:
            return rejected.code
        return None

    assert code(shop.access(resource=API)) is None
    assert code(shop.access(client="mobile", claims={"aud": ["https://other.example", API]})) is None
    assert code(shop.access()) == "resource_refused"
    assert code(shop.access(resource=API + "/")) == "resource_refused"
    assert code(shop.machine(client="batch")) is None
    assert code(shop.access(client="batch", resource="https://anything.example")) is None
    assert code(shop.id()) is None
    assert code(shop.id(client="mobile")) == "client_refused"
    assert code(shop.id(client="batch")) == "client_refused"
    assert code(shop.id(claims={"aud": ["web"]})) == "claim_invalid"
    assert code(shop.access(client="other", resource=API)) == "client_refused"
    assert code(partner.access(client="whoever")) is None
    assert code(partner.id()) == "token_use_refused"
    assert code(partner.access(claims={"iss": shop.issuer})) == "key_unknown"
    assert code(shop.access(claims={"iss": partner.issuer})) == "key_unknown"
    # T23: the kid of the other pool too, so that only the binding of keys to issuers is left
    forged = shop.sign(payload_of(partner.access()), {"kid": partner.key().kid, "alg": "RS256"}, key=shop.key())
    assert code(forged) == "signature_invalid"


class _Text(str):
    """A str whose own methods lie."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"lie"

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize("form", [str, str.encode, lambda token: bytearray(token.encode()), _Text])
def test_forms_of_one_token(ask, pool, guard_of, form):
    """A token is a token as str, bytes, bytearray or a subclass of str, cold and warm; a subclass's own methods decide nothing."""
    guard = guard_of(pool)
    token, other = pool.access(), pool.access(username="root")
    assert ask(guard, form(token)).username == "jane"
    assert ask(guard, form(other)).username == "root"
    assert ask(guard, token) is ask(guard, form(token))
    with pytest.raises(TokenRejected):
        ask(guard, form(token[:-1]))


@pytest.mark.parametrize("wrong", [None, 1, 1.5, True, ["a"], ("a", "b"), {"a": 1}, object(), memoryview(b"a.b.c")])
def test_arguments_that_are_no_token(ask, pool, guard_of, wrong):
    """What is neither str nor bytes is the caller's mistake: a `ConfigurationError` that names the argument, never a rejection."""
    guard = guard_of(pool)
    for call in (lambda: ask(guard, wrong), lambda: guard.explain(wrong)):
        with pytest.raises(ConfigurationError, match="token: give it as str or bytes"):
            call()


@pytest.mark.parametrize("name", BAD_TOKEN_NAMES)
def test_bad_tokens_before_and_after_a_good_one(pool, guard_of, name):
    """T22, T23, T25, T28: a bad token gets its code from a Guard that holds nothing yet, and again beside a cached good token."""
    guard = guard_of(pool)
    bad = bad_token(pool, name)

    def code() -> tuple[str, str | None]:
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(bad.token)
        return caught.value.code, caught.value.claim

    before = code()
    good = pool.access()
    principal = guard.authenticate(good)
    assert guard.authenticate(good) is principal
    assert [before, code()] == [(bad.code, bad.claim)] * 2
    assert guard.authenticate(good) is principal


@pytest.mark.parametrize("first", [0, 1])
def test_one_token_before_two_guards(times, first):
    """T24: what one Guard has accepted and cached says nothing to another with other clients, resources or pools, in either order."""
    pool = LocalUserPool(clock=times.wall)
    wide = pool.guard(pool.user_pool.access_tokens(client=AnyClient))
    narrow = [
        (pool.guard(pool.user_pool.access_tokens(client="another")), "client_refused"),
        (pool.guard(pool.user_pool.access_tokens(client=pool.client, resource=API)), "resource_refused"),
        (pool.guard(pool.user_pool.id_tokens(client=pool.client)), "token_use_refused"),
        (pool.guard(UserPool("eu-west-1_Another1").access_tokens(client=AnyClient)), "issuer_unknown"),
    ]
    token = pool.access()
    for turn in range(4):
        if turn % 2 == first:
            assert wide.authenticate(token).username == "jane"
        else:
            for guard, code in narrow:
                with pytest.raises(TokenRejected) as caught:
                    guard.authenticate(token)
                assert caught.value.code == code


_WARM = LocalUserPool()
_GUARD = _WARM.guard()
_PARTS = st.one_of(st.text(max_size=40), st.sampled_from(_WARM.access().split(".")))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.lists(_PARTS, min_size=1, max_size=6).map(".".join)))
def test_any_text_is_a_principal_or_a_rejection(token):
    """Whatever comes in, out comes a Principal or a `TokenRejected` without a context that could carry the token."""
    try:
        answer: object = _GUARD.authenticate(token)
    except TokenRejected as rejected:
        answer = rejected
    assert isinstance(answer, Principal) or answer.__context__ is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_NAMES = (
    "iss",
    "sub",
    "client_id",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "origin_jti",
    "scope",
    "cognito:groups",
    "username",
    "token_use",
    "act",
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=4))
def test_any_signed_claims_are_a_principal_or_a_rejection(claims):
    """A14: no claim of whatever type, rightly signed, makes anything but a Principal, whose every part can be read, or a rejection."""
    token = _WARM.access(claims=claims)
    report = _GUARD.explain(token)
    try:
        principal = _GUARD.authenticate(token)
    except TokenRejected as rejected:
        code = rejected.code
    else:
        code = None
        parts = [name for name in dir(Principal) if not name.startswith("_")]
        assert [getattr(principal, name) for name in parts]
        assert isinstance(hash(principal), int)
    assert report.code == code
