from __future__ import annotations

import pytest

from cognito_guard.testing import LocalUserPool


@pytest.fixture
def pool():
    return LocalUserPool()


@pytest.fixture
def still_pool():
    """A pool whose clock stands still."""
    return LocalUserPool(clock=lambda: 1_800_000_000.75)
