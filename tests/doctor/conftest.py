"""What the tests of the checks share: a network that answers from a list, a server on loopback, and certificates made on the spot."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cognito_guard.doctor import Answer, Connected, NoAnswer, UpstreamSubject


class Scripted:
    """A network without sockets: `answers` by URL (queries aside), `connections` by upstream; what is not named is refused."""

    def __init__(self, answers: dict[str, Any] | None = None, connections: dict[str, Any] | None = None) -> None:
        self.answers = answers or {}
        self.connections = connections or {}
        self.asked: list[str] = []

    def get(self, url: str) -> Answer | NoAnswer:
        self.asked.append(url)
        return self.answers.get(url.partition("?")[0], NoAnswer("refused", "the connection was refused"))

    def connect(self, upstream: UpstreamSubject) -> Connected | NoAnswer:
        return self.connections.get(upstream.url, NoAnswer("refused", "the connection was refused"))


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """`served(handle, tls=context)`: the base URL of a server whose answers `handle(request handler)` writes; `requests` are their paths."""
    ends: list[Callable[[], None]] = []

    def start(handle: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                handle(self)

            def log_message(self, *_: object) -> None:
                """Not into a test's output."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: object) -> None:
                """Clients hang up here on purpose."""

        server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()

        def end() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        ends.append(end)
        return f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"

    yield start
    for end in ends:
        end()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PEM file with a key and its own authority's certificate, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "doctor")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return str(path)


@pytest.fixture
def tls(certificate: str) -> ssl.SSLContext:
    """The server's side of that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
