"""Accepted websockets leave the pool; everything else stays HTTP (THREATS A22, T49)."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard.gateway.upstream import UpstreamFailed

pytestmark = pytest.mark.anyio

HANDSHAKE = [
    (b"host", b"app.test"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Tunnel(asyncio.Protocol):
    def __init__(self):
        self.got = b""
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.got += data

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def test_an_accepted_one(raw):
    """The transport comes paused with what followed the head, is the caller's from then on, and does not count as a connection."""

    async def handler(peer):
        await peer.head()
        await peer.send(SWITCH + b"first")
        assert await peer.octets(4) == b"ping"
        await peer.send(b"pong")

    upstream = raw.upstream(await raw.serve(handler), connections=1)
    answer = await upstream.exchange(b"GET", b"/", HANDSHAKE, websocket=True)
    assert (answer.status, answer.complete) == (101, False)
    transport, leftover = answer.switched()
    assert not upstream._connections
    tunnel = Tunnel()
    transport.set_protocol(tunnel)
    transport.write(b"ping")
    transport.resume_reading()
    await tunnel.lost
    assert leftover + tunnel.got == b"firstpong"
    transport.close()
    assert upstream._slots == 0
    with pytest.raises(ValueError, match="101"):
        answer.switched()


async def test_a_refused_one(raw):
    """Any other status is an ordinary answer, and its connection an ordinary one."""
    upstream = raw.upstream(await raw.answering([b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"]))
    answer = await upstream.exchange(b"GET", b"/", HANDSHAKE, websocket=True)
    assert (answer.status, answer.body) == (403, b"no")
    assert len(upstream._idle) == 1
    with pytest.raises(ValueError, match="101"):
        answer.switched()


@pytest.mark.parametrize("old", [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"websocket", b"Connection: Upgrade"])
async def test_a_false_one(raw, old):
    """A 101 with a wrong accept, protocol or Connection opens no tunnel."""
    upstream = raw.upstream(await raw.answering([SWITCH.replace(old, b"x: y" if b":" in old else b"h2c")]))
    with pytest.raises(UpstreamFailed) as caught:
        await upstream.exchange(b"GET", b"/", HANDSHAKE, websocket=True)
    assert caught.value.kind == "malformed"


async def test_one_that_nobody_takes(raw):
    """An accepted one can be aborted like any answer, and an upstream that leaves before it is taken is told."""
    upstream = raw.upstream(await raw.answering([SWITCH]), connections=1)
    answer = await upstream.exchange(b"GET", b"/", HANDSHAKE, websocket=True)
    answer.abort()
    await raw.peers[0].ended.wait()
    with pytest.raises(ValueError, match="101"):
        answer.switched()
    assert (await upstream.exchange(b"GET", b"/", HANDSHAKE, websocket=True)).status == 101
