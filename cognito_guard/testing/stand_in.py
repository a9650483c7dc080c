"""Somebody in the place of a token's holder, for tests of an application that asks a dependency who is there.

Decides nothing about requests. The Principal is a real one: a token is minted and verified for it, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cognito_guard.pool import AnyClient
from cognito_guard.testing.local_user_pool import LocalUserPool
from cognito_guard.token.principal import Principal


def as_user(**keywords: Any) -> Callable[[], Principal]:
    """A callable that gives the Principal of a person: `as_user(username="jane", scopes=["orders/read"], groups=["staff"])`.

    The keywords are those of `LocalUserPool.access()`. Put it where an application asks for the holder of a token, such as
    `app.dependency_overrides[auth] = as_user(groups=["staff"])` in FastAPI; no token is sent then and no key is fetched.
    Raises as `access()` does, and `TokenRejected` for claims that no Guard would take.
    """
    pool = LocalUserPool()
    principal = pool.guard(pool.user_pool.access_tokens(client=AnyClient)).authenticate(pool.access(**keywords))
    return lambda: principal
