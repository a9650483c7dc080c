"""Routes: patterns, methods, first match, and when two readings do not matter (DESIGN 2; THREATS A19, T7, T9, T11)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import HasScope, InGroup
from cognito_guard.web import EncodedSlash, Identify, Preflights, Protect, Public
from cognito_guard.web.paths import TwoFaced, read_path
from cognito_guard.web.routes import UNNAMED, Route, Routes

ADMIN = InGroup("admin")
DOUBT = TwoFaced("/open/../admin", "a dot segment")


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", ["/"], ["/x", "/x/"]),
        ("/x", ["/x"], ["/", "/x/", "/x/y", "/X", "/xy", "/x.", "/x%20", "/x "]),
        ("/x/", ["/x/"], ["/x", "/x/y"]),
        ("/*", ["/", "/x", "/x/", "/x/y.z"], []),
        ("/x/*", ["/x/", "/x/y", "/x/y/z", "/x/y/"], ["/", "/xy", "/xy/z", "/X/y", "/y/x/z"]),
        ("/*/x", ["/a/x", "/*/x"], ["/x", "//x", "/a/b/x", "/a/x/", "/a/X"]),
        ("/a/*/b/*", ["/a/1/b/", "/a/1/b/2/3"], ["/a/b/c", "/a/1/2/b/c", "/a/1/bb/c"]),
        ("/v1.0/(x)+[y]", ["/v1.0/(x)+[y]"], ["/v1x0/(x)+[y]", "/v1.0/x"]),
        ("/stra\xdfe", ["/stra\xdfe"], ["/strasse", "/STRASSE"]),
    ],
)
def test_patterns_are_literal_but_for_the_stars(pattern: str, matching: list[str], others: list[str]) -> None:
    """T11: `*` is one segment, a final `/*` everything below; case counts; no letter is special."""
    for kind in (Public, Identify, Protect):
        route = kind(pattern)
        routes = Routes([route])
        assert [path for path in matching if routes.match("GET", path) is not route] == []
        assert [path for path in others if routes.match("GET", path) is not UNNAMED] == []


def test_protect_also_covers_the_folder_itself() -> None:
    """`/x` is a protected folder's own page; open routes leave it protected."""
    for kind, covers in ((Protect, True), (Public, False), (Identify, False)):
        route = kind("/x/*")
        assert (Routes([route]).match("GET", "/x") is route) is covers


def test_what_no_route_names_is_protected() -> None:
    """By any valid token, without a rule; also where there are no routes at all."""
    assert Routes().match("GET", "/") == Protect("/*") == Routes([Public("/health")]).match("GET", "/healthz")


def test_the_first_route_that_matches_decides() -> None:
    """In the order written, however special a later one is."""
    first, second, third = Protect("/x/*", ADMIN), Public("/x/y"), Public("/z")
    routes = Routes([first, second, third])
    assert routes.match("GET", "/x/y") is first
    assert routes.match("GET", "/z") is third
    assert Routes([second, first]).match("GET", "/x/y") is second


def naive(route: Route, path: str) -> bool:
    """Segment by segment, as a person would read the pattern."""
    want, have = route.pattern.split("/"), path.split("/")
    if want[-1] == "*":
        want = want[:-1]
        if len(have) < len(want) or (len(have) == len(want) and not isinstance(route, Protect)):
            return False
        have = have[: len(want)]
    return len(want) == len(have) and all(w == h or (w == "*" and h != "") for w, h in zip(want, have, strict=True))


SEGMENTS = ["a", "b", "A", "ab", "a.b", ".a", "a+", "$", "|", "(a)", "[^/]"]
PATTERNS = st.lists(st.sampled_from([*SEGMENTS, "*", "*"]), max_size=4).map(lambda parts: "/" + "/".join(parts))
METHODS = st.none() | st.sets(st.sampled_from(["GET", "HEAD", "POST"]), min_size=1)
ROUTES = st.builds(
    lambda kind, pattern, methods: kind(pattern, methods=methods), st.sampled_from([Public, Identify, Protect]), PATTERNS, METHODS
)
PATHS = st.builds(
    lambda parts, end: "/" + "/".join(parts) + end,
    st.lists(st.sampled_from([*SEGMENTS, "*"]), max_size=5),
    st.sampled_from(["", "/"]),
)


