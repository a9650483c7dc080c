"""OpenTelemetry: one server span around each request, where the process is set up for it, and nothing anywhere else.

Decides the span's names and attributes (HTTP semantic conventions), and what trace context the upstream gets. Never imports
OpenTelemetry by itself: whoever wants spans starts the gateway under `opentelemetry-instrument`, which sets up SDK and exporter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cognito_guard.gateway.observing.lines import redacted
from cognito_guard.gateway.observing.trace import Trace
from cognito_guard.web.request import HeaderPair


class RequestSpan:
    """The span of one request: `trace_id` for the log, `headers` for the upstream."""

    __slots__ = ("_span", "trace_id", "headers")

    def __init__(self, span: Any, headers: Sequence[HeaderPair]) -> None:
        context = span.get_span_context()
        self._span = span
        self.trace_id = format(context.trace_id, "032x")
        parent = b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)
        state = context.trace_state.to_header().encode("ascii")
        self.headers = [pair for pair in headers if pair[0] not in (b"traceparent", b"tracestate")]
        self.headers.append((b"traceparent", parent))
        if state:
            self.headers.append((b"tracestate", state))

    def answered(self, status: int, *, failure: str | None = None) -> None:
        """Tell how it ended: the status that the client got, and how the upstream failed, if it did. A 5xx is an error (of ours)."""
        self._span.set_attribute("http.response.status_code", status)
        if failure is not None or status >= 500:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_attribute("error.type", failure or str(status))
            self._span.set_status(Status(StatusCode.ERROR))


class ServerSpans:
    """Makes the spans. `found()` gives one where a tracer provider was set up, and None otherwise."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    @classmethod
    def found(cls) -> ServerSpans | None:
        """Ask once, when the gateway starts in its process."""
        if "opentelemetry.trace" not in sys.modules:
            return None
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            return None
        return cls(provider.get_tracer("cognito_guard.gateway"))

    @contextmanager
    def around(
        self, method: str, path: bytes, host: bytes, scheme: str, trace: Trace | None, headers: Sequence[HeaderPair]
    ) -> Iterator[RequestSpan]:
        """A span that is current inside, so that the decision's attributes end up on it; a child of the client's where it sent one.

        `headers` are what `traced` gave. An exception that passes through is named on the span by its type, without its text.
        """
        from opentelemetry.trace import SpanKind, Status, StatusCode, use_span

        attributes = {
            "http.request.method": method,
            "url.path": redacted(path).decode("latin-1"),
            "url.scheme": scheme,
            "server.address": host.decode("latin-1"),
        }
        span = self._tracer.start_span(method, context=_parent(trace), kind=SpanKind.SERVER, attributes=attributes)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield RequestSpan(span, headers)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise


def _parent(trace: Trace | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if trace is None:
        return Context()
    carrier = {"traceparent": trace.traceparent, "tracestate": trace.tracestate}
    return TraceContextTextMapPropagator().extract(carrier, Context())
