"""What `Connection` may name (THREATS T4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.rewriting.hop import HOP_BY_HOP, PROTECTED, USUAL, nominated


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"", set()),
        (b"close", set()),
        (b"x-a", {b"x-a"}),
        (b"X-A , x-b,,\tclose", {b"x-a", b"x-b", b"close"}),
        (b"Authorization, COOKIE, host, content-length, x-a", {b"x-a"}),
        (b"keep-alive, Transfer-Encoding, te", set()),
        (b"\xa0x-a", {b"\xa0x-a"}),
    ],
)
def test_what_is_named(value, named):
    """Names in lower case, split at commas, blanks are SP and HTAB only; what is meant for every recipient cannot be named (T4)."""
    assert nominated(value) == named


@given(st.binary(max_size=100))
def test_the_protected_are_never_named(value):
    """T4: whatever stands in Connection, the token, the cookies, the framing and the host are not taken out."""
    assert not nominated(value) & (PROTECTED | HOP_BY_HOP)
    assert not nominated(value + b"," + b",".join(PROTECTED)) & PROTECTED


def test_usual_values_name_nothing():
    """The values that are looked at before anything is split name no field that would otherwise pass."""
    assert {part.strip().lower() for value in USUAL for part in value.split(b",")} <= HOP_BY_HOP | {b"close"}