@given(st.lists(ROUTES, max_size=6), st.sampled_from(["GET", "HEAD", "POST", "PURGE"]), PATHS)
def test_the_compiled_table_is_the_naive_one(given_routes: list[Route], method: str, path: str) -> None:
    """T11: one expression for all routes decides as trying them one after the other, methods included."""

    def counts(route: Route) -> bool:
        also = {"HEAD"} if isinstance(route, Protect) and "GET" in (route.methods or ()) else set()
        return route.methods is None or method in route.methods | also

    expected = next((route for route in given_routes if counts(route) and naive(route, path)), UNNAMED)
    assert Routes(given_routes).match(method, path) is expected


def test_methods() -> None:
    """A route with methods counts for these only. GET covers HEAD where that protects, and not where it opens."""
    routes = Routes([Public("/x", methods=["GET"]), Protect("/x", ADMIN, methods="POST")])
    assert isinstance(routes.match("GET", "/x"), Public)
    assert routes.match("POST", "/x").rule == ADMIN  # type: ignore[union-attr]
    assert routes.match("HEAD", "/x") is routes.match("OPTIONS", "/x") is routes.match("PURGE", "/x") is UNNAMED
    assert Routes([Protect("/x", ADMIN, methods=["GET"])]).match("HEAD", "/x").rule == ADMIN  # type: ignore[union-attr]
    assert isinstance(Routes([Public("/x", methods=["GET", "HEAD"])]).match("HEAD", "/x"), Public)


@pytest.mark.parametrize("method", ["delete", "Delete", "\u0131NFO", "\ufb01x"])
def test_a_method_that_is_not_in_capitals_has_two_readings(method: str) -> None:
    """Frameworks that capitalise it would run the handler of a method whose rule was not asked."""
    assert isinstance(Routes([Protect("/x", ADMIN, methods=["DELETE"])]).match(method, "/x"), TwoFaced)
    assert Routes([Protect("/x", ADMIN)]).match(method, "/x").rule == ADMIN  # type: ignore[union-attr]
    assert Routes([Protect("/*", methods=["DELETE"])]).match(method, "/x") == UNNAMED


@pytest.mark.parametrize(
    "routes",
    [
        [],
        [Protect("/*")],
        [Protect("/*", ADMIN)],
        [Protect("/x/*"), Protect("/y", methods=["GET"])],
        [Protect("/x", ADMIN), Protect("/*", ADMIN), Public("/never/reached")],
        [Identify("/*")],
        [Identify("/x"), Identify("/*")],
        [Public("/*")],
    ],
)
def test_two_readings_pass_where_every_route_demands_the_same(routes: list[Any]) -> None:
    """The protection of what no route names counts among the demands."""
    found = Routes(routes).match("GET", DOUBT)
    assert type(found) is (type(routes[0]) if routes else Protect)
    assert getattr(found, "rule", None) == (getattr(routes[0], "rule", None) if routes else None)


@pytest.mark.parametrize(
    "routes",
    [
        [Public("/health")],
        [Public("/health"), Protect("/*")],
        [Protect("/x", ADMIN)],
        [Protect("/x", ADMIN), Protect("/*", HasScope("a/b"))],
        [Protect("/*", ADMIN, methods=["GET"])],
        [Public("/*", methods=["GET"])],
        [Identify("/*", methods=["GET"]), Protect("/*")],
        [Identify("/x"), Public("/*")],
    ],
)
def test_two_readings_are_refused_where_demands_differ(routes: list[Any]) -> None:
    """A catch-all for some methods only is none."""
    assert Routes(routes).match("GET", DOUBT) is DOUBT


@pytest.mark.parametrize("target", ["*", "http://host/x", "host:443", ""])
def test_open_routes_never_take_a_target_without_a_slash(target: str) -> None:
    """`/*` says paths; where all is protected alike, the same is demanded of these, its rule included."""
    doubt = read_path(target)
    assert isinstance(doubt, TwoFaced)
    assert Routes([Public("/*")]).match("OPTIONS", doubt) is Routes([Identify("/*")]).match("GET", doubt) is doubt
    assert Routes([Protect("/*", ADMIN)]).match("GET", doubt).rule == ADMIN  # type: ignore[union-attr]


