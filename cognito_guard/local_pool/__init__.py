"""A user pool for development: what a Cognito user pool and its managed login speak, on this machine only.

    with serve() as served:                     # or serve(LocalUserPool()), with the keys and the clock of a test's pool
        guard = served.pool.guard()             # verifies what it issues, with keys fetched over HTTP
        password = served.settings.user("reader").password

Never put it where others reach it: passwords lie in memory as they are, and whoever reaches the port may try them.
Needs the extra `local-pool`; the names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cognito_guard.local_pool.app import local_pool_app
    from cognito_guard.local_pool.clients import Client, ResourceServer
    from cognito_guard.local_pool.keys import kept_pool
    from cognito_guard.local_pool.people import Group, User
    from cognito_guard.local_pool.serving import Served, serve
    from cognito_guard.local_pool.settings import Settings
    from cognito_guard.local_pool.settings_file import read_settings

__all__ = [
    "serve",
    "Served",
    "Settings",
    "User",
    "Group",
    "Client",
    "ResourceServer",
    "read_settings",
    "kept_pool",
    "local_pool_app",
]

_HOME = {
    "serve": "serving",
    "Served": "serving",
    "Settings": "settings",
    "User": "people",
    "Group": "people",
    "Client": "clients",
    "ResourceServer": "clients",
    "read_settings": "settings_file",
    "kept_pool": "keys",
    "local_pool_app": "app",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
