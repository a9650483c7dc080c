"""Hosts in one form, and the patterns that name them (THREATS T10, T11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.hosts import canonical, host_matches, host_problem


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"api.example.com", "api.example.com"),
        (b"API.Example.COM:8443", "api.example.com"),
        (b"api.example.com.", "api.example.com"),
        (b"api.example.com.:443", "api.example.com"),
        (b"localhost", "localhost"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"[::1]:8080", "[::1]"),
        (b"", ""),
        (b"a..b", ""),
        (b"h/public/", ""),
        (b"u@h", ""),
        (b"h evil", ""),
        (b"h:80:80", ""),
        (b"h:", ""),
        ("ä".encode(), ""),
    ],
)
def test_one_form_for_every_spelling(field: bytes, name: str) -> None:
    """T10: case, port and a final dot make no other host; what is no host is none."""
    assert canonical(field) == name


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com.", "api.example.com", True),
        ("api.example.com", "apixexample.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "", False),
    ],
)
def test_patterns_are_literal_but_for_the_leading_star(pattern: str, name: str, *, fits: bool) -> None:
    """T11, T33: a dot is a dot, and `*.` ends at one."""
    assert host_matches(pattern, name) is fits


def test_what_is_no_pattern_is_said() -> None:
    """A scheme, a port, a path or a star elsewhere is a mistake of the settings."""
    for good in ("h", "api.example.com", "*.example.com", "[::1]"):
        assert host_problem(good) is None
    for bad in ("", "*", "a.*.b", "https://h", "h:80", "h/x", "a..b", ".h", None, 7, "h\n"):
        assert host_problem(bad), bad


@given(st.binary(max_size=300))
def test_any_octets_have_a_form(field: bytes) -> None:
    """Never an exception, and what is a host stays itself."""
    name = canonical(field)
    assert canonical(name.encode()) == name
