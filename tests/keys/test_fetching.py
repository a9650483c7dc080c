"""`HttpFetch` against a real server on loopback, with httpx2 and with httpx."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Iterator

import httpx
import pytest
import respx

from cognito_guard import errors
from cognito_guard.keys import Fetched, FetchFailed, HttpFetch, KeyRing
from cognito_guard.pool import JwksUrl

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch) -> None:
    """The machine's own proxies are not part of these tests."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=["httpx2", "httpx"], autouse=True)
def client(request, monkeypatch) -> str:
    """Each test runs on both clients; httpx serves where httpx2 is not installed."""
    if request.param == "httpx":
        monkeypatch.setitem(sys.modules, "httpx2", None)
    return request.param


def failure(fetch: HttpFetch, url: str) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetch(url)
    return caught.value


def test_an_answer(origin, jwks) -> None:
    """Status, body and Cache-Control come through."""
    origin.answer("200 OK", jwks(a=0), "Cache-Control: public, max-age=86400")
    assert HttpFetch()(origin.url) == Fetched(200, jwks(a=0), "public, max-age=86400")


def test_what_is_sent(origin, jwks, monkeypatch, tmp_path) -> None:
    """One plain GET with a name of ours: no cookies, no compression, no credentials, not even those of `.netrc`."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(netrc.read_text())
    (tmp_path / ".netrc").chmod(0o600)
    origin.answer("200 OK", jwks(a=0), "Set-Cookie: a=b")
    fetch = HttpFetch()
    fetch(origin.url)
    fetch(origin.url)
    head, *fields = origin.requests[1].decode().rstrip().split("\r\n")
    sent = dict(field.lower().split(": ", 1) for field in fields)
    assert head == "GET /jwks.json HTTP/1.1"
    assert sent["user-agent"] == "cognito-guard"
    assert sent["accept-encoding"] == "identity"
    assert not sent.keys() & {"authorization", "cookie"}


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "429 Too Many Requests", "500 Oops", "204 No Content"])
def test_other_answers_are_returned_without_their_body(origin, status) -> None:
    """What a status means is judged elsewhere; the body of an error is not read."""
    origin.answer(status, b"" if status.startswith("204") else b"<html>")
    assert HttpFetch()(origin.url) == Fetched(int(status[:3]), b"")


def test_redirects_are_not_followed(origin) -> None:
    """GHSA-9v7f-9g4p-ffgj: a redirect is an answer, and no second request is made."""
    origin.answer("302 Found", b"", f"Location: {origin.url}")
    assert HttpFetch()(origin.url).status == 302
    assert len(origin.requests) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:application/json,{}", "ftp://127.0.0.1/", "/etc/passwd", ""])
def test_only_http(url) -> None:
    """GHSA-993g-76c3-p5m4: no other scheme."""
    assert failure(HttpFetch(), url).code == "network"


@pytest.mark.parametrize("length", [True, False])
def test_the_body_is_capped_while_it_streams(origin, length) -> None:
    """THREATS T50: an endless body is cut at max_bytes, with a declared length or without."""
    origin.answer("200 OK", b" " * 5000, length=length)
    assert HttpFetch(max_bytes=5000)(origin.url).status == 200
    assert failure(HttpFetch(max_bytes=4999), origin.url).code == "too_large"

    def endless(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")

    origin.behave = endless
    assert failure(HttpFetch(), origin.url).code == "too_large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_bomb_is_refused_before_it_is_decoded(origin, encoding) -> None:
    """THREATS T50: identity was asked for; nothing else is decoded, so 10 kB stay 10 kB."""
    bomb = zlib.compress(b" " * 10_000_000) if encoding == "deflate" else gzip.compress(b" " * 10_000_000)
    origin.answer("200 OK", bomb, f"Content-Encoding: {encoding}")
    assert failure(HttpFetch(), origin.url).code == "encoded"


def test_silence_ends_with_the_timeout(origin) -> None:
    """A server that accepts and says nothing."""
    origin.behave = lambda connection, request: origin.over.wait(10)
    assert failure(HttpFetch(timeout=0.1), origin.url).code == "timeout"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        b"",
    ],
    ids=["in the head", "in the body", "in a body without length", "in a chunk", "in the status line"],
)
def test_a_drip_ends_with_the_deadline(origin, head) -> None:
    """A byte now and then meets no read timeout; the deadline is one for the whole exchange, wherever the peer stalls."""

    def drip(connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        while not origin.over.wait(0.02):
            connection.sendall(b"H")

    origin.behave = drip
    began = time.monotonic()
    assert failure(HttpFetch(timeout=5, deadline=0.2), origin.url).code == "deadline"
    assert time.monotonic() - began < 3


def test_endless_interim_answers_end_with_the_deadline(origin) -> None:
    """1xx answers without end are no answer."""

    def interim(connection: socket.socket, request: bytes) -> None:
        while not origin.over.wait(0.001):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    origin.behave = interim
    assert failure(HttpFetch(deadline=0.2), origin.url).code == "deadline"


def test_a_cut_connection_and_a_closed_port(origin) -> None:
    """Said in the words of the operating system, or by kind."""
    origin.behave = lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    cut = failure(HttpFetch(), origin.url)
    assert (cut.code, "RemoteProtocolError" in cut.text) == ("network", True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = failure(HttpFetch(), f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert (refused.code, refused.text) == ("network", "Connection refused")


def test_garbage_instead_of_http(origin) -> None:
    """Another protocol on the port is an outage."""
    origin.behave = lambda connection, request: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    assert failure(HttpFetch(), origin.url).code == "network"


def test_an_explicit_proxy_gets_the_request(origin, jwks) -> None:
    """`proxy=`: the origin here plays the proxy, and sees the absolute URL; the name is never resolved by us."""
    origin.answer("200 OK", jwks(a=0))
    fetch = HttpFetch(proxy=f"http://user:hunter2@127.0.0.1:{origin.port}")
    assert fetch("http://keys.invalid/jwks.json").status == 200
    assert origin.requests[0].startswith(b"GET http://keys.invalid/jwks.json HTTP/1.1\r\n")
    assert "hunter2" not in repr(fetch)


def test_the_environments_proxy_counts_but_not_for_loopback(origin, jwks, monkeypatch) -> None:
    """HTTP_PROXY and NO_PROXY are honoured; an emulator on loopback is asked directly."""
    origin.answer("200 OK", jwks(a=0))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{origin.port}")
    HttpFetch()("http://keys.invalid/jwks.json")
    assert origin.requests.pop().startswith(b"GET http://keys.invalid/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert HttpFetch()(origin.url).status == 200
    assert HttpFetch()(origin.url.replace("127.0.0.1", "localhost")).status == 200
    assert origin.requests.pop().startswith(b"GET /jwks.json ")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{origin.port}")
    monkeypatch.setenv("NO_PROXY", "keys.invalid")

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure(HttpFetch(), "http://keys.invalid/jwks.json").text == "Name or service not known"
    assert not any(b"keys.invalid" in request for request in origin.requests)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """A self-signed certificate for 127.0.0.1: (certificate, certificate and key)."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    public, both = folder / "ca.pem", folder / "server.pem"
    public.write_bytes(certificate.public_bytes(Encoding.PEM))
    both.write_bytes(public.read_bytes() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(public), str(both)


def test_tls_is_verified_against_ca_and_ends_with_the_deadline(origin, jwks, authority) -> None:
    """`ca=` is trusted instead of the usual authorities; without it this server is refused; the deadline holds inside TLS."""
    public, both = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    body, plain = jwks(a=0), origin._serve
    drips = threading.Event()

    def behave(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        while drips.is_set() and not origin.over.wait(0.02):
            connection.sendall(b" ")
        connection.sendall(body)

    def serve(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                plain(secured)
        except OSError:
            pass

    origin.behave, origin._serve = behave, serve
    url = origin.url.replace("http:", "https:")
    assert HttpFetch(ca=public)(url) == Fetched(200, body)
    refused = failure(HttpFetch(), url)
    assert refused.code == "network"
    assert "self" in refused.text  # "self-signed certificate", as OpenSSL says it
    drips.set()
    assert failure(HttpFetch(ca=public, deadline=0.3), url).code == "deadline"


def test_all_mistakes_of_the_settings_at_once(tmp_path) -> None:
    """Judged when built, each with the way out."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(errors.ConfigurationError) as caught:
        HttpFetch(proxy="proxy.internal:3128", ca=tmp_path / "none.pem", timeout=0, deadline=float("nan"), max_bytes=True)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "proxy",
        "timeout",
        "deadline",
        "max_bytes",
        "ca",
    ]
    for ca in (empty, tmp_path, 7):
        with pytest.raises(errors.ConfigurationError, match="ca: "):
            HttpFetch(ca=ca)
    for proxy in ("socks5://127.0.0.1:1", "http://", "http://[::1", 7):
        with pytest.raises(errors.ConfigurationError, match="proxy: "):
            HttpFetch(proxy=proxy)


def test_no_socket_thread_or_warning_is_left_behind(origin, jwks) -> None:
    """Each fetch closes what it opened, whichever way it ends."""
    import gc

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        origin.answer("200 OK", jwks(a=0))
        HttpFetch()(origin.url)
        failure(HttpFetch(max_bytes=1), origin.url)
        origin.behave = lambda connection, request: origin.over.wait(10)
        failure(HttpFetch(deadline=0.05), origin.url)
        gc.collect()
    assert [str(warning.message) for warning in heard] == []
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and thread.is_alive()]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        ("429 Too Many Requests", b"{}", "status"),
        ("500 Internal Server Error", b"{}", "status"),
        ("302 Found", b"", "redirect"),
        ("200 OK", b"<!doctype html>", "document"),
        ("200 OK", b"", "document"),
        ("200 OK", b'{"keys":[]}', "document"),
        ("200 OK", b" " * 300_000, "too_large"),
        ("403 Forbidden", b"", "denied"),
    ],
)
def test_a_ring_over_real_http_keeps_its_keys(origin, jwks, clock, status, body, code) -> None:
    """THREATS A17, end to end: the bad answer is recorded, the keys stay, and the next good one is taken."""
    ring = KeyRing(JwksUrl(origin.url), algorithms=("RS256",), monotonic=clock)
    origin.answer("200 OK", jwks(a=0), "Cache-Control: max-age=3600")
    key = ring.key("a")
    origin.answer(status, body, "Location: http://127.0.0.1:9/")
    clock.advance(3600)
    assert ring.load() is None
    assert ring.find("a") is key
    assert ring.status().last_failure.code == code
    origin.answer("200 OK", jwks(a=0, b=1))
    clock.advance(60)
    assert ring.load() is None
    assert ring.find("b").kid == "b"
    assert ring.find("a") is key


def test_over_a_mocked_transport(monkeypatch, jwks) -> None:
    """respx, which applications test with, can answer in place of the network (it knows httpx only)."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with respx.mock:
        respx.get("https://keys.example/jwks.json").mock(return_value=httpx.Response(200, content=jwks(a=0)))
        assert HttpFetch()("https://keys.example/jwks.json") == Fetched(200, jwks(a=0))


def test_importing_keys_loads_no_client_and_no_loop() -> None:
    """Cold starts: httpx, ssl, socket and asyncio load with the first fetch, not before."""
    code = (
        "import sys, cognito_guard.keys as keys; keys.HttpFetch(); keys.KeyTimes();"
        "heavy = 'asyncio trio httpx httpx2 ssl socket urllib dataclasses inspect tempfile pathlib logging'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
