"""Flags and environment variables that stand in for keys of the file: which there are, and how they lie over it.

Decides the order: flags over environment over file, each setting by itself; pools and upstreams that are named so replace the file's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from cognito_guard.value import Value

if TYPE_CHECKING:
    from cognito_guard.gateway.settings.locating import Place


class Option(Value):
    """A flag and its variable. `place`: the key that it sets; `kind`: "list" may be given several times; in a variable commas or blanks part them."""

    __slots__ = ("name", "variable", "place", "kind", "metavar", "meaning")
    name: str
    variable: str
    place: tuple[str, ...]
    kind: Literal["text", "number", "list"]
    metavar: str
    meaning: str

    def __init__(
        self, name: str, variable: str, place: str, kind: Literal["text", "number", "list"], metavar: str, meaning: str
    ) -> None:
        self._set(
            name=name, variable=PREFIX + variable, place=tuple(place.split(".")), kind=kind, metavar=metavar, meaning=meaning
        )

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")


PREFIX: Final = "COGNITO_GUARD_"
CONFIG: Final = PREFIX + "CONFIG"

OPTIONS: Final = (
    Option("pool", "POOL", "pool.id", "list", "ID", "user pool id, instead of the file's pools"),
    Option("client", "CLIENTS", "pool.clients", "list", "ID", "app client id whose tokens are accepted"),
    Option("token_use", "TOKEN_USE", "pool.token_use", "list", "USE", "access (the default) or id, or both"),
    Option("jwks", "JWKS", "pool.jwks", "text", "FILE|URL", "where the pool's keys come from instead"),
    Option("issuer", "ISSUER", "pool.issuer", "text", "URL", "the issuer of an emulator"),
    Option("upstream", "UPSTREAM", "upstream.url", "list", "URL", "the application, instead of the file's upstreams"),
    Option("forward_auth", "FORWARD_AUTH", "forward_auth.kinds", "list", "KIND", "answer nginx, traefik, caddy or envoy"),
    Option("grpc", "GRPC", "forward_auth.grpc", "text", "ADDRESS", "answer Envoy's gRPC ext_authz there"),
    Option("bind", "BIND", "server.bind", "list", "ADDRESS", "host:port or unix:/path; default: 127.0.0.1:8080"),
    Option("admin", "ADMIN", "server.admin", "text", "ADDRESS", "health and metrics; default: 127.0.0.1:9090; '' for nowhere"),
    Option("workers", "WORKERS", "server.workers", "number", "COUNT", "processes; default: 1"),
    Option("trusted_proxy", "TRUSTED_PROXIES", "server.trusted_proxies", "list", "CIDR", "whose X-Forwarded-* is believed"),
    Option("tls_certificate", "TLS_CERTIFICATE", "server.tls_certificate", "text", "FILE", "serve https with this certificate"),
    Option("tls_key", "TLS_KEY", "server.tls_key", "text", "FILE", "and its private key"),
    Option("drain", "DRAIN", "server.drain", "number", "SECONDS", "that requests have to end; default: 30"),
    Option("realm", "REALM", "realm", "text", "NAME", "stands in the challenges; default: api"),
    Option("leeway", "LEEWAY", "leeway", "number", "SECONDS", "by how much clocks may differ; default: 0"),
    Option("mode", "MODE", "mode", "text", "MODE", "enforce (the default) or report-only"),
    Option("snapshots", "SNAPSHOTS", "snapshots", "text", "DIRECTORY", "where keys are kept between restarts"),
    Option("ca", "CA", "ca", "text", "FILE", "authorities to trust when keys are fetched"),
    Option("proxy", "PROXY", "proxy", "text", "URL", "through which keys are fetched"),
    Option("log_level", "LOG_LEVEL", "log.level", "text", "LEVEL", "debug, info (the default), warning or error"),
    Option("log_output", "LOG_OUTPUT", "log.output", "text", "FILE", "request lines: stdout (the default), stderr or a file"),
)


class Laid(Value):
    """The file's tables with flags and variables laid over them. `origins`: what set a place; `problems`: what could not be laid."""

    __slots__ = ("tree", "origins", "problems")
    tree: dict[str, Any]
    origins: dict[Place, str]
    problems: list[str]

    def __init__(self, tree: dict[str, Any], origins: dict[Place, str], problems: list[str]) -> None:
        self._set(tree=tree, origins=origins, problems=problems)


