"""Same origin, and true preflights: what the browser says of where a request comes from (THREATS A27; Fetch standard)."""

from __future__ import annotations

import pytest

from cognito_guard.web.origin import from_same_origin, is_preflight


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://shop.example.com", "shop.example.com", True),
        ("https://SHOP.example.com", "shop.EXAMPLE.com", True),
        ("https://shop.example.com", "shop.example.com:443", True),
        ("https://shop.example.com:443", "shop.example.com", True),
        ("http://shop.example.com", "shop.example.com:80", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://shop.example.com", "shop.example.com:80", False),
        ("https://shop.example.com:8443", "shop.example.com", False),
        ("https://shop.example.com", "shop.example.com:8443", False),
        ("https://shop.example.com.attacker.example", "shop.example.com", False),
        ("https://example.com", "shop.example.com", False),
        ("https://shop.example.com.", "shop.example.com", False),
        ("https://u@shop.example.com", "shop.example.com", False),
        ("https://shop.example.com/", "shop.example.com", False),
        ("https://shop.example.com\\.attacker.example", "shop.example.com", False),
        ("https://attacker.example?shop.example.com", "shop.example.com", False),
        ("chrome-extension://shop.example.com", "shop.example.com", False),
        ("//shop.example.com", "shop.example.com", False),
        ("shop.example.com", "shop.example.com", False),
        ("null", "null", False),
        ("", "", False),
        ("https://", "", False),
    ],
)
def test_origin_equals_host(origin: str, host: str, *, same: bool) -> None:
    """Letter by letter but for case and the scheme's own port; whatever is not an http(s) origin is foreign."""
    assert from_same_origin([(b"Origin", origin.encode()), (b"HOST", host.encode())]) == same


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (b"same-origin", True),
        (b"same-site", False),
        (b"none", False),
        (b"cross-site", False),
        (b"", False),
        (b"Same-Origin", False),
    ],
)
def test_sec_fetch_site_decides_where_it_is_there(value: bytes, *, same: bool) -> None:
    """It compares the scheme as well, so an Origin that equals the host does not help against it."""
    assert from_same_origin([(b"sec-fetch-site", value)]) == same
    assert from_same_origin([(b"sec-fetch-site", value), (b"origin", b"https://h"), (b"host", b"h")]) == same


def test_what_is_said_twice_is_not_said() -> None:
    """Two fields of one name have two readings."""
    assert not from_same_origin([(b"sec-fetch-site", b"same-origin")] * 2)
    assert not from_same_origin([(b"origin", b"https://h")] * 2 + [(b"host", b"h")])
    assert not from_same_origin([(b"origin", b"https://h")] + [(b"host", b"h")] * 2)
    assert not from_same_origin([])


ORIGIN, ASKED = (b"Origin", b"https://shop.example.com"), (b"Access-Control-Request-Method", b"POST")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "options", "Options", "OPTIONS "])
def test_only_options_is_a_preflight(method: str) -> None:
    """By the letter of the Fetch standard."""
    assert is_preflight("OPTIONS", [ORIGIN, ASKED])
    assert not is_preflight(method, [ORIGIN, ASKED])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [ORIGIN],
        [ASKED],
        [ORIGIN, (b"access-control-request-method", b"")],
        [(b"origin", b""), ASKED],
        [ORIGIN, ASKED, ASKED],
        [ORIGIN, (b"access-control-request-methods", b"POST")],
        [ORIGIN, (b"access-control-request-headers", b"authorization")],
    ],
)
def test_a_preflight_says_who_asks_and_for_what(headers: list[tuple[bytes, bytes]]) -> None:
    """A bare OPTIONS is no preflight: exempting it is an authentication bypass in waiting."""
    assert not is_preflight("OPTIONS", headers)
