"""What the store forgets, and that it never grows without end."""

from __future__ import annotations

import pytest

from cognito_guard.local_pool import store as stores
from cognito_guard.local_pool.store import SignIn, Store


@pytest.fixture
def entropy():
    """Octets that count: what is made from them is foreseeable here, and only here."""
    numbers = iter(range(10**6))
    return lambda octets: next(numbers).to_bytes(octets, "big")


def sign_in(family, username="ada"):
    return SignIn(
        username=username, client_id="web", scopes=("openid",), auth_time=0, acr=None, amr=(), origin_jti=family, event_id="e"
    )


def test_bounded(monkeypatch, entropy):
    """Of each kind the oldest go first: sign-ins, codes, refresh tokens, sessions, half-finished sign-ins."""
    monkeypatch.setattr(stores, "MAX_KEPT", 3)
    store = Store(clock=lambda: 0.0, entropy=entropy)
    made = [sign_in(f"family{at}") for at in range(5)]
    for each in made:
        store.begin(each)
    assert [store.is_live(each.origin_jti) for each in made] == [False, False, True, True, True]
    codes = [store.make_code(each, redirect_uri="x", challenge=None, nonce=None) for each in made]
    assert [store.spend_code(code, "web") is not None for code in codes] == [False, False, True, True, True]
    refresh = [store.make_refresh(each, 60) for each in made]
    assert [store.refresh_family(token) is not None for token in refresh] == [False, False, True, True, True]
    sessions = [store.make_session("ada", acr=None, amr=()) for _ in made]
    assert [store.session(name) is not None for name in sessions] == [False, False, True, True, True]
    pending = [store.make_pending("ada", "form") for _ in made]
    assert [store.pending(name, "form") for name in pending] == [None, None, "ada", "ada", "ada"]


def test_secrets_are_as_long_as_they_look(entropy):
    """256 bits of the given entropy in each code and session, more in a refresh token; no two alike."""
    asked = []
    store = Store(clock=lambda: 0.0, entropy=lambda octets: asked.append(octets) or entropy(octets))
    store.make_session("ada", acr=None, amr=())
    store.make_code(sign_in("f"), redirect_uri="x", challenge=None, nonce=None)
    store.make_refresh(sign_in("f"), 60)
    assert asked[:2] == [32, 32]
    assert sum(asked[2:]) > 256


def test_a_family_that_was_never_begun(entropy):
    """An unknown `origin_jti`, or none at all, is not live."""
    store = Store(clock=lambda: 0.0, entropy=entropy)
    assert [store.is_live(family) for family in ("x", None, 7)] == [False, False, False]
