"""Where each kind of proxy tells the original request, and what can stand in for it: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.forward_auth.kinds import KIND_NAMES, Kind, Missing, Original

MANAGED = [b"x-cognito-subject", b"x-cognito-groups"]
SOURCES = {
    "nginx": [(b"x-original-method", b"GET"), (b"x-original-uri", b"/a%2Fb?c=d"), (b"x-original-host", b"shop.example")],
    "traefik": [(b"x-forwarded-method", b"GET"), (b"x-forwarded-uri", b"/a%2Fb?c=d"), (b"x-forwarded-host", b"shop.example")],
    "caddy": [(b"x-forwarded-method", b"GET"), (b"x-forwarded-uri", b"/a%2Fb?c=d"), (b"x-forwarded-host", b"shop.example")],
    "envoy": [(b"host", b"shop.example")],
}
QUESTIONS = {"envoy": ("GET", b"/a%2Fb", b"c=d")}
IN_FIELDS = ["nginx", "traefik", "caddy"]


def read(name: Any, headers: list[tuple[bytes, bytes]], *question: Any, by_host: bool = True) -> Original | Missing:
    """What this kind makes of a question, whose own line is another one unless it is the source."""
    method, raw_path, query = question or QUESTIONS.get(name, ("POST", b"/_cognito_guard/verify/x", b"if=public"))
    return Kind(name, MANAGED, by_host=by_host).original(method, raw_path, query, headers)


def facts(original: Original | Missing) -> tuple[Any, ...]:
    assert isinstance(original, Original), original
    return original.method, original.raw_path, original.path, original.query, original.host, original.kind


@pytest.mark.parametrize("name", KIND_NAMES)
def test_the_source(name: Any) -> None:
    """The target is split at its first `?` and decoded once; the method and path of the question itself count for Envoy only."""
    assert facts(read(name, SOURCES[name])) == ("GET", b"/a%2Fb", "/a/b", b"c=d", b"shop.example", "http")


@pytest.mark.parametrize("name", IN_FIELDS)
def test_the_original_host_is_judged(name: Any) -> None:
    """Traefik asks with its own address as Host; cookies are compared with the original one. Everything else is the client's."""
    original = read(name, [(b"Host", b"127.0.0.1:8080"), (b"cookie", b"a"), *SOURCES[name], (b"cookie", b"b")])
    assert isinstance(original, Original)
    request = original.request([(b"Host", b"127.0.0.1:8080"), (b"cookie", b"a"), (b"cookie", b"b")])
    assert request.headers == [(b"host", b"shop.example"), (b"cookie", b"a"), (b"cookie", b"b")]
    assert (request.method, request.path, request.raw_path, request.query) == ("GET", "/a/b", b"/a%2Fb", b"c=d")


