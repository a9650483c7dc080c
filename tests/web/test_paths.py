"""Paths: one reading, or the reason why there are two (THREATS A19, T7, T8, T9, T13)."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_guard.web.paths import TwoFaced, read_path
from cognito_guard.web.routes import Protect, Public, Routes


def as_uvicorn(target: bytes, root_path: str = "") -> str | TwoFaced:
    """What uvicorn's h11 protocol makes of a request target."""
    raw = target.partition(b"?")[0]
    return read_path(root_path + unquote(raw.decode("latin-1")), root_path.encode() + raw, root_path)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/orders", "/orders"),
        (b"/orders/", "/orders/"),
        (b"/orders/1.json", "/orders/1.json"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/a/..b/...", "/a/..b/..."),
        (b"/%6frders", "/orders"),
        (b"/a%20b", "/a b"),
        (b"/caf%C3%A9", "/café"),
        (b"/caf%c3%a9", "/café"),
        (b"/100%25", "/100%"),
        (b"/c%23", "/c#"),
        (b"/why%3f", "/why?"),
        (b"/a:b@c,d=e+f!g$h&i'j(k)l*m~n", "/a:b@c,d=e+f!g$h&i'j(k)l*m~n"),
        (b"/private?x=/public", "/private"),
        (b"/private?/open", "/private"),
        (b'/a|b"[c]', '/a|b"[c]'),
    ],
)
def test_one_reading(target: bytes, path: str) -> None:
    """What every server reads alike passes, encoded letters, `%23` and `%3f` as data included; the query is no part of it."""
    assert as_uvicorn(target) == path


TWO_FACED = [
    b"/open/../admin",
    b"/open/./admin",
    b"/open/..",
    b"/open/.",
    b"/..",
    b"/open/%2e%2e/admin",
    b"/open/%2E./admin",
    b"/open/%252e%252e/admin",
    b"/open%2f..%2fadmin",
    b"/open/..%5cadmin",
    b"/open%5cadmin",
    b"/open\\..\\admin",
    b"/open%252fadmin",
    b"/open%255cadmin",
    b"/open/..;/admin",
    b"/open/..;x/admin",
    b"/open;x/admin",
    b"/open%3bx",
    b"/private;/open",
    b"//admin",
    b"/open//admin",
    b"/open//",
    b"/open/%00",
    b"/open%0a",
    b"/open%0d%0aX: y",
    b"/open%7f",
    b"/open%c2%85",
    b"/open\x01",
    b"/open admin",
    b"/open#/admin",
    b"/open%c0%af",
    b"/open/%c0%ae%c0%ae/admin",
    b"/open%e0%80%af",
    b"/open%ed%a0%80",
    b"/open%ff",
    b"/open\xc3\xa9",
    b"/open%u002fadmin",
    b"/open%25u002fadmin",
    b"/%2561dmin",
    b"/open%",
    b"/open%2",
    b"/open%zz",
    b"/open%%32%65",
    b"http://host/admin",
    b"https://host/open/x",
    b"HTTP://host",
    b"host:443",
    b"*",
    b"",
    b"admin",
    b"?/open",
    b".",
    b"..",
    b"%2fopen",
]


# once decoded these are paths like any other: a server that tells no raw_path has settled on one reading
DECODED_ALIKE = [b"/open admin", b"/open\xc3\xa9", b"%2fopen"]


@pytest.mark.parametrize("target", TWO_FACED)
def test_two_readings(target: bytes) -> None:
    """T8, T9, T13: refused, whether the server tells `raw_path` or not, without a word of the path in the reason."""
    read = as_uvicorn(target)
    assert isinstance(read, TwoFaced)
    assert read.readings == ()
    assert read.reason.isascii()
    assert "open" not in read.reason
    assert "admin" not in read.reason


@pytest.mark.parametrize("target", [target for target in TWO_FACED if target not in DECODED_ALIKE])
def test_two_readings_without_raw_path(target: bytes) -> None:
    """Of the decoded path alone: the octets as a server would decode them, once, with replacement."""
    assert isinstance(read_path(unquote(target.decode("latin-1"))), TwoFaced)


@pytest.mark.parametrize("path", ["/100%", "/%41", "/c#", "/why?", "/private?x=/public"])
def test_without_raw_path_syntax_and_letters_cannot_be_told_apart(path: str) -> None:
    """A `?` that was left in, or `%3f`; fail closed."""
    assert isinstance(read_path(path), TwoFaced)
    assert isinstance(read_path(path, b""), TwoFaced)


def test_without_raw_path_other_letters_are_letters() -> None:
    """The decoded path of the ASGI specification suffices."""
    assert read_path("/café au lait/1") == "/café au lait/1"


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/open", b"/admin"),
        ("/open/x", b"/open"),
        ("/open", b"/open%2f"),
        ("/OPEN", b"/open"),
        ("/a%2fb", b"/a%2fb"),
        ("/caf\xe9", b"/caf%e9"),
    ],
)
def test_path_and_raw_path_must_say_the_same(path: str, raw_path: bytes) -> None:
    """Whoever reads the other one must not read another path."""
    assert isinstance(read_path(path, raw_path), TwoFaced)


