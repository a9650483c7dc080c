"""What is lost when somebody is: nothing that was not sent, no connection, no descriptor, and never a wrong answer (THREATS A24, T49, T51)."""

from __future__ import annotations

import runpy
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, Upstream, request, eventually = shared.Client, shared.Upstream, shared.request, shared.eventually


@pytest.fixture
def origins() -> Iterator[list[Any]]:
    origins = [Upstream(), Upstream()]
    yield origins
    for origin in origins:
        origin.close()


def replicas(origins: list[Any], more: str = "") -> str:
    return "".join(f'[[upstream]]\nurl = "http://127.0.0.1:{each.port}"\nkeep_alive = 0.5\n{more}' for each in origins)


def named(name: bytes) -> Any:
    def script(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(name), name))
        return True

    return script


def descriptors_settle(running: Any, most: int) -> None:
    """Fails if the process goes on holding more descriptors than that."""

    def few_descriptors() -> bool:
        return shared.descriptors(running.process.pid) <= most

    eventually(few_descriptors)


def test_a_replica_that_is_killed_loses_nothing_unsent(gateway: Any, origins: list[Any]) -> None:
    """One of two replicas dies between requests: every later request is answered by the other, also over connections pooled before."""
    running = gateway(replicas(origins))
    first, second = origins
    first.script, second.script = named(b"first"), named(b"second")
    with Client(running.address) as client:
        both = {client.send(request()).answer()[2] for _ in range(10)}
        assert both == {b"first", b"second"}
        first.close()
        assert [client.send(request()).answer()[::2] for _ in range(50)] == [(200, b"second")] * 50
        assert running.metric("cognito_guard_upstream_failures_total") >= 0


def test_a_request_that_was_sent_is_not_sent_again(gateway: Any, origins: list[Any]) -> None:
    """An upstream that breaks off after it had the request: 502, and no second one gets it, whatever the method."""
    running = gateway(replicas(origins))
    for origin in origins:
        origin.script = lambda _peer, _head: False
    for method in ("GET", "POST", "DELETE"):
        with Client(running.address) as client:
            status, fields, _ = client.send(request("/once", "Content-Length: 0", method=method)).answer()
            assert (status, fields["content-type"]) == (502, "application/problem+json")
    assert sum(len(origin.heads) for origin in origins) == 3


def test_nobody_there_at_all(gateway: Any, origins: list[Any]) -> None:
    """All replicas down: 502 at once, and 200 as soon as one is back."""
    running = gateway(replicas(origins))
    port = origins[0].port
    for origin in origins:
        origin.close()
    with Client(running.address) as client:
        assert [client.send(request()).answer()[0] for _ in range(5)] == [502] * 5
        back = Upstream(port=port)
        origins.append(back)
        assert eventually(lambda: client.send(request()).answer()[0] == 200)


def test_an_unhealthy_replica_is_left_out(gateway: Any, origins: list[Any]) -> None:
    """Active checks: a replica that answers its check with 503 gets no requests until it is well again."""
    running = gateway(replicas(origins, 'health = "/healthz"\nhealth_interval = 0.5\n'))
    first, second = origins
    sick = threading.Event()

    def moody(peer: Any, head: bytes) -> bool:
        if head.startswith(b"GET /healthz ") and sick.is_set():
            peer.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
            return True
        return named(b"first")(peer, head)

    first.script, second.script = moody, named(b"second")
    with Client(running.address) as client:

        def answers() -> set[bytes]:
            return {client.send(request()).answer()[2] for _ in range(6)}

        eventually(lambda: answers() == {b"first", b"second"})
        sick.set()
        eventually(lambda: answers() == {b"second"})
        sick.clear()
        eventually(lambda: answers() == {b"first", b"second"})
    assert any(b"GET /healthz " in head and b"authorization" not in head.lower() for head in first.heads)


@pytest.mark.parametrize("moment", ["before the answer", "while it connects", "in its upload", "in its download"])
def test_a_storm_of_clients_that_leave(gateway: Any, origins: list[Any], moment: str) -> None:
    """Three hundred clients reset their connections: no descriptor, no upstream connection and no slot stays behind (A24, T51)."""
    origin = origins[0]
    running = gateway(replicas(origins[:1], "connections = 8\n"))
    big = b"x" * 65536

    def script(peer: Any, head: bytes) -> bool:
        if b"GET /stay " in head:
            return shared.ok(peer, head)
        if moment == "in its download":
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + big)
        peer.rest()
        return False

    origin.script = script
    with Client(running.address) as client:
        assert client.send(request("/stay")).answer()[0] == 200
    before = shared.descriptors(running.process.pid)
    memory = shared.memory(running.process.pid)
    for _ in range(60):
        clients = [Client(running.address) for _ in range(5)]
        for client in clients:
            if moment == "in its upload":
                client.send(request("/leave", "Content-Length: 1000000", method="POST") + big)
            else:
                client.send(request("/leave"))
        if moment == "in its download":
            assert clients[0].head()[0] == 200
        if moment != "while it connects":
            eventually(lambda: len(origin.heads) > 1)
        for client in clients:
            client.reset()
    eventually(lambda: origin.open == 0)
    descriptors_settle(running, before)
    clients = [Client(running.address).send(request("/stay")) for _ in range(16)]
    assert [client.answer()[0] for client in clients] == [200] * 16
    for client in clients:
        client.socket.close()
    assert shared.memory(running.process.pid) - memory < 16 << 20
    running.stop()
    statuses = {line["status"] for line in running.log() if line["path"] == "/leave"}
    assert statuses <= {499, 200}


def test_a_storm_of_upstreams_that_break_off(gateway: Any, origins: list[Any]) -> None:
    """Killed in the middle of answers again and again: never a whole body, no descriptor stays, the next request passes (A24)."""
    origin = origins[0]
    running = gateway(replicas(origins[:1]))

    def script(peer: Any, head: bytes) -> bool:
        if b"GET /stay " in head:
            return shared.ok(peer, head)
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 50000)
        origin.said.put("half")
        return peer.rest() != b""

    origin.script = script
    with Client(running.address) as client:
        assert client.send(request("/stay")).answer()[0] == 200
    before = shared.descriptors(running.process.pid)
    for _ in range(20):
        clients = [Client(running.address).send(request("/half")) for _ in range(5)]
        for _ in clients:
            origin.hear()
        origin.reset()
        for client in clients:
            with pytest.raises((EOFError, ConnectionResetError)):
                client.answer()
            client.socket.close()
    descriptors_settle(running, before)
    with Client(running.address) as client:
        assert client.send(request("/stay")).answer()[0] == 200
