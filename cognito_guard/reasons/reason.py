"""The value that a code is explained with."""

from __future__ import annotations

from cognito_guard.value import Value


class Reason(Value):
    """One code: what it means, why it happens with Cognito, and what whoever meets it should do."""

    __slots__ = ("meaning", "why", "advice")
    meaning: str
    why: str
    advice: str

    def __init__(self, meaning: str, why: str, advice: str) -> None:
        self._set(meaning=meaning, why=why, advice=advice)
