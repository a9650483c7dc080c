"""Which front judges a request, by the host that it names: routes can be for some hosts only.

Decides by `Host` alone, in one canonical form, and never guesses: a host that no route names meets the routes that name none, and
what these do not name is protected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Unpack

from cognito_guard.front import Front, FrontSettings
from cognito_guard.gateway.hosts import canonical, host_matches
from cognito_guard.web.routes import Route

if TYPE_CHECKING:
    from cognito_guard.guard import Guard


class Policy:
    """One Front for each set of routes that can apply together; they share the Guard and the settings.

    `routes` are pairs: the route, and the host patterns for which it counts (none: for all).
    """

    def __init__(self, guard: Guard, routes: Iterable[tuple[Route, Sequence[str]]], **settings: Unpack[FrontSettings]) -> None:
        self._guard = guard
        self._settings = settings
        self._routes = [(route, tuple(hosts)) for route, hosts in routes]
        self._patterns = frozenset(pattern for _, hosts in self._routes for pattern in hosts)
        self._fronts: dict[frozenset[str], Front] = {}
        self._by_host: dict[bytes, Front] = {}
        self._any_host = self._for(frozenset())

    @property
    def judge(self) -> Front | Callable[[bytes], Front]:
        """The one front, or, where routes name hosts, `front`: for those who need no host where none decides."""
        return self.front if self._patterns else self._any_host

    def front(self, host: bytes) -> Front:
        """The front for the value of a Host field, which may be any octets. Never raises."""
        if not self._patterns:
            return self._any_host
        front = self._by_host.get(host)
        if front is None:
            name = canonical(host)
            front = self._for(frozenset(pattern for pattern in self._patterns if host_matches(pattern, name)))
            if len(self._by_host) >= _REMEMBERED:
                self._by_host.clear()
            if len(host) <= _LONGEST_REMEMBERED:
                self._by_host[host] = front
        return front

    def _for(self, patterns: frozenset[str]) -> Front:
        front = self._fronts.get(patterns)
        if front is None:
            routes = [route for route, hosts in self._routes if not hosts or not patterns.isdisjoint(hosts)]
            front = self._fronts[patterns] = Front(self._guard, routes, **self._settings)
        return front


_REMEMBERED = 1024
_LONGEST_REMEMBERED = 261  # a name of 255 octets, and a port
