"""Patterns of routes and upstreams compared with each other: whether one takes every path of another, or any.

Decides by the text of the patterns alone. Which route a request falls under is `Routes`' business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cognito_guard.gateway.hosts import host_matches
from cognito_guard.web.routes import Protect, Route


class Paths(NamedTuple):
    """The paths of a pattern: segments, `*` among them for any one; `below`: and everything below these; `itself`: these as well."""

    segments: tuple[str, ...]
    below: bool
    itself: bool


def paths_of(pattern: str, *, itself: bool = False) -> Paths:
    """The paths of a pattern's text; `itself`: of `/x/*` also `/x`, as for `Protect`."""
    if pattern.endswith("/*"):
        # of "/*" the path itself would be the empty one, which no request has
        return Paths(tuple(pattern[:-2].split("/")), below=True, itself=itself and pattern != "/*")
    return Paths(tuple(pattern.split("/")), below=False, itself=True)


def route_paths(route: Route) -> Paths:
    """The paths for which a route counts."""
    return paths_of(route.pattern, itself=isinstance(route, Protect))


def covers(wide: Paths, narrow: Paths) -> bool:
    """Whether every path of `narrow` is one of `wide`."""
    depth = len(wide.segments)
    if not wide.below:
        return not narrow.below and len(narrow.segments) == depth and _all(_segment_covers, wide, narrow)
    if len(narrow.segments) < depth or not _all(_segment_covers, wide, narrow):
        return False
    # of equal depth: what is below is below both, and then the path itself is to be looked at
    return len(narrow.segments) > depth or wide.itself or not narrow.itself


def meet(one: Paths, other: Paths) -> bool:
    """Whether any path is one of both."""
    if not _all(_segments_meet, one, other):
        return False
    short, long = (one, other) if len(one.segments) <= len(other.segments) else (other, one)
    if len(short.segments) < len(long.segments):
        return short.below
    return (short.below and long.below) or (short.itself and long.itself)


def host_covers(wide: str, narrow: str) -> bool:
    """Whether every host of the pattern `narrow` is one of `wide`; "" is any host."""
    return (
        not wide or wide == narrow or (bool(narrow) and wide.startswith("*.") and host_matches(wide, narrow.removeprefix("*.")))
    )


def hosts_meet(one: str, other: str) -> bool:
    """Whether any host is one of both."""
    return host_covers(one, other) or host_covers(other, one)


def _all(compare: Callable[[str, str], bool], one: Paths, other: Paths) -> bool:
    return all(map(compare, one.segments, other.segments))  # as far as both go


def _segment_covers(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide == "*" and bool(narrow))


def _segments_meet(one: str, other: str) -> bool:
    return _segment_covers(one, other) or _segment_covers(other, one)
