"""The peers that `gateway.py` runs: each function writes a configuration and gives the command that starts it, and its port."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from running import free_port

from cognito_guard.testing import LocalUserPool

Started = tuple[list[str], int]
HERE = Path(__file__).resolve().parent


def nginx_upstream(folder: Path) -> Started:
    """The application behind every contender: a short constant answer."""
    port = free_port()
    return _nginx(folder, port, f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello, world\\n"; }} }}')


def nginx_proxy(folder: Path, upstream: int) -> Started:
    """nginx as a plain proxy with kept connections."""
    port = free_port()
    return _nginx(
        folder,
        port,
        f"""upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
        server {{
          listen 127.0.0.1:{port};
          location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        }}""",
    )


def nginx_streaming(folder: Path, upstream: int) -> Started:
    """nginx as a proxy that keeps nothing back."""
    port = free_port()
    return _nginx(
        folder,
        port,
        f"""client_max_body_size 0;
        server {{
          listen 127.0.0.1:{port};
          location / {{
            proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
          }}
        }}""",
    )


def _nginx(folder: Path, port: int, servers: str) -> Started:
    file = folder / f"nginx-{port}.conf"
    file.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-{port}.log;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; keepalive_requests 1000000000; large_client_header_buffers 8 32k;
          client_body_temp_path {folder}/b{port}; proxy_temp_path {folder}/p{port}; fastcgi_temp_path {folder}/f{port};
          uwsgi_temp_path {folder}/u{port}; scgi_temp_path {folder}/s{port};
          {servers}
        }}"""
    )
    return ["nginx", "-c", str(file), "-e", f"{folder}/nginx-{port}.log"], port


def aiohttp_proxy(pool: LocalUserPool, jwks: Path, upstream: int) -> Started:
    """What is written in an afternoon: aiohttp on both sides, PyJWT with its keys kept."""
    port = free_port()
    program = [sys.executable, str(HERE / "aiohttp_proxy.py"), str(port), str(upstream), str(jwks), pool.issuer, pool.client]
    return program, port


def apache(folder: Path, pool: LocalUserPool, jwks: Path, upstream: int) -> Started:
    """Apache as a resource server, verifying locally by mod_auth_openidc."""
    port = free_port()
    keys = json.loads(jwks.read_text())["keys"]
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from jwt import PyJWK

    certificates = []
    for key in keys:
        path = folder / f"apache-{len(certificates)}.pem"
        path.write_bytes(PyJWK(key).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        certificates.append(f"{key['kid']}#{path}")
    modules = Path("/usr/lib/apache2/modules")
    wanted = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "auth_openidc")
    loads = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in wanted)
    file = folder / "apache.conf"
    file.write_text(
        f"""{loads}
        ServerName localhost
        ServerRoot {folder}
        PidFile {folder}/apache.pid
        ErrorLog {folder}/apache.log
        Listen 127.0.0.1:{port}
        StartServers 1
        ServerLimit 1
        ThreadsPerChild 64
        MaxRequestWorkers 64
        KeepAlive On
        MaxKeepAliveRequests 0
        KeepAliveTimeout 60
        LimitRequestFieldSize 65536
        OIDCOAuthVerifyCertFiles {" ".join(certificates)}
        OIDCOAuthRemoteUserClaim sub
        OIDCCryptoPassphrase benchmark
        OIDCCacheType shm
        <Location "/orders/">
          AuthType oauth20
          Require claim client_id:{pool.client}
        </Location>
        ProxyPass "/" "http://127.0.0.1:{upstream}/" keepalive=On max=64
        """
    )
    return ["apache2", "-X", "-f", str(file)], port


def envoy(folder: Path, pool: LocalUserPool, jwks: Path, upstream: int, *, cache: bool) -> Started:
    """Envoy with jwt_authn; it asks for no scope, which takes a filter more."""
    port = free_port()
    provider: dict[str, object] = {
        "issuer": pool.issuer,
        "local_jwks": {"inline_string": jwks.read_text()},
        "forward": True,
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000, "jwt_max_token_size": 8192}
    jwt_authn = {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"cognito": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "cognito"}}],
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": [jwt_authn, router],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]}
            ]
        },
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}}}
    configuration = {
        "static_resources": {
            "listeners": [
                {
                    "address": address,
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "app",
                    "type": "STATIC",
                    "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        }
    }
    file = folder / f"envoy-{port}.json"
    file.write_text(json.dumps(configuration))
    program = shutil.which("envoy", path=str(Path(sys.executable).parent)) or "envoy"
    return [program, "-c", str(file), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"], port
