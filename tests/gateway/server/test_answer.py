"""Heads of responses by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.server.answer import BadAnswer, Framing, framing, interim, refusal
from cognito_guard.web.problem import problem


def framed(status: int, headers: list[tuple[bytes, bytes]], **changed: Any) -> Framing:
    settings: dict[str, Any] = {"date": b"", "body": -1, "modern": True, "keep_alive": True, "head_only": False}
    return framing(status, headers, **(settings | changed))


def test_fields_go_out_as_they_are() -> None:
    """Names in their case, Set-Cookie as often as it stands, the order kept."""
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Empty", b""), (b"content-length", b"3")]
    assert (
        framed(200, headers).head
        == b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Empty: \r\ncontent-length: 3\r\n\r\n"
    )


def test_without_fields_there_is_still_a_head() -> None:
    """A status without a phrase is sent without one."""
    assert framed(599, [], body=0).head == b"HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n"


def test_framing_belongs_to_the_server() -> None:
    """Transfer-Encoding, Keep-Alive and Connection of an application are not sent; its `close` counts."""
    dropped = [(b"Transfer-Encoding", b"chunked"), (b"Keep-Alive", b"timeout=5"), (b"Connection", b"Keep-Alive")]
    answer = framed(200, [*dropped, (b"x", b"y")])
    assert answer.head == b"HTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n"
    assert answer.keep_alive
    answer = framed(200, [(b"connection", b"Close")], body=1)
    assert answer.head == b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n"
    assert not answer.keep_alive


def test_a_length_of_the_application_is_kept_beside_what_is_dropped() -> None:
    """The fields that are filtered out take nothing else with them."""
    answer = framed(200, [(b"Content-Length", b"5"), (b"Connection", b"x"), (b"Date", b"then")], date=b"date: now\r\n")
    assert answer.head == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: then\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "head_only", "length", "sent"),
    [(200, True, b"7", True), (304, False, b"7", True), (204, False, b"7", False), (204, False, None, False)],
)
def test_responses_without_a_body(*, status: int, head_only: bool, length: bytes | None, sent: bool) -> None:
    """RFC 9110 §8.6: HEAD and 304 may tell the length that a GET would have; 204 tells none; nothing is chunked."""
    answer = framed(status, [] if length is None else [(b"content-length", length)], head_only=head_only)
    assert answer.bodiless
    assert not answer.chunked
    assert (b"content-length" in answer.head) is sent


def test_a_body_without_length_ends_with_the_connection_in_http_1_0() -> None:
    """RFC 9112 §6.3: HTTP/1.0 has no chunks."""
    answer = framed(200, [], modern=False)
    assert (answer.length, answer.chunked, answer.keep_alive) == (-1, False, False)
    assert b"connection: close" in answer.head


def test_a_date_is_added_where_there_is_none() -> None:
    """RFC 9110 §6.6.1, and no Server field."""
    assert framed(200, [], date=b"date: now\r\n", body=0).head == b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, [(b"x", b"a\r\nb: c")]), (200, [(b"x", b"a\n")]), (200, [(b"x", b"a\r")]), (200, [(b"x", b"\0")]), (200, [(b"x y", b"")]),
     (200, [(b"", b"")]), (200, [(b"x:", b"")]), (200, [(b"x\r\ny", b"")]), (101, []), (700, []), (199, []), (200, [(b"content-length", b"+1")]),
     (200, [(b"content-length", b"")]), (200, [(b"content-length", b"1"), (b"Content-Length", b"1")]), (200, [(b"x", b"\n"), (b"y", b"\r")])],
)  # fmt: skip
def test_what_would_split_a_response_is_refused(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """A23, T2: no field of an application ends a line, and no response has two lengths."""
    with pytest.raises(BadAnswer):
        framed(status, headers)


def test_a_whole_body_of_another_length_is_refused() -> None:
    """A24: nothing is padded or cut to fit."""
    with pytest.raises(BadAnswer):
        framed(200, [(b"content-length", b"5")], body=4)


@given(st.lists(st.tuples(st.sampled_from([b"x", b"X-A", b"date"]), st.binary(max_size=12)), max_size=4))
def test_a_head_has_as_many_lines_as_fields(headers: list[tuple[bytes, bytes]]) -> None:
    """A23: whatever the values, either a refusal or exactly one line a field."""
    try:
        head = framed(200, headers, body=0).head
    except BadAnswer:
        assert any(set(b"\r\n\0") & set(value) for _, value in headers)
        return
    assert head.count(b"\n") == head.count(b"\r\n") == len(headers) + 3


def test_interim_responses_are_1xx() -> None:
    """RFC 9110 §15.2."""
    assert interim(103, [(b"link", b"</s.css>")]) == b"HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\n"
    for status, headers in ((200, []), (103, [(b"x", b"a\r\nb: c")])):
        with pytest.raises(BadAnswer):
            interim(status, headers)


def test_answers_of_our_own_close() -> None:
    """Every refusal is a problem document, and the last answer of its connection."""
    octets = refusal(problem(400, "invalid_request", "x", "y"))
    assert b"\r\nconnection: close\r\n\r\n{" in octets
    assert refusal(problem(400, "invalid_request", "x", "y"), head_only=True).endswith(b"\r\n\r\n")
