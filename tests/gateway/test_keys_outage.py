"""The key endpoint is down, for hours of a simulated clock, with the whole gateway in process (THREATS T26, A17, section 4)."""

from __future__ import annotations

import asyncio
import json
import runpy
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from cognito_guard.gateway.app import Gateway
from cognito_guard.gateway.observing.metrics import Metrics
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol
from cognito_guard.gateway.settings import read
from cognito_guard.keys import KeyTimes
from cognito_guard.testing import LocalUserPool

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
Client, request = shared.Client, shared.request
USABLE = 2 * 3600


class Simulated:
    """A gateway in a thread, whose clocks stand until they are put on; its pool's key endpoint has its bad days."""

    def __init__(self, port: int) -> None:
        self.now = 1_800_000_000.0
        self.pool = LocalUserPool(clock=lambda: self.now)
        self.token = self.pool.access(subject="subject-of-ada", expires_in=86400)
        self.unknown = [self.pool.access(expires_in=86400, username=f"user{number}") for number in range(4)]
        self.settings = read(
            f'[[pool]]\nid = "{self.pool.user_pool.id}"\nclients = ["{self.pool.client}"]\n'
            f'[[upstream]]\nurl = "http://127.0.0.1:{port}"\n'
        )
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)))
        self._thread.start()
        assert self._opened.wait(shared.PATIENCE)

    async def _serve(self, listening: socket.socket) -> None:
        gateway = Gateway(
            self.settings,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
            fetch=self.pool.fetch,
            key_times=KeyTimes(usable=USABLE),
        )
        self.gateway = gateway
        await gateway.guard.warm_up_async()  # before any clock is put on: a fetch that takes two hours is none
        await gateway.open(Metrics(key_status=gateway.guard.key_status), None)
        config = uvicorn.Config(
            gateway,
            http=protocol(Limits()),
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self.server = uvicorn.Server(config)
        self._opened.set()
        await self.server.serve([listening])
        await gateway.close()

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(shared.PATIENCE)
        assert not self._thread.is_alive()

    @property
    def fetches(self) -> int:
        return sum(self.pool.fetches.values())

    def ask(self, *tokens: str) -> list[tuple[int, dict[str, str], bytes]]:
        """The answers to these tokens, sent at once on a connection each."""
        clients = [Client(self.address) for _ in tokens]
        for client, token in zip(clients, tokens, strict=True):
            client.send(request("/x", token=token))
        answers = [client.answer() for client in clients]
        for client in clients:
            client.socket.close()
        return answers


def subject(peer: Any, head: bytes) -> bool:
    value = head.lower().partition(b"\r\nx-cognito-subject: ")[2].partition(b"\r\n")[0]
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(value), value))
    return True


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    origin = shared.Upstream(subject)
    simulated = Simulated(origin.port)
    yield simulated
    simulated.stop()
    origin.close()


def unknown(pool: LocalUserPool, number: int) -> str:
    """A well-made token whose kid nobody published."""
    other = LocalUserPool(pool.user_pool.id, clock=pool.clock)
    other.rotate()
    token = other.access(expires_in=86400)
    head = {"alg": "RS256", "kid": f"unknown-{number}"}
    return f"{shared.base64url(json.dumps(head).encode())}.{token.partition('.')[2]}"


@pytest.mark.parametrize("kind", ["refused", "status_500", "html", "oversized", "redirect"])
def test_an_hour_without_the_endpoint(simulated: Simulated, kind: Any) -> None:
    """Known tokens pass all along, unknown kids get a 401 or 503 and few fetches, and when it is over all is as before (T26)."""
    assert simulated.ask(simulated.token)[0][::2] == (200, b"subject-of-ada")
    before = simulated.fetches
    strangers = [unknown(simulated.pool, number) for number in range(4)]
    with simulated.pool.outage(kind):
        for _minute in range(60):
            simulated.now += 60
            known, *others = simulated.ask(simulated.token, *strangers)
            assert known[::2] == (200, b"subject-of-ada")
            assert {status for status, _, _ in others} <= {401, 503}
            for status, fields, _ in others:
                assert status == 401 or int(fields["retry-after"]) > 0
        assert simulated.fetches - before <= 150
    simulated.now += 120
    assert simulated.ask(simulated.token)[0][::2] == (200, b"subject-of-ada")
    assert simulated.ask(strangers[0])[0][0] == 401


def test_keys_that_are_too_old(simulated: Simulated) -> None:
    """Past `usable` nothing is trusted: 503 with Retry-After for everybody, never 401 and never open; then it recovers (T26, T19)."""
    assert simulated.ask(simulated.token)[0][0] == 200
    with simulated.pool.outage("refused"):
        simulated.now += USABLE + 1
        for _ in range(10):
            for status, fields, body in simulated.ask(simulated.token, simulated.unknown[0]):
                assert (status, fields["content-type"]) == (503, "application/problem+json")
                assert int(fields["retry-after"]) > 0
                assert b"eyJ" not in body
            simulated.now += 30
    simulated.now += 61
    assert simulated.ask(simulated.token)[0][::2] == (200, b"subject-of-ada")


def test_an_endpoint_that_never_answered(simulated: Simulated) -> None:
    """A client that leaves during the first fetch takes nothing with it; the next one is answered when the keys are there (T51)."""
    begun = simulated.fetches
    with simulated.pool.outage("hang"):
        simulated.now += USABLE + 1
        client = Client(simulated.address).send(request("/x", token=simulated.token))
        simulated.pool.wait_until_fetched(begun + 1)
        client.reset()
        other = Client(simulated.address).send(request("/x", token=simulated.token))
    assert other.answer()[::2] == (200, b"subject-of-ada")
    other.socket.close()
