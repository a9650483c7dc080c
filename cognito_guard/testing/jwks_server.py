"""A JWK Set over real HTTP, on loopback: for programs that are tested from outside.

Decides how an answer and an outage look on the wire. What is answered is the publication's decision.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cognito_guard.testing.publishing import REDIRECT_TARGET, Publication


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them: no test leaves a thread or a socket behind

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is a client's business; nothing is printed into a test's output."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def jwks_server(publication: Publication) -> Iterator[str]:
    """Serve on 127.0.0.1, a port of the system's choice; gives the base URL. Waiting answers are released at the end."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # a client that connects and says nothing

        def do_GET(self) -> None:
            try:
                answer = publication.fetch(f"{base}{self.path}")
            except OSError:
                return  # no status line: the client sees a connection closed unanswered
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json" if answer.body[:1] == b"{" else "text/html")
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.cache_control:
                self.send_header("Cache-Control", answer.cache_control)
            if answer.status == 302:
                self.send_header("Location", REDIRECT_TARGET)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Not into a test's output."""

    server = _Server(("127.0.0.1", 0), Handler)
    base = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="cognito-guard-jwks")
    thread.start()
    try:
        yield base
    finally:
        server.shutdown()
        thread.join()
        publication.release()
        server.server_close()
