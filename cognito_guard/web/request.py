"""The facts of one request, as every front tells them. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

HeaderPair = tuple[bytes, bytes]


class Request:
    """What a front tells of a request; nothing in here is believed yet.

    `path` is percent-decoded and `raw_path` as it was sent, without the query (None: the server does not tell); `root_path` is where
    the application is mounted; `read_path` says how the three go together. `headers` are pairs of octets in the order sent, with
    duplicates, names in any case. `query` is what follows the first `?`, as it was sent. A websocket's handshake is a GET.
    """

    __slots__ = ("method", "path", "headers", "raw_path", "root_path", "kind", "query")

    def __init__(
        self,
        method: str,
        path: str,
        headers: Sequence[HeaderPair],
        raw_path: bytes | None = None,
        root_path: str = "",
        kind: Literal["http", "websocket"] = "http",
        query: bytes = b"",
    ) -> None:
        # a plain class: one is made for each request, and a frozen Value costs four times as much
        self.method = method
        self.path = path
        self.headers = headers
        self.raw_path = raw_path
        self.root_path = root_path
        self.kind = kind
        self.query = query

    def replaced(self, *, headers: Sequence[HeaderPair] | None = None, query: bytes | None = None) -> Request:
        """The same request with other headers or another query."""
        return Request(
            self.method,
            self.path,
            self.headers if headers is None else headers,
            self.raw_path,
            self.root_path,
            self.kind,
            self.query if query is None else query,
        )

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r}, kind={self.kind!r})"  # headers and query may hold a token
