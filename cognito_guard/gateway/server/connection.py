"""What our server offers an ASGI application beyond the messages: the contract of `scope["extensions"]["cognito_guard.connection"]`.

Decides nothing; `exchange.py` fulfils it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from cognito_guard.web.request import HeaderPair

EXTENSION = "cognito_guard.connection"
"""The extension's name."""


class ClientGone(OSError):
    """What `send` and the calls below raise once the client has left. Stop: nobody reads the answer. Needs no log."""


class Switchable(Protocol):
    """A protocol that takes over the connection: an `asyncio.Protocol` that can be asked to come to an end."""

    def connection_made(self, transport: Any) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def shutdown(self) -> None: ...


class Connection(Protocol):
    """One request's connection. Every call is for the event loop's thread."""

    whole: bool
    """Whether the request's body has arrived in full: then one `receive` gives all of it."""

    @property
    def target(self) -> bytes:
        """The request's target, octet for octet."""

    @property
    def length(self) -> int | None:
        """Octets of the request's body; None where it is chunked."""

    @property
    def is_websocket(self) -> bool:
        """Whether the request is a well-formed opening handshake of a websocket (RFC 6455 §4.2.1), which `switch` may accept."""

    def on_gone(self, callback: Callable[[], None] | None) -> None:
        """`callback` runs once, when the client leaves, or is sent away, before the response is complete; at once where it has left.

        None takes it back.
        """

    def inform(self, status: int, headers: Iterable[HeaderPair]) -> None:
        """Sends an interim response (1xx), before the final one. Nothing goes to HTTP/1.0 clients; 100 is ours to send, 101 is `switch`."""

    def answer(self, status: int, headers: list[HeaderPair], body: bytes) -> None:
        """The whole response in one call, instead of its two messages. It waits for nobody: for bodies that are small and at hand."""

    def abort(self) -> None:
        """Cuts the connection off: for a response that has begun and cannot be completed."""

    def switch(self, headers: Iterable[HeaderPair], protocol: Switchable) -> None:
        """Accepts a websocket: sends 101 with `headers`, which hold Upgrade, Connection and the accept key, and hands over the transport.

        `protocol` gets `connection_made`, what the client has sent early, and from then on everything; a graceful shutdown of the
        server calls its `shutdown()` and waits for `connection_lost`. The application's coroutine may return.
        """
