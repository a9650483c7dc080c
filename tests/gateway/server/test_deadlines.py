"""Slow clients, back-pressure and the end of the server (THREATS A24): a transport and a clock of our own, and real sockets."""

from __future__ import annotations

import asyncio
import heapq
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from cognito_guard.gateway.server.connection import EXTENSION, ClientGone
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol


class Clock:
    """The event loop's timers and tasks, by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, int, Any, Callable[[], None]]] = []
        self.rings = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        handle = types.SimpleNamespace(cancelled=False)
        handle.cancel = lambda: setattr(handle, "cancelled", True)
        heapq.heappush(self.timers, (when, id(handle), handle, callback))
        return handle

    def call_soon(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    def create_task(self, coroutine: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(coroutine)

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timers and self.timers[0][0] <= end:
            when, _, handle, callback = heapq.heappop(self.timers)
            if not handle.cancelled:
                self.now = when
                self.rings += 1
                callback()
        self.now = end


class Transport:
    """Takes octets, and tells what was asked of it."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.state = "open"
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("192.0.2.1", 1234), "sockname": ("192.0.2.2", 80)}.get(name)

    def write(self, octets: bytes) -> None:
        self.written += octets

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.state = "half-closed"

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def is_closing(self) -> bool:
        return self.state in {"closed", "aborted"}

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Client:
    """One connection to an application: a protocol between a transport and a clock of ours."""

    def __init__(self, app: Any = None, **limits: Any) -> None:
        self.clock = Clock()
        self.transport = Transport()
        self.state = types.SimpleNamespace(connections=set(), tasks=set(), total_requests=0, default_headers=[])
        config = types.SimpleNamespace(loaded=True, loaded_app=app)
        kind: Any = protocol(Limits(**limits))
        self.protocol = kind(config=config, server_state=self.state, app_state={}, _loop=self.clock)
        self.protocol.connection_made(self.transport)

    def sends(self, octets: bytes) -> None:
        self.protocol.data_received(octets)

    @property
    def status(self) -> bytes:
        return self.transport.written[9:12]


pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def turn() -> None:
    """Lets tasks and callbacks that are due run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def answers(scope: Any, receive: Any, send: Any) -> None:
    scope["extensions"][EXTENSION].answer(200, [], b"x")


async def waits(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def reads(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] == "http.request":
        pass


async def test_a_head_must_arrive_in_time_however_it_trickles() -> None:
    """A24, slowloris: octets now and then do not put the deadline off; 408, and the connection ends after a while of lingering."""
    client = Client(answers, head_seconds=10)
    for octet in GET[:9]:
        client.sends(bytes([octet]))
        client.clock.pass_by(1)
    assert client.transport.written == b""
    client.clock.pass_by(1.5)
    assert client.status == b"408"
    assert client.transport.state == "half-closed"
    client.clock.pass_by(2)
    assert client.transport.state == "closed"


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    """A24: there is nobody to answer to."""
    client = Client(answers, head_seconds=10)
    client.clock.pass_by(9.9)
    assert client.transport.state == "open"
    client.clock.pass_by(0.1)
    assert (client.transport.written, client.transport.state) == (b"", "closed")


async def test_an_idle_connection_is_closed_after_keep_alive() -> None:
    """A24: from the last response on. The timer is not moved with every request, and rings a few times in vain."""
    client = Client(answers, keep_alive_seconds=75, head_seconds=10)
    for _ in range(3):
        client.sends(GET)
        await turn()
        client.clock.pass_by(74)
    assert client.transport.written.count(b"200 OK") == 3
    assert client.transport.state == "open"
    client.clock.pass_by(1)
    assert client.transport.state == "closed"
    assert client.clock.rings < 10


async def test_nothing_is_due_from_a_client_that_waits_for_its_answer() -> None:
    """A24: how long an answer takes is the upstream's deadline, not ours."""
    client = Client(waits)
    client.sends(GET)
    await turn()
    client.clock.pass_by(86400)
    assert (client.transport.written, client.transport.state) == (b"", "open")
    _cancel(client)


async def test_a_body_that_stalls_is_408_and_the_application_learns_it() -> None:
    """A24: the time counts from the last octets; the answer is ours where the application has sent nothing."""
    gone: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"][EXTENSION].on_gone(lambda: gone.append(1))
        await reads(scope, receive, send)

    client = Client(app, body_seconds=30)
    client.sends(POST)
    for _ in range(4):
        await turn()
        client.clock.pass_by(29)
        client.sends(b"x" * 10)
    await turn()
    assert client.transport.written == b""
    client.clock.pass_by(30)
    assert client.status == b"408"
    assert gone == [1]
    await turn()
    assert not client.state.tasks


