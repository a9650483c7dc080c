"""The texts behind the codes: one for each, and each of use."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import pytest

import cognito_guard
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


def test_every_answer_of_ours_has_a_text() -> None:
    """Whatever code the sources give to a problem document or a challenge that refuses."""
    package = Path(cognito_guard.__file__).parent
    answers = {"problem": 2, "_bad": 0}
    told = {
        argument.value
        for path in package.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in answers
        for argument in call.args[answers[call.func.id] :][:1]
        if isinstance(argument, ast.Constant)
    }
    assert {"credentials_missing", "upstream_timeout", "framing_refused"} <= told
    assert told <= set(REASONS)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_texts_are_whole_sentences(code: str) -> None:
    """Each part ends as a sentence does, is ASCII, and says something of its own."""
    reason = REASONS[code]
    parts = (reason.meaning, reason.why, reason.advice)
    assert all(part.isascii() and part.endswith(".") and part[0].isupper() for part in parts), parts
    assert len(set(parts)) == 3
