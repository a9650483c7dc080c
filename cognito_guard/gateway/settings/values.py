"""What the gateway is told, as frozen values. Made by `read`, which judges; nothing is judged here.

Every attribute is named as its key in the file; what may stand there several times is in the plural. Times are seconds, sizes octets, None is "no limit" or "not given".
"""

from __future__ import annotations

from typing import Any, Literal

from cognito_guard.gateway.rewriting import ClaimHeader
from cognito_guard.pool import Profile
from cognito_guard.value import Value
from cognito_guard.web import FromCookie, FromHeader, FromQuery, ProtectedResource
from cognito_guard.web.credentials import Source
from cognito_guard.web.routes import Route


class Settings(Value):
    """The base of these values: every field by keyword, none left out."""

    __slots__ = ()

    def __init__(self, **fields: Any) -> None:
        if fields.keys() != set(self._names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._names)}")
        self._set(**fields)


class PoolSettings(Settings):
    """A user pool. `clients` is `("any-client",)` for every client; `profiles` are what the Guard takes."""

    __slots__ = ("id", "token_use", "clients", "jwks", "issuer", "extra_issuers", "resource", "profiles")
    id: str
    token_use: tuple[Literal["access", "id"], ...]
    clients: tuple[str, ...]
    jwks: str | None
    issuer: str | None
    extra_issuers: tuple[str, ...]
    resource: tuple[str, ...]
    profiles: tuple[Profile, ...]


class ResourceSettings(Settings):
    """The protected resource; `metadata` is what the fronts take."""

    __slots__ = ("url", "authorization_servers", "scopes", "name", "documentation", "policy", "terms", "metadata")
    url: str
    authorization_servers: tuple[str, ...]
    scopes: tuple[str, ...]
    name: str | None
    documentation: str | None
    policy: str | None
    terms: str | None
    metadata: ProtectedResource


class ServerSettings(Settings):
    """Addresses are `host:port`, `[IPv6]:port`, `:port` or `unix:/path`; `admin` is "" when switched off.

    `trusted_proxies` are networks in CIDR form and the word `unix`.
    """

    __slots__ = ("bind", "admin", "workers", "trusted_proxies", "tls_certificate", "tls_key", "drain")
    bind: tuple[str, ...]
    admin: str
    workers: int
    trusted_proxies: tuple[str, ...]
    tls_certificate: str | None
    tls_key: str | None
    drain: float


class LimitSettings(Settings):
    """How much a client may send, and how many clients there may be."""

    __slots__ = ("head", "fields", "body", "connections")
    head: int
    fields: int
    body: int | None
    connections: int


class TimeoutSettings(Settings):
    """How long anybody may take."""

    __slots__ = ("head", "body", "write", "connect", "answer", "idle", "total", "keep_alive")
    head: float
    body: float
    write: float
    connect: float
    answer: float
    idle: float | None
    total: float | None
    keep_alive: float


class UpstreamSettings(Settings):
    """An upstream: `http://host:port`, `https://host:port` or `unix:/path`. Those of equal `host` and `path` are replicas.

    `path` may end in `/*`; `host` is "" for any, a name, or `*.` and a name.
    """

    __slots__ = (
        "url", "path", "host", "ca", "sni", "client_cert", "client_key", "connections", "keep_alive", "health", "health_interval",
        "preserve_host",
    )  # fmt: skip
    url: str
    path: str
    host: str
    ca: str | None
    sni: str | None
    client_cert: str | None
    client_key: str | None
    connections: int
    keep_alive: float
    health: str | None
    health_interval: float
    preserve_host: bool


class RouteSettings(Settings):
    """A route. `route` is what the fronts take, `host` the patterns for which it counts (none: every host).

    `methods` is empty for all of them; `authorization_file` holds the whole field value that replaces the client's.
    """

    __slots__ = (
        "path", "host", "methods", "access", "require", "accepts", "authorization", "authorization_file", "mode", "close_at_expiry",
        "route",
    )  # fmt: skip
    path: str
    host: tuple[str, ...]
    methods: tuple[str, ...]
    access: Literal["protect", "identify", "public", "preflights"]
    require: str | None
    accepts: Literal["encoded-slash"] | None
    authorization: Literal["keep", "strip", "replace"]
    authorization_file: str | None
    mode: Literal["enforce", "report-only"]
    close_at_expiry: bool
    route: Route


class ForwardAuthSettings(Settings):
    """Who may ask for decisions, and how: `trusted` as `trusted_proxies`; `grpc` is a bind address or None."""

    __slots__ = ("kinds", "trusted", "secret_file", "grpc")
    kinds: tuple[Literal["nginx", "traefik", "caddy", "envoy"], ...]
    trusted: tuple[str, ...]
    secret_file: str | None
    grpc: str | None


class AssertionSettings(Settings):
    """The signed assertion for upstreams."""

    __slots__ = ("header", "key_file", "lifetime", "issuer")
    header: str
    key_file: str
    lifetime: int
    issuer: str


class LogSettings(Settings):
    """What is logged, and where: `output` is "stdout", "stderr" or a path, and takes the access log."""

    __slots__ = ("format", "access", "level", "output", "query")
    format: Literal["json"]
    access: bool
    level: Literal["debug", "info", "warning", "error"]
    output: str
    query: bool


class GatewaySettings(Settings):
    """Everything that the gateway is told. `identity` pairs header fields with claims.

    `forward_auth`, `assertion` and `resource` are None where they are not wanted.

    `files` are all files that the settings name, in no order, for whoever watches them; `log.output` and `snapshots` are not among them.
    """

    __slots__ = (
        "realm", "leeway", "mode", "snapshots", "ca", "proxy", "pools", "resource", "credentials", "server", "limits", "timeouts",
        "upstreams", "identity", "routes", "forward_auth", "assertion", "log", "files",
    )  # fmt: skip
    realm: str
    leeway: float
    mode: Literal["enforce", "report-only"]
    snapshots: str | None
    ca: str | None
    proxy: str | None
    pools: tuple[PoolSettings, ...]
    resource: ResourceSettings | None
    credentials: tuple[Source, ...]
    server: ServerSettings
    limits: LimitSettings
    timeouts: TimeoutSettings
    upstreams: tuple[UpstreamSettings, ...]
    identity: tuple[tuple[str, ClaimHeader], ...]
    routes: tuple[RouteSettings, ...]
    forward_auth: ForwardAuthSettings | None
    assertion: AssertionSettings | None
    log: LogSettings
    files: frozenset[str]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Those of every pool, for the Guard."""
        return tuple(profile for pool in self.pools for profile in pool.profiles)


def credential_fields(source: Source) -> dict[str, str | bool]:
    """A credential source as its table in the file."""
    match source:
        case FromCookie(name=name):
            return {"cookie": name}
        case FromHeader(name=name):
            return {"header": name}
        case FromQuery(name=name):
            return {"query": name}
        case _:
            return {"subprotocol": True}