@pytest.mark.parametrize("name", IN_FIELDS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_source_that_lacks(name: Any, at: int) -> None:
    """THREATS 6.3: absent, doubled, or malformed, and nothing else stands in for it."""
    sources = SOURCES[name]
    everything_else = [pair for other in SOURCES.values() for pair in other if pair[0] != sources[at][0]]
    assert read(name, sources[:at] + sources[at + 1 :]) == read(name, list(dict.fromkeys(everything_else)))
    for headers in (
        sources[:at] + sources[at + 1 :],
        [*sources, sources[at]],
        [*sources, (sources[at][0].upper(), b"/x")],
        [*sources[:at], (sources[at][0], b""), *sources[at + 1 :]],
    ):
        found = read(name, headers)
        assert isinstance(found, Missing)
        assert sources[at][0].decode() in found.what.lower()


@pytest.mark.parametrize("name", ["traefik", "caddy", "envoy", "nginx"])
@pytest.mark.parametrize("host", [b"h evil", b"h/open", b"u@h", b"h:x", b"\xff", b"h,g", b"..", b"h#"])
def test_a_host_that_is_none(name: Any, host: bytes) -> None:
    """Starlette's "BadHost" class chooses no routes."""
    headers = [(field, host if field.endswith(b"host") else value) for field, value in SOURCES[name]]
    assert isinstance(read(name, headers), Missing)


def test_nginx_need_not_tell_a_host_that_chooses_nothing() -> None:
    """`by_host=False`: then no X-Original-Host is asked for, and a client's own changes nothing."""
    for more in ([], [(b"x-original-host", b"open.example")], [(b"x-original-host", b"a")] * 2):
        original = read("nginx", [*SOURCES["nginx"][:2], (b"host", b"shop.example"), *more], by_host=False)
        assert facts(original) == ("GET", b"/a%2Fb", "/a/b", b"c=d", b"shop.example", "http")


@pytest.mark.parametrize("name", IN_FIELDS)
@pytest.mark.parametrize("method", [b"get it", b"G\xc4T", b"GET,POST", b"A" * 65, b"GET\t"])
def test_a_method_that_is_none(name: Any, method: bytes) -> None:
    """A token (RFC 9110 section 9.1), or the question is not clear."""
    assert isinstance(read(name, [(SOURCES[name][0][0], method), *SOURCES[name][1:]]), Missing)


@pytest.mark.parametrize("method", [b"PROPFIND", b"get", b"M-SEARCH"])
def test_any_method(method: bytes) -> None:
    """Methods are as they were sent, case included: the routes know what to make of them."""
    original = read("nginx", [(b"x-original-method", method), *SOURCES["nginx"][1:]])
    assert facts(original)[0] == method.decode()


@pytest.mark.parametrize("target", [b"/a?b#c", b"/a#b", b"/#", b"/a?#"])
def test_a_fragment_is_left_in_the_path(target: bytes) -> None:
    """T8: with `#` anywhere in the target, the path has two readings, which `read_path` refuses."""
    for name in IN_FIELDS:
        headers = [(field, target if field.endswith(b"uri") else value) for field, value in SOURCES[name]]
        assert facts(read(name, headers))[1] == target


@pytest.mark.parametrize("name", KIND_NAMES)
def test_a_handshake(name: Any) -> None:
    """Told by the key, since proxies drop the hop-by-hop Upgrade on the way to us; or by Upgrade. Only a GET is one."""
    for field in (
        (b"sec-websocket-key", b"x"),
        (b"Sec-WebSocket-Key", b""),
        (b"upgrade", b"WebSocket"),
        (b"upgrade", b"h2c, websocket"),
    ):
        assert facts(read(name, [*SOURCES[name], field]))[5] == "websocket"
    assert facts(read(name, [*SOURCES[name], (b"upgrade", b"h2c")]))[5] == "http"
    assert facts(read("envoy", [*SOURCES["envoy"], (b"sec-websocket-key", b"x")], "POST", b"/", b""))[5] == "http"


@pytest.mark.parametrize("name", KIND_NAMES)
def test_aliases(name: Any) -> None:
    """T1: what applications may take for a field of the proxy's or ours is told, in lower case, and nothing of it counts."""
    aliases = [
        b"X_Forwarded_Uri",
        b"x.original.uri",
        b"X_COGNITO_SUBJECT",
        b"x-cognito.groups",
        b"X-Forwarded_Host",
        b"X-Forwarded-For.",
    ]
    ours = [b"X-Cognito-Subject", b"x-cognito-groups"]
    other = [b"x-any", b"x_any", b"x-cognitosubject", b"xx-cognito-subject", b"authorization"]
    original = read(name, [(field, b"/open") for field in (*aliases, *ours, *other)] + SOURCES[name])
    assert facts(original) == facts(read(name, SOURCES[name]))
    assert isinstance(original, Original)
    assert original.aliases == tuple(field.lower() for field in aliases)


def test_fields_of_ours_that_nobody_set() -> None:
    """A field below `X-Cognito-` that the settings do not name is none that an application should see either."""
    original = read("envoy", [*SOURCES["envoy"], (b"X-Cognito-Email", b"x"), (b"x-cognito-guard-secret", b"x")])
    assert isinstance(original, Original)
    assert original.aliases == (b"x-cognito-email", b"x-cognito-guard-secret")


NAMES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"x-forwarded-uri", b"X-Original-URI", b"x-original-method", b"x-forwarded-host", b"host"]).flatmap(
        lambda name: st.tuples(*[st.sampled_from([bytes([o]), bytes([o]).swapcase(), b"_", b"."]) for o in name]).map(b"".join)
    ),
)


@given(st.sampled_from(KIND_NAMES), st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=8))
def test_no_other_field_counts(name: Any, headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever else is sent, in whatever spelling: the same request, or none. Never an exception."""
    sources = {field for field, _ in SOURCES[name]} | {b"sec-websocket-key", b"upgrade"}
    original = read(name, [*headers, *SOURCES[name]])
    if not any(field.lower() in sources for field, _ in headers) and sum(field.lower() == b"host" for field, _ in headers) < 2:
        assert facts(original) == facts(read(name, SOURCES[name]))
    else:
        assert isinstance(original, Original | Missing)


@given(st.sampled_from(KIND_NAMES), st.binary(), st.binary(), st.binary(), st.binary())
def test_any_octets(name: Any, method: bytes, target: bytes, host: bytes, query: bytes) -> None:
    """T20: any octets in: an Original or Missing, and nothing raised; a path that does not decode stays visible in raw_path."""
    told = dict(zip([field for field, _ in SOURCES[name]], [method, target, host] if name != "envoy" else [host], strict=True))
    found = read(name, list(told.items()), "GET", target, query)
    if isinstance(found, Original):
        assert found.raw_path in target or b"#" in query
        assert "secret" not in repr(found)


def test_names_beyond_bounds_are_forgotten() -> None:
    """What is remembered of names and hosts stays small, whatever clients send."""
    kind = Kind("envoy", MANAGED)
    for number in range(3000):
        kind.original("GET", b"/", b"", [(b"x-%d" % number, b""), (b"host", b"h%d" % number), (b"x" * 5000, b"")])
    assert len(kind._roles) <= 1024
    assert len(kind._hosts) <= 1024
    assert max(map(len, kind._roles)) <= 64
