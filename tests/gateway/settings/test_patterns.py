"""Patterns compared with each other, against what the routes themselves do."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.hosts import host_matches
from cognito_guard.gateway.settings.patterns import covers, host_covers, hosts_meet, meet, paths_of, route_paths
from cognito_guard.web import Protect, Public
from cognito_guard.web.routes import Routes

SEGMENTS = ["a", "b", "*"]
# deeper than any pattern, with a letter that none names: so a star differs from all letters that do
PATHS = [
    "/" + "/".join(parts) + end
    for n in range(5)
    for parts in itertools.product("abc", repeat=n)
    for end in ("", "/")
    if n or not end
]
patterns = st.builds(
    lambda segments, end: "/" + "/".join(segments) + end if segments else end or "/",
    st.lists(st.sampled_from(SEGMENTS), max_size=2),
    st.sampled_from(["", "/*", "/"]),
)
routes = st.builds(lambda kind, pattern: kind(pattern), st.sampled_from([Public, Protect]), patterns)


def _taken(route):
    """The paths that fall under a route, by the routes' own judgement."""
    table = Routes([route])
    return {path for path in PATHS if table.match("GET", path) is route}


@given(routes, routes)
def test_covers_is_what_the_routes_do(wide, narrow):
    """One route covers another exactly if it takes each of the paths that the other takes."""
    assert covers(route_paths(wide), route_paths(narrow)) == (_taken(narrow) <= _taken(wide))


@given(routes, routes)
def test_meet_is_what_the_routes_do(one, other):
    """Two routes meet exactly if there is a path that both take."""
    assert meet(route_paths(one), route_paths(other)) == bool(_taken(one) & _taken(other))


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("/*", "/a", True), ("/*", "/a/*", True), ("/a/*", "/*", False), ("/a/*", "/ab", False), ("/a/*", "/a/b/c", True),
        ("/*/x", "/a/x", True), ("/a/x", "/*/x", False), ("/a", "/a/*", False),
    ],
)  # fmt: skip
def test_covers_by_example(wide, narrow, expected):
    """Segments count whole, and a star inside is one of them."""
    assert covers(paths_of(wide), paths_of(narrow)) is expected


HOSTS = ["", "a.b", "*.b", "*.a.b", "c.a.b", "b", "*.c"]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(HOSTS, repeat=2)))
def test_hosts(one, other):
    """The same for hosts, by the gateway's own matching; "" is any host."""
    names = ["b", "a.b", "x.b", "a.a.b", "c.a.b", "x.c.a.b", "c", "x.c", "other"]
    here = {name for name in names if not one or host_matches(one, name)}
    there = {name for name in names if not other or host_matches(other, name)}
    assert host_covers(one, other) == (there <= here)
    assert hosts_meet(one, other) == bool(here & there)
