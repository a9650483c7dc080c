"""The gateway as one ASGI application, composed from settings: what is ours is answered, everything else is proxied.

Decides which part serves a request, and that no request is served by half: whatever goes wrong while composing is told at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cognito_guard.adapters.asgi import Receive, Scope, Send
from cognito_guard.errors import Unavailable
from cognito_guard.front import Outcome
from cognito_guard.gateway.assembly import Listeners, assemble
from cognito_guard.gateway.exchange import refuse
from cognito_guard.gateway.forward_auth.kinds import Original
from cognito_guard.gateway.observing.admin import Readiness
from cognito_guard.gateway.observing.seen import Observer, Seen
from cognito_guard.gateway.observing.spans import ServerSpans
from cognito_guard.gateway.parts import Parts
from cognito_guard.gateway.server.connection import EXTENSION
from cognito_guard.gateway.settings import GatewaySettings
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.problem import problem

if TYPE_CHECKING:
    from cognito_guard.gateway.observing.metrics import Metrics  # what imports it fixes whether workers share their counts


PREFIX = "/_cognito_guard"
JWKS = f"{PREFIX}/jwks.json"
_SEEN = "cognito_guard.seen"


class Gateway:
    """One set of settings at work. Build it anywhere; `open` it on the loop that serves, `close` it there.

    `before`: the gateway from which this one takes over, keys that are still trusted and the gRPC listener included. `under_way`:
    requests that have begun and not ended. Raises `ConfigurationError` with every mistake in what the settings name: files, keys,
    certificates.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        before: Gateway | None = None,
        clock: Callable[[], float] = time.time,
        **guard_settings: Any,
    ) -> None:
        self.settings = settings
        self.under_way = 0
        self._clock = clock
        heard = Listeners(self._decided, self._answered, self._answered_grpc)
        self._before = None if before is None else before._parts  # noqa: SLF001 - of its own class
        self._parts: Parts = assemble(settings, heard, clock=clock, before=self._before, **guard_settings)
        self.guard = self._parts.guard
        self._proxy = self._parts.proxy
        self._forward_auth = self._parts.forward_auth
        self._observer: Observer | None = None
        self._spans: ServerSpans | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, metrics: Metrics, log: Any, *, shared: bool = False) -> None:
        """Start what runs beside requests: the checks of upstreams, the gRPC listener, the first fetch of keys."""
        parts, settings = self._parts, self.settings
        self._observer = Observer(metrics, log, peers=parts.peers, query=settings.log.query, clock=self._clock)
        self._spans = ServerSpans.found()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(check) for check in parts.checks()]
        self._tasks.append(loop.create_task(self._warm_up()))
        before, self._before = self._before, None
        await parts.start_grpc(before, shared=shared)

    def retire(self) -> None:
        """End what runs beside requests: another has taken over. Requests that have begun here are served here to their end."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End everything."""
        self.retire()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._parts.close(self.settings.server.drain)

    def readiness(self) -> Readiness:
        """What the admin listener asks."""
        return Readiness(self.settings.profiles, self.guard.key_status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError("the gateway serves http, websockets included, and no other scope type")
        observer = self._observer
        assert observer is not None, "the gateway is not open"  # noqa: S101 - a mistake of ours
        seen = observer.begin(scope)
        self.under_way += 1
        try:
            if self._spans is None:
                await self._serve(scope, receive, send, seen)
            else:
                await self._traced(self._spans, scope, receive, send, seen)
        finally:
            self.under_way -= 1
            observer.end(seen)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, seen: Seen) -> None:
        path: str = scope["path"]
        if path.startswith(PREFIX) and (len(path) == len(PREFIX) or path[len(PREFIX)] == "/"):
            await self._serve_own(scope, receive, send, seen)
        elif self._proxy is not None:
            await self._proxy.carry(scope, receive, send, seen)
        else:
            refuse(scope["extensions"][EXTENSION], scope["method"], _NOTHING, seen)

    async def _traced(self, spans: ServerSpans, scope: Scope, receive: Receive, send: Send, seen: Seen) -> None:
        around = spans.around(seen.method, seen.path, seen.host, scope["scheme"], seen.trace, seen.headers)
        with around as span:
            seen.headers = span.headers
            await self._serve(scope, receive, send, seen)
            span.answered(seen.status, failure=seen.failure)

    async def _serve_own(self, scope: Scope, receive: Receive, send: Send, seen: Seen) -> None:
        if self._forward_auth is not None and scope["path"].startswith(f"{PREFIX}/verify/"):
            scope[_SEEN] = seen
            await self._forward_auth(scope, receive, send)
            return
        document = self._parts.jwks if scope["raw_path"] == JWKS.encode() else None
        answer = _NOTHING
        if document is not None:
            answer = _document(document) if scope["method"] in ("GET", "HEAD") else _READ_ONLY
        refuse(scope["extensions"][EXTENSION], scope["method"], answer, seen)

    async def _warm_up(self) -> None:
        """Fetch the keys now. The Guard fetches by itself when asked; this is for readiness, and tries until it is there."""
        pause = 1.0
        while True:
            try:
                await self.guard.warm_up_async()
                return
            except Unavailable as error:
                _log.warning("%s; trying again in %.0f s", error, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 60.0)

    def _decided(self, decision: Any) -> None:
        if self._observer is not None:
            self._observer.decided(decision)

    def _answered(self, scope: Scope, original: Original | None, outcome: Outcome) -> None:
        """A proxy's question was answered: what is told is what it was about."""
        seen: Seen = scope[_SEEN]
        seen.status = outcome.status if isinstance(outcome, Challenge) else 200
        if original is not None:
            seen.method, seen.path, seen.host = original.method, original.raw_path, original.host
            seen.decided()

    def _answered_grpc(self, original: Original | None, outcome: Outcome) -> None:
        if original is not None and self._observer is not None:
            status = outcome.status if isinstance(outcome, Challenge) else 200
            self._observer.answered(original.method, original.raw_path, original.host, status)


def _document(jwks: dict[str, Any]) -> Challenge:
    body = json.dumps(jwks).encode("ascii")
    headers = (
        (b"content-type", b"application/jwk-set+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"public, max-age=300"),
    )
    return Challenge(200, "jwks", headers, body)


_NOTHING = problem(404, "not_found", "not_found", "there is nothing here")
_READ_ONLY = problem(405, "invalid_request", "method_refused", "this is for GET and HEAD", (b"allow", b"GET, HEAD"))
_log = logging.getLogger("cognito_guard.gateway")
