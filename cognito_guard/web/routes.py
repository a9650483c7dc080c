"""Routes: which paths are open, which look at a token that is there, and which demand one.

Decides which route a request falls under, and refuses a target whose two readings the routes would treat differently. Knows no
token; the rule of a route is carried, not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import Rule
from cognito_guard.value import Value
from cognito_guard.web.paths import TwoFaced, read_path
from cognito_guard.web.report_only import _ReportOnly


class _EncodedSlash(Value):
    """The type of `EncodedSlash`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EncodedSlash"


EncodedSlash: Final = _EncodedSlash()
"""Pass as `accepts=` to take paths that hold `%2f`: the application behind keeps `%2f` and `/` apart, or does not care."""


class Route(Value):
    """A pattern, and the methods for which it counts (None for all). Write `Public`, `Identify` or `Protect`.

    A pattern is a decoded path below `root_path`, compared letter by letter and case included: `*` stands for one segment, a final
    `/*` for everything below, and nothing else is special. `/x` and `/x/` are two paths; `Protect("/x/*")` covers both.
    `methods` is one or several, in capitals. Wrong arguments raise `ConfigurationError` with every mistake; correct the call.
    """

    __slots__ = ("pattern", "methods")
    pattern: str
    methods: frozenset[str] | None
    mode: _ReportOnly | None = None

    def __init__(self, pattern: str, *, methods: str | Iterable[str] | None = None) -> None:
        problems = [*_pattern_problems(pattern)]
        self._set(pattern=pattern, methods=_method_names(methods, problems))
        if problems:
            raise ConfigurationError(f"{type(self).__name__}({pattern!r})", problems)


class Public(Route):
    """Open: the request passes, and its credentials are not looked at.

    Never matches more than its text says: `Public("/x/*")` leaves `/x` protected, and `methods="GET"` leaves HEAD protected.
    """

    __slots__ = ()


class Identify(Route):
    """Open to requests without credentials; a token that is there must be good, and a bad one is answered as under `Protect`.

    Like `Public`, it never matches more than its text says.
    """

    __slots__ = ()


class Preflights(Route):
    """Open to true CORS preflights and nothing else: OPTIONS with `Origin` and `Access-Control-Request-Method`.

    For applications that answer preflights themselves; a CORS middleware around the front needs none. Whoever likes can send those
    fields, so what the application does on OPTIONS is open to everyone. Every other request falls under the routes that follow.
    Like `Public`, it never matches more than its text says.
    """

    __slots__ = ()

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern, methods="OPTIONS")

    def __repr__(self) -> str:
        return f"Preflights({self.pattern!r})"


class Protect(Route):
    """Demands a valid token, and that its principal satisfies `rule`, where there is one. What no route names is protected so.

    `Protect("/x/*")` also covers `/x`, and GET among `methods` also covers HEAD. `accepts=EncodedSlash` takes a path with `%2f`
    if it falls under this route whether the slash separates or not; every other path with two readings stays refused.
    `mode=ReportOnly` judges and records, and refuses nothing, under this route alone: it is open while this stands.
    """

    __slots__ = ("rule", "accepts", "mode", "_rule_text")
    rule: Rule | None
    accepts: _EncodedSlash | None
    mode: _ReportOnly | None
    _rule_text: str | None

    def __init__(
        self,
        pattern: str,
        rule: Rule | None = None,
        *,
        methods: str | Iterable[str] | None = None,
        accepts: _EncodedSlash | None = None,
        mode: _ReportOnly | None = None,
    ) -> None:
        problems = [*_pattern_problems(pattern)]
        self._set(pattern=pattern, rule=rule, methods=_method_names(methods, problems), accepts=accepts, mode=mode)
        if rule is not None and not isinstance(rule, Rule):
            problems.append("rule: give a rule such as HasScope('orders/read') or InGroup('staff'); parse_rule(text) reads text")
        if accepts is not None and not isinstance(accepts, _EncodedSlash):
            problems.append("accepts: the one thing that a route can accept is the exported value EncodedSlash")
        if mode is not None and not isinstance(mode, _ReportOnly):
            problems.append("mode: the one mode there is to name is the exported value ReportOnly; leave it out to enforce")
        if problems:
            raise ConfigurationError(f"Protect({pattern!r})", problems)
        self._set(_rule_text=None if rule is None else str(rule))

    @property
    def rule_text(self) -> str | None:
        """The rule as text, made once: every decision tells it."""
        return self._rule_text


