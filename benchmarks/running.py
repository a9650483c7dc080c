"""Servers and load for the benchmarks: processes pinned to a core, each on a free loopback port, and wrk on the other core.

While `awake` holds, a process of the lowest priority keeps the client's core from halting: in a virtual machine, waking a halted core
costs a server more than a guard does, and only the slower of two servers lets its client go to sleep.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CONNECTIONS = 32

LUA = """
local requests, at = {}, 0
init = function()
  for line in io.lines(os.getenv("TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", os.getenv("TARGET"), {["Host"] = "127.0.0.1", ["Authorization"] = "Bearer " .. line})
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
"""
"""A wrk script that sends each line of the file TOKENS in turn, to the path TARGET."""


def needs(*parts: str) -> None:
    """End the benchmark with a sentence if a program is missing."""
    missing = [part for part in parts if shutil.which(part) is None]
    if missing:
        raise SystemExit(f"this benchmark needs {', '.join(missing)} (Debian: apt-get install {' '.join(missing)})")


def pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(
    command: Sequence[str], port: int, *, core: int = 0, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[int]:
    """A server on a core, from when it takes connections at `port`; gives its process id. It ends with the block."""
    running = subprocess.Popen([*pinned(core), *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if running.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.05)
        yield running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def awake(seconds: int) -> Iterator[None]:
    """Core 1 never idle, for so many seconds at most."""
    spin = f"import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    spinner = subprocess.Popen(["nice", "-n", "19", *pinned(1), sys.executable, "-c", spin])
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()


def load(url: str, seconds: int, environment: Mapping[str, str], *options: str) -> float:
    """Requests per second by wrk on core 1. Any answer but 2xx and 3xx, or any socket error, ends the benchmark."""
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", printed(url, seconds, environment, *options))[1])


def printed(url: str, seconds: int, environment: Mapping[str, str], *options: str) -> str:
    """What wrk prints."""
    command = [*pinned(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *options, url]
    told = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"{url}\n{told}")
    return told


def show(rates: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]) -> None:
    """Medians, and the medians of the rounds' ratios for pairs of names."""
    for name, samples in rates.items():
        print(f"  {statistics.median(samples):9,.0f} requests/s  {name}")
    print("ratios, median of the rounds'")
    for name, other in pairs:
        ratio = statistics.median(one / two for one, two in zip(rates[name], rates[other], strict=True))
        print(f"  {ratio:9.1%}  {name}  /  {other}")
