"""The test kit: a user pool in process, every bad token by name, the behaviour of every front as a table.

Its names load on first use: pytest imports this package in every test run of every program that has it installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cognito_guard.testing.bad_catalogue import BAD_TOKEN_NAMES, BadToken, bad_token, bad_tokens
    from cognito_guard.testing.case import Case
    from cognito_guard.testing.local_user_pool import DEFAULT_CLIENT, DEFAULT_POOL, LocalUserPool
    from cognito_guard.testing.publishing import IssuerForm, Outage
    from cognito_guard.testing.signing_keys import SigningKey
    from cognito_guard.testing.stand_in import as_user
    from cognito_guard.testing.table import SAMPLE_ROUTES, behaviour, sample_routes
    from cognito_guard.testing.table_settings import sample_settings, settings_behaviour, settings_routes, websocket_behaviour

__all__ = [
    "LocalUserPool",
    "DEFAULT_POOL",
    "DEFAULT_CLIENT",
    "IssuerForm",
    "Outage",
    "SigningKey",
    "as_user",
    "BadToken",
    "BAD_TOKEN_NAMES",
    "bad_token",
    "bad_tokens",
    "Case",
    "behaviour",
    "SAMPLE_ROUTES",
    "sample_routes",
    "settings_behaviour",
    "websocket_behaviour",
    "sample_settings",
    "settings_routes",
]

_HOME = {
    "LocalUserPool": "local_user_pool",
    "DEFAULT_POOL": "local_user_pool",
    "DEFAULT_CLIENT": "local_user_pool",
    "IssuerForm": "publishing",
    "Outage": "publishing",
    "SigningKey": "signing_keys",
    "as_user": "stand_in",
    "BadToken": "bad_catalogue",
    "BAD_TOKEN_NAMES": "bad_catalogue",
    "bad_token": "bad_catalogue",
    "bad_tokens": "bad_catalogue",
    "Case": "case",
    "behaviour": "table",
    "SAMPLE_ROUTES": "table",
    "sample_routes": "table",
    "settings_behaviour": "table_settings",
    "websocket_behaviour": "table_settings",
    "sample_settings": "table_settings",
    "settings_routes": "table_settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