class Routes:
    """A table of routes, tried in the order given; the first that matches decides. Compiled once, then only read.

    Raises `ConfigurationError` for what is not a route; correct the call. Not checked: that a route can be reached at all.
    """

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        if isinstance(routes, str) or not isinstance(routes, Iterable):
            raise ConfigurationError("Routes", ["routes: give a list of routes"])
        given = tuple(routes)
        problems = [
            f"routes[{at}]: give Public(...), Identify(...), Protect(...) or Preflights(...)"
            for at, route in enumerate(given)
            if not isinstance(route, Public | Identify | Protect | Preflights)
        ]
        if problems:
            raise ConfigurationError("Routes", problems)
        judged = [route for route in given if not isinstance(route, Preflights)]
        named = {method for route in judged for method in route.methods or ()}
        self._tables = {method: _Table(judged, method) for method in (named | {"HEAD"} if named else ())}
        self._other_methods = _Table(judged, None)
        self._same_for_all = _same_for_all(judged)
        self._preflights = _Table(given, "OPTIONS")
        self.know_preflights = len(judged) < len(given)
        self.report_only = [route for route in given if route.mode is not None]

    def match(self, method: str, path: str | TwoFaced, *, preflight: bool = False) -> Route | TwoFaced:
        """The route that decides about a request, or what makes its target ambiguous: refuse it then (400).

        `path` is the answer of `read_path`. A path with two readings passes where every route demands the same, or where both
        readings fall under one route that accepts the encoded slash. Where routes name methods, one that is not in capitals has two
        readings as well, since some frameworks capitalise it. `preflight`: the request `is_preflight`; no other falls under
        `Preflights`, and none whose path has two readings. Never raises.
        """
        if isinstance(path, TwoFaced) and self._same_for_all is not None:
            # an open route never matches more than its text says, and all text begins with "/"
            if isinstance(self._same_for_all, Protect) or path.path.startswith("/"):
                return self._same_for_all
            return path
        table = self._preflights if preflight else self._tables.get(method)
        if table is None:
            if self._tables and self._same_for_all is None and method != method.upper():
                return TwoFaced("", "a method that is not in capitals")
            table = self._other_methods
        return table.accepting(path) if isinstance(path, TwoFaced) else table.first(path)


class _Table:
    """The routes that count for one method (None: for those that no route names), as one expression with a group for each."""

    def __init__(self, routes: Iterable[Route], method: str | None) -> None:
        self._routes = [route for route in routes if _counts_for(route, method)]
        self._paths = re.compile("|".join(f"({_expression(route)})" for route in self._routes) or "(?!)", re.DOTALL)

    def first(self, path: str) -> Route:
        found = self._paths.fullmatch(path)
        return UNNAMED if found is None else self._routes[(found.lastindex or 0) - 1]

    def accepting(self, path: TwoFaced) -> Route | TwoFaced:
        found = {id(route): route for route in map(self.first, path.readings)}
        route = found.popitem()[1] if len(found) == 1 else None
        return route if isinstance(route, Protect) and route.accepts is not None else path


def _counts_for(route: Route, method: str | None) -> bool:
    if route.methods is None or method in route.methods:
        return True
    return method == "HEAD" and "GET" in route.methods and isinstance(route, Protect)


def _expression(route: Route) -> str:
    path, tail = route.pattern, ""
    if path.endswith("/*"):
        path, tail = path[:-2], "(?:/.*+)?" if isinstance(route, Protect) else "/.*+"
    return "/".join("[^/]++" if segment == "*" else re.escape(segment) for segment in path.split("/")) + tail


def _same_for_all(routes: Iterable[Route]) -> Route | None:
    """A route with the one demand that every path meets, however it is read; None where it depends on the path."""
    demands: dict[object, Route] = {}
    for route in (*routes, UNNAMED):
        demands[type(route), route.rule if isinstance(route, Protect) else None, route.mode] = route
        if route.pattern == "/*" and route.methods is None:
            break
    return demands.popitem()[1] if len(demands) == 1 else None


def _pattern_problems(pattern: object) -> Iterable[str]:
    if not isinstance(pattern, str):
        yield "pattern: give a string such as '/orders/*'"
        return
    path = read_path(pattern)
    if isinstance(path, TwoFaced):
        yield f"pattern: it holds {path.reason}; write the decoded path as the application knows it, beginning with '/'"
    if any("*" in segment and segment != "*" for segment in pattern.split("/")):
        yield "pattern: '*' stands alone between slashes, for one segment, or at the end, for everything below"


def _method_names(given: object, problems: list[str]) -> frozenset[str] | None:
    if given is None:
        return None
    listed = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    names = [name for name in listed if isinstance(name, str) and _METHOD.fullmatch(name)]
    if not names or len(names) < len(listed):
        problems.append(
            "methods: give one method or several, in capitals, such as 'GET' or ['POST', 'PUT']; leave it out for all"
        )
    return frozenset(names)


_METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")

UNNAMED: Final = Protect("/*")
"""The route of everything that no route names."""
