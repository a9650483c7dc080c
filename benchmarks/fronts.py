"""A protected application against the same application unprotected: requests per second under real servers, one core each side.

    python benchmarks/fronts.py [--seconds 2] [--rounds 5]

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
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from running import CONNECTIONS, LUA, awake, free_port, load, needs, process, show
from tokens import access_tokens

from cognito_guard.testing import LocalUserPool

HERE = Path(__file__).resolve().parent
TOKENS = 200

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


def server(kind: str, app: str, environment: dict[str, str], port: int) -> AbstractContextManager[int]:
    """One worker of uvicorn (httptools, uvloop) or gunicorn (gthread) on core 0."""
    if kind == "asgi":
        command = ["-m", "uvicorn", f"apps:{app}", "--port", str(port), "--http", "httptools", "--loop", "uvloop"]
        command += ["--no-access-log", "--log-level", "warning"]
    else:
        command = ["-m", "gunicorn", f"apps:{app}", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--log-level", "warning"]
        command += ["--keep-alive", "30"]
    return process([sys.executable, *command], port, environment=environment, folder=HERE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    needs("wrk")
    pool = LocalUserPool()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        tokens, script, jwks = Path(folder, "tokens"), Path(folder, "load.lua"), Path(folder, "jwks.json")
        tokens.write_text("\n".join(access_tokens(pool, TOKENS)))
        script.write_text(LUA)
        jwks.write_text(json.dumps(pool.jwks()))
        environment = os.environ | {
            "TOKENS": str(tokens), "TARGET": "/orders/7", "JWKS": str(jwks), "POOL": pool.user_pool.id, "CLIENT": pool.client,
            "ISSUER": pool.issuer,
        }  # fmt: skip
        running.enter_context(awake(120 + len(SERVERS) * (2 + options.rounds * (options.seconds + 1))))
        urls = {}
        for name, (kind, app) in SERVERS.items():
            port = free_port()
            running.enter_context(server(kind, app, environment, port))
            urls[name] = f"http://127.0.0.1:{port}/"
        rates: dict[str, list[float]] = {name: [] for name in SERVERS}
        for url in urls.values():
            load(url, 1, environment, "-s", str(script))  # warm: every token verified once
        for _ in range(options.rounds):
            for name, url in urls.items():
                rates[name].append(load(url, options.seconds, environment, "-s", str(script)))
    print(
        f"{TOKENS} tokens in turn, {CONNECTIONS} connections, {options.rounds} interleaved rounds of {options.seconds} s: medians"
    )
    show(rates, PAIRS)


if __name__ == "__main__":
    main()
