"""The pytest plugin: fixtures around `LocalUserPool`, found by pytest through the entry point `cognito_guard`.

Decides the fixtures' names and lifetimes. Everything else loads when a test first asks, since pytest imports this module in every
program that has the package installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cognito_guard.testing import LocalUserPool


@pytest.fixture(scope="session")
def cognito_pool_options() -> dict[str, Any]:
    """Override this to choose what `LocalUserPool` is made with, such as {"pool_id": ..., "client": ...} of your settings."""
    return {}


@pytest.fixture
def cognito_pool(cognito_pool_options: dict[str, Any]) -> Iterator[LocalUserPool]:
    """A user pool in process, on a good day in every test. Its keys are made once per run.

    Give its keys to your Guard, `Guard(..., fetch=cognito_pool.fetch)`, or take `cognito_pool.guard()`; mint with `access()`, `id()`,
    `machine()` and `bad(name)`; disturb with `rotate()`, `withdraw()`, `replace()`, `outage()` and `slow()`.
    """
    from cognito_guard.testing import LocalUserPool

    pool = LocalUserPool(**cognito_pool_options)
    yield pool
    pool.recover()  # whoever still waits in a fetch is let go


@pytest.fixture
def served_cognito_pool(cognito_pool: LocalUserPool) -> Iterator[LocalUserPool]:
    """`cognito_pool` with its JWK Set over HTTP on 127.0.0.1, for programs tested from outside; tokens name that address as issuer."""
    with cognito_pool.serve_jwks() as served:
        yield served


@pytest.fixture
def cognito_token(cognito_pool: LocalUserPool) -> Callable[..., str]:
    """Mints an access token of a person: `cognito_token(username="jane", scopes=["orders/read"], groups=["staff"])`."""
    return cognito_pool.access


@pytest.fixture
def cognito_id_token(cognito_pool: LocalUserPool) -> Callable[..., str]:
    """Mints an ID token: `cognito_id_token(email="jane@example.com")`."""
    return cognito_pool.id


@pytest.fixture
def cognito_machine_token(cognito_pool: LocalUserPool) -> Callable[..., str]:
    """Mints an access token of a machine (client credentials): `cognito_machine_token(scopes=["orders/read"])`."""
    return cognito_pool.machine


@pytest.fixture
def cognito_headers(cognito_pool: LocalUserPool) -> Callable[..., dict[str, str]]:
    """Headers for a test client with a fresh access token; takes what `cognito_token` takes: `cognito_headers(groups=["staff"])`."""
    return lambda **keywords: {"Authorization": f"Bearer {cognito_pool.access(**keywords)}"}
