"""A protected application against the same application unprotected: requests per second under real servers, one core each side.

    python benchmarks/fronts.py [--seconds 2] [--rounds 5]

While it runs, a process of the lowest priority keeps the client's core from halting: in a virtual machine, waking a halted core costs
the server more than a guard does, and only the slower of two servers lets its client go to sleep.

Warm: the same few hundred tokens again and again, as in production. Goal: a protected Starlette route reaches at least 90 % of the
requests per second of the unprotected one, and a WSGI application under gunicorn likewise. Beside them, in the same run, what
people use without us: a FastAPI dependency over PyJWT with its keys kept, and the package fastapi-cognito, which reads the same JWK Set
from a file and keeps it. Needs wrk; load stays on 127.0.0.1 and is bounded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tokens import access_tokens

from cognito_guard.testing import LocalUserPool

HERE = Path(__file__).resolve().parent
TOKENS = 200
CONNECTIONS = 32

_LUA = """
local requests, at = {}, 0
init = function()
  for line in io.lines(os.getenv("TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", "/orders/7", {["Host"] = "127.0.0.1", ["Authorization"] = "Bearer " .. line})
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
"""

SERVERS = {
    "Starlette, unprotected": ("asgi", "starlette_open"),
    "Starlette behind CognitoASGI": ("asgi", "starlette_guarded"),
    "FastAPI, unprotected": ("asgi", "fastapi_open"),
    "FastAPI with CognitoAuth": ("asgi", "fastapi_guarded"),
    "FastAPI with a PyJWT dependency": ("asgi", "fastapi_pyjwt"),
    "FastAPI with fastapi-cognito": ("asgi", "fastapi_cognito"),
    "Flask, unprotected": ("wsgi", "flask_open"),
    "Flask behind CognitoWSGI": ("wsgi", "flask_guarded"),
}
PAIRS = (
    ("Starlette behind CognitoASGI", "Starlette, unprotected"),
    ("FastAPI with CognitoAuth", "FastAPI, unprotected"),
    ("FastAPI with a PyJWT dependency", "FastAPI, unprotected"),
    ("FastAPI with fastapi-cognito", "FastAPI, unprotected"),
    ("Flask behind CognitoWSGI", "Flask, unprotected"),
)


def _pin(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


@contextlib.contextmanager
def server(kind: str, app: str, environment: dict[str, str]) -> Iterator[int]:
    """One worker of uvicorn (httptools, uvloop) or gunicorn (gthread) on core 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if kind == "asgi":
        command = ["-m", "uvicorn", f"apps:{app}", "--port", str(port), "--http", "httptools", "--loop", "uvloop"]
        command += ["--no-access-log", "--log-level", "warning"]
    else:
        command = ["-m", "gunicorn", f"apps:{app}", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--log-level", "warning"]
        command += ["--keep-alive", "30"]
    process = subprocess.Popen([*_pin(0), sys.executable, *command], cwd=HERE, env=environment)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{app} did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def awake(seconds: int) -> Iterator[None]:
    """Core 1 never idle, for so many seconds at most."""
    spin = f"import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    process = subprocess.Popen(["nice", "-n", "19", *_pin(1), sys.executable, "-c", spin])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def load(port: int, seconds: int, script: str, environment: dict[str, str]) -> float:
    """Requests per second by wrk on core 1. Any answer but 200, or any socket error, ends the benchmark."""
    command = [*_pin(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}/"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(printed)
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", printed)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk (Debian: apt-get install wrk)")
    pool = LocalUserPool()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        tokens, script, jwks = Path(folder, "tokens"), Path(folder, "load.lua"), Path(folder, "jwks.json")
        tokens.write_text("\n".join(access_tokens(pool, TOKENS)))
        script.write_text(_LUA)
        jwks.write_text(json.dumps(pool.jwks()))
        environment = os.environ | {
            "TOKENS": str(tokens), "JWKS": str(jwks), "POOL": pool.user_pool.id, "CLIENT": pool.client, "ISSUER": pool.issuer,
        }  # fmt: skip
        running.enter_context(awake(120 + len(SERVERS) * (2 + options.rounds * (options.seconds + 1))))
        ports = {name: running.enter_context(server(kind, app, environment)) for name, (kind, app) in SERVERS.items()}
        rates: dict[str, list[float]] = {name: [] for name in SERVERS}
        for port in ports.values():
            load(port, 1, str(script), environment)  # warm: every token verified once
        for _ in range(options.rounds):
            for name, port in ports.items():
                rates[name].append(load(port, options.seconds, str(script), environment))
    print(
        f"{TOKENS} tokens in turn, {CONNECTIONS} connections, {options.rounds} interleaved rounds of {options.seconds} s: medians"
    )
    for name, samples in rates.items():
        print(f"  {statistics.median(samples):9,.0f} requests/s  {name}")
    print("ratios, median of the rounds'")
    for guarded, bare in PAIRS:
        ratio = statistics.median(one / other for one, other in zip(rates[guarded], rates[bare], strict=True))
        print(f"  {ratio:9.1%}  {guarded}")


if __name__ == "__main__":
    main()
