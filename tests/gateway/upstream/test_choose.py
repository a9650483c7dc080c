"""The choice of the upstream: host first, then the longest path at a segment boundary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.upstream.choose import Entry, Upstreams

TABLE = Upstreams(
    [
        Entry("any"),
        Entry("api", path="/api/*"),
        Entry("api v2", path="/api/v2/*"),
        Entry("status", path="/api"),
        Entry("shop", host="Shop.Example.com."),
        Entry("wide", host="*.example.com"),
        Entry("wider", host="*.com", path="/com/*"),
        Entry("six", host="[::1]"),
        Entry("shop 2", host="shop.example.com"),
    ],
    tuple,
)


@pytest.mark.parametrize(
    ("host", "path", "group"),
    [
        (b"other.test", "/", "any"),
        (b"other.test", "/apix", "any"),
        (b"other.test", "/api", "status"),
        (b"other.test", "/api/", "api"),
        (b"other.test", "/api/v2", "api v2"),
        (b"other.test", "/api/v2/x", "api v2"),
        (b"other.test", "/api/v20", "api"),
        (b"other.test", "/API/v2", "any"),
        (b"x.example.com", "/api/v2", "wide"),
        (b"a.b.example.com", "/", "wide"),
        (b"example.com", "/", "any"),
        (b"example.com", "/com/x", "wider"),
        (b"badexample.com", "/", "any"),
        (b"[::1]:8080", "/", "six"),
        (b"", "/", "any"),
        (b"shop.example.com/evil", "/", "any"),
        (b"u@shop.example.com", "/", "any"),
        (b"\xff", "/", "any"),
    ],
)
def test_the_choice(host, path, group):
    """Whole segments, longest path, exact host before `*.`, `*.` before any; a host without a fitting path falls through."""
    chosen = TABLE.choose(host, path)
    assert chosen is not None
    assert chosen[0] == group


@pytest.mark.parametrize("host", [b"shop.example.com", b"SHOP.example.COM", b"shop.example.com.", b"shop.example.com:443"])
def test_hosts_have_one_form(host):
    """THREATS T10: case, a trailing dot and the port do not matter; equal host and path make replicas."""
    assert TABLE.choose(host, "/") == ("shop", "shop 2")


def test_nothing_fits():
    """None, where no entry is for any host or the path is outside."""
    table = Upstreams([Entry("a", host="a.test", path="/x/*"), Entry("b", host="b.test", path="/only")], tuple)
    assert table.choose(b"a.test", "/y") is None
    assert table.choose(b"b.test", "/only/more") is None
    assert table.choose(b"b.test", "/only") == ("b",)
    assert table.choose(b"c.test", "/x/") is None


@pytest.mark.parametrize("host", ["*", "a.*", "a:80", "a b", "*.", "http://a", "a/b", None])
@pytest.mark.parametrize("path", ["", "api", "/a*", "/*/a", "/a/**", None])
def test_patterns_that_cannot_be_used(host, path):
    """Both mistakes are told at once."""
    with pytest.raises(ConfigurationError) as caught:
        Entry("a", host=host, path=path) if host is not None else Entry("a", host=7, path=path)
    assert len(caught.value.problems) == 2


def test_no_entries():
    """A table that could serve nobody is a mistake."""
    with pytest.raises(ConfigurationError):
        Upstreams([], tuple)


@given(st.binary(max_size=300), st.text(max_size=30))
def test_never_raises(host, path):
    """Any Host and any path give a group or None, the same one when asked again, and memory stays bounded."""
    assert TABLE.choose(host, path) == TABLE.choose(host, path)
    assert len(TABLE._memo) <= 1024


def test_memory_is_bounded():
    """Clients choose the Host that they send: at most 1024 of them are remembered, and no overlong one."""
    table = Upstreams([Entry("any")], tuple)
    for number in range(3000):
        assert table.choose(b"%d.test" % number, "/") == ("any",)
        assert len(table._memo) <= 1024
    table._memo.clear()
    table.choose(b"a" * 256, "/")
    assert not table._memo
