"""What a check comes to: a frozen value with the fix beside it. Decides nothing."""

from __future__ import annotations

from typing import Literal

from cognito_guard.value import Value

Status = Literal["ok", "warning", "failed", "skipped"]


class Finding(Value):
    """One check: its `name` (stable, for scripts), what was `found`, and the `advice`, which is "" where there is nothing to do.

    A skipped check says in `found` why, and in `advice` what would have it made. Neither text ends in a full stop, and neither holds
    a secret: of URLs, user names and passwords are left out.
    """

    __slots__ = ("name", "status", "found", "advice")
    name: str
    status: Status
    found: str
    advice: str

    def __init__(self, name: str, status: Status, found: str, advice: str = "") -> None:
        self._set(name=name, status=status, found=found, advice=advice)
