"""The user's own error page: what of it is taken."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.errors import TokenRejected, Unavailable
from cognito_guard.web.challenge import challenge
from cognito_guard.web.page import paged

EXPIRED = challenge(TokenRejected("expired"), realm="api")


def test_body_and_content_type_are_the_pages() -> None:
    """All else stays: status, code, challenge, no-store; and what else the page names is not sent."""
    page = [(b"Content-Type", b"text/html"), (b"cache-control", b"public"), (b"www-authenticate", b"Basic"), (b"x", b"1")]
    answer = paged(EXPIRED, (page, b"<h1>no</h1>"))
    assert (answer.status, answer.code, answer.body) == (401, "expired", b"<h1>no</h1>")
    changed = {b"content-type": b"text/html", b"content-length": b"11"}
    assert dict(answer.headers) == {**dict(EXPIRED.headers), **changed}
    assert len(answer.headers) == len(EXPIRED.headers)


def test_retry_after_stays() -> None:
    """503 keeps telling clients when to come back."""
    answer = paged(challenge(Unavailable("keys_unavailable", "", retry_after=7), realm="api"), ([], b"later"))
    assert dict(answer.headers)[b"retry-after"] == b"7"
    assert dict(answer.headers)[b"content-type"] == b"application/octet-stream"


def test_no_page_leaves_the_answer() -> None:
    """The page may pass: for an API's clients, say."""
    assert paged(EXPIRED, None) is EXPIRED


@pytest.mark.parametrize(
    "page",
    [
        ([], "text"),
        ([(b"content-type", "text/html")], b""),
        ([(b"content-type", b"text/html\r\nset-cookie: a=b")], b""),
        ([(b"content-type", b"")], b""),
        ([], None),
        b"body",
        7,
    ],
)
def test_what_is_no_page_is_refused(page: Any) -> None:
    """Above all a value that would end its field."""
    with pytest.raises((TypeError, ValueError)):
        paged(EXPIRED, page)
