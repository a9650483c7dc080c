"""One request on its way to the upstream, and the answer on its way back, octet for octet and as they come.

Decides what a client is told when an upstream fails, and that an answer which broke off is never passed off as a whole one. Who may
pass was decided before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from cognito_guard.adapters.asgi import Receive, Scope, Send
from cognito_guard.gateway.forward_auth.asking import NOT_SENDABLE
from cognito_guard.gateway.observing.seen import Seen
from cognito_guard.gateway.rewriting import Authorization, NotSendable
from cognito_guard.gateway.server.connection import ClientGone, Connection
from cognito_guard.gateway.tunnel import Tunnel
from cognito_guard.gateway.upstream import Answer, Replicas, Upstream, UpstreamFailed
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.problem import problem
from cognito_guard.web.request import HeaderPair, Request

if TYPE_CHECKING:
    from cognito_guard.gateway.proxy import Proxy


class Handling(Value):
    """What a route asks of the proxy beside its demand: what becomes of `Authorization`, and of websockets when their token expires."""

    __slots__ = ("authorization", "close_at_expiry")
    authorization: Authorization
    close_at_expiry: bool

    def __init__(self, authorization: Authorization = "keep", *, close_at_expiry: bool = False) -> None:
        self._set(authorization=authorization, close_at_expiry=close_at_expiry)


class Exchange:
    """One request on its way; it is cancelled when its client leaves."""

    __slots__ = ("_proxy", "_connection", "_scope", "_request", "_principal", "_handling", "_seen", "_left", "_answering")

    def __init__(
        self,
        proxy: Proxy,
        connection: Connection,
        scope: Scope,
        request: Request,
        principal: Principal | None,
        handling: Handling,
        seen: Seen,
    ) -> None:
        self._proxy = proxy
        self._connection = connection
        self._scope = scope
        self._request = request
        self._principal = principal
        self._handling = handling
        self._seen = seen
        self._left = False
        self._answering = False  # an answer has been begun, though perhaps no octet of it has gone out

    async def run(self, group: Replicas, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: coroutines of a server run in tasks

        def leave() -> None:
            self._left = True
            task.cancel()

        connection, seen = self._connection, self._seen
        connection.on_gone(leave)
        try:
            answer = await self._ask(group, receive)
            if answer is not None:
                await self._give(answer, send)
        except UpstreamFailed as failed:
            self._tell(failed)
        except asyncio.CancelledError:
            if not self._left:
                raise
            seen.status = CLIENT_GONE
        except ClientGone:
            seen.status = CLIENT_GONE
        finally:
            connection.on_gone(None)

    async def _ask(self, group: Replicas, receive: Receive) -> Answer | None:
        request, connection, seen = self._request, self._connection, self._seen
        length = connection.length
        body: bytes | AsyncIterator[bytes] | None = None
        if length != 0:
            body = await self._whole_body(receive) if connection.whole else self._body(receive)
        try:
            return await group.exchange(
                request.method.encode("ascii"),
                _target(connection.target, self._scope["query_string"], request),
                self._head,
                body,
                length=length,
                inform=self._inform,
                websocket=request.kind == "websocket",
            )
        except NotSendable as wrong:
            seen.failure = str(wrong)
            refuse(connection, request.method, NOT_SENDABLE, seen)
            return None

    def _head(self, upstream: Upstream) -> list[HeaderPair]:
        self._seen.upstream = upstream.origin
        return self._proxy.head_for(upstream, self._scope, self._request, self._principal, self._handling)

    async def _whole_body(self, receive: Receive) -> bytes:
        """A body that has arrived: it goes out with its head."""
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone("the client has left")
        octets: bytes = message["body"]
        self._seen.octets_in += len(octets)
        return octets

    async def _body(self, receive: Receive) -> AsyncIterator[bytes]:
        seen = self._seen
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone("the client has left")
            octets: bytes = message["body"]
            seen.octets_in += len(octets)
            more = message["more_body"]
            if octets:
                yield octets

    def _inform(self, status: int, headers: list[HeaderPair]) -> None:
        if status != 100:  # ours to send, and sent when the body is asked for
            try:
                self._connection.inform(status, self._proxy.answer_head(headers))
            except ClientGone:  # the exchange is cancelled for it; the upstream's connection, which calls this, must not fail
                pass

    async def _give(self, answer: Answer, send: Send) -> None:
        seen, status = self._seen, answer.status
        seen.upstream_status = status
        if status == 101:
            self._switch(answer)
            return
        seen.status = status
        headers = self._proxy.answer_head(answer.headers)
        body = answer.body
        seen.octets_out = len(body)
        if answer.complete and not answer.trailers:
            self._connection.answer(status, headers, body)
            return
        announced = any(name == b"trailer" for name, _ in headers)
        self._answering = True
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": announced})
            while True:
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if answer.complete:
                    break
                body = await answer.read()
                seen.octets_out += len(body)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if announced:
                trailers = self._proxy.answer_head(answer.trailers)
                await send({"type": "http.response.trailers", "headers": trailers, "more_trailers": False})
        finally:
            answer.abort()  # nothing to a whole answer; of any other, nobody wants the rest

    def _switch(self, answer: Answer) -> None:
        proxy, seen = self._proxy, self._seen
        seen.status = 101
        transport, leftover = answer.switched()
        tunnel = Tunnel(
            transport,
            leftover,
            idle=proxy.idle,
            close_at=proxy.close_at(self._principal, self._handling),
            on_end=lambda _: seen.tunnelled(tunnel.from_client, tunnel.from_upstream),
        )
        seen.tunnel()
        try:
            self._connection.switch(proxy.answer_head(answer.headers, websocket=True), tunnel)
        except BaseException:
            transport.abort()
            seen.tunnelled(0, 0)
            raise

    def _tell(self, failed: UpstreamFailed) -> None:
        seen = self._seen
        seen.failure = failed.kind
        seen.upstream_failed(failed.upstream, failed.kind)
        if self._answering:
            self._connection.abort()  # a body that broke off must not look whole
        else:
            refuse(self._connection, self._request.method, FAILURES[failed.kind], seen)


def _target(sent: bytes, query: bytes, request: Request) -> bytes:
    """The target as it was judged, octet for octet, but for a token that was taken out of a websocket's query."""
    if request.query == query:
        return sent
    raw_path = request.raw_path or b"/"
    return b"%b?%b" % (raw_path, request.query) if request.query else raw_path


