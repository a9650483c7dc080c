"""A request's scope, as the ASGI specification words it. Decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cognito_guard.gateway.server.connection import EXTENSION

if TYPE_CHECKING:
    from cognito_guard.gateway.server.exchange import Exchange
    from cognito_guard.gateway.server.protocol import GatewayProtocol

_ASGI = {"version": "3.0", "spec_version": "2.4"}


def scope_of(exchange: Exchange, connection: GatewayProtocol) -> dict[str, Any]:
    """The scope, of type http for websockets too: `connection.EXTENSION` tells them. `path` is percent-decoded, `raw_path` as it was sent."""
    head = exchange.head
    raw_path, _, query = head.target.partition(b"?")
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": head.version,
        "method": head.method,
        "scheme": connection.scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": head.headers,
        "client": connection.client,
        "server": connection.server,
        "state": connection.app_state.copy(),
        "extensions": {EXTENSION: exchange, "http.response.trailers": {}},
    }
