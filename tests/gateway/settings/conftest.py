"""What the tests of settings share: a complete file, and the mistakes of a text."""

from __future__ import annotations

import pytest

from cognito_guard import ConfigurationError
from cognito_guard.gateway.settings import read

SMALL = """\
[[pool]]
id = "eu-west-1_AbC123xyz"
clients = ["3n4b5urk1ft4fl3mg5e62d9ado"]

[[upstream]]
url = "http://127.0.0.1:8000"
"""


@pytest.fixture
def small() -> str:
    """The smallest file: six lines, of which the pool takes three and the upstream the last two."""
    return SMALL


@pytest.fixture
def mistakes():
    """`mistakes(text, ...)`: what `read` says of a text that it must refuse."""

    def of(text, **more):
        more.setdefault("name", "gate.toml")
        with pytest.raises(ConfigurationError) as refused:
            read(text, **more)
        assert refused.value.subject == "settings"
        assert refused.value.__context__ is None
        return list(refused.value.problems)

    return of


@pytest.fixture
def wrong(mistakes, small):
    """`wrong(more)`: the one mistake of the smallest file followed by `more`, whose first line is line 7."""

    def of(more, **arguments):
        [problem] = mistakes(small + more, **arguments)
        return problem

    return of
