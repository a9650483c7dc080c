"""Upstreams behind TLS, as the process reaches them: whom it trusts, what it shows, and that it never carries on regardless (T53)."""

from __future__ import annotations

import datetime as dt
import runpy
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, request = shared.Client, shared.request


def authority(folder: Path, name: str) -> Any:
    """Writes `<name>.pem`; gives a function that writes a certificate and key for a name, signed by it."""

    def certificate(subject: str, signer: Any, issuer: str, key: Any, *, ca: bool) -> x509.Certificate:
        named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer)]
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(named[0])
            .issuer_name(named[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .sign(signer, hashes.SHA256())
        )

    key = ec.generate_private_key(ec.SECP256R1())
    own = certificate(name, key, name, key, ca=True)
    (folder / f"{name}.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def sign(subject: str) -> str:
        leaf = ec.generate_private_key(ec.SECP256R1())
        path = folder / f"{name}-{subject}.pem"
        path.write_bytes(
            leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate(subject, key, name, leaf, ca=False).public_bytes(serialization.Encoding.PEM)
        )
        return str(path)

    return sign


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[Any]:
    """An upstream for `localhost` that wants a client certificate of the authority "ours"."""
    sign = authority(folder, "ours")
    authority(folder, "theirs")("client")
    sign("client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sign("localhost"))
    context.load_verify_locations(folder / "ours.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    origin = shared.Upstream(tls=context)
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def running(gateway: Any, origin: Any, folder: Path) -> Any:
    right = {"url": f"https://localhost:{origin.port}", "ca": f"{folder}/ours.pem", "client_cert": f"{folder}/ours-client.pem"}
    cases = {
        "right": right,
        "by-sni": {**right, "url": f"https://127.0.0.1:{origin.port}", "sni": "localhost"},
        "wrong-name": {**right, "url": f"https://127.0.0.1:{origin.port}"},
        "wrong-sni": {**right, "sni": "other.test"},
        "system-authorities": {"url": right["url"], "client_cert": right["client_cert"]},
        "wrong-authority": {**right, "ca": f"{folder}/theirs.pem"},
        "no-certificate": {"url": right["url"], "ca": right["ca"]},
        "wrong-certificate": {**right, "client_cert": f"{folder}/theirs-client.pem"},
    }
    tables = []
    for host, settings in cases.items():
        tables.append(
            f'[[upstream]]\nhost = "{host}.test"\n' + "".join(f'{key} = "{value}"\n' for key, value in settings.items())
        )
    return gateway("".join(tables))


@pytest.mark.parametrize("host", ["right", "by-sni"])
def test_a_verified_upstream(running: Any, origin: Any, host: str) -> None:
    """The authority, the name and our certificate fit: requests pass, over one connection."""
    origin.forget()
    with Client(running.address) as client:
        for _ in range(5):
            assert client.send(request(host=f"{host}.test")).answer()[::2] == (200, b"ok")
    assert origin.accepted_since() <= 1


@pytest.mark.parametrize(
    "host", ["wrong-name", "wrong-sni", "system-authorities", "wrong-authority", "no-certificate", "wrong-certificate"]
)
def test_an_upstream_that_cannot_be_verified(running: Any, origin: Any, host: str) -> None:
    """Anything that does not fit: 502 that says nothing of why, and not one octet of a request has left (T53)."""
    origin.forget()
    with Client(running.address) as client:
        status, fields, body = client.send(request(host=f"{host}.test")).answer()
    assert (status, fields["content-type"]) == (502, "application/problem+json")
    assert b"certificate" not in body.lower()
    assert origin.heads == []
