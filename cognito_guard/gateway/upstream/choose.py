"""Which upstream a request goes to: by its host, then by the longest path (pure).

Decides on patterns only; whether the request may go anywhere was judged before, and whether the upstream is well is asked after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.hosts import canonical, host_problem
from cognito_guard.value import Value

Group = TypeVar("Group")

_REMEMBERED = 1024


class Entry(Value):
    """One upstream and what it serves.

    `host` is "" for any host, `api.example.com` for one, `*.example.com` for every name below; without a port, in any case. `path` is
    `/api/*` for `/api` and everything below it, `/*` for everything, `/api` for that path alone. `upstream` is whatever the caller
    builds a group from. Raises `ConfigurationError` with every mistake.
    """

    __slots__ = ("host", "path", "upstream")
    host: str
    path: str
    upstream: Any

    def __init__(self, upstream: object, *, host: str = "", path: str = "/*") -> None:
        problems: list[str] = []
        if host and (problem := host_problem(host)):
            problems.append(f"host: {problem}, or '' for any")
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            problems.append("path: start it with '/'; '*' stands at the end only, after '/', for everything below")
        if problems:
            raise ConfigurationError("Entry", problems)
        self._set(host=host.lower().removesuffix("."), path=path, upstream=upstream)


class Upstreams(Generic[Group]):
    """Entries, of which those with equal host and path are replicas of each other and form one group.

    `gather` makes the group of its members, in the order given. A host's own entries come first, then those of `*.suffix` (the longest
    suffix first), then those for any host; among them the longest path decides. A host without a fitting path falls through to the
    next. No entry at all raises `ConfigurationError`.
    """

    __slots__ = ("groups", "_hosts", "_memo")

    def __init__(self, entries: Iterable[Entry], gather: Callable[[Sequence[Any]], Group]) -> None:
        members: dict[tuple[str, str], list[Any]] = {}
        for entry in entries:
            members.setdefault((entry.host, entry.path), []).append(entry.upstream)
        if not members:
            raise ConfigurationError("Upstreams", ["entries: name at least one upstream"])
        self.groups: dict[tuple[str, str], Group] = {served: gather(those) for served, those in members.items()}
        hosts: dict[str, list[tuple[str, str, Group]]] = {}
        for (host, path), group in self.groups.items():
            exact = path.removesuffix("/*") if path != "/*" else ""
            below = path[:-1] if path.endswith("/*") else "\0"  # a path that no request has
            hosts.setdefault(host, []).append((exact, below, group))
        for patterns in hosts.values():
            patterns.sort(key=lambda pattern: (-len(pattern[0]), pattern[1] != "\0"))  # of /api and /api/*, the single path first
        self._hosts = hosts
        self._memo: dict[bytes, tuple[tuple[str, str, Group], ...]] = {}

    def choose(self, host: bytes, path: str) -> Group | None:
        """The group for a Host field as it was sent and a percent-decoded path; None if no entry fits. Never raises."""
        patterns = self._memo.get(host)
        if patterns is None:
            patterns = self._for(host)
        for exact, below, group in patterns:
            if path.startswith(below) or path == exact:
                return group
        return None

    def _for(self, host: bytes) -> tuple[tuple[str, str, Group], ...]:
        name = canonical(host)
        patterns = list(self._hosts.get(name, ())) if name else []
        at = name.find(".")
        while at != -1:
            patterns += self._hosts.get(f"*{name[at:]}", ())
            at = name.find(".", at + 1)
        patterns += self._hosts.get("", ())
        if len(self._memo) >= _REMEMBERED:  # clients choose what they send
            self._memo.clear()
        if len(host) <= 255:
            self._memo[host] = tuple(patterns)
        return tuple(patterns)


_PATH = re.compile(r"/(?:[^*\x00]*/)?\*|/[^*\x00]*")
