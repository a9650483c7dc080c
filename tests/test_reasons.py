"""The texts behind the codes: one for each, and each of use."""

from __future__ import annotations

import typing

import pytest

from cognito_guard import errors
from cognito_guard.reasons import REASONS

CODES = {
    code
    for literal in (errors.RejectionCode, errors.UnavailableCode, errors.CredentialsCode)
    for code in typing.get_args(literal)
}


def test_every_code_has_a_text() -> None:
    """Those of the errors, and those of challenges that no error carries."""
    assert CODES | {"insufficient_scope", "insufficient_user_authentication", "target_ambiguous"} <= set(REASONS)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_texts_are_whole_sentences(code: str) -> None:
    """Each part ends as a sentence does, is ASCII, and says something of its own."""
    reason = REASONS[code]
    parts = (reason.meaning, reason.why, reason.advice)
    assert all(part.isascii() and part.endswith(".") and part[0].isupper() for part in parts), parts
    assert len(set(parts)) == 3