async def test_a_body_that_stalls_behind_a_response_that_began_is_cut_off() -> None:
    """A24: no second status line in the middle of a response."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await reads(scope, receive, send)

    client = Client(app, body_seconds=30)
    client.sends(POST)
    await turn()
    client.clock.pass_by(30)
    assert client.transport.state == "aborted"
    assert client.transport.written.count(b"HTTP/1.1") == 1
    _cancel(client)


async def test_no_body_is_due_before_it_was_asked_for() -> None:
    """A24: a client that waits for 100 Continue owes nothing until it was sent."""
    client = Client(waits)
    client.sends(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    await turn()
    client.clock.pass_by(3600)
    assert (client.transport.written, client.transport.state) == (b"", "open")
    _cancel(client)


async def test_reading_pauses_while_the_application_does_not_take_the_body() -> None:
    """A24: at most 64 KiB wait, beside one read of the socket; a paused client is not blamed for its silence."""
    go = asyncio.Event()
    bodies: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        while (message := await receive())["type"] == "http.request":
            bodies.append(len(message["body"]))

    client = Client(app, body_seconds=30)
    client.sends(POST)
    client.sends(b"x" * 65536)
    assert client.transport.reading
    client.sends(b"x")
    assert not client.transport.reading
    client.clock.pass_by(3600)
    assert client.transport.state == "open"
    go.set()
    await turn()
    assert client.transport.reading
    assert bodies == [65537]
    client.clock.pass_by(30)
    assert client.status == b"408"


async def test_reading_pauses_for_what_is_pipelined() -> None:
    """A24: what comes during a response waits its turn, in the client's own buffers."""
    client = Client(waits)
    client.sends(GET)
    client.sends(GET)
    client.sends(GET)
    assert not client.transport.reading
    _cancel(client)


async def test_send_waits_until_the_client_has_read() -> None:
    """A24: back-pressure reaches the application."""
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for at in range(3):
            await send({"type": "http.response.body", "body": b"x" * 10, "more_body": True})
            sent.append(at)

    client = Client(app)
    client.protocol.pause_writing()
    client.sends(GET)
    await turn()
    assert sent == []
    client.protocol.resume_writing()
    await turn()
    assert sent == [0, 1, 2]


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    """A24: as long as it reads something it is served, however slowly; then send raises."""
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        try:
            await send({"type": "http.response.body", "body": b"x" * 10, "more_body": True})
        except ClientGone as gone:
            raised.append(gone)
            raise

    client = Client(app, write_seconds=30)
    client.transport.waiting = 100_000
    client.protocol.pause_writing()
    client.sends(GET)
    await turn()
    for _ in range(5):
        client.transport.waiting -= 1
        client.clock.pass_by(30)
        assert client.transport.state == "open"
    client.clock.pass_by(30)
    assert client.transport.state == "aborted"
    client.protocol.connection_lost(None)
    await turn()
    assert len(raised) == 1


async def test_a_response_that_nobody_fetches_does_not_keep_a_closed_connection() -> None:
    """A24: also behind the last response, and also while it lingers."""
    client = Client(answers, write_seconds=30)
    client.transport.waiting = 1000
    client.sends(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await turn()
    assert client.transport.state == "closed"
    client.clock.pass_by(30)
    assert client.transport.state == "aborted"


async def test_what_comes_while_it_lingers_is_bounded() -> None:
    """A24: a body that nobody wants is dropped for two seconds, and for a mebibyte."""
    client = Client(answers)
    client.sends(POST)
    await turn()
    assert client.transport.state == "half-closed"
    for _ in range(17):
        client.sends(b"x" * 65536)
    assert client.transport.state == "aborted"


async def test_a_cancelled_application_leaves_no_half_response() -> None:
    """A24: a shutdown that has waited long enough cancels; a response that has not begun is a 500, one that has is cut off."""
    client = Client(waits)
    client.sends(GET)
    await turn()
    _cancel(client)
    await turn()
    assert client.status == b"500"
    assert not client.state.tasks


async def test_a_lost_connection_leaves_nothing_behind() -> None:
    """A24: no timer, no connection, no task."""
    client = Client(reads)
    client.sends(POST)
    await turn()
    client.protocol.connection_lost(None)
    await turn()
    assert not client.state.connections
    assert not client.state.tasks
    assert all(handle.cancelled for _, _, handle, _ in client.clock.timers)


def _cancel(client: Client) -> None:
    for task in list(client.state.tasks):
        task.cancel()


class Held:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/held":
            self.begun.set()
            await asyncio.to_thread(self.go.wait, 10)
        scope["extensions"][EXTENSION].answer(200, [], b"done")


def test_a_graceful_shutdown_ends_idle_connections_and_finishes_the_others(serve: Any, loop: str) -> None:
    """A24: idle connections close at once; a request under way gets its answer, and is told that it was the last."""
    app = Held()
    served = serve(app, loop=loop, timeout_graceful_shutdown=10)
    with served.connect() as idle, served.connect() as busy:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        served.until(idle, b"done")
        busy.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n")
        assert app.begun.wait(10)
        served.server.should_exit = True
        assert served.until_closed(idle) == b""
        app.go.set()
        answer = served.until_closed(busy)
        assert b"connection: close" in answer
        assert answer.count(b"done") == 1
    served.stop()
    assert served.server.server_state.total_requests == 2


def test_a_slow_head_over_a_real_socket(serve: Any, loop: str) -> None:
    """A24: the timers of the real loops do as the clock of these tests."""
    served = serve(Held(), Limits(head_seconds=0.1, keep_alive_seconds=0.1, body_seconds=0.1), loop=loop)
    assert served.talk(b"GET / HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")
    assert served.talk(b"") == b""
    assert served.talk(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").endswith(b"done")
