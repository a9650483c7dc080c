"""The gateway's own certificate: served, renewed by a reload, and never exchanged for one that cannot serve (THREATS T19, T53)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OPEN = '[server]\ntls_certificate = "chain.pem"\ntls_key = "key.pem"\n[[route]]\npath = "/open/*"\naccess = "public"\n'


def certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def connected(running, trusted: bytes) -> ssl.SSLSocket:
    """A connection to a gateway that shows a certificate which `trusted` vouches for."""
    context = ssl.create_default_context(cadata=trusted.decode())
    return context.wrap_socket(socket.create_connection(running.address, timeout=10), server_hostname="127.0.0.1")


def asked(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"GET /open/x HTTP/1.1\r\nHost: app.test\r\n\r\n")
    octets = b""
    while b"\r\n\r\n" not in octets:
        part = connection.recv(65536)
        assert part
        octets += part
    return octets[:15]


def test_a_renewed_certificate_is_served_after_a_reload(gateway, upstream) -> None:
    """New handshakes get the new one, connections that are open go on, and applications are told of https."""
    first, second = certificate(), certificate()
    running = gateway(OPEN, files={"chain.pem": first[0], "key.pem": first[1]})
    with connected(running, first[0]) as before:
        assert asked(before) == b"HTTP/1.1 200 OK"
        assert upstream.take()[0].values(b"x-forwarded-proto") == [b"https"]
        (running.folder / "chain.pem").write_bytes(second[0])
        assert "server.tls_certificate" in running.hang_up(until="the old ones stay")  # it does not fit the key
        with connected(running, first[0]) as still:
            assert asked(still) == b"HTTP/1.1 200 OK"
        (running.folder / "key.pem").write_bytes(second[1])
        running.hang_up()
        with connected(running, second[0]) as after:
            assert asked(after) == asked(before) == b"HTTP/1.1 200 OK"
        with pytest.raises(ssl.SSLCertVerificationError):
            connected(running, first[0])
