"""What HTTP knows beside a request and its answer, through the gateway: interim answers, trailers, bodiless answers, ends and breaks."""

from __future__ import annotations

import runpy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, request = shared.Client, shared.request


@pytest.fixture(scope="module")
def origin() -> Iterator[Any]:
    origin = shared.Upstream()
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def running(gateway: Any, origin: Any) -> Any:
    running = gateway(f'[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n[timeouts]\nidle = 10\n')
    running.secrets.add(shared.TOKEN.rpartition(".")[2].encode())
    return running


@pytest.fixture(autouse=True)
def _nothing_said_before(origin: Any) -> None:
    origin.forget()


@pytest.fixture
def client(running: Any) -> Iterator[Any]:
    with Client(running.address) as client:
        yield client


def answering(octets: bytes, *, keeps: bool = True) -> Callable[[Any, bytes], bool]:
    def script(peer: Any, _head: bytes) -> bool:
        peer.send(octets)
        return keeps

    return script


def line(running: Any, path: str) -> dict[str, Any]:
    """The access log's line about a path."""
    return shared.eventually(lambda: [told for told in running.log() if told["path"] == path])[0]


def test_head_has_the_length_and_no_body(origin: Any, client: Any) -> None:
    """HEAD: the length of what GET would give, and the next answer follows at once."""
    origin.script = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")
    client.send(request("/x", method="HEAD") * 2)
    for _ in range(2):
        status, fields, _ = client.answer(bodiless=True)
        assert (status, fields["content-length"]) == (200, "1234")
    assert origin.accepted_since() == 1


@pytest.mark.parametrize(("status", "length"), [(204, None), (304, "17")])
def test_answers_without_a_body(origin: Any, client: Any, status: int, length: str | None) -> None:
    """204 and 304 end with their head, whatever length they name (RFC 9112 §6.3), and 304 keeps its validators."""
    origin.script = answering(b'HTTP/1.1 %d X\r\netag: "a"\r\n%b\r\n' % (status, b"content-length: 17\r\n" if length else b""))
    client.send(request() * 2)
    for _ in range(2):
        got, fields, body = client.answer()
        assert (got, fields["etag"], fields.get("content-length"), body) == (status, '"a"', length, b"")


def test_interim_answers_pass(origin: Any, client: Any) -> None:
    """103 Early Hints arrive before the final answer is there; the final one follows."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
        origin.asked.get()
        return shared.ok(peer, b"")

    origin.script = script
    assert client.send(request()).head() == (103, [("link", "</a.css>; rel=preload")])
    origin.asked.put(None)
    assert client.answer()[::2] == (200, b"ok")


def test_trailers_pass(origin: Any, client: Any) -> None:
    """What comes behind a chunked body reaches a client that asked for it, and the upstream hears that it did."""
    origin.script = answering(
        b"HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 7\r\nx-other: 8\r\n\r\n"
    )
    assert client.send(request("/t", "TE: trailers", "Connection: TE")).answer()[2] == b"ab"
    assert client.trailers == b"x-sum: 7\r\nx-other: 8\r\n"
    assert b"\r\nte: trailers\r\n" in origin.heads[-1].lower()


def test_repeated_fields_stay_repeated(origin: Any, client: Any) -> None:
    """Set-Cookie twice is Set-Cookie twice, in order, and fields of one hop stay behind."""
    origin.script = answering(
        b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nconnection: x-hop\r\nx-hop: 1\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n"
    )
    _, fields = client.send(request()).head()
    assert [value for name, value in fields if name == "set-cookie"] == ["a=1", "b=2"]
    assert "x-hop" not in dict(fields)


def test_an_answer_that_ends_with_its_connection(origin: Any, client: Any) -> None:
    """A body without a length, ended by the upstream's close, is chunked for the client, whose connection stays."""
    origin.script = answering(b"HTTP/1.0 200 OK\r\n\r\nall of it", keeps=False)
    for _ in range(2):
        status, fields, body = client.send(request()).answer()
        assert (status, fields["transfer-encoding"], body) == (200, "chunked", b"all of it")


