"""A person, a machine and an ID token's holder, as the Guard would hand them over."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.token.principal import Principal

CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
CLAIMS: dict[str, Any] = {
    "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123xyz",
    "sub": "6a1c2d3e-0000-4000-8000-0123456789ab",
    "token_use": "access",
    "client_id": CLIENT,
    "username": "jane",
    "scope": "openid orders/read",
    "cognito:groups": ["staff", "admin"],
    "exp": 1_800_003_600,
    "iat": 1_800_000_000,
    "jti": "token-1",
}


@pytest.fixture
def make():
    """A Principal whose claims are the usual ones and those given; None leaves one out."""

    def make(token_use: str = "access", **claims: Any) -> Principal:
        joined = CLAIMS | {name.replace("__", ":"): claim for name, claim in claims.items()}
        return Principal({name: claim for name, claim in joined.items() if claim is not None}, token_use)

    return make


@pytest.fixture
def jane(make) -> Principal:
    return make()
