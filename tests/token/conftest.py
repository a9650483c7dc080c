"""What the tests of `token` share: profiles of one pool, and claims as Cognito writes them."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.pool import AnyClient, Profile, UserPool

POOL = UserPool("eu-west-1_AbC123xyz")
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
NOW = 1_800_000_000


@pytest.fixture(scope="session")
def profiles() -> dict[str, Profile]:
    """By name: access, id, any (access of any client), bound (access with a resource)."""
    return {
        "access": POOL.access_tokens(client=CLIENT),
        "id": POOL.id_tokens(client=CLIENT),
        "any": POOL.access_tokens(client=AnyClient),
        "bound": POOL.access_tokens(client=CLIENT, resource="https://api.example.com"),
    }


@pytest.fixture
def access() -> dict[str, Any]:
    """The claims of a person's access token; a fresh dictionary each time."""
    return {
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["staff"],
        "iss": POOL.issuers[0].url,
        "version": 2,
        "client_id": CLIENT,
        "origin_jti": "origin",
        "event_id": "event",
        "token_use": "access",
        "scope": "openid orders/read",
        "auth_time": NOW - 10,
        "exp": NOW + 3600,
        "iat": NOW - 10,
        "jti": "jti",
        "username": "jane",
    }


@pytest.fixture
def identity(access: dict[str, Any]) -> dict[str, Any]:
    """The claims of an ID token."""
    kept = {name: claim for name, claim in access.items() if name not in ("scope", "client_id", "username", "version")}
    return {
        **kept,
        "aud": CLIENT,
        "token_use": "id",
        "cognito:username": "jane",
        "email": "jane@example.com",
        "email_verified": True,
    }


@pytest.fixture
def machine(access: dict[str, Any]) -> dict[str, Any]:
    """The claims of a machine's token."""
    kept = {name: claim for name, claim in access.items() if name not in ("username", "cognito:groups", "origin_jti")}
    return {**kept, "sub": CLIENT}
