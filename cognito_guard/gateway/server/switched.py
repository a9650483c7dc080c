"""A connection that has left HTTP: its successor gets every call, and uvicorn still knows of it until it is lost.

Decides nothing.
"""

from __future__ import annotations

from typing import Any

from cognito_guard.gateway.server.connection import Switchable


class Switched:
    """Stands in `server_state.connections` for the successor. The transport calls the successor's own methods, not detours to them."""

    __slots__ = (
        "data_received", "eof_received", "pause_writing", "resume_writing", "shutdown", "_successor", "_transport", "_connections",
        "__weakref__",
    )  # fmt: skip

    def __init__(self, successor: Switchable, transport: Any, connections: set[Any]) -> None:
        self.data_received = successor.data_received
        self.eof_received = successor.eof_received
        self.pause_writing = successor.pause_writing
        self.resume_writing = successor.resume_writing
        self.shutdown = successor.shutdown
        self._successor = successor
        self._transport = transport
        self._connections = connections
        connections.add(self)

    def begin(self, early: bytes, *, paused: bool) -> None:
        """Introduces the successor to the transport, as it stands, and to what the client sent before the switch."""
        self._successor.connection_made(self._transport)
        if paused:
            self._successor.pause_writing()
        if early:
            self._successor.data_received(early)

    def connection_made(self, transport: Any) -> None:
        """The transport was made long ago."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._successor.connection_lost(exc)
