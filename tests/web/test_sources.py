"""Sources beside `Authorization`: cookie (THREATS A27), another header, a websocket's query and subprotocols."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError, CredentialsRefused
from cognito_guard.web import FromCookie, FromHeader, FromQuery, FromSubprotocol
from cognito_guard.web.credentials import malformed, named_token, source_problems, without_tokens
from cognito_guard.web.request import Request

TOKEN = "eyJ.e30.c2ln"
COOKIE, OTHER, QUERY = FromCookie("session"), FromHeader("X-Token"), FromQuery("token")


def request(*headers: tuple[str, str], method: str = "GET", kind: Any = "http", query: str = "") -> Request:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Request(method, "/x", pairs, kind=kind, query=query.encode("latin-1"))


def websocket(*headers: tuple[str, str], query: str = "") -> Request:
    return request(*headers, kind="websocket", query=query)


def offering(*fields: str) -> Request:
    return websocket(*(("Sec-WebSocket-Protocol", field) for field in fields))


def found(asked: Request, *sources: Any) -> str | None:
    """The token, "malformed", "ambiguous" or None."""
    try:
        token = named_token(asked, sources)
    except CredentialsRefused as refused:
        return {"credentials_ambiguous": "ambiguous"}[refused.code]
    return "malformed" if token is not None and malformed(token) else token


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ([f"session={TOKEN}"], TOKEN),
        ([f"a=b; session={TOKEN}; c=d"], TOKEN),
        ([f"a=b;session={TOKEN};c=d"], TOKEN),
        ([f"a;\tsession={TOKEN} ;"], TOKEN),
        (["a=b", f"session={TOKEN}"], TOKEN),  # HTTP/2 splits the field
        ([], None),
        ([""], None),
        (["a=b"], None),
        ([f"Session={TOKEN}"], None),  # names of cookies have a case
        ([f"xsession={TOKEN}"], None),
        ([f"session ={TOKEN}"], None),
        ([f"session%3d={TOKEN}"], None),
        ([f"a=session={TOKEN}"], None),
        (["session="], "malformed"),
        (["session"], "malformed"),
        ([f'session="{TOKEN}"'], "malformed"),
        ([f"session=Bearer {TOKEN}"], "malformed"),
        ([f"session={TOKEN},{TOKEN}"], "malformed"),
        (["session=caf\xe9"], "malformed"),
        ([f"session=\xa0{TOKEN}"], "malformed"),
        ([f"session={TOKEN}; session={TOKEN}"], "ambiguous"),
        ([f"session={TOKEN}", "session="], "ambiguous"),
    ],
)
def test_cookies(fields: list[str], answer: str | None) -> None:
    """One cookie of that very name, whose value is the token; two are refused, since frameworks differ in which one they read (T16)."""
    assert found(request(*(("Cookie", field) for field in fields)), COOKIE) == answer


SAME, HOST = ("Sec-Fetch-Site", "same-origin"), ("Host", "shop.example.com")
OWN, FOREIGN = ("Origin", "https://shop.example.com"), ("Origin", "https://attacker.example")


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ([], False),
        ([HOST], False),
        ([SAME], True),
        ([HOST, OWN], True),
        ([HOST, FOREIGN], False),
        ([HOST, FOREIGN, SAME], True),  # a proxy may have changed Host
        ([HOST, OWN, ("Sec-Fetch-Site", "same-site")], False),
        ([HOST, OWN, ("Sec-Fetch-Site", "cross-site")], False),
        ([HOST, OWN, ("Sec-Fetch-Site", "none")], False),
        ([SAME, ("Sec-Fetch-Site", "cross-site")], False),
        ([HOST, OWN, FOREIGN], False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "get", "LINK", ""])
def test_a_cookie_counts_for_unsafe_methods_from_the_same_origin_only(method: str, headers: list[Any], *, counts: bool) -> None:
    """A27; without, the request is one without credentials. A method that is not known to be safe is not."""
    cookie = ("Cookie", f"session={TOKEN}")
    assert found(request(cookie, *headers, method=method), COOKIE) == (TOKEN if counts else None)
    assert found(websocket(cookie, *headers), COOKIE) == (TOKEN if counts else None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_a_cookie_counts_for_safe_methods(method: str) -> None:
    """RFC 9110 §9.2.1: links from other sites lead to pages."""
    assert found(request(("Cookie", f"session={TOKEN}"), ("Sec-Fetch-Site", "cross-site"), method=method), COOKIE) == TOKEN


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ([("X-Token", TOKEN)], TOKEN),
        ([("x-token", TOKEN)], TOKEN),
        ([("x-Token", TOKEN)], TOKEN),
        ([("X_Token", TOKEN)], None),
        ([("X-Tokens", TOKEN)], None),
        ([("X-Token", f"Bearer {TOKEN}")], "malformed"),
        ([("X-Token", "")], "malformed"),
        ([("X-Token", f" {TOKEN}")], "malformed"),
        ([("X-Token", TOKEN), ("x-token", TOKEN)], "ambiguous"),
    ],
)
def test_another_header(headers: list[Any], answer: str | None) -> None:
    """The whole value is the token; `_` is not `-`; two fields are refused. No origin is asked: pages cannot send it across sites."""
    assert found(request(*headers, method="POST"), OTHER) == answer


@pytest.mark.parametrize(
    ("query", "answer", "left"),
    [
        (f"token={TOKEN}", TOKEN, ""),
        (f"a=b&token={TOKEN}&c=%20d&e", TOKEN, "a=b&c=%20d&e"),
        (f"%74oken={TOKEN}", TOKEN, ""),
        ("token=eyJ%2Ee30%2ec2ln", TOKEN, ""),
        ("", None, ""),
        ("a=b", None, "a=b"),
        (f"Token={TOKEN}", None, f"Token={TOKEN}"),
        (f"a=token={TOKEN}", None, f"a=token={TOKEN}"),
        ("token", "malformed", ""),
        ("a&token=&b", "malformed", "a&b"),
        (f"token=Bearer+{TOKEN}", "malformed", ""),
        (f"token={TOKEN}%0a", "malformed", ""),
        (f"token={TOKEN}&a&token=x", "ambiguous", "a"),
    ],
)
def test_the_query_of_a_websocket(query: str, answer: str | None, left: str) -> None:
    """One parameter of that name, however it is encoded; the application sees the query without it, the rest to the octet."""
    asked = websocket(query=query)
    assert found(asked, QUERY) == answer
    assert without_tokens(asked, [QUERY]).query == left.encode()


@pytest.mark.parametrize(
    ("fields", "answer", "left"),
    [
        ([f"cognito-guard.bearer, {TOKEN}"], TOKEN, None),
        ([f"cognito-guard.bearer,{TOKEN},chat"], TOKEN, "chat"),
        ([f"cognito-guard.bearer, {TOKEN}, chat, chat.v2"], TOKEN, "chat, chat.v2"),
        (["cognito-guard.bearer", f"{TOKEN},\tchat"], TOKEN, "chat"),
        ([f" , cognito-guard.bearer , {TOKEN} ,, chat,"], TOKEN, "chat"),
        ([], None, None),
        (["chat, superchat"], None, "chat, superchat"),
        ([f"Cognito-Guard.Bearer, {TOKEN}"], None, f"Cognito-Guard.Bearer, {TOKEN}"),
        (["cognito-guard.bearer"], "malformed", None),
        ([f"chat, cognito-guard.bearer, {TOKEN}, x"], "malformed", "chat, x"),
        ([f'cognito-guard.bearer, "{TOKEN}"'], "malformed", None),
        ([f"cognito-guard.bearer, Bearer {TOKEN}, chat"], "malformed", "chat"),
        ([f"cognito-guard.bearer, {TOKEN}, cognito-guard.bearer, x, chat"], "ambiguous", "chat"),
    ],
)
def test_the_subprotocols_of_a_websocket(fields: list[str], answer: str | None, left: str | None) -> None:
    """The marker first and the token behind it; the application sees neither, wherever they stand."""
    asked = offering(*fields)
    assert found(asked, FromSubprotocol) == answer
    seen = [
        value.decode() for name, value in without_tokens(asked, [FromSubprotocol]).headers if name.lower().endswith(b"protocol")
    ]
    assert seen == ([] if left is None else [left])


def test_query_and_subprotocols_count_for_websockets_only() -> None:
    """RFC 9700 §4.3.2: no tokens in URLs; where headers can be set, they are."""
    plain = request(("Sec-WebSocket-Protocol", f"cognito-guard.bearer, {TOKEN}"), query=f"token={TOKEN}")
    assert found(plain, QUERY, FromSubprotocol) is None


def test_the_first_source_with_a_value_counts() -> None:
    """In the order named; what it holds is not judged by the others."""
    both = request(("Cookie", "session=a"), ("X-Token", "b"))
    assert (found(both, COOKIE, OTHER), found(both, OTHER, COOKIE)) == ("a", "b")
    assert found(request(("Cookie", "session="), ("X-Token", "b")), COOKIE, OTHER) == "malformed"
    assert found(both) is None


def test_a_request_without_tokens_comes_back_as_it_is() -> None:
    """Nothing is copied or put in another order; the other fields keep their octets."""
    asked = websocket(("Host", "h"), ("Sec-WebSocket-Protocol", "chat"), ("Cookie", "session=a"), query="a=b")
    assert without_tokens(asked, [COOKIE, OTHER, FromSubprotocol]) is asked
    pairs = [("Host", "h"), ("sec-websocket-PROTOCOL", f"cognito-guard.bearer, {TOKEN}"), ("X", "1"), ("X", "2")]
    assert without_tokens(websocket(*pairs), [FromSubprotocol]).headers == [(b"Host", b"h"), (b"X", b"1"), (b"X", b"2")]


@pytest.mark.parametrize("kind", [FromCookie, FromHeader, FromQuery])
@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a\n", "caf\xe9", None, b"a", "x" * 257])
def test_names_are_checked(kind: Any, name: Any) -> None:
    """What no request can carry under that name is a mistake of the setting."""
    with pytest.raises(ConfigurationError, match="name: "):
        kind(name)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "Cookie"])
def test_some_headers_are_not_just_others(name: str) -> None:
    """They have rules of their own."""
    with pytest.raises(ConfigurationError, match="name: "):
        FromHeader(name)


@pytest.mark.parametrize("wrong", [COOKIE, "session", ["session"], [FromCookie], None, {COOKIE}])
def test_a_setting_is_a_list_of_sources(wrong: Any) -> None:
    """Everything else is told, a bare source included."""
    assert "credentials: " in "".join(source_problems(wrong))
    assert source_problems([COOKIE, OTHER, QUERY, FromSubprotocol]) == source_problems(()) == []


SOURCES = (COOKIE, OTHER, QUERY, FromSubprotocol)
LETTERS = st.sampled_from([b"session", b"token", b"cognito-guard.bearer", b"=", b"&", b";", b",", b" ", b"%", b"\xff", b"a.b"])
TEXTS = st.one_of(st.binary(max_size=20), st.lists(LETTERS, max_size=8).map(b"".join))
NAMES = st.sampled_from([b"cookie", b"Cookie", b"x-token", b"sec-websocket-protocol", b"origin", b"sec-fetch-site", b"host", b""])


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=4), TEXTS)
def test_any_octets_give_one_answer_and_nothing_of_a_token_is_left(pairs: list[tuple[bytes, bytes]], query: bytes) -> None:
    """No exception but the refusal, and what is shown to the application holds no token for these sources."""
    asked = Request("GET", "/", pairs, kind="websocket", query=query)
    found(asked, *SOURCES)
    assert found(without_tokens(asked, SOURCES), QUERY, FromSubprotocol) is None
