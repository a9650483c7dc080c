"""A request's body on its way out: framed, at the upstream's pace, and held back while `Expect: 100-continue` waits.

Decides how a body is framed. Knows one connection's transport; what comes back meanwhile is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final, Protocol

_HELD: Final = 1.0
_JOINED: Final = 65536

Body = bytes | AsyncIterable[bytes] | None


class Sink(Protocol):
    """Where a body goes: a connection, as a `Pump` knows it."""

    transport: asyncio.Transport

    async def drained(self) -> None:
        """Waits while the upstream does not take more."""

    def body_sent(self) -> None:
        """The last octet was handed over."""

    def body_failed(self, failure: BaseException) -> None:
        """The body cannot be had to its end; of no effect once the sink has stopped it."""


def framed(body: bytes, *, length: int | None) -> bytes:
    """A whole body as it goes out: as it is, or, without a length, as one chunk and the last. Raises `ValueError` for a wrong length."""
    if length is None:
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    if len(body) != length:
        raise ValueError(_WRONG_LENGTH)
    return body


async def once(body: bytes) -> AsyncIterator[bytes]:
    """A whole body as an iterator."""
    yield body


async def pump(sink: Sink, body: AsyncIterable[bytes], length: int | None, go_on: asyncio.Future[None] | None) -> None:
    """Sends a body as it comes; ends in `body_sent` or `body_failed`, or by being cancelled. `go_on` holds it back for a second at most.

    Exactly `length` octets are taken, and nothing is asked of the iterator after them; fewer or more than `length` fail.
    """
    try:
        if go_on is not None:
            await asyncio.wait([go_on], timeout=_HELD)
        await _send(sink, body, length)
    except asyncio.CancelledError:
        sink.body_failed(ConnectionAbortedError("the request's body was cancelled"))  # of no effect if the sink itself did it
        raise
    except BaseException as failure:  # noqa: BLE001 - whatever the client's side raised goes to who awaits the exchange
        sink.body_failed(failure)
    else:
        sink.body_sent()
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()


async def _send(sink: Sink, body: AsyncIterable[bytes], length: int | None) -> None:
    write = sink.transport.write
    left = length
    async for octets in body:
        if not octets:  # an empty chunk would end the body
            continue
        if left is None:
            if len(octets) < _JOINED:
                write(b"%x\r\n%b\r\n" % (len(octets), octets))
            else:
                # not writelines(): in asyncio of Python 3.12 and 3.13 it knows no back-pressure (CVE-2024-12254)
                write(b"%x\r\n" % len(octets))
                write(octets)
                write(b"\r\n")
        else:
            left -= len(octets)
            if left < 0:
                raise ValueError(_WRONG_LENGTH)
            write(octets)
            if left == 0:
                return
        await sink.drained()
    if left is None:
        write(b"0\r\n\r\n")
    elif left:
        raise ValueError(_WRONG_LENGTH)


_WRONG_LENGTH: Final = "a request's body is not as long as its Content-Length says"
