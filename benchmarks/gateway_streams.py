"""Large bodies and idle websockets through the gateway: throughput against nginx in the same run, and what they cost in memory.

    python benchmarks/gateway_streams.py [--mebibytes 1024] [--websockets 1000] [--rounds 3]

Gateway and nginx on core 0, client (curl) and application on core 1. nginx passes bodies on unbuffered, as we do, and verifies nothing.
Goals: memory stays flat whatever the size, and an idle websocket costs little. Needs curl and nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway import ours
from peers import nginx_streaming
from running import free_port, needs, pinned, process

from cognito_guard.testing import LocalUserPool

HERE = Path(__file__).resolve().parent
OURS, NGINX = "cognito-guard, verified", "nginx, nothing verified"


def resident(pid: int) -> float:
    """MiB of memory a process and its children hold."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    held = 0
    for each in pids:
        told = Path(f"/proc/{each}/status").read_text().splitlines()
        held += next(int(line.split()[1]) for line in told if line.startswith("VmRSS"))
    return held / 1024


def curl(url: str, token: str, *options: str) -> float:
    """MiB per second, as curl counts them."""
    command = [*pinned(1), "curl", "-sS", "-f", "-o", "/dev/null", "-H", f"Authorization: Bearer {token}", "-H", "Expect:"]
    command += ["-w", "%{speed_download} %{speed_upload}", *options, url]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    return max(map(float, told)) / 1024 / 1024


async def websockets(port: int, token: str, count: int, pid: int) -> float:
    """KiB of memory for each of `count` idle websockets."""
    handshake = (
        f"GET /orders/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    before = resident(pid)
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(handshake)
        status = await reader.readuntil(b"\r\n\r\n")
        if not status.startswith(b"HTTP/1.1 101"):
            raise SystemExit(status.decode("latin-1"))
        writers.append(writer)
    after = resident(pid)
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return (after - before) * 1024 / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--websockets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    needs("curl", "nginx")
    size = options.mebibytes << 20
    pool = LocalUserPool()
    token = pool.access(scopes=["orders/read"])
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        jwks, file = folder / "jwks.json", folder / "upload"
        jwks.write_text(json.dumps(pool.jwks()))
        with file.open("wb") as sparse:
            sparse.truncate(size)
        upstream = free_port()
        running.enter_context(process([sys.executable, str(HERE / "sink.py"), str(upstream), str(size)], upstream, core=1))
        contenders = {OURS: ours(folder, pool, jwks, upstream, log=False), NGINX: nginx_streaming(folder, upstream)}
        pids = {}
        for contender, (command, port) in contenders.items():
            pids[contender] = running.enter_context(process(command, port, environment=os.environ))
        speeds: dict[tuple[str, str], list[float]] = {}
        grown: dict[str, float] = {}
        for _ in range(options.rounds):
            for contender, (_, port) in contenders.items():
                url = f"http://127.0.0.1:{port}/orders/file"
                before = resident(pids[contender])
                speeds.setdefault((contender, "download"), []).append(curl(url, token))
                speeds.setdefault((contender, "upload"), []).append(curl(url, token, "-T", str(file)))
                grown[contender] = max(grown.get(contender, 0.0), resident(pids[contender]) - before)
        print(f"{options.mebibytes} MiB, medians of {options.rounds} interleaved rounds")
        for way in ("download", "upload"):
            for contender in contenders:
                print(f"  {statistics.median(speeds[contender, way]):7,.0f} MiB/s  {way:8}  {contender}")
            ratio = statistics.median(one / two for one, two in zip(speeds[OURS, way], speeds[NGINX, way], strict=True))
            print(f"  {ratio:7.1%}        {way:8}  of nginx")
        for contender, mebibytes in grown.items():
            print(f"  {mebibytes:+7.1f} MiB held at the end of a round, at most  {contender}")
        cost = asyncio.run(websockets(contenders[OURS][1], token, options.websockets, pids[OURS]))
        print(f"  {cost:7.1f} KiB for each of {options.websockets} idle websockets, both sockets included")


if __name__ == "__main__":
    main()
