"""Requests and responses over real sockets: framing, order, failures (THREATS A24, A26, T40, T51)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cognito_guard.gateway.server.connection import EXTENSION, ClientGone
from cognito_guard.gateway.server.limits import Limits


class Site:
    """An application with a handler a path; what the handlers note stands in `notes`, and `noted` says that something does."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.noted = threading.Event()

    def note(self, what: Any) -> None:
        self.notes.append(what)
        self.noted.set()

    def wait(self) -> Any:
        assert self.noted.wait(10)
        self.noted.clear()
        return self.notes.pop(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await getattr(self, scope["path"][1:])(scope, receive, send)

    async def plain(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    async def scope(self, scope: Any, receive: Any, send: Any) -> None:
        self.note(scope)
        await self.plain(scope, receive, send)

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.note("gone")
                return
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    async def unread(self, scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"][EXTENSION].answer(401, [], b"no")

    async def read(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                scope["extensions"][EXTENSION].answer(200, [], b"%d octets" % len(body))
                self.note((await receive())["type"])  # behind the response there is nothing more to come
                return
        self.note("gone")

    async def wrong(self, scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the handler's own trouble")

    async def wrong_late(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        raise ValueError("the handler's own trouble")

    async def wrong_between(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ValueError("the handler's own trouble")

    async def aborts(self, scope: Any, receive: Any, send: Any) -> None:
        connection = scope["extensions"][EXTENSION]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.note((connection.begun, connection.target, connection.length))
        connection.abort()
        connection.abort()

    async def silent(self, scope: Any, receive: Any, send: Any) -> None:
        """Returns without a word."""

    async def unfinished(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})

    async def short(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def long(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})

    async def split(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: evil=1")]})
        await send({"type": "http.response.body", "body": b"x"})

    async def split_stream(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: evil=1")]})
        await receive()
        await receive()
        self.note("told")

    async def twice(self, scope: Any, receive: Any, send: Any) -> None:
        await self.plain(scope, receive, send)
        await self.plain(scope, receive, send)

    async def stream(self, scope: Any, receive: Any, send: Any) -> None:
        """Opens at once, and says more only when the client has asked for it."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await receive()
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await receive()
        await send({"type": "http.response.body"})

    async def trailers(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"trailer", b"x-sum")]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"7")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-more", b"8")]})

    async def hints(self, scope: Any, receive: Any, send: Any) -> None:
        connection = scope["extensions"][EXTENSION]
        connection.inform(100, [])
        connection.inform(103, [(b"link", b"</s.css>; rel=preload")])
        connection.inform(102, [])
        await self.plain(scope, receive, send)

    async def nothing(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"dropped"})

    async def waits(self, scope: Any, receive: Any, send: Any) -> None:
        connection = scope["extensions"][EXTENSION]
        gone = asyncio.Event()
        connection.on_gone(gone.set)
        self.note("waiting")
        await gone.wait()
        with pytest.raises(ClientGone):
            await send({"type": "http.response.start", "status": 200})
        with pytest.raises(ClientGone):
            connection.answer(200, [], b"")
        with pytest.raises(ClientGone):
            connection.inform(103, [])
        calls: list[int] = []
        connection.on_gone(lambda: calls.append(1))
        self.note(("gone", calls, (await receive())["type"]))


SITE = Site()


@pytest.fixture(scope="module")
def served(serve: Any, loop: str) -> Any:
    return serve(SITE, loop=loop)


def ask(path: bytes, *fields: bytes, method: bytes = b"GET", version: bytes = b"1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join([b"%b /%b HTTP/%b" % (method, path, version), b"Host: h", *fields, b"", body])


CLOSE = b"Connection: close"


def test_a_plain_exchange(served: Any) -> None:
    """One write: status, the application's fields in their order with doubled Set-Cookie, a date, the length, the body; no Server."""
    head, _, body = served.talk(ask(b"plain", CLOSE)).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:4] == [b"HTTP/1.1 200 OK", b"content-type: text/plain", b"set-cookie: a=1", b"set-cookie: b=2"]
    assert lines[4].startswith(b"date: ")
    assert lines[5:] == [b"content-length: 5", b"connection: close"]
    assert body == b"hello"


def test_the_scope_is_that_of_the_asgi_specification(served: Any) -> None:
    """Path decoded, raw_path as sent, query apart, headers in lower case; root_path is always empty."""
    with served.connect() as connection:
        connection.sendall(b"GET /%73cope?a=%20b?c HTTP/1.1\r\nHost: H\r\nX-A: B\r\n\r\n")
        served.until(connection, b"hello")
        client, server = connection.getsockname(), connection.getpeername()
    scope = SITE.wait()
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "GET", "1.1", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"], scope["root_path"]) == (
        "/scope",
        b"/%73cope",
        b"a=%20b?c",
        "",
    )
    assert scope["headers"] == [(b"host", b"H"), (b"x-a", b"B")]
    assert (scope["client"], scope["server"]) == (client, server)
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert not scope["extensions"][EXTENSION].is_websocket


def test_a_unix_socket_has_no_client_address(serve: Any, loop: str) -> None:
    """The peer of a unix socket is None, as trusting it is the settings' business."""
    served = serve(SITE, loop=loop, unix=True)
    with served.connect() as connection:
        connection.sendall(ask(b"scope"))
        served.until(connection, b"hello")
    scope = SITE.wait()
    assert scope["client"] is None
    assert scope["server"] == (served.address, None)


def test_requests_of_one_connection_are_answered_in_their_order(served: Any) -> None:
    """Pipelining: one after the other, bodies between them, the last one ends the connection."""
    answer = served.talk(
        ask(b"plain")
        + ask(b"echo", b"Content-Length: 3", method=b"POST", body=b"abc")
        + ask(b"echo", b"Transfer-Encoding: chunked", method=b"POST", body=b"2\r\nde\r\n0\r\n\r\n")
        + ask(b"plain", CLOSE)
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    places = [answer.index(part) for part in (b"hello", b"\r\n\r\nabc", b"\r\n\r\nde", b"connection: close")]
    assert places == sorted(places)


def test_a_hundred_pipelined_requests_in_pieces_and_at_once(served: Any) -> None:
    """However the octets arrive, each request has its answer."""
    octets = ask(b"plain") * 99 + ask(b"plain", CLOSE)
    assert served.talk(octets).count(b"hello") == 100
    assert served.talk(*[octets[at : at + 37] for at in range(0, len(octets), 37)]).count(b"hello") == 100


def test_one_empty_line_before_a_request_is_old_habit(served: Any) -> None:
    """RFC 9112 §2.2, also between two requests."""
    assert served.talk(b"\r\n" + ask(b"plain") + b"\r\n" + ask(b"plain", CLOSE)).count(b"hello") == 2


def test_head_gets_the_head_alone(served: Any) -> None:
    """RFC 9110 §9.3.2, and the connection goes on behind it."""
    answer = served.talk(ask(b"plain", method=b"HEAD") + ask(b"plain", CLOSE))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"hello") == 1


def test_204_has_neither_body_nor_length(served: Any) -> None:
    """RFC 9110 §8.6, §15.3.5."""
    head, _, body = served.talk(ask(b"nothing", CLOSE)).partition(b"\r\n\r\n")
    assert b"content-length" not in head
    assert body == b""


def test_http_1_0_is_answered_until_the_connection_closes(served: Any) -> None:
    """RFC 9112 §9.3: neither chunks nor a second request."""
    answer = served.talk(ask(b"echo", b"Content-Length: 3", method=b"POST", version=b"1.0", body=b"abc") + ask(b"plain"))
    assert answer.endswith(b"connection: close\r\n\r\nabc")


def test_a_stream_opens_before_its_first_octet(served: Any) -> None:
    """Server-sent events: the head does not wait for the body."""
    with served.connect() as connection:
        connection.sendall(ask(b"stream", b"Content-Length: 2", method=b"POST"))
        assert b"text/event-stream" in served.until(connection, b"\r\n\r\n")
        connection.sendall(b"a")
        assert served.until(connection, b"\r\n") == b"9\r\ndata: 1\n\n\r\n"
        connection.sendall(b"b")
        assert served.until(connection, b"\r\n\r\n") == b"0\r\n\r\n"


def test_trailers_stand_behind_the_last_chunk(served: Any) -> None:
    """RFC 9112 §7.1.2; HTTP/1.0 clients get none."""
    assert served.talk(ask(b"trailers", CLOSE)).endswith(b"5\r\nhello\r\n0\r\nx-sum: 7\r\nx-more: 8\r\n\r\n")
    assert served.talk(ask(b"trailers", version=b"1.0")).endswith(b"\r\n\r\nhello")


def test_interim_responses_go_first_and_to_http_1_1_only(served: Any) -> None:
    """RFC 9110 §15.2: 103 and 102 as told; 100 is the server's own to send."""
    answer = served.talk(ask(b"hints", CLOSE))
    assert answer.startswith(
        b"HTTP/1.1 103 Early Hints\r\nlink: </s.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK"
    )
    assert served.talk(ask(b"hints", version=b"1.0")).startswith(b"HTTP/1.1 200 OK")


def test_100_continue_is_sent_when_the_body_is_asked_for(served: Any) -> None:
    """Section 4: not before the application wants it, once, and not where the body came unasked."""
    head = ask(b"read", b"Expect: 100-continue", b"Content-Length: 3", CLOSE, method=b"POST")
    with served.connect() as connection:
        connection.sendall(head)
        assert served.until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert served.until_closed(connection).endswith(b"3 octets")
    assert SITE.wait() == "http.disconnect"
    assert b"100 Continue" not in served.talk(head + b"abc")
    assert SITE.wait() == "http.disconnect"


def test_401_instead_of_100_and_nothing_is_read(served: Any) -> None:
    """Section 4, T40: a request that is refused before its body gets the answer, and the connection ends."""
    with served.connect() as connection:
        connection.sendall(ask(b"unread", b"Expect: 100-continue", b"Content-Length: 3", method=b"POST"))
        answer = served.until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert answer.endswith(b"connection: close\r\n\r\nno")


def test_an_early_answer_reaches_a_client_that_is_still_sending(served: Any) -> None:
    """A24, A26: the answer is read whole although a large body was on its way; what came of the body is dropped."""
    with served.connect() as connection:
        connection.sendall(ask(b"unread", b"Content-Length: 100000000", method=b"POST", body=b"x" * 100_000))
        assert served.until_closed(connection).endswith(b"\r\n\r\nno")


def test_a_small_body_that_has_arrived_costs_no_connection(served: Any) -> None:
    """A26: it is dropped, and the next request is served."""
    octets = ask(b"unread", b"Content-Length: 3", method=b"POST", body=b"abc") + ask(b"plain", CLOSE)
    answer = served.talk(octets)
    assert b"401" in answer
    assert answer.endswith(b"hello")


def test_large_bodies_go_through_in_both_directions(served: Any) -> None:
    """A24: eight megabytes, by length and in chunks, come back as they were, although neither side can hold them at once."""
    body = bytes(range(256)) * 4096 * 8
    chunks = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (body[at : at + 65521] for at in range(0, len(body), 65521))]
    chunked = b"".join([*chunks, b"0\r\n\r\n"])
    for field, octets in ((b"Content-Length: %d" % len(body), body), (b"Transfer-Encoding: chunked", chunked)):
        with served.connect() as connection:
            sender = threading.Thread(target=connection.sendall, args=(ask(b"echo", field, CLOSE, method=b"POST") + octets,))
            sender.start()
            answer = served.until_closed(connection)
            sender.join(10)
        assert dechunked(answer.partition(b"\r\n\r\n")[2]) == body


def dechunked(octets: bytes) -> bytes:
    body, at = [], 0
    while True:
        end = octets.index(b"\r\n", at)
        if not (count := int(octets[at:end], 16)):
            assert octets[end:] == b"\r\n\r\n"
            return b"".join(body)
        body.append(octets[end + 2 : end + 2 + count])
        at = end + 4 + count
        assert octets[at - 2 : at] == b"\r\n"


@pytest.mark.parametrize("path", [b"wrong", b"wrong_between", b"silent", b"split"])
def test_a_failure_before_the_first_octet_is_a_500(served: Any, path: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A24, A23: one problem document, and the connection closes; it is logged once, by us."""
    answer = served.talk(ask(path) + ask(b"plain"))
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b'"code": "gateway_failed"' in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert b"evil" not in answer
    assert [record.name for record in caplog.records if record.levelno == logging.ERROR] == ["cognito_guard.gateway"]


def test_a_head_that_cannot_be_sent_fails_without_its_body_too(served: Any) -> None:
    """A23: also where the body lets itself be waited for."""
    assert served.talk(ask(b"split_stream")).startswith(b"HTTP/1.1 500 ")
    assert SITE.wait() == "told"


@pytest.mark.parametrize("path", [b"wrong_late", b"unfinished", b"short"])
def test_a_failure_behind_the_first_octet_never_looks_complete(served: Any, path: bytes) -> None:
    """A24: the connection is cut; no last chunk, no padding, no second response."""
    answer = served.talk(ask(path) + ask(b"plain"))
    assert not answer.endswith(b"0\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.partition(b"\r\n\r\n")[2] in {b"", b"first", b"5\r\nfirst\r\n"}


def test_the_application_may_cut_a_response_off(served: Any) -> None:
    """A24: for an answer whose upstream broke off; also told are the target as it was sent and the length of the body."""
    answer = served.talk(ask(b"%61borts?%20", b"Content-Length: 3", method=b"POST", body=b"abc"))
    assert not answer.endswith(b"0\r\n\r\n")
    assert SITE.wait() == (True, b"/%61borts?%20", 3)


def test_more_than_the_length_is_never_sent(served: Any) -> None:
    """A24: a body that is longer than its Content-Length would be the next response."""
    answer = served.talk(ask(b"long"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"first" not in answer


def test_a_second_response_is_not_sent(served: Any) -> None:
    """A24: the first one is complete; what the application adds is its failure alone."""
    answer = served.talk(ask(b"twice") + ask(b"plain", CLOSE))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_is_noticed_at_once(served: Any, *, reset: bool) -> None:
    """T51: on_gone runs once, also for those who ask late; receive tells it; nothing can be sent any more."""
    with served.connect() as connection:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(ask(b"waits"))
        assert SITE.wait() == "waiting"
    assert SITE.wait() == ("gone", [1], "http.disconnect")


def test_a_client_that_leaves_amid_its_body_is_noticed(served: Any) -> None:
    """A24: the application learns that the body never ends."""
    with served.connect() as connection:
        connection.sendall(ask(b"echo", b"Content-Length: 10", method=b"POST", body=b"abc"))
        served.until(connection, b"abc\r\n")
    assert SITE.wait() == "gone"


@pytest.mark.parametrize(
    ("octets", "status"),
    [(ask(b"read", b"Content-Length: 11", method=b"POST", body=b"x" * 11), b"413"),
     (ask(b"read", b"Transfer-Encoding: chunked", method=b"POST", body=b"6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n"), b"413"),
     (ask(b"read", b"X: " + b"x" * 600), b"431"), (ask(b"read" + b"x" * 600), b"414"), (ask(b"read", *[b"X: x"] * 9), b"431")],
)  # fmt: skip
def test_limits_answer_and_close(serve: Any, octets: bytes, status: bytes) -> None:
    """A24: bodies by their length before the application hears of them, by count while they come; heads by octets and lines."""
    site = Site()
    answer = serve(site, Limits(body=10, head=512, fields=8)).talk(octets)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in answer
    assert site.notes in ([], ["gone"])


def test_a_body_of_just_the_limit_passes(serve: Any) -> None:
    """The limit is inclusive."""
    site = Site()
    assert b"10 octets" in serve(site, Limits(body=10)).talk(
        ask(b"read", b"Content-Length: 10", CLOSE, method=b"POST", body=b"x" * 10)
    )


def test_connections_beyond_the_limit_are_told_so(serve: Any) -> None:
    """A24: 503 with Retry-After, while those that are open go on."""
    served = serve(Site(), Limits(connections=1))
    with served.connect() as first:
        first.sendall(ask(b"plain"))
        served.until(first, b"hello")
        answer = served.talk(b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        first.sendall(ask(b"plain"))
        served.until(first, b"hello")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert").write_bytes(built.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(folder / "cert"), str(folder / "key")


def test_tls_is_served_alike(serve: Any, loop: str, certificate: tuple[str, str]) -> None:
    """The scheme is told; early answers and large bodies arrive, although TLS cannot be half closed."""
    site = Site()
    served = serve(site, loop=loop, ssl_certfile=certificate[0], ssl_keyfile=certificate[1])
    context = ssl.create_default_context(cafile=certificate[0])

    def talk(octets: bytes) -> bytes:
        with served.connect() as connection, context.wrap_socket(connection, server_hostname="localhost") as secure:
            secure.sendall(octets)
            return bytes(served.until_closed(secure))

    assert talk(ask(b"scope", CLOSE)).endswith(b"hello")
    assert site.wait()["scheme"] == "https"
    assert talk(ask(b"unread", b"Content-Length: 9", method=b"POST")).endswith(b"no")
    body = bytes(range(256)) * 4096
    assert talk(ask(b"echo", b"Content-Length: %d" % len(body), CLOSE, method=b"POST", body=body)).count(bytes(range(256))) > 3000
    assert talk(b"GET * HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 400 ")
