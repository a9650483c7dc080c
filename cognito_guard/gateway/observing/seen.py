"""What is known of one request by its end, and who is told: the metrics, the access log, and the span where there is one.

Decides nothing about the request; it gathers what others decided and did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from cognito_guard.decision import Decision
from cognito_guard.gateway.observing.access import AccessLog, line
from cognito_guard.gateway.observing.trace import Trace, traced
from cognito_guard.gateway.rewriting import Peers, client_address
from cognito_guard.web.request import HeaderPair

if TYPE_CHECKING:
    from cognito_guard.gateway.observing.metrics import Metrics  # what imports it fixes whether workers share their counts


class Observer:
    """Hears of every request. `decided` fits `on_decision` of the fronts, which must share this observer's event loop.

    `log` is None where no access log is wanted; `query` tells whether query strings stand in it. `clock`: seconds since the epoch.
    """

    def __init__(
        self,
        metrics: Metrics,
        log: AccessLog | None,
        *,
        peers: Peers,
        query: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.metrics = metrics
        self._decision: Decision | None = None
        self._log = log
        self._peers = peers
        self._query = query
        self._clock = clock

    def decided(self, decision: Decision) -> None:
        """Count a decision, and keep it for the request that is being judged: nothing else runs between the two."""
        self._decision = decision
        self.metrics.decided(decision)

    def taken(self) -> Decision | None:
        """The decision that was made this very moment, once: what is answered without one must not show that of somebody else."""
        decision, self._decision = self._decision, None
        return decision

    def answered(self, method: str, path: bytes, host: bytes, status: int) -> None:
        """Envoy asked over gRPC, and the decision was made this very moment."""
        told = self.taken()
        if self._log is not None:
            self._log.add(line(self._clock(), method=method, path=path, host=host, status=status, seconds=0.0, decision=told))

    def begin(self, scope: MutableMapping[str, Any]) -> Seen:
        """A request has come."""
        self.metrics.in_flight += 1
        return Seen(self, scope)

    def end(self, seen: Seen) -> None:
        """It is over; of a websocket, its handshake."""
        metrics = self.metrics
        metrics.in_flight -= 1
        metrics.octets_received += seen.octets_in
        metrics.octets_sent += seen.octets_out
        if seen.upstream_status is not None and seen.upstream is not None:
            metrics.upstream_answered(seen.upstream, seen.upstream_status)
        if self._log is None:
            return
        client = seen.scope["client"]
        trace = seen.trace
        self._log.add(
            line(
                self._clock(),
                method=seen.method,
                path=seen.path,
                host=seen.host,
                status=seen.status,
                seconds=time.perf_counter() - seen.started,
                decision=seen.decision,
                client=client_address(self._peers, None if client is None else client[0], seen.headers),
                upstream=seen.upstream,
                upstream_status=seen.upstream_status,
                failure=seen.failure,
                octets_in=seen.octets_in,
                octets_out=seen.octets_out,
                trace_id=None if trace is None else trace.trace_id,
                websocket=seen.status == 101,
                query=seen.scope["query_string"] if self._query else None,
            )
        )


class Seen:
    """One request. `status` is what the client got, 500 until somebody says otherwise; `failure` says how the upstream failed.

    `headers` are those to pass on: a malformed trace context is not among them.
    """

    __slots__ = (
        "scope", "started", "method", "path", "host", "headers", "trace", "decision", "status", "upstream", "upstream_status", "failure",
        "octets_in", "octets_out", "_observer", "_judging",
    )  # fmt: skip

    def __init__(self, observer: Observer, scope: MutableMapping[str, Any]) -> None:
        self._observer = observer
        self.scope = scope
        self.started = self._judging = time.perf_counter()
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        headers: Sequence[HeaderPair] = scope["headers"]
        self.host = b""
        for name, value in headers:
            if name == b"host":
                self.host = value
                break
        self.trace: Trace | None
        self.trace, self.headers = traced(headers)
        self.decision: Decision | None = None
        self.status = 500
        self.upstream: str | None = None
        self.upstream_status: int | None = None
        self.failure: str | None = None
        self.octets_in = 0
        self.octets_out = 0

    def judging(self) -> None:
        """The request is to be judged now."""
        self._judging = time.perf_counter()

    def judged(self, *, known: bool) -> None:
        """It was, this very moment; `known`: by a token that was known from before."""
        self.decided()
        self._observer.metrics.judged(time.perf_counter() - self._judging, seen=known)

    def decided(self) -> None:
        """A decision was made about it, this very moment."""
        self.decision = self._observer.taken()

    def upstream_failed(self, upstream: str, kind: str) -> None:
        """An upstream did not do its part."""
        self.upstream = upstream
        self._observer.metrics.upstream_failed(upstream, kind)

    def tunnel(self) -> None:
        """A websocket is open."""
        self._observer.metrics.websockets += 1

    def tunnelled(self, octets_in: int, octets_out: int) -> None:
        """It is closed."""
        metrics = self._observer.metrics
        metrics.websockets -= 1
        metrics.octets_received += octets_in
        metrics.octets_sent += octets_out
