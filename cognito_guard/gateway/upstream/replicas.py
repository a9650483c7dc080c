"""Several upstreams that serve the same: whose turn it is, who is left out, and the one retry that is safe.

Decides by each upstream's `Health`. Sends nothing twice: only a request of which provably no octet had left goes to another replica.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.upstream.answer import Answer
from cognito_guard.gateway.upstream.connection import Inform
from cognito_guard.gateway.upstream.failure import UpstreamFailed
from cognito_guard.gateway.upstream.sending import Body
from cognito_guard.gateway.upstream.upstream import Upstream
from cognito_guard.web.request import HeaderPair

_READ_OF_A_PROBE = 65536


class Replicas:
    """Upstreams in turn. With one, it is that one, whatever its health. `clock` must be that of the upstreams."""

    def __init__(self, upstreams: Sequence[Upstream], *, clock: Callable[[], float] = time.monotonic) -> None:
        if not upstreams:
            raise ConfigurationError("Replicas", ["upstreams: name at least one"])
        self.upstreams = tuple(upstreams)
        self._clock = clock
        self._next = 0

    def pick(self, tried: Collection[Upstream] = ()) -> Upstream | None:
        """The next healthy upstream that was not tried; where none is healthy, the one that failed longest ago; None: all were tried."""
        upstreams = self.upstreams
        if len(upstreams) == 1 and not tried:
            return upstreams[0]
        now = self._clock()
        count = len(upstreams)
        for step in range(count):
            at = (self._next + step) % count
            upstream = upstreams[at]
            if upstream.health.available(now) and upstream not in tried:
                self._next = (at + 1) % count
                return upstream
        return min((each for each in upstreams if each not in tried), key=lambda each: each.health.failed_at, default=None)

    async def exchange(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[HeaderPair] | Callable[[Upstream], Sequence[HeaderPair]],
        body: Body = None,
        *,
        length: int | None = None,
        inform: Inform | None = None,
        websocket: bool = False,
    ) -> Answer:
        """`Upstream.exchange` with the replica whose turn it is, and with the next one while nothing had been sent.

        `headers` may be a callable that gives them for the upstream chosen. Raises what the last replica raised.
        """
        tried: list[Upstream] = []
        while True:
            upstream = self.pick(tried) or self.upstreams[0]
            try:
                return await upstream.exchange(
                    method,
                    target,
                    headers(upstream) if callable(headers) else headers,
                    body,
                    length=length,
                    inform=inform,
                    websocket=websocket,
                )
            except UpstreamFailed as failed:
                tried.append(upstream)
                if failed.sent or len(tried) == len(self.upstreams):
                    raise

    async def check(self, upstream: Upstream, path: bytes, within: float) -> bool | None:
        """One active check: GET `path` is answered with 2xx or 3xx `within` seconds. Tells the upstream's health.

        None, and nothing told, where all its connections were busy: that is our limit and not its illness.
        """
        try:
            async with asyncio.timeout(within):
                answer = await upstream.exchange(b"GET", path, [(b"host", upstream.address.authority)])
                well = 200 <= answer.status < 400
                await _read_away(answer)
        except TimeoutError:
            well = False
        except UpstreamFailed as failed:
            if failed.kind == "overloaded":
                return None
            well = False
        upstream.health.probed(well=well, now=self._clock())
        return well

    async def watch(self, path: bytes, interval: float) -> None:
        """Checks every upstream each `interval` seconds, all at once, until it is cancelled."""
        while True:
            await asyncio.gather(*(self.check(upstream, path, interval) for upstream in self.upstreams))
            await asyncio.sleep(interval)

    def retire(self) -> None:
        """`Upstream.retire`, for each."""
        for upstream in self.upstreams:
            upstream.retire()

    async def close(self) -> None:
        """`Upstream.close`, for each."""
        for upstream in self.upstreams:
            await upstream.close()


async def _read_away(answer: Answer) -> None:
    octets = len(answer.body)
    try:
        while not answer.complete and octets <= _READ_OF_A_PROBE:
            octets += len(await answer.read())
    finally:
        answer.abort()
