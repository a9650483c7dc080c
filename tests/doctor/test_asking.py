"""`HttpNetwork`: how far a question goes, and how each way of having no answer is told."""

from __future__ import annotations

import socket
import threading

import pytest

from cognito_guard.doctor import HttpNetwork, UpstreamSubject
from cognito_guard.doctor.asking import MAX_BYTES


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No proxy and no authorities of the machine's own."""
    for word in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{word}_proxy", raising=False)
        monkeypatch.delenv(f"{word}_proxy".upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def answering(status=200, body=b"{}", seen=None, **fields):
    """A handler that answers always the same, and keeps what it was asked in `seen`."""

    def handle(request):
        if seen is not None:
            seen.append((request.path, dict(request.headers)))
        request.send_response(status)
        for name, value in fields.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return handle


def test_an_answer_with_its_fields_and_times(served):
    """Status, fields in lower case, body, and when it was asked for and came by the clock that was given."""
    times = iter([10.0, 11.0])
    answer = HttpNetwork(clock=lambda: next(times)).get(served(answering(body=b"yes", X_Told="so")))
    assert (answer.status, answer.body, answer.field("x-told"), answer.field("x-other")) == (200, b"yes", "so", "")
    assert answer.field("date")
    assert (answer.began, answer.ended) == (10.0, 11.0)


def test_no_redirect_is_followed_and_nothing_secret_sent(served, monkeypatch, tmp_path):
    """A redirect is the answer; neither credentials of a .netrc nor cookies leave."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login jane password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []
    answer = HttpNetwork().get(served(answering(302, Location="/elsewhere", Set_Cookie="a=b", seen=seen)) + "/here?x=1")
    assert (answer.status, answer.field("location")) == (302, "/elsewhere")
    [(path, fields)] = seen
    assert path == "/here?x=1"
    assert {name.lower() for name in fields} & {"authorization", "cookie"} == set()


def test_what_is_too_long(served):
    """A body beyond the cap is no answer, compressed or not."""
    assert HttpNetwork().get(served(answering(body=b"x" * (MAX_BYTES + 1)))).reason == "too_large"


@pytest.mark.parametrize("where", ["silent", "dripping"])
def test_the_deadline(served, where):
    """A peer that says nothing, and one that never comes to an end, are both given up."""
    end = threading.Event()

    def handle(request):
        if where == "silent":
            end.wait(10)
            return
        request.send_response(200)
        request.end_headers()
        while not end.wait(0.01):
            request.wfile.write(b"x")

    try:
        assert HttpNetwork(seconds=0.2).get(served(handle)).reason == "timeout"
    finally:
        end.set()


def test_a_name_that_nobody_resolves_in_time(monkeypatch):
    """The deadline holds while the name is looked up, which nothing else ends."""
    end, ended = threading.Event(), threading.Event()

    def hanging(*_, **__):
        end.wait(10)
        ended.set()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    try:
        assert HttpNetwork(seconds=0.2).get("http://pool.invalid/").reason == "timeout"
    finally:
        end.set()
        assert ended.wait(10)


def test_a_name_without_an_address(monkeypatch):
    """It is told apart from an endpoint that is there and does not answer."""

    def missing(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", missing)
    found = HttpNetwork().get("http://pool.invalid/")
    assert (found.reason, str(found)) == ("name", "the host name has no address here (Name or service not known)")
    assert HttpNetwork().connect(UpstreamSubject("http://app.invalid")).reason == "name"


def test_a_closed_port():
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert HttpNetwork().get(f"http://127.0.0.1:{port}/").reason == "refused"
    assert HttpNetwork().connect(UpstreamSubject(f"http://127.0.0.1:{port}")).reason == "refused"


def test_a_peer_that_hangs_up(served):
    """No answer, and no other guess."""
    assert HttpNetwork().get(served(lambda request: request.connection.shutdown(socket.SHUT_RDWR))).reason == "broken"


def test_tls(served, tls, certificate, tmp_path):
    """An unknown authority is refused and said; with `ca` it is trusted; a file that is none is told as such."""
    url = served(answering(), tls=tls)
    refused = HttpNetwork().get(url)
    assert (refused.reason, "certificate" in refused.text) == ("tls", True)
    assert HttpNetwork(ca=certificate).get(url).status == 200
    (tmp_path / "empty.pem").write_text("nothing")
    assert HttpNetwork(ca=str(tmp_path / "empty.pem")).get(url).reason == "authorities"
    assert HttpNetwork(ca=str(tmp_path / "missing.pem")).get(url).reason == "authorities"


def test_through_a_proxy(served, monkeypatch):
    """The environment's proxy is asked, except for loopback; `proxy` counts before it; its user name is never told."""
    seen = []
    proxy = served(answering(502, seen=seen))
    monkeypatch.setenv("HTTP_PROXY", proxy)
    assert HttpNetwork().get("http://pool.invalid/x").status == 502
    assert [path for path, _ in seen] == ["http://pool.invalid/x"]
    assert HttpNetwork().get(served(answering(204, body=b"")) + "/").status == 204
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = HttpNetwork(proxy=f"http://jane:hunter2@127.0.0.1:{port}").get("http://pool.invalid/")
    assert (found.reason, found.via) == ("refused", f"http://127.0.0.1:{port}")
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used(monkeypatch, proxy):
    """A scheme that httpx does not know, or knows only with another package, is told and never raised."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    reason = HttpNetwork().get("http://pool.invalid/").reason
    assert reason == "proxy" or (proxy.startswith("socks") and reason == "refused")  # with socksio installed


def test_connecting(served, tls, certificate, tmp_path):
    """TCP, TLS with its verification, and unix sockets."""
    network = HttpNetwork()
    assert network.connect(UpstreamSubject(served(answering()))).text == "it takes TCP connections"
    url = served(answering(), tls=tls)
    assert network.connect(UpstreamSubject(url)).reason == "tls"
    assert network.connect(UpstreamSubject(url, ca=certificate)).text.startswith("it takes connections with TLSv1.")
    assert network.connect(UpstreamSubject(url, ca=certificate, sni="other.test")).reason == "tls"
    assert network.connect(UpstreamSubject(url, ca=str(tmp_path / "missing"))).reason == "authorities"
    path = str(tmp_path / "app.sock")
    assert network.connect(UpstreamSubject(f"unix:{path}")).reason == "refused"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert network.connect(UpstreamSubject(f"unix:{path}")).text == "the socket takes connections"