def refuse(connection: Connection, method: str, challenge: Challenge, seen: Seen) -> None:
    """Answer in the upstream's stead."""
    seen.status = challenge.status
    body = b"" if method == "HEAD" else challenge.body
    seen.octets_out = len(body)
    connection.answer(challenge.status, list(challenge.headers), body)


CLIENT_GONE = 499
"""The status that logs show, as nginx writes it, where a client left before there was one."""

_UNREACHABLE = problem(502, "bad_gateway", "upstream_unreachable", "the application behind the gateway cannot be reached")
_TIMEOUT = problem(504, "gateway_timeout", "upstream_timeout", "the application behind the gateway did not answer in time")
FAILURES: dict[str, Challenge] = {
    "connect": _UNREACHABLE,
    "connect_timeout": _UNREACHABLE,
    "tls": _UNREACHABLE,
    "closed": problem(502, "bad_gateway", "upstream_closed", "the application behind the gateway closed the connection"),
    "malformed": problem(502, "bad_gateway", "upstream_malformed", "the application behind the gateway did not answer in HTTP"),
    "answer_timeout": _TIMEOUT,
    "idle_timeout": _TIMEOUT,
    "total_timeout": _TIMEOUT,
    "overloaded": problem(
        503, "overloaded", "upstream_overloaded", "the application behind the gateway is busy", (b"retry-after", b"1")
    ),
}
"""What a client is told, by the kind of failure."""
