"""Addresses, timeouts and TLS files: every mistake is named when they are built."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.upstream import Address, Health, Replicas, Timeouts, Upstream, client_context


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", b"127.0.0.1:8000"),
        ("http://App.Internal:80/", "http://app.internal", b"app.internal"),
        ("https://app.internal:443", "https://app.internal", b"app.internal"),
        ("https://[::1]:8443", "https://[::1]:8443", b"[::1]:8443"),
        ("unix:/run/app.sock", "unix:/run/app.sock", b"localhost"),
    ],
)
def test_an_address_has_one_spelling(url, origin, authority):
    """`origin` is canonical: lower case, default ports left out, IPv6 in brackets; `authority` is the Host that fits it."""
    address = Address(url)
    assert (address.origin, address.authority) == (origin, authority)


@pytest.mark.parametrize(
    "url",
    [
        "", "app:8000", "ftp://app", "http://", "http://app/api", "http://app?x", "http://u:p@app", "http://app:0", "http://app:99999",
        "unix:run/app.sock", "unix:", "unix:/" + "x" * 107, "unix:/a\0b", "http://a b", "http://ä", None, 7,
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used(url):
    """A path, user info, a relative socket and whatever is no URL is a ConfigurationError that names `url`."""
    with pytest.raises(ConfigurationError, match="url:"):
        Address(url)


def test_timeouts_name_every_mistake():
    """All wrong numbers at once; None is allowed for `idle` and `total` only."""
    assert Timeouts(idle=None, total=None).idle is None
    with pytest.raises(ConfigurationError) as caught:
        Timeouts(connect=0, answer=None, idle=-1, total=float("nan"))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["connect", "answer", "idle", "total"]
    with pytest.raises(ConfigurationError):
        Timeouts(connect=True)


def test_an_upstream_names_every_mistake():
    """Wrong limits, and TLS settings on what is not https."""
    with pytest.raises(ConfigurationError) as caught:
        Upstream(Address("http://a"), connections=0, keep_alive=-1, sni="b")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["connections", "keep_alive", "tls, sni"]
    with pytest.raises(ConfigurationError, match="tolerated"):
        Health(tolerated=0)
    with pytest.raises(ConfigurationError, match="upstreams"):
        Replicas([])


def test_no_context_weakens_verification():
    """THREATS T53: a context that does not verify is refused; ours verifies, checks names and begins at TLS 1.2."""
    open_to_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    open_to_all.check_hostname = False
    open_to_all.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigurationError, match="does not verify"):
        Upstream(Address("https://a"), tls=open_to_all)
    ours = client_context()
    assert (ours.verify_mode, ours.check_hostname, ours.minimum_version) == (ssl.CERT_REQUIRED, True, ssl.TLSVersion.TLSv1_2)


def test_files_that_fit(authority):
    """A CA given replaces the system's; a certificate with its key is taken, and a key within the certificate's file too."""
    cert, key = authority.certificate("client.test")
    context = client_context(ca=authority.ca, client_cert=cert, client_key=key)
    assert context.cert_store_stats()["x509"] == 1


def test_files_that_do_not_fit(authority, tmp_path):
    """THREATS T19: missing, empty and foreign files are all reported, and never lead to an unverified connection."""
    cert, _ = authority.certificate("client.test")
    _, foreign = authority.certificate("foreign.test")
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
        )
    )
    absent = str(tmp_path / "absent")
    for settings, arguments in (
        ({"ca": absent}, ["ca"]),
        ({"ca": str(empty)}, ["ca"]),
        ({"ca": str(tmp_path)}, ["ca"]),
        ({"client_key": foreign}, ["client_key"]),
        ({"client_cert": cert}, ["client_cert"]),
        ({"client_cert": cert, "client_key": foreign}, ["client_cert"]),
        ({"client_cert": cert, "client_key": str(encrypted)}, ["client_cert"]),
        ({"client_cert": str(empty), "client_key": str(empty)}, ["client_cert"]),
        ({"ca": absent, "client_cert": absent, "client_key": absent}, ["ca", "client_cert", "client_key"]),
    ):
        with pytest.raises(ConfigurationError) as caught:
            client_context(**settings)
        assert [problem.partition(":")[0] for problem in caught.value.problems] == arguments
