"""The tables of a settings file: every key with its kind, its default and what it means, in the order in which they are printed.

Decides names and defaults. What must be decided by the operator has none.
"""

from __future__ import annotations

from typing import Any, Final

from cognito_guard.gateway.rewriting.assertion import MAX_LIFETIME
from cognito_guard.gateway.settings.readers import (
    Reader,
    bind,
    bind_or_none,
    count,
    directory,
    field_name,
    file,
    file_or_url,
    flag,
    host,
    host_or_any,
    network,
    octets,
    one_of,
    origin_path,
    output,
    proxy_url,
    rule_text,
    seconds,
    several,
    text,
    upstream_url,
)
from cognito_guard.value import Value


class _Required(Value):
    __slots__ = ()


REQUIRED: Final = _Required()


class Row(Value):
    """A key of a table. `limitless`: None is a value of it, written "none"."""

    __slots__ = ("key", "read", "default", "meaning", "limitless")
    key: str
    read: Reader
    default: Any
    meaning: str
    limitless: bool

    def __init__(self, key: str, read: Reader, default: Any, meaning: str, *, limitless: bool = False) -> None:
        self._set(key=key, read=read, default=default, meaning=meaning, limitless=limitless)


DAY = 86400
_USES = one_of("access", "id")
_MODE = one_of("enforce", "report-only")

