"""Report-only mode, by name."""

from __future__ import annotations

from typing import Final

from cognito_guard.value import Value


class _ReportOnly(Value):
    """The type of `ReportOnly`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ReportOnly"


ReportOnly: Final = _ReportOnly()
"""Pass as `mode=` to judge and record every request and refuse none, for roll-out: *the application is open while this stands*.

What would have been refused reaches the application without a Principal, and is logged as a warning.
"""