def test_an_encoded_slash_is_taken_on_by_name() -> None:
    """Only if both readings fall under the one route that accepts it."""
    repos = Protect("/repos/*", ADMIN, accepts=EncodedSlash)
    routes = Routes([Protect("/repos/*/settings", HasScope("a/b")), repos, Public("/open/*")])

    def match(raw_path: bytes) -> Route | TwoFaced:
        return routes.match("GET", read_path(raw_path.replace(b"%2f", b"/").decode(), raw_path))

    assert match(b"/repos/a%2fb") is match(b"/repos/a%2fb%2fc/d") is match(b"/repos/x") is repos
    refused = [
        b"/repos/a%2fsettings",
        b"/repos%2fa",
        b"/open%2fx",
        b"/open/a%2fb",
        b"/other/a%2fb",
        b"/repos/a%2f..%2fb",
        b"%2frepos/a",
    ]
    assert [raw for raw in refused if not isinstance(match(raw), TwoFaced)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x",
        "*",
        "x/*",
        "//x",
        "/x//",
        "/x/../y",
        "/.",
        "/x?y",
        "/x#y",
        "/x;y",
        "/x\\y",
        "/%78",
        "/100%",
        "/x\n",
        "/a*",
        "/**",
        "/x/*.json",
        7,
        None,
    ],
)
@pytest.mark.parametrize("kind", [Public, Identify, Protect])
def test_a_pattern_that_no_path_can_match_is_a_mistake(kind: Any, pattern: Any) -> None:
    """Said when it is written, not by a route that silently never counts."""
    with pytest.raises(ConfigurationError, match=r"pattern: "):
        kind(pattern)


@pytest.mark.parametrize("methods", ["", "get", "G T", [], ["GET", "post"], [b"GET"], 7, {"GET": 1, 2: 3}])
def test_methods_are_written_in_capitals(methods: Any) -> None:
    """An empty list too is a mistake: the route would never count."""
    with pytest.raises(ConfigurationError, match=r"methods: "):
        Public("/x", methods=methods)


def test_all_mistakes_are_told_at_once() -> None:
    """Of one route, and of one table; a rule's text, a boolean and a list are no rule, no acceptance, no route."""
    with pytest.raises(ConfigurationError) as wrong:
        Protect("x*", "scope:a/b", methods="get", accepts=True)  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == ["pattern", "pattern", "methods", "rule", "accepts"]
    with pytest.raises(ConfigurationError) as wrong:
        Routes(["/x", Public("/y"), Route("/z")])  # type: ignore[list-item]
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == ["routes[0]", "routes[2]"]
    for single in (Public("/x"), "/x", None):
        with pytest.raises(ConfigurationError, match="give a list"):
            Routes(single)  # type: ignore[arg-type]


def test_routes_are_frozen_values() -> None:
    """Equal by what is written; methods in any order."""
    assert Protect("/x", ADMIN, methods=["GET", "PUT"]) == Protect("/x", ADMIN, methods=("PUT", "GET"))
    assert Public("/x") != Identify("/x")
    assert len({Public("/x"), Public("/x"), Public("/y")}) == 2
    with pytest.raises(AttributeError):
        Public("/x").pattern = "/y"
    assert repr(EncodedSlash) == "EncodedSlash"


PREFLIGHT_TABLE = Routes([Protect("/api/secret/*"), Preflights("/api/*"), Public("/open", methods="OPTIONS")])


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/x", Preflights),
        ("/api/x/y", Preflights),
        ("/api", Protect),  # like Public, it matches no more than its text says
        ("/apix", Protect),
        ("/api/secret/x", Protect),  # the first that matches decides
        ("/open", Public),
        ("/other", Protect),
    ],
)
def test_preflights_are_let_through_where_they_are_named(path: str, kind: Any) -> None:
    """Only a request that was found to be a preflight; the same path by OPTIONS or any other method falls under what follows."""
    assert type(PREFLIGHT_TABLE.match("OPTIONS", path, preflight=True)) is kind
    for method in ("OPTIONS", "GET", "POST", "options", "X"):
        assert not isinstance(PREFLIGHT_TABLE.match(method, path), Preflights)


def test_a_preflight_with_two_readings_is_not_let_through() -> None:
    """Not even where every path is open to preflights."""
    two_faced = read_path("/api/../x")
    for table in (PREFLIGHT_TABLE, Routes([Preflights("/*")]), Routes([Preflights("/*"), Public("/*")])):
        assert not isinstance(table.match("OPTIONS", two_faced, preflight=True), Preflights)


def test_preflights_take_part_in_no_other_request() -> None:
    """A table is as it would be without them: also in what it makes of methods and of paths with two readings."""
    assert Routes([Preflights("/api/*"), Protect("/*")]).match("options", read_path("/a//b")) == Protect("/*")
    assert Routes([Preflights("/api/*")]).match("OPTIONS", "/api/x") == Protect("/*")
    assert repr(Preflights("/api/*")) == "Preflights('/api/*')"
    with pytest.raises(ConfigurationError, match="pattern"):
        Preflights("api")
