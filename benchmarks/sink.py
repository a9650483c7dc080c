"""The application behind `gateway_streams.py`: takes any upload, sends SIZE octets, keeps websockets open: `sink.py PORT SIZE`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys

port, size = map(int, sys.argv[1:])
PIECE = b"x" * 262144
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Sink(asyncio.Protocol):
    """One connection; octets are counted and dropped, without a parser that would become the bottleneck."""

    def connection_made(self, transport) -> None:
        self.transport, self.left, self.head, self.to_send, self.open = transport, 0, b"", 0, False

    def data_received(self, data: bytes) -> None:
        if self.open:
            return
        if self.left:
            self.left -= len(data)
        else:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, rest = self.head[:end].lower(), self.head[end + 4 :]
            fields = dict(line.split(b": ", 1) for line in self.head[:end].split(b"\r\n")[1:])
            fields = {name.lower(): value for name, value in fields.items()}
            self.head = b""
            if b"sec-websocket-key" in fields:
                accept = base64.b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + GUID).digest())
                self.transport.write(
                    b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
                )
                self.open = True
                return
            if head.startswith(b"get"):
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                self.to_send = size
                self.resume_writing()
                return
            self.left = int(fields[b"content-length"]) - len(rest)
        if self.left == 0:
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def resume_writing(self) -> None:
        self.paused = False
        while self.to_send and not self.paused:
            piece = PIECE[: self.to_send]
            self.to_send -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self.paused = True


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
