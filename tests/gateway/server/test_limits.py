"""Limits: which numbers make sense."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.server.limits import Limits


def test_the_defaults_are_those_that_are_documented() -> None:
    """64 KiB heads, 128 fields, bodies without limit."""
    limits = Limits()
    assert (limits.head, limits.fields, limits.body, limits.connections) == (65536, 128, None, 10_000)
    assert limits == Limits(head=65536)


def test_every_mistake_is_told_at_once() -> None:
    """Each names its argument."""
    with pytest.raises(ConfigurationError) as caught:
        Limits(
            head=1,
            fields=0,
            body=-1,
            connections=0,
            head_seconds=0,
            body_seconds=-1,
            write_seconds=float("nan"),
            keep_alive_seconds=1e9,
        )
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "head", "fields", "body", "connections", "head_seconds", "body_seconds", "write_seconds", "keep_alive_seconds",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [True, "1", None, 1.5])
def test_a_count_is_a_whole_number(given: Any) -> None:
    """Booleans and strings are no numbers."""
    with pytest.raises(ConfigurationError):
        Limits(connections=given)
    with pytest.raises(ConfigurationError):
        Limits(head_seconds=given if given != 1.5 else True)
