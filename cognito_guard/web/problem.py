"""Answers that stand in for the application's: a status, header pairs and a problem document (RFC 9457).

Decides how such an answer looks, not when one is due. Says nothing of the request but the constant texts that it is given.
"""

from __future__ import annotations

import json

from cognito_guard.value import Value

HeaderPairs = tuple[tuple[bytes, bytes], ...]


class Challenge(Value):
    """An answer that is ready to send: status, header pairs (names in lower case) and body. `code` is stable, for logs and counters.

    The body is a problem document (RFC 9457): `type`, `title`, `status` and `detail`, beside them `code` and `error`, which is the error
    of the Bearer challenge where there is one. To a HEAD request send the headers alone. The one answer that is no refusal is
    a resource's metadata (RFC 9728), with status 200, or 204 for its preflight.
    """

    __slots__ = ("status", "code", "headers", "body")
    status: int
    code: str
    headers: HeaderPairs
    body: bytes

    def __init__(self, status: int, code: str, headers: HeaderPairs, body: bytes) -> None:
        self._set(status=status, code=code, headers=headers, body=body)


def problem(status: int, error: str, code: str, text: str, *headers: tuple[bytes, bytes]) -> Challenge:
    """An answer with a problem document, which no cache may keep; `headers` stand in front of its own.

    `status` is one of those below; `text` is a constant of ours, in ASCII.
    """
    # RFC 9457 §3.1.1: an absolute URI that need not be resolved; `cognito-guard explain CODE` has the text behind it
    told = {
        "type": f"urn:cognito-guard:{code}",
        "title": PHRASES[status],
        "status": status,
        "detail": text,
        "code": code,
        "error": error,
    }
    body = json.dumps(told).encode("ascii")
    fixed = (
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    )
    return Challenge(status, code, (*headers, *fixed), body)


PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
"""The reason phrases of RFC 9110 §15 and RFC 6585, for the statuses that this package answers with."""
