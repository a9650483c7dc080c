"""OpenTelemetry: one server span a request, where it is set up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

trace = pytest.importorskip("opentelemetry.trace")

from cognito_guard.front import Front, Request
from cognito_guard.gateway.observing.spans import ServerSpans
from cognito_guard.gateway.observing.trace import traced
from cognito_guard.testing import LocalUserPool

CLIENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class RecordedSpan(trace.NonRecordingSpan):  # type: ignore[misc]
    """A span of the API's own type that keeps what it is told."""

    def __init__(self, context: Any, name: str, kind: Any, attributes: Any) -> None:
        super().__init__(context)
        self.name, self.kind, self.attributes = name, kind, dict(attributes)
        self.status: Any = None
        self.ended = False

    def is_recording(self) -> bool:
        return not self.ended

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Any) -> None:
        self.attributes |= attributes

    def set_status(self, status: Any, description: Any = None) -> None:
        self.status = status

    def end(self, end_time: Any = None) -> None:
        self.ended = True


class Tracer:
    """Starts spans as an SDK would: in the parent's trace, or in one of its own."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []

    def start_span(self, name: str, context: Any, kind: Any, attributes: Any) -> RecordedSpan:
        parent = trace.get_current_span(context).get_span_context()
        of_own = trace.SpanContext(
            parent.trace_id or 0xABC,
            0x123 + len(self.spans),
            is_remote=False,
            trace_flags=trace.TraceFlags(1),
            trace_state=parent.trace_state,
        )
        self.spans.append(RecordedSpan(of_own, name, kind, attributes))
        return self.spans[-1]


Around = Callable[..., Any]


def around(tracer: Tracer, headers: Sequence[tuple[bytes, bytes]], path: bytes = b"/orders/1") -> Any:
    found, passed = traced(headers)
    return ServerSpans(tracer).around("GET", path, b"api.example.com", "https", found, passed)


def test_a_span_joins_the_clients_trace() -> None:
    """A child of the client's span; the upstream gets ours as its parent, with the client's trace state, once."""
    tracer = Tracer()
    headers = [(b"host", b"h"), (b"traceparent", CLIENT), (b"tracestate", b"a=1")]
    with around(tracer, headers) as span:
        span.answered(200)
    assert span.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.headers == [
        (b"host", b"h"),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000123-01"),
        (b"tracestate", b"a=1"),
    ]
    (recorded,) = tracer.spans
    assert (recorded.name, recorded.kind, recorded.status, recorded.ended) == ("GET", trace.SpanKind.SERVER, None, True)
    assert recorded.attributes == {
        "http.request.method": "GET",
        "url.path": "/orders/1",
        "url.scheme": "https",
        "server.address": "api.example.com",
        "http.response.status_code": 200,
    }


def test_without_a_good_parent_a_trace_begins() -> None:
    """A malformed parent is no parent, and a span that happens to be current in the process is none either."""
    tracer = Tracer()
    foreign = RecordedSpan(trace.SpanContext(7, 7, is_remote=False), "foreign", None, {})
    with trace.use_span(foreign), around(tracer, [(b"traceparent", CLIENT.upper())]) as span:
        pass
    assert span.headers == [(b"traceparent", b"00-00000000000000000000000000000abc-0000000000000123-01")]


def test_the_decision_ends_up_on_the_span() -> None:
    """The span is the current one inside, which is where decisions are told."""
    tracer = Tracer()
    front = Front(LocalUserPool().guard())
    with around(tracer, []):
        front.judge(Request("GET", "/x", []))
    assert tracer.spans[0].attributes["cognito_guard.code"] == "credentials_missing"


def test_failures_are_errors_without_text() -> None:
    """T29: an upstream's failure by its kind, an exception by its type; a refusal of ours is no error of the server's."""
    tracer = Tracer()
    with around(tracer, []) as span:
        span.answered(504, failure="answer_timeout")
    with around(tracer, []) as span:
        span.answered(401)
    with pytest.raises(RuntimeError), around(tracer, []):
        raise RuntimeError("secret")
    kinds = [recorded.attributes.get("error.type") for recorded in tracer.spans]
    assert kinds == ["answer_timeout", None, "RuntimeError"]
    assert [getattr(recorded.status, "is_ok", None) for recorded in tracer.spans] == [False, None, False]
    assert "secret" not in repr([recorded.attributes for recorded in tracer.spans])


def test_no_token_on_a_span() -> None:
    """T29: a token in a path is not in a trace."""
    tracer = Tracer()
    token = LocalUserPool().access()
    with around(tracer, [], b"/x/" + token.encode()):
        pass
    assert tracer.spans[0].attributes["url.path"] == "/x/[token]"


def test_only_where_it_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported without a provider: nothing. With one: spans of it."""
    assert ServerSpans.found() is None
    tracer = Tracer()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: SimpleNamespace(get_tracer=lambda name: tracer))
    spans = ServerSpans.found()
    assert spans is not None
    with spans.around("GET", b"/", b"h", "http", None, []):
        pass
    assert len(tracer.spans) == 1


def test_it_is_never_imported_by_us() -> None:
    """No cost where nobody uses it: asking whether it is set up does not load it."""
    code = (
        "import sys; from cognito_guard.gateway.observing.spans import ServerSpans; "
        "assert ServerSpans.found() is None; assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