TOP: Final = (
    Row("realm", text, "api", "stands in the challenges of refused requests"),
    Row("leeway", seconds(0, 3600), 0, "seconds by which clocks may differ"),
    Row("mode", _MODE, "enforce", '"report-only" judges every request and refuses none: the upstreams are open while it stands'),
    Row(
        "snapshots",
        directory,
        None,
        "a directory of the gateway's own in which keys are kept, so that a restart survives an outage",
    ),
    Row("ca", file, None, "authorities (PEM) to trust instead of the usual ones when keys are fetched"),
    Row("proxy", proxy_url, None, "the proxy through which keys are fetched"),
)
POOL: Final = (
    Row("id", text, REQUIRED, "the user pool's id, such as eu-west-1_AbC123xyz"),
    Row("token_use", several(_USES, least=1), ("access",), '"access" or "id" tokens, or both'),
    Row(
        "clients",
        several(text, least=1),
        REQUIRED,
        'the app clients whose tokens are accepted; "any-client" for all, those made tomorrow too',
    ),
    Row("jwks", file_or_url, None, "where the keys come from instead: a JWK Set file, which is never renewed, or a URL"),
    Row("issuer", text, None, "the issuer of an emulator; a plain http one beyond loopback is written insecure-http:http://..."),
    Row("extra_issuers", several(text), (), "further issuers, such as a replica's"),
    Row("resource", several(text), (), "the aud that access tokens must be bound to (RFC 8707)"),
)
RESOURCE: Final = (
    Row("url", text, REQUIRED, "the URL that clients call"),
    Row("authorization_servers", several(text), (), "issuers to get tokens from; without it the first pool's"),
    Row("scopes", several(text), (), "what clients should ask for"),
    Row("name", text, None, "a name, for people"),
    Row("documentation", text, None, "a URL, for people"),
    Row("policy", text, None, "a URL, for people"),
    Row("terms", text, None, "a URL, for people"),
)
CREDENTIAL: Final = (
    Row("cookie", field_name, None, "a cookie's name"),
    Row("header", field_name, None, "a header field's name; one that a proxy in front removes from what clients send"),
    Row("query", field_name, None, "a query parameter's name, for websockets only"),
    Row("subprotocol", flag, None, "true: a websocket's subprotocols cognito-guard.bearer, <token>"),
)
SERVER: Final = (
    Row(
        "bind",
        several(bind, least=1),
        ("127.0.0.1:8080",),
        "where to listen: host:port, [IPv6]:port or unix:/path; one or several",
    ),
    Row("admin", bind_or_none, "127.0.0.1:9090", 'where liveness, readiness and metrics are answered; "" for nowhere'),
    Row("workers", count(1, 256), 1, "processes"),
    Row(
        "trusted_proxies",
        several(network),
        (),
        'networks whose X-Forwarded-* and Forwarded are believed; "unix" for unix sockets',
    ),
    Row("tls_certificate", file, None, "the certificate chain (PEM) with which to serve https"),
    Row("tls_key", file, None, "its private key (PEM)"),
    Row("drain", seconds(0, 3600), 30, "seconds that requests have to end when the gateway stops"),
)
LIMITS: Final = (
    Row("head", octets(1024, 1024**2), 65536, "octets of a request's head"),
    Row("fields", count(8, 1000), 128, "header fields of a request"),
    Row("body", octets(0, 1024**4, none=True), None, "octets of a request's body", limitless=True),
    Row("connections", count(1, 1_000_000), 10_000, "clients connected at once, for each worker"),
)
TIMEOUTS: Final = (
    Row("head", seconds(0.1, DAY), 10, "for a client to send its request's head"),
    Row("body", seconds(0.1, DAY), 30, "for a client to send the next octets of its body"),
    Row("write", seconds(0.1, DAY), 30, "for a client to take the next octets of its answer"),
    Row("connect", seconds(0.1, DAY), 5, "to connect to an upstream"),
    Row("answer", seconds(0.1, DAY), 60, "for an upstream to begin its answer"),
    Row("idle", seconds(0.1, DAY, none=True), 300, "of silence in an answer or a websocket", limitless=True),
    Row("total", seconds(0.1, DAY, none=True), None, "for a request and its answer altogether", limitless=True),
    Row("keep_alive", seconds(0.1, DAY), 75, "for a client to send its next request on the same connection"),
)
UPSTREAM: Final = (
    Row("url", upstream_url, REQUIRED, "http://host:port, https://host:port or unix:/path"),
    Row("path", text, "/*", "the paths that it serves; of several upstreams the longest path counts"),
    Row("host", host_or_any, "", "the host that it serves: a name, or *.name for all below; any if left out"),
    Row("ca", file, None, "authorities (PEM) to trust instead of the usual ones"),
    Row("sni", text, None, "the name that its certificate must bear, if that is not the URL's host"),
    Row("client_cert", file, None, "the certificate (PEM) that is shown to it"),
    Row("client_key", file, None, "its private key (PEM)"),
    Row("connections", count(1, 100_000), 256, "at once, for each worker"),
    Row("keep_alive", seconds(0.1, DAY), 4, "seconds that an idle connection is kept; below what the upstream keeps it for"),
    Row("health", origin_path, None, "a path to ask regularly; 2xx and 3xx are healthy"),
    Row("health_interval", seconds(0.5, 3600), 10, "seconds between two such questions"),
    Row("preserve_host", flag, True, "the client's Host is sent on; false sends the URL's"),
)
IDENTITY: Final = (
    Row("claim", text, REQUIRED, "the claim that the field carries, or client_id, username, scope"),
    Row("encoding", one_of("plain", "json", "base64url"), "plain", "plain: visible ASCII, the rest percent-encoded"),
    Row("delimiter", text, ",", "one character, between the elements of an array"),
)
ROUTE: Final = (
    Row("path", text, REQUIRED, "the paths that it counts for: * is one segment, a final /* everything below"),
    Row("host", several(host), (), "the hosts that it counts for; all if left out"),
    Row("methods", several(text), (), "the methods that it counts for; all if left out"),
    Row("access", one_of("protect", "identify", "public", "preflights"), "protect", "who may pass"),
    Row("require", rule_text, None, "what the holder of the token must have, such as scope:orders/write and group:staff"),
    Row("accepts", one_of("encoded-slash"), None, '"encoded-slash" takes paths that hold %2f'),
    Row("authorization", one_of("keep", "strip", "replace"), "keep", "what becomes of Authorization on the way to the upstream"),
    Row("authorization_file", file, None, "the field value that replaces it"),
    Row("mode", _MODE, "enforce", '"report-only" judges and refuses nothing here'),
    Row("close_at_expiry", flag, False, "true ends a websocket when its token expires"),
)
FORWARD_AUTH: Final = (
    Row("kinds", several(one_of("nginx", "traefik", "caddy", "envoy")), (), "the proxies that ask: nginx, traefik, caddy, envoy"),
    Row("trusted", several(network, least=1), ("127.0.0.0/8", "::1/128", "unix"), "networks that may ask"),
    Row("secret_file", file, None, "what X-Cognito-Guard-Secret of every question must hold"),
    Row("grpc", bind, None, "where Envoy's gRPC ext_authz is answered"),
)
ASSERTION: Final = (
    Row("header", field_name, "X-Cognito-Assertion", "the header field that carries the signed assertion"),
    Row("key_file", file, REQUIRED, "the private key (PEM: EC P-256 or Ed25519)"),
    Row("lifetime", count(10, MAX_LIFETIME), 60, "seconds"),
    Row("issuer", text, "cognito-guard", "its iss claim"),
)
LOG: Final = (
    Row("format", one_of("json"), "json", "one line of JSON for each event"),
    Row("access", flag, True, "a line for each request"),
    Row("level", one_of("debug", "info", "warning", "error"), "info", "of everything else"),
    Row("output", output, "stdout", "where request lines go: stdout, stderr or a file"),
    Row("query", flag, False, "true writes query strings, which may hold what nobody should read"),
)

# the order in which they are printed; those that may stand several times
TABLES: Final[dict[str, tuple[Row, ...]]] = {
    "pool": POOL,
    "resource": RESOURCE,
    "credential": CREDENTIAL,
    "server": SERVER,
    "limits": LIMITS,
    "timeouts": TIMEOUTS,
    "upstream": UPSTREAM,
    "identity": IDENTITY,
    "route": ROUTE,
    "forward_auth": FORWARD_AUTH,
    "assertion": ASSERTION,
    "log": LOG,
}
REPEATED: Final = frozenset({"pool", "credential", "upstream", "route"})
