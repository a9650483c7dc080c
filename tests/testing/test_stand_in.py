"""`as_user`: somebody in the place of a token's holder."""

from __future__ import annotations

import pytest

from cognito_guard import HasScope, InGroup
from cognito_guard.errors import ConfigurationError, TokenRejected
from cognito_guard.testing import as_user


def test_it_gives_the_principal_of_a_person() -> None:
    """A real one, with what was asked for; the same on each call."""
    give = as_user(username="eve", scopes=["orders/read"], groups=["staff"])
    principal = give()
    assert principal.username == "eve"
    assert (HasScope("orders/read") & InGroup("staff")).judge(principal)
    assert give() is principal


def test_it_makes_only_what_a_guard_takes() -> None:
    """Its keywords are `LocalUserPool.access()`'s; of any app client, but nothing that a token could not be."""
    assert as_user(client="another")().client_id == "another"
    with pytest.raises(TokenRejected):
        as_user(claims={"exp": 1})
    with pytest.raises(ConfigurationError, match="groups: "):
        as_user(groups="staff")
