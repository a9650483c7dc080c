"""The gateway's settings: a TOML file, the environment and flags, read into frozen values with every mistake at once. Pure.

All but the options loads on first use: every command's parser is made from the options, and few commands read settings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cognito_guard.gateway.settings.options import CONFIG, OPTIONS, PREFIX, Option

if TYPE_CHECKING:
    from cognito_guard.gateway.settings.advice import warnings
    from cognito_guard.gateway.settings.printing import printed
    from cognito_guard.gateway.settings.reading import read
    from cognito_guard.gateway.settings.table import route_table
    from cognito_guard.gateway.settings.values import (
        AssertionSettings,
        ForwardAuthSettings,
        GatewaySettings,
        LimitSettings,
        LogSettings,
        PoolSettings,
        ResourceSettings,
        RouteSettings,
        ServerSettings,
        TimeoutSettings,
        UpstreamSettings,
    )

__all__ = [
    "read",
    "printed",
    "route_table",
    "warnings",
    "GatewaySettings",
    "PoolSettings",
    "ResourceSettings",
    "ServerSettings",
    "LimitSettings",
    "TimeoutSettings",
    "UpstreamSettings",
    "RouteSettings",
    "ForwardAuthSettings",
    "AssertionSettings",
    "LogSettings",
    "OPTIONS",
    "Option",
    "PREFIX",
    "CONFIG",
]

_ELSEWHERE = {"read": "reading", "printed": "printing", "route_table": "table", "warnings": "advice"}


def __getattr__(name: str) -> Any:
    """What not every program needs loads on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'values')}"), name)
