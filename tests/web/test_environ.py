"""What of a CGI-style environment is a fact (THREATS A18, A19, A27)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.web.environ import from_environ, header_pairs, told_raw_path
from cognito_guard.web.paths import TwoFaced, read_path


def test_header_fields_get_their_names_back() -> None:
    """In lower case and with hyphens; what is no field stays out, whatever it is."""
    environ = {
        "HTTP_X_A": "1",
        "HTTP_COOKIE": "a=\xff",
        "SERVER_NAME": "s",
        "wsgi.input": object(),
        "CONTENT_TYPE": "t",
        "HTTP": "h",
    }
    assert header_pairs(environ) == [(b"x-a", b"1"), (b"cookie", b"a=\xff")]


@pytest.mark.parametrize(("value", "kept"), [("same-origin", False), ("cross-site", True), ("same-origin,cross-site", True)])
def test_sec_fetch_site_can_only_refuse(value: str, *, kept: bool) -> None:
    """Its good word may be a page's own `Sec_Fetch_Site`; any other costs a page nothing but its own request."""
    assert header_pairs({"HTTP_SEC_FETCH_SITE": value}) == ([(b"sec-fetch-site", value.encode())] if kept else [])


@pytest.mark.parametrize(
    ("target", "path", "root_path", "raw"),
    [
        ("/a", "/a", "", b"/a"),
        ("/a?b=%2f#c", "/a", "", b"/a"),
        ("/r/a", "/a", "/r", b"/r/a"),
        ("/a", "/a", "/r", b"/a"),
        ("/caf%C3%A9", "/café", "", b"/caf%C3%A9"),
        ("http://h:1/a", "/a", "", b"/a"),
        ("http://h", "", "", None),
        ("", "/a", "", None),
        ("/b", "/a", "", None),
        ("/r/a", "/r/a", "/s", b"/r/a"),
        ("/a#b", "/a", "", b"/a#b"),
        ("//a", "/a", "", None),
        ("/%ff", "/\udcff", "", b"/%ff"),
    ],
)
def test_the_raw_path_counts_where_it_agrees(target: str, path: str, root_path: str, raw: bytes | None) -> None:
    """With and without the prefix; a `#` always counts, since servers cut it off the path."""
    assert told_raw_path(target, path, root_path) == raw


@given(st.text(), st.sampled_from(["", "/api", "/é"]))
def test_any_path_that_a_server_decodes_arrives(path: str, root_path: str) -> None:
    """A plain server's word, encoded or not: what `read_path` then says is the path below the prefix, or a refusal."""
    path = "/" + path.encode("utf-8", "replace").decode()
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": root_path.encode().decode("latin-1"),
        "PATH_INFO": path.encode().decode("latin-1"),
        "RAW_URI": quote(root_path + path),
    }
    request = from_environ(environ)
    assert (request.path, request.root_path) == (root_path + path, root_path)
    below = read_path(request.path, request.raw_path, request.root_path)
    assert isinstance(below, TwoFaced) or below == path


@given(
    st.dictionaries(st.sampled_from(["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "HTTP_A"]), st.text())
)
def test_any_text_is_told(environ: dict[str, str]) -> None:
    """Never an exception, and never a path that the environment does not hold."""
    request = from_environ({"REQUEST_METHOD": "GET", **environ})
    below = read_path(request.path, request.raw_path, request.root_path)
    given_path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    assert isinstance(below, TwoFaced) or below == (given_path or "/")
