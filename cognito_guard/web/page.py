"""The user's own error page in the place of a challenge's problem document.

Decides what of it is taken: the body, and how it is to be read. Status, challenge, `Retry-After` and `no-store` are not the page's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cognito_guard.web.challenge import Challenge, HeaderPairs
from cognito_guard.web.request import HeaderPair, Request

ErrorPage = Callable[[Challenge, Request], tuple[Iterable[HeaderPair], bytes] | None]
_VALUE = re.compile(rb"[\x20-\x7e\x80-\xff]+")


def paged(answer: Challenge, page: tuple[Iterable[HeaderPair], bytes] | None) -> Challenge:
    """The same answer with the page's body and `content-type` (binary, if it names none); None leaves it as it is.

    Raises `TypeError` for what is no such page; any other exception is the page's own.
    """
    if page is None:
        return answer
    pairs, body = page
    types = [value for name, value in pairs if name.lower() == b"content-type"]
    kind = types[-1] if types else b"application/octet-stream"
    if not isinstance(body, bytes) or not isinstance(kind, bytes) or not _VALUE.fullmatch(kind):
        raise TypeError("an error page gives header pairs and a body, all of it octets")
    kept = [pair for pair in answer.headers if pair[0] not in (b"content-type", b"content-length")]
    headers: HeaderPairs = (*kept, (b"content-type", kind), (b"content-length", b"%d" % len(body)))
    return Challenge(answer.status, answer.code, headers, body)
