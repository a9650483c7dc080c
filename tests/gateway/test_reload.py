"""New settings while the gateway serves: taken without a loss, or not at all (THREATS T19, T26, T40; issue 4)."""

from __future__ import annotations

import json
import signal
import socket
import threading

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cognito_guard.testing import LocalUserPool

WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
CLOSED = '[[route]]\npath = "/open/*"\naccess = "public"\n'
OPENED = CLOSED + '[[route]]\npath = "/new/*"\naccess = "public"\n'
KEPT = "the old ones stay"


def bearer(token: str) -> bytes:
    return b"Authorization: Bearer " + token.encode()


def get(target: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: app.test", *fields, b"", b""])


def test_sighup_brings_new_routes_in(gateway) -> None:
    """On new connections and on those that are open; the other way round a route that is closed is closed at once."""
    running = gateway(CLOSED)
    with running.connect() as connection, connection.makefile("rb") as stream:
        for toml, status in ((OPENED, 200), (CLOSED, 401), (OPENED, 200)):
            running.write(toml)
            running.hang_up()
            assert running.get(b"/new/x").status == status
            connection.sendall(get(b"/new/x"))
            assert stream.readline().split()[1] == b"%d" % status
            length = 0
            while (line := stream.readline()) != b"\r\n":
                length = int(line.split()[1]) if line.lower().startswith(b"content-length") else length
            stream.read(length)


def test_a_changed_file_is_noticed(gateway) -> None:
    """Without a signal, within some seconds; and a file that settings name counts as the settings do."""
    running = gateway(CLOSED + '[[route]]\npath = "/r"\nauthorization = "replace"\nauthorization_file = "k"\n', files={"k": b"a"})
    for file, octets in ((running.folder / "k", b"b"), (running.config, None)):
        before = len(running.stderr)
        file.write_bytes(octets) if octets else running.write(OPENED)
        running.wait_for("new settings are in force", after=before)
    assert running.get(b"/new/x").status == 200


BROKEN = {
    "toml": ("[[route]\n", ["this is not TOML"]),
    "mistakes": (
        OPENED + '[[route]]\npath = "nowhere"\nrequire = "scoop:x"\n[limits]\nfeelds = 3\n',
        ["route[2].path", "route[2].require", "limits.feelds"],
    ),
    "upstream": (OPENED + '[[upstream]]\nurl = "ftp://x"\n', ["upstream[0].url"]),
    "missing file": (OPENED + '[assertion]\nkey_file = "gone.pem"\n', ["assertion.key_file"]),
    "no key": (OPENED + '[assertion]\nkey_file = "empty.pem"\n', ["assertion.key_file"]),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_changes_nothing(keeping, pool: LocalUserPool, broken: str) -> None:
    """T19: the old settings stay, every mistake is told, the metric says so; the next good file is taken."""
    toml, told = BROKEN[broken]
    keeping.write(toml)
    line = keeping.hang_up(until=KEPT)
    assert not [word for word in told if word not in line]
    assert keeping.get(b"/new/x").status == 401
    assert keeping.get(b"/private", bearer(pool.access())).status == 200
    assert keeping.metric("cognito_guard_reload_successful") == 0
    keeping.write(CLOSED)
    keeping.hang_up()
    assert keeping.metric("cognito_guard_reload_successful") == 1


@pytest.fixture(scope="module")
def keeping(gateway):
    return gateway(CLOSED, files={"empty.pem": b"\n", "k": b"x"})


@pytest.mark.parametrize("octets", [None, b"\xff\xfe[", b"\x00"], ids=["gone", "UTF-16", "NUL"])
def test_a_file_that_cannot_be_read_changes_nothing(keeping, octets: bytes | None) -> None:
    """T19: gone, or no text at all; and the gateway goes on looking."""
    if octets is None:
        keeping.config.unlink()
    else:
        keeping.config.write_bytes(octets)
    keeping.hang_up(until=KEPT)
    assert keeping.get(b"/open/x").status == 200
    assert keeping.get(b"/private").status == 401
    keeping.write(CLOSED)
    keeping.hang_up()


def test_requests_under_way_come_to_their_end(gateway, upstream) -> None:
    """A request whose answer is awaited, and one that waits for a connection, outlive the settings that they began under."""
    toml = '[[upstream]]\nurl = "{upstream}"\nconnections = 1\n' + CLOSED
    running = gateway(toml, "--drain", "1")
    proceed, came = threading.Event(), threading.Semaphore(0)
    usual = upstream.answer

    def slow(received, connection: socket.socket) -> bool:
        if received.target != b"/open/slow":
            return usual(received, connection)
        came.release()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert proceed.wait(20)
        connection.sendall(b"world")
        return True

    upstream.answer = slow
    try:
        with running.connect() as first, running.connect() as second:
            first.sendall(get(b"/open/slow", b"Connection: close"))
            assert came.acquire(timeout=10)
            second.sendall(get(b"/open/slow", b"Connection: close"))
            running.write(OPENED + '[[upstream]]\nurl = "{upstream}"\n')
            running.hang_up()
            assert running.get(b"/new/x").status == 200  # by connections of its own
            for _ in range(2):  # what was replaced is closed after a while, but not under a request
                running.hang_up()
            assert not came.acquire(timeout=1.5)
            proceed.set()
            for connection in (first, second):
                octets = b"".join(iter(lambda connection=connection: connection.recv(65536), b""))
                assert octets.endswith(b"\r\n\r\nhelloworld")
    finally:
        proceed.set()
        upstream.answer = usual


def test_a_websocket_outlives_its_settings(gateway, upstream) -> None:
    """It stays open both ways while the gateway that opened it is replaced and closed."""
    running = gateway(CLOSED, "--drain", "1")
    usual = upstream.answer

    def echoing(received, connection: socket.socket) -> bool:
        usual(received, connection)  # a message, and a close frame, which nobody heeds here
        while octets := connection.recv(100):
            connection.sendall(octets)
        return False

    upstream.answer = echoing
    try:
        with running.connect() as connection:
            connection.sendall(get(b"/open/ws", *WEBSOCKET))
            octets = b""
            while not octets.endswith(b"\x88\x00"):
                octets += connection.recv(1000)
            for _ in range(3):
                running.hang_up()
                connection.sendall(b"\x82\x84\0\0\0\0ping")
                assert connection.recv(100) == b"\x82\x84\0\0\0\0ping"
    finally:
        upstream.answer = usual


def test_no_request_is_lost_in_a_storm_of_reloads(gateway, pool: LocalUserPool) -> None:
    """Twenty reloads under load: every answer is the one that it must be."""
    running = gateway(CLOSED)
    stop, wrong, count = threading.Event(), [], [0] * 4

    def ask(at: int) -> None:
        name = f"user{at}"
        fields = [bearer(pool.access(username=name))]
        while not stop.is_set():
            answer = running.get(b"/private", *fields)
            if answer.status != 200 or not answer.body:
                wrong.append(answer)
            count[at] += 1
            if count[at] % 5 == 0:
                fields = [bearer(pool.access(username=name))]  # and one that nobody knows yet

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        running.write(OPENED if number % 2 else CLOSED)
        running.hang_up()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert wrong == []
    assert min(count) > 5


def test_secrets_are_read_anew(gateway, upstream, pool: LocalUserPool) -> None:
    """A new service credential, a new signing key and new keys of the pool count after a reload; the settings file is the same."""

    def pem() -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    toml = '[assertion]\nkey_file = "key.pem"\n[[route]]\npath = "/*"\nauthorization = "replace"\nauthorization_file = "k"\n'
    running = gateway(toml, files={"k": b"Basic one", "key.pem": pem()})
    token = bearer(pool.access())
    kids = set()
    for value in (b"Basic one", b"Basic two"):
        (running.folder / "k").write_bytes(value)
        (running.folder / "key.pem").write_bytes(pem())
        running.hang_up()
        upstream.take()
        assert running.get(b"/x", token).status == 200
        [received] = upstream.take()
        assert received.values(b"authorization") == [value]
        published = json.loads(running.get(b"/_cognito_guard/jwks.json").body)["keys"]
        kid = jwt.get_unverified_header(received.values(b"x-cognito-assertion")[0])["kid"]
        assert [key["kid"] for key in published] == [kid]
        kids.add(kid)
    assert len(kids) == 2
    (running.folder / "k").write_bytes(b"")
    assert "authorization_file" in running.hang_up(until=KEPT)
    assert running.get(b"/x", token).status == 200
    (running.folder / "k").write_bytes(b"Basic two")
    (running.folder / "pool.jwks").write_text('{"keys": []}')
    assert "pool.jwks" in running.hang_up(until=KEPT)
    assert running.get(b"/x", token).status == 200
    assert "Basic two" not in "".join(running.stderr)


def test_keys_outlive_a_reload(gateway) -> None:
    """T26: reloads fetch no keys that are held, and none are lost where the key endpoint is down at that moment."""
    with LocalUserPool().serve_jwks() as served:
        toml = f'[[pool]]\nid = "{served.user_pool.id}"\nclients = ["{served.client}"]\nissuer = "{served.issuer}"\n'
        running = gateway(CLOSED + toml)
        assert running.get(b"/private", bearer(served.access(username="a"))).status == 200
        fetches = sum(served.fetches.values())
        with served.outage():
            for at in range(5):
                running.write((OPENED if at % 2 else CLOSED) + toml)
                running.hang_up()
                assert running.get(b"/private", bearer(served.access(username=f"u{at}"))).status == 200
        assert sum(served.fetches.values()) == fetches


def test_what_counts_from_the_start_only_is_said(gateway) -> None:
    """A new address or limit is not taken by a reload, and the log says so."""
    running = gateway(CLOSED)
    running.write(CLOSED + "[limits]\nfields = 50\n")
    before = len(running.stderr)
    running.hang_up()
    running.wait_for("a change of limits counts from the next start on", after=before)
    assert running.get(b"/open/x", *[b"X: y"] * 100).status == 200


def test_a_stop_during_a_reload_is_a_stop(gateway) -> None:
    """SIGHUP and SIGTERM at once: it ends with status 0 and nothing left behind."""
    running = gateway(CLOSED)
    for _ in range(3):
        running.process.send_signal(signal.SIGHUP)
    running.stop()
