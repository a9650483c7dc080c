"""Scripted upstreams on real sockets, on asyncio's own loop and on uvloop; and certificates made on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cognito_guard.gateway.upstream import Address, Upstream

HOST = [(b"host", b"app.test")]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param}


class Peer:
    """One accepted connection, seen from the upstream's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.ended = asyncio.Event()  # its handler has, and the connection is closed

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def octets(self, count: int) -> bytes:
        return await self.reader.readexactly(count)

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def gone(self) -> bytes:
        """Waits until the other side has closed; gives what it sent before."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""

    def reset(self) -> None:
        self.writer.transport.abort()


Handler = Callable[[Peer], Awaitable[None]]


class Raw:
    """Starts upstreams that do what a handler does with each connection; `peers` are all connections in order."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.requests: list[bytes] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._upstreams: list[Upstream] = []

    async def serve(self, handler: Handler, *, unix: str | None = None, tls: ssl.SSLContext | None = None) -> Address:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            self.peers.append(peer)
            self._tasks.append(asyncio.current_task())
            try:
                await handler(peer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # cancelled by `end`: Python 3.11 would report a task that ends so
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    await writer.wait_closed()
                peer.ended.set()

        if unix is not None:
            self._servers.append(await asyncio.start_unix_server(accepted, unix))
            return Address(f"unix:{unix}")
        server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        return Address(f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    async def answering(self, *connections: list[bytes | None], **where) -> Address:
        """The n-th connection answers its n-th request head with these octets; None closes. The last list serves all that follow."""
        count = 0

        async def handler(peer: Peer) -> None:
            nonlocal count
            answers = connections[min(count, len(connections) - 1)]
            count += 1
            for answer in answers:
                self.requests.append(await peer.head())
                if answer is None:
                    return
                await peer.send(answer)
                if answer.endswith(CLOSE):
                    return
            await peer.gone()

        return await self.serve(handler, **where)

    def upstream(self, address: Address, **settings) -> Upstream:
        upstream = Upstream(address, **settings)
        self._upstreams.append(upstream)
        return upstream

    async def end(self) -> None:
        for upstream in self._upstreams:
            await upstream.close()
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()


CLOSE = b"<close>"


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    raw = Raw()
    yield raw
    await raw.end()


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        made = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca = self._write("ca.pem", made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name, key):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
        )

    def _write(self, name, octets) -> str:
        path = self.folder / name
        path.write_bytes(octets)
        return str(path)

    def certificate(self, *names: str) -> tuple[str, str]:
        """Paths of a certificate for these names or addresses, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        made = self._builder(subject, key).add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        pem = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._write(f"{names[0]}.pem", pem), self._write(f"{names[0]}.key", secret)

    def server(self, *names: str, clients: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate(*names))
        if clients:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"))