def test_an_old_client(origin: Any, client: Any) -> None:
    """HTTP/1.0: no chunks and no interim answers; the body ends with the connection."""
    origin.script = answering(
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    client.send(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    status, fields = client.head()
    assert (status, fields.count(("connection", "close")), "transfer-encoding" in dict(fields)) == (200, 1, False)
    assert client.rest() == b"ab"


def test_pipelined_requests_are_answered_in_order(origin: Any, client: Any) -> None:
    """Twenty requests in one write, one of them with a body and one refused: twenty answers in their order."""

    def script(peer: Any, head: bytes) -> bool:
        body = peer.exactly(4) if b"content-length: 4\r\n" in head.lower() else head.split(b" ")[1]
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        return True

    origin.script = script
    asked = [request(f"/{number}") for number in range(20)]
    asked[7] = request("/7", "Content-Length: 4", method="POST") + b"POST"
    asked[9] = request("/9", token=None)
    client.send(b"".join(asked))
    answers = [client.answer() for _ in asked]
    assert [status for status, _, _ in answers] == [200] * 9 + [401] + [200] * 10
    assert [body for status, _, body in answers if status == 200] == [
        b"POST" if number == 7 else b"/%d" % number for number in range(20) if number != 9
    ]


def test_a_client_that_leaves_takes_its_exchange_with_it(running: Any, origin: Any, client: Any) -> None:
    """Gone while the upstream thinks: the upstream's connection ends at once, and the log says 499 (A24, T51)."""

    def script(peer: Any, _head: bytes) -> bool:
        origin.said.put("head")
        origin.said.put(peer.rest())
        return False

    origin.script = script
    client.send(request("/left"))
    assert origin.hear() == "head"
    client.reset()
    assert origin.hear() == b""
    assert line(running, "/left")["status"] == 499


def test_a_client_that_leaves_in_the_middle(running: Any, origin: Any, client: Any) -> None:
    """Gone while the body streams: the same, and nothing keeps the upstream sending (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        origin.said.put(peer.rest())
        return False

    origin.script = script
    client.send(request("/left-later")).head()
    client.reset()
    assert origin.hear() == b""
    assert line(running, "/left-later")["status"] == 499


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "length": HEAD + b"content-length: 100\r\n\r\nthirty octets of one hundred..",
    "chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n64\r\nthirty octets of one hundred..",
    "between chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
    "bad chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_a_broken_answer_never_looks_whole(running: Any, origin: Any, client: Any, octets: bytes, *, later: bool) -> None:
    """The upstream breaks off in its body: the client gets 502, or a body that visibly has no end, never a clean one (A24)."""

    def script(peer: Any, _head: bytes) -> bool:
        if later:
            head, end, rest = octets.partition(b"\r\n\r\n")
            peer.send(head + end)
            origin.asked.get()
            peer.send(rest)
        else:
            peer.send(octets)
        return False

    origin.script = script
    client.send(request("/broken"))
    status, fields = client.head()
    if status == 502:
        assert not later
        assert client.exactly(int(dict(fields)["content-length"]))
        return
    origin.asked.put(None)
    with pytest.raises((EOFError, ConnectionResetError)):
        b"".join(client.chunks()) if "transfer-encoding" in dict(fields) else client.exactly(100)


@pytest.mark.parametrize("rest", [b"", b"\r\n", b"X"])
def test_a_connection_that_ends_with_the_head(running: Any, origin: Any, client: Any, rest: bytes) -> None:
    """An answer's head, and then the end before any of its body: 502 or a visible break, and no bug of ours in the log (A24)."""
    origin.script = answering(HEAD + b"content-length: 100\r\n\r\n" + rest, keeps=False)
    for _ in range(20):
        with Client(running.address) as other:
            status, fields = other.send(request("/headless")).head()
            if status == 200:
                with pytest.raises((EOFError, ConnectionResetError)):
                    other.exactly(100)
            else:
                assert (status, dict(fields)["content-type"]) == (502, "application/problem+json")


def test_a_dirty_connection_is_never_used_again(running: Any, origin: Any) -> None:
    """Octets behind an answer, at once or while the connection rests, never become the next request's answer (A24, T49, T21)."""
    planted = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nplants"

    def script(peer: Any, head: bytes) -> bool:
        if b"/at-once" in head:
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + planted)
        elif b"/after" in head:
            shared.ok(peer, head)
            peer.send(planted)
            origin.said.put("planted")
        else:
            shared.ok(peer, head)
        return True

    origin.script = script
    with Client(running.address) as client:
        for path in ("/at-once", "/after") * 10:
            assert client.send(request(path)).answer()[2] != b"plants"
            if path == "/after":  # what comes after the next request was sent is its answer, for all that HTTP/1.1 can tell
                origin.hear()
            assert client.send(request("/next")).answer()[::2] == (200, b"ok")


def test_connections_are_used_again(origin: Any, client: Any) -> None:
    """Two hundred requests in a row need one connection to the upstream."""
    for _ in range(200):
        assert client.send(request()).answer()[0] == 200
    assert origin.accepted_since() <= 1


def test_two_users_never_swap(running: Any, origin: Any) -> None:
    """Many users at once over few connections, some leaving in the middle: every answer is its own user's (T49)."""

    def script(peer: Any, head: bytes) -> bool:
        subject = head.lower().partition(b"\r\nx-cognito-subject: ")[2].partition(b"\r\n")[0]
        body = subject + b" " + head.split(b" ")[1]
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        peer.send(body)
        return True

    origin.script = script
    wrong: list[bytes] = []

    def user(name: str) -> None:
        token = shared.POOL.access(username=name, subject=f"subject-of-{name}")
        client = Client(running.address)
        for number in range(60):
            client.send(request(f"/{number}", token=token))
            if number % 7 == 3:
                client.reset()
                client = Client(running.address)
            elif (body := client.answer()[2]) != f"subject-of-{name} /{number}".encode():
                wrong.append(body)
        client.reset()

    threads = [threading.Thread(target=user, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