def lay_over(file: Mapping[str, Any], environment: Mapping[str, str], flags: Mapping[str, object]) -> Laid:
    """The settings of all three, each flag under its `name`. A variable or flag that is empty counts as given; None does not."""
    laid = Laid(dict(file), {}, [*_unknown(environment, flags)])
    given = {
        option: (option.flag, flags[option.name])
        if flags.get(option.name) is not None
        else (option.variable, environment[option.variable])
        for option in OPTIONS
        if flags.get(option.name) is not None or option.variable in environment
    }
    for option, (label, value) in given.items():
        raw = _raw(option, value)
        match option.place:
            case ("pool" | "upstream" as table, "id" | "url" as key):
                listed = raw if isinstance(raw, list) else [raw]
                laid.tree[table] = [{key: each} for each in listed]
                laid.origins.update({(table, at): label for at in range(len(listed))})
                if not listed:
                    laid.problems.append(f"{label}: it is empty; leave it out, or name one")
            case ("pool", key):
                _into_pools(laid, key, label, raw)
            case (table, key):
                inside = laid.tree.get(table, {})
                if isinstance(inside, dict):  # else the file's mistake is told anyway
                    laid.tree[table] = {**inside, key: raw}
                    laid.origins[table, key] = label
                    if table not in file:
                        laid.origins.setdefault((table,), label)
            case (key,):
                laid.tree[key] = raw
                laid.origins[(key,)] = label
    return laid


def option_for(place: Place) -> Option | None:
    """What else could set a key, wherever in a list of tables it stands."""
    names = tuple(part for part in place if isinstance(part, str))
    return next((option for option in OPTIONS if option.place == names), None)


def _into_pools(laid: Laid, key: str, label: str, raw: object) -> None:
    pools = laid.tree.get("pool", [])
    if not isinstance(pools, list):
        return  # which is told anyway, as is that there is none
    if len(pools) > 1 and ("pool", 0) not in laid.origins:
        laid.problems.append(f"{label}: the file has several pools; write it there, in the [[pool]] that is meant")
    else:
        laid.tree["pool"] = [{**pool, key: raw} if isinstance(pool, dict) else pool for pool in pools]
        laid.origins.update({("pool", at, key): label for at in range(len(pools))})


def _raw(option: Option, value: object) -> object:
    """A flag's or variable's text as TOML would have given it."""
    if option.kind == "list":
        if isinstance(value, str):  # a variable
            return [part for part in re.split(r"[,\s]+", value) if part]
        if isinstance(value, tuple):
            return list(value)
    if option.kind == "number" and isinstance(value, str):
        if re.fullmatch(r"[0-9]{1,15}", value):
            return int(value)
        if re.fullmatch(r"[0-9]{1,15}\.[0-9]{1,9}", value):
            return float(value)
    return value


def _unknown(environment: Mapping[str, str], flags: Mapping[str, object]) -> Iterator[str]:
    """Flags that there are not, and variables that look like one misspelt. Others may be anybody's: Kubernetes sets
    COGNITO_GUARD_SERVICE_HOST and its like in every container beside a service of that name."""
    from difflib import get_close_matches

    names = [option.name for option in OPTIONS]
    yield from (f"{name}: there is no such flag" for name in flags if name not in names)
    known = [option.variable.removeprefix(PREFIX) for option in OPTIONS] + ["CONFIG"]
    for variable in sorted(environment):
        word = variable.removeprefix(PREFIX)
        if word == variable or word in known:
            continue
        near = get_close_matches(word, known, 1, cutoff=0.8)
        if near:
            yield f"{variable[:64]}: there is no such variable; {PREFIX}{near[0]} is perhaps meant"
