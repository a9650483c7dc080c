"""Upstreams: which one a request goes to, and the HTTP/1.1 client that takes it there (RFC 9110, 9112).

upstream = Upstream(Address("http://127.0.0.1:8000"))
answer = await upstream.exchange(b"GET", b"/", [(b"host", b"127.0.0.1:8000")])
"""

from __future__ import annotations

from cognito_guard.gateway.upstream.address import Address
from cognito_guard.gateway.upstream.answer import Answer
from cognito_guard.gateway.upstream.choose import Entry, Upstreams
from cognito_guard.gateway.upstream.failure import Kind, UpstreamFailed
from cognito_guard.gateway.upstream.health import Health
from cognito_guard.gateway.upstream.replicas import Replicas
from cognito_guard.gateway.upstream.timeouts import Timeouts
from cognito_guard.gateway.upstream.tls import client_context
from cognito_guard.gateway.upstream.upstream import Upstream

__all__ = [
    "Address",
    "Answer",
    "Entry",
    "Health",
    "Kind",
    "Replicas",
    "Timeouts",
    "Upstream",
    "UpstreamFailed",
    "Upstreams",
    "client_context",
]
