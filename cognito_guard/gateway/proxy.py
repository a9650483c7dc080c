"""The proxy: what is done with a request, from its front's decision to the upstream that takes it.

Decides nothing about who may: the front does. What happens on the way to the upstream and back is `exchange.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from uuid import uuid4

from cognito_guard.adapters.asgi import Receive, Scope, Send
from cognito_guard.gateway.exchange import Exchange, Handling, refuse
from cognito_guard.gateway.observing.seen import Seen
from cognito_guard.gateway.policy import Policy
from cognito_guard.gateway.rewriting import Rewriting
from cognito_guard.gateway.server.connection import EXTENSION, Connection
from cognito_guard.gateway.upstream import Replicas, Upstream, Upstreams
from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Forward, Outcome
from cognito_guard.web.problem import problem
from cognito_guard.web.request import HeaderPair, Request
from cognito_guard.web.routes import Protect


class Proxy:
    """An ASGI application for http scopes of our own server (it needs the extension `cognito_guard.connection`).

    - `policy` gives the front by host, `upstreams` the replicas by host and path, `rewriting` the heads.
    - `handling`: by `id` of a route, where it asks for more than the default; the routes must live as long as the proxy.
    - `own_hosts`: by `id` of an upstream, the Host it wants instead of the client's.
    - `clock`: seconds since the epoch. `idle`: seconds of silence that end a websocket, None for no limit.
    """

    def __init__(
        self,
        policy: Policy,
        upstreams: Upstreams[Replicas],
        rewriting: Rewriting,
        *,
        clock: Callable[[], float],
        handling: Mapping[int, Handling],
        own_hosts: Mapping[int, bytes],
        idle: float | None = None,
    ) -> None:
        self._policy = policy
        self._upstreams = upstreams
        self._rewriting = rewriting
        self._clock = clock
        self._handling = handling
        self._own_hosts = own_hosts
        self._idle = idle

    async def carry(self, scope: Scope, receive: Receive, send: Send, seen: Seen) -> None:
        """Serve one request, and tell `seen` what became of it."""
        connection: Connection = scope["extensions"][EXTENSION]
        request = Request(
            scope["method"],
            scope["path"],
            seen.headers,
            scope["raw_path"],
            "",
            "websocket" if connection.is_websocket else "http",
            scope["query_string"],
        )
        front = self._policy.front(seen.host)
        seen.judging()
        outcome: Outcome | None = front.document(request)
        route = front.route(request)
        known = False
        if outcome is None and type(route) is Protect and request.kind == "http":
            principal = front.granted_as_before(route, seen.headers)
            if principal is not None:
                outcome = Forward(principal)
                known = True
        if outcome is None:
            outcome = await front.judge_as_async(route, request)
        seen.judged(known=known)
        if isinstance(outcome, Challenge):
            refuse(connection, scope["method"], outcome, seen)
            return
        group = self._upstreams.choose(seen.host, request.path)
        if group is None:
            refuse(connection, scope["method"], _NO_UPSTREAM, seen)
            return
        handling = self._handling.get(id(route), _PLAIN)
        request = front.without_credentials(request)
        exchange = Exchange(self, connection, scope, request, outcome.principal, handling, seen)
        await exchange.run(group, receive, send)

    def head_for(
        self, upstream: Upstream, scope: Scope, request: Request, principal: Principal | None, handling: Handling
    ) -> list[HeaderPair]:
        """The head's fields for the upstream chosen."""
        client = scope["client"]
        return self._rewriting.request(
            request.headers,
            principal=principal,
            peer=None if client is None else client[0],
            scheme=scope["scheme"],
            audience=upstream.origin,
            now=self._clock(),
            jti=_jti,
            authorization=handling.authorization,
            host=self._own_hosts.get(id(upstream)),
            websocket=request.kind == "websocket",
        )

    def answer_head(self, headers: list[HeaderPair], *, websocket: bool = False) -> list[HeaderPair]:
        """The head's fields for the client."""
        return self._rewriting.answer(headers, websocket=websocket)

    def close_at(self, principal: Principal | None, handling: Handling) -> float | None:
        """When a websocket ends with its token, by the loop's clock; None: it does not."""
        if principal is None or not handling.close_at_expiry:
            return None
        return asyncio.get_running_loop().time() + principal.expires_at - self._clock()

    @property
    def idle(self) -> float | None:
        """Seconds of silence that end a websocket."""
        return self._idle


def _jti() -> str:
    return uuid4().hex


_NO_UPSTREAM = problem(404, "not_found", "no_upstream", "no upstream serves this host and path")
_PLAIN = Handling()
