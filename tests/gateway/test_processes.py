"""The gateway's processes: workers that die, an end that lets requests finish, and one that does not wait (issue 4: lose nothing)."""

from __future__ import annotations

import os
import runpy
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, Upstream, request, eventually = shared.Client, shared.Upstream, shared.request, shared.eventually


def subject(peer: Any, head: bytes) -> bool:
    value = head.lower().partition(b"\r\nx-cognito-subject: ")[2].partition(b"\r\n")[0]
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(value), value))
    return True


@pytest.fixture
def origin() -> Iterator[Any]:
    origin = Upstream(subject)
    yield origin
    origin.close()


def workers(running: Any) -> list[int]:
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    return [int(child) for child in children]


def test_a_worker_killed_under_load(gateway: Any, origin: Any) -> None:
    """SIGKILL to one of two workers: connections of the other go on, another worker comes, and every 200 is its own user's (T49)."""
    running = gateway(f'[server]\nworkers = 2\n[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n')
    first = eventually(lambda: len(workers(running)) == 2 and workers(running))
    over = threading.Event()
    wrong: list[Any] = []
    counts = {"answers": 0, "broken": 0, "unbroken": 0}
    lock = threading.Lock()

    def user(name: str) -> None:
        token = shared.POOL.access(username=name, subject=f"subject-of-{name}")
        answers = broken = 0
        client = Client(running.address)
        while not over.is_set():
            try:
                status, _, body = client.send(request(f"/{name}", token=token)).answer()
            except (EOFError, OSError):
                broken += 1
                client.socket.close()
                client = Client(running.address)
                continue
            answers += 1
            if (status, body) != (200, f"subject-of-{name}".encode()):
                wrong.append((status, body))
        client.socket.close()
        with lock:
            counts["answers"] += answers
            counts["broken"] += broken
            counts["unbroken"] += broken == 0

    threads = [threading.Thread(target=user, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(origin.heads) > 200)
    os.kill(first[0], signal.SIGKILL)
    replaced = eventually(lambda: len(workers(running)) == 2 and first[0] not in workers(running) and workers(running))
    seen = len(origin.heads)
    eventually(lambda: len(origin.heads) > seen + 200)
    over.set()
    for thread in threads:
        thread.join(shared.PATIENCE)
    assert wrong == []
    assert first[1] in replaced
    assert counts["broken"] <= 8
    assert counts["answers"] > 400
    assert "another" in running.wait_for(f"worker {first[0]} ended").string
    running.stop()
    assert not any(Path(f"/proc/{worker}").exists() for worker in replaced)


def test_the_end_lets_requests_finish(gateway: Any, origin: Any) -> None:
    """SIGTERM: a request under way is answered whole, new connections are refused, idle ones closed, and the exit status is 0."""
    running = gateway(f'[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n')

    def slow(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
        origin.asked.get()
        peer.send(b"half")
        return True

    with Client(running.address) as idle, Client(running.address) as busy:
        assert idle.send(request()).answer()[0] == 200
        origin.script = slow
        busy.send(request("/slow")).head()
        assert busy.exactly(4) == b"half"
        running.process.send_signal(signal.SIGTERM)
        assert idle.rest() == b""

        def refused() -> bool:
            try:
                Client(running.address).socket.close()
            except ConnectionRefusedError:
                return True
            return False

        eventually(refused)
        origin.asked.put(None)
        assert busy.rest() == b"half"
    running.stop()


def test_asked_twice_it_ends_now(gateway: Any, origin: Any) -> None:
    """A second SIGTERM does not wait for a request that goes on: its answer breaks off visibly, and the exit status is 0."""
    running = gateway(f'[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n', "--drain", "60")

    def endless(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        return peer.rest() != b""

    origin.script = endless
    with Client(running.address) as busy, Client(running.address) as idle:
        assert idle.send(request("/_cognito_guard/nothing")).answer()[0] == 404
        busy.send(request("/endless")).head()
        running.process.send_signal(signal.SIGTERM)
        assert idle.rest() == b""  # the first was heard
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises((EOFError, ConnectionResetError)):
            list(busy.chunks())
    assert running.process.wait(5) == 0


def test_a_drain_has_an_end(gateway: Any, origin: Any) -> None:
    """A request that outlasts `drain` is cut off visibly, and the process ends."""
    running = gateway(f'[[upstream]]\nurl = "http://127.0.0.1:{origin.port}"\n', "--drain", "1")

    def endless(peer: Any, _head: bytes) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        return peer.rest() != b""

    origin.script = endless
    with Client(running.address) as busy:
        busy.send(request("/endless")).head()
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises((EOFError, ConnectionResetError)):
            list(busy.chunks())
    assert running.process.wait(5) == 0
