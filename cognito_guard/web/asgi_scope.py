"""A request as an ASGI scope tells it, its caller as applications ask for it, and a refusal as the messages that an ASGI server takes.

Decides which parts of a scope are facts, and how a websocket is refused before it is accepted. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.credentials import SUBPROTOCOL, subprotocols, without_bearer
from cognito_guard.web.request import HeaderPair, Request

_SENT = "cognito_guard.sent"


class Caller:
    """The Principal, or nobody, as `request.user` and `request.auth` of Starlette and Litestar; false for nobody.

    `identity` is the subject, `display_name` the username, or the client id of a machine; `scopes` holds `"authenticated"` and the
    token's scopes, so that `@requires("authenticated")` and `@requires("orders/read")` of `starlette.authentication` work.
    """

    __slots__ = ("principal",)

    def __init__(self, principal: Principal | None) -> None:
        self.principal = principal

    def __bool__(self) -> bool:
        return self.principal is not None

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a Principal."""
        return self.principal is not None

    @property
    def display_name(self) -> str:
        """For people; empty for nobody."""
        return "" if self.principal is None else self.principal.username or self.principal.client_id

    @property
    def identity(self) -> str:
        """Empty for nobody."""
        return "" if self.principal is None else self.principal.subject

    @property
    def scopes(self) -> list[str]:
        """Empty for nobody."""
        return [] if self.principal is None else ["authenticated", *sorted(self.principal.scopes)]


def from_scope(scope: Mapping[str, Any], headers: Sequence[HeaderPair]) -> Request:
    """The facts of an `http` or `websocket` scope, whose header pairs are given apart: they may be iterable only once.

    Where the server keeps `Sec-WebSocket-Protocol` from the headers (uvicorn with wsproto), it is put back as `subprotocols` tells it.
    """
    offered = scope.get("subprotocols")
    if offered and not subprotocols(headers):
        headers = [*headers, (SUBPROTOCOL, ", ".join(offered).encode("latin-1", "replace"))]
    return Request(
        scope.get("method", "GET"),
        scope["path"],
        headers,
        scope.get("raw_path"),
        scope.get("root_path", ""),
        scope["type"],
        scope.get("query_string", b""),
    )


def shown(scope: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """What of a websocket's scope to replace before the application sees it, given `Front.without_credentials(request)`."""
    return {
        "headers": request.headers,
        "query_string": request.query,
        "subprotocols": without_bearer(scope.get("subprotocols") or subprotocols(request.headers)),
    }


def sent(scope: Mapping[str, Any]) -> Request:
    """`from_scope` for decorators and dependencies, several of which may judge one request: what was sent, whatever `conceal` took out."""
    request = scope.get(_SENT)
    return request if isinstance(request, Request) else from_scope(scope, list(scope["headers"]))


def conceal(scope: MutableMapping[str, Any], request: Request, without_credentials: Request) -> None:
    """`shown` for decorators and dependencies: takes the token out of a websocket's scope in place; its `Request` prints none of it."""
    if request.kind == "websocket":
        scope.update(shown(scope, without_credentials))
        scope[_SENT] = request


def refusal(scope: Mapping[str, Any], challenge: Challenge) -> list[dict[str, Any]]:
    """What to send. To HEAD, the headers alone (RFC 9110 §9.3.2).

    A websocket gets the answer itself where the server offers the denial response extension; otherwise a close, whose code is 4000 and
    the status, its reason the challenge's code. Sent before `websocket.accept`, servers turn a close into 403 and keep both to themselves.
    """
    kind = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            return [{"type": "websocket.close", "code": 4000 + challenge.status, "reason": challenge.code}]
        kind = "websocket.http"
    body = b"" if scope.get("method") == "HEAD" else challenge.body
    return [
        {"type": f"{kind}.response.start", "status": challenge.status, "headers": list(challenge.headers)},
        {"type": f"{kind}.response.body", "body": body},
    ]
