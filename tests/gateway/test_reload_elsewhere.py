"""New settings where they could pass by: at the gRPC listener, and in a worker that takes a dead one's place (THREATS T19)."""

from __future__ import annotations

import json
import os
import signal
import socket

import pytest

CLOSED = '[[route]]\npath = "/open/*"\naccess = "public"\n'
OPENED = CLOSED + '[[route]]\npath = "/new/*"\naccess = "public"\n'


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:{folder}/grpc"])
def test_the_grpc_listener_outlives_reloads(gateway, bind: str) -> None:
    """Envoy's connection stays, and its questions are answered by the new policy at once."""
    grpc = pytest.importorskip("grpc")
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = bind.replace(":0", f":{free.getsockname()[1]}")
    asked = f'[forward_auth]\ngrpc = "{bind}"\n'
    running = gateway(asked + CLOSED)
    with grpc.insecure_channel(bind.replace("{folder}", str(running.folder))) as channel:
        check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        for toml, allowed in ((CLOSED, False), (OPENED, True), (CLOSED, False)):
            running.write(asked + toml)
            running.hang_up()
            answer = check(_question(b"/new/x"), timeout=10)
            assert (b"credentials_missing" not in answer) == allowed
            assert (b"x-cognito-subject" in answer) == allowed


def _question(target: bytes) -> bytes:
    """A CheckRequest by hand: attributes(1).request(4).http(2) with method(2), headers(3), path(4), host(5), scheme(7)."""

    def member(number: int, octets: bytes) -> bytes:
        return bytes([number << 3 | 2, len(octets)]) + octets

    http = member(2, b"GET") + member(4, target) + member(5, b"app.test") + member(7, b"http")
    return member(1, member(4, member(2, http)))


def test_a_new_worker_has_the_new_settings(gateway) -> None:
    """T19: what a reload closed is not open again because a worker died and another took its place."""
    running = gateway(OPENED, "--workers", "2")
    running.write(CLOSED)
    before = len(running.stderr)
    running.process.send_signal(signal.SIGHUP)
    taken = running.wait_for("new settings are in force", after=before, count=2)
    os.kill(json.loads(taken.string)["pid"], signal.SIGKILL)
    statuses = set()
    while not running.said("new settings are in force", after=before, count=3):
        statuses.add(running.get(b"/new/x").status)  # by either worker
    statuses |= {running.get(b"/new/x").status for _ in range(50)}
    assert statuses == {401}