@pytest.mark.parametrize("raw_path", [b"/repos/a%2fb", b"/repos/a%2Fb"])
def test_an_encoded_slash_alone_has_its_two_readings(raw_path: bytes) -> None:
    """Both are given, so that a route can take them on; any further doubt takes them away."""
    read = read_path("/repos/a/b", raw_path)
    assert isinstance(read, TwoFaced)
    assert read.readings == ("/repos/a/b", raw_path.decode())
    for further in (b"/repos/..%2fb", b"/repos/a%2f%2fb", b"/repos/a%2fb;c", b"/repos/a%252fb%2fc"):
        assert isinstance(faced := as_uvicorn(further), TwoFaced)
        assert faced.readings == ()


@pytest.mark.parametrize(
    ("path", "root_path", "below"),
    [
        ("/api/orders", "/api", "/orders"),
        ("/api/", "/api", "/"),
        ("/api", "/api", "/"),
        ("/a/b/c", "/a/b", "/c"),
        ("/api/api/x", "/api", "/api/x"),
        ("/orders", "/api", "/orders"),
        ("/orders", "/", "/orders"),
        ("/orders", "", "/orders"),
    ],
)
def test_routes_see_the_path_below_root_path(path: str, root_path: str, below: str) -> None:
    """Cut at a segment boundary; a server that does not put it in front sends the path below it."""
    assert read_path(path, path.encode(), root_path) == below
    assert read_path(path, None, root_path) == below


@pytest.mark.parametrize("path", ["/apiary", "/apihealth", "/health/api/admin", "/x/api", "/api2/x", "http://h/api/x"])
def test_root_path_elsewhere_is_two_faced(path: str) -> None:
    """vLLM pull request 52794: frameworks cut it within a segment (Django) or where it first stands (Litestar), or not (Starlette)."""
    assert isinstance(read_path(path, path.encode(), "/api"), TwoFaced)


@pytest.mark.parametrize("raw_path", [b"/api/caf%c3%a9", b"/caf%c3%a9"])
def test_raw_path_may_or_may_not_hold_root_path(raw_path: bytes) -> None:
    """uvicorn puts it in front of both, others in front of path alone; frameworks that mount by cutting path leave raw_path whole."""
    assert read_path("/api/café", raw_path, "/api") == "/café"
    assert read_path("/café", b"/api/caf%c3%a9", "/api") == "/café"


def test_encoded_slashes_below_root_path() -> None:
    """Both readings lie below it, however raw_path is written; where that cannot be told there are none."""
    for raw_path in (b"/api/repos/a%2fb", b"/repos/a%2fb"):
        assert read_path("/api/repos/a/b", raw_path, "/api") == TwoFaced(
            "/api/repos/a/b", "an encoded slash", ("/repos/a/b", "/repos/a%2fb")
        )
    assert read_path("/api/repos/a", b"/api%2frepos/a", "/api") == TwoFaced("/api/repos/a", "an encoded slash", ())


FRAGMENTS = ["/", "open", "admin", "..", ".", "%2e", "%2E%2e", "%2f", "%5c", "\\", ";", "%3b", "%00", "%25", "2e", "2f", "%c0%ae"]
FRAGMENTS += [
    "%u002e",
    "#",
    "%23",
    "?",
    "//",
    "%6f",
    "pen",
    "é",
    "%c3%a9",
    "%",
    "*",
    " ",
    "%20",
    "http://h/",
    "/open/",
    "/admin/",
    "../",
]
STEPS = [
    unquote,
    lambda path: unquote(path, "latin-1"),
    lambda path: path.replace("\\", "/"),
    lambda path: "/".join(segment.partition(";")[0] for segment in path.split("/")),
    lambda path: path.replace("//", "/"),
    lambda path: path.partition("\x00")[0],
    lambda path: "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path,
    lambda path: path.replace("%u002e", ".").replace("\xc0\xae", "."),
]


def resolved(path: str) -> str:
    out: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            out = out[:-1]
        elif segment != ".":
            out.append(segment)
    return "/" + "/".join(out)


def readings(path: str) -> set[str]:
    """What a chain of lenient servers, proxies and frameworks might make of a path."""
    found = {path}
    for _ in range(3):
        found |= {step(reading) for reading in found for step in (*STEPS, resolved)}
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=7).map("".join), st.booleans(), st.sampled_from(["", "/api"]))
@example("/open/..%2fadmin", True, "")
@example("/open/%252e%252e/admin", False, "")
@example("/open/x", True, "/api")
def test_what_passes_openly_is_open_in_every_reading(target: str, raw: bool, root_path: str) -> None:  # noqa: FBT001
    """T9: never without a token to a protected resource, whatever decoding, resolving or cutting happens behind."""
    routes = Routes([Public("/open/*"), Protect("/*")])
    sent = target.partition("?")[0].encode()
    path = root_path + unquote(sent.decode("latin-1"))
    found = routes.match("GET", read_path(path, root_path.encode() + sent if raw else None, root_path))
    if isinstance(found, Public):
        below = path.removeprefix(root_path)
        assert all(reading.startswith("/open/") for reading in readings(below) | readings(sent.decode())), below


@given(st.text(max_size=12), st.none() | st.binary(max_size=12), st.sampled_from(["", "/", "/api", "x"]))
def test_anything_is_read(path: str, raw_path: bytes | None, root_path: str) -> None:
    """Never raises, and what has one reading begins with a slash."""
    read = read_path(path, raw_path, root_path)
    assert isinstance(read, TwoFaced) or read.startswith("/")
