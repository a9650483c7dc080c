"""From the tables of a file to the values: every key by its row, then what only several keys together can get wrong.

Decides what goes together. Forms and bounds are `readers`' business; what routes, pools and rules may be is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting import DEFAULT_IDENTITY, ClaimHeader, header_problem, trimmed_fold
from cognito_guard.gateway.settings.making import make_credential, make_pool, make_resource, make_route
from cognito_guard.gateway.settings.mistakes import Mistakes, Spot
from cognito_guard.gateway.settings.options import option_for
from cognito_guard.gateway.settings.tables import IDENTITY, REPEATED, REQUIRED, TABLES, TOP, Row
from cognito_guard.gateway.settings.values import (
    AssertionSettings,
    ForwardAuthSettings,
    GatewaySettings,
    LimitSettings,
    LogSettings,
    ServerSettings,
    TimeoutSettings,
    UpstreamSettings,
)  # fmt: skip
from cognito_guard.web.challenge import realm_problem
from cognito_guard.web.paths import TwoFaced, read_path


def build(tree: dict[str, Any], mistakes: Mistakes) -> GatewaySettings | None:
    """The settings, or None where there is a mistake."""
    spot = Spot(mistakes)
    top = _read({key: raw for key, raw in tree.items() if key not in TABLES}, TOP, spot, also=TABLES)
    problem = realm_problem(top["realm"])
    if problem is not None:
        spot.at("realm").wrong(problem.partition(": ")[2])
    pools = [make_pool(found, at) for found, at in _each(tree, "pool", spot)]
    if not pools and not mistakes.has(("pool",)):
        spot.at("pool").wrong(
            "there is none; name the user pool whose tokens are accepted: [[pool]] id, --pool or COGNITO_GUARD_POOL"
        )
    resource = make_resource(*_one(tree, "resource", spot), pools) if "resource" in tree else None
    server = _server(*_one(tree, "server", spot))
    forward_auth = _forward_auth(*_one(tree, "forward_auth", spot)) if "forward_auth" in tree else None
    upstreams = [_upstream(found, at) for found, at in _each(tree, "upstream", spot)]
    if not upstreams and "forward_auth" not in tree and not mistakes.has(("upstream",)):
        spot.at("upstream").wrong(
            "there is none; name the application: [[upstream]] url, --upstream or COGNITO_GUARD_UPSTREAM (or turn forward_auth on)"
        )
    identity = _identity(tree.get("identity", dict(DEFAULT_IDENTITY)), spot.at("identity"))
    assertion = AssertionSettings(**_one(tree, "assertion", spot)[0]) if "assertion" in tree else None
    if assertion is not None:
        _managed([*(name for name, _ in identity), assertion.header], spot.at("assertion", "header"))
    _addresses(server, forward_auth, spot)
    settings = {
        **top,
        "pools": tuple(pools),
        "resource": resource,
        "credentials": tuple(make_credential(found, at) for found, at in _each(tree, "credential", spot)),
        "server": server,
        "limits": LimitSettings(**_one(tree, "limits", spot)[0]),
        "timeouts": TimeoutSettings(**_one(tree, "timeouts", spot)[0]),
        "upstreams": tuple(upstreams),
        "identity": identity,
        "routes": tuple(make_route(found, at) for found, at in _each(tree, "route", spot)),
        "forward_auth": forward_auth,
        "assertion": assertion,
        "log": LogSettings(**_one(tree, "log", spot)[0]),
    }
    return None if mistakes else GatewaySettings(**settings, files=frozenset(mistakes.files))


def _one(tree: dict[str, Any], name: str, spot: Spot) -> tuple[dict[str, Any], Spot]:
    """A table that stands once or not at all."""
    at = spot.at(name)
    raw = tree.get(name, {})
    if not isinstance(raw, dict):
        at.wrong(f"write a table, [{name}], once")
        raw = None
    return _read(raw, TABLES[name], at), at


def _each(tree: dict[str, Any], name: str, spot: Spot) -> Iterable[tuple[dict[str, Any], Spot]]:
    raw = tree.get(name, [])
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        spot.at(name).wrong(f"write each as a table of its own, [[{name}]] with two brackets")
        return
    for number, each in enumerate(raw):
        at = spot.at(name, number)
        yield _read(each, TABLES[name], at), at


def _read(raw: dict[str, Any] | None, rows: tuple[Row, ...], spot: Spot, *, also: Iterable[str] = ()) -> dict[str, Any]:
    """The value of every row: what was found, or else the default (None where there is none, which then is a mistake)."""
    known = {row.key: row for row in rows}
    found = {row.key: None if row.default is REQUIRED else row.default for row in rows}
    if raw is None:
        return found
    for key in raw:
        if key not in known:
            spot.at(key).wrong(_unknown(key, [*known, *also]))
    for row in rows:
        at = spot.at(row.key)
        if row.key in raw:
            before = len(spot.mistakes)
            value = row.read(raw[row.key], at)
            if value is not None or len(spot.mistakes) == before:
                found[row.key] = value
        elif row.default is REQUIRED:
            option = option_for(at.place)
            ways = f"; {option.flag} and {option.variable} give it too" if option else ""
            at.wrong(f"it is missing ({row.meaning}){ways}")
    return found


def _unknown(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    for name, rows in {"": TOP, **TABLES}.items():
        if any(row.key == key for row in rows):
            place = f"in [[{name}]]" if name in REPEATED else f"in [{name}]" if name else "above the first table"
            return f"there is no such key here; it stands {place}"
    near = get_close_matches(key, known, 1)
    if near:
        return f"there is no such key; {near[0]} is perhaps meant"
    return f"there is no such key; here stand {', '.join(known)}"


def _server(found: dict[str, Any], spot: Spot) -> ServerSettings:
    _needs(found, "tls_key", "tls_certificate", spot)
    return ServerSettings(**found)


def _upstream(found: dict[str, Any], spot: Spot) -> UpstreamSettings:
    path = found["path"]
    if "*" in path.removesuffix("/*") or isinstance(read_path(path), TwoFaced):
        spot.at("path").wrong("write whole segments, and a final '/*' for everything below, such as '/api/*'; no other '*'")
    _needs(found, "client_key", "client_cert", spot)
    if found["url"] is not None and not found["url"].startswith("https:"):
        for key in ("ca", "sni", "client_cert", "client_key"):
            if found[key] is not None:
                spot.at(key).wrong("it counts for https:// upstreams only; leave it out, or change the url")
    if found["sni"] is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", found["sni"]):
        spot.at("sni").wrong("write a host name in ASCII, such as 'app.internal'")
    return UpstreamSettings(**found)


def _forward_auth(found: dict[str, Any], spot: Spot) -> ForwardAuthSettings:
    if not found["kinds"] and found["grpc"] is None and not spot.mistakes.has(spot.at("kinds").place):
        spot.at("kinds").wrong("name the proxies that ask, nginx, traefik, caddy or envoy; or give grpc")
    return ForwardAuthSettings(**found)


def _identity(raw: Any, spot: Spot) -> tuple[tuple[str, ClaimHeader], ...]:
    if not isinstance(raw, dict):
        spot.wrong("write a table, [identity], of header fields and claims")
        return ()
    headers: list[tuple[str, ClaimHeader]] = []
    for name, claim in raw.items():
        at = spot.at(name)
        _managed([*(before for before, _ in headers), name], at)
        if not isinstance(claim, str | dict):
            at.wrong('write the claim\'s name, or a table such as {claim = "cognito:groups", encoding = "json"}')
            continue
        found = _read({"claim": claim} if isinstance(claim, str) else claim, IDENTITY, at)
        if found["claim"] is None:
            continue
        try:
            headers.append((name, ClaimHeader(found.pop("claim"), **found)))
        except ConfigurationError as error:
            at.relay(error, {})
    return tuple(headers)


def _managed(names: list[str], spot: Spot) -> None:
    """The last of these fields is the gateway's own: no other may be taken for it, and none that carries the request."""
    *before, last = names
    problem = header_problem(last)
    if problem is not None:
        spot.wrong(problem)
    elif trimmed_fold(last.encode()) in {trimmed_fold(name.encode(errors="replace")) for name in before}:
        spot.wrong("another of these fields has the same name to many upstreams; rename one")


def _addresses(server: ServerSettings, forward_auth: ForwardAuthSettings | None, spot: Spot) -> None:
    grpc = None if forward_auth is None else forward_auth.grpc
    named = [("server", "bind", address) for address in server.bind]
    named += [("server", "admin", server.admin)] if server.admin else []
    named += [("forward_auth", "grpc", grpc)] if grpc else []
    seen: set[str] = set()
    for table, key, address in named:
        if address in seen and not address.endswith(":0"):
            spot.at(table, key).wrong("this address stands twice; give each listener one of its own")
        seen.add(address)


def _needs(found: dict[str, Any], key: str, other: str, spot: Spot) -> None:
    if found[key] is not None and found[other] is None and not spot.mistakes.has(spot.at(other).place):
        spot.at(key).wrong(f"it needs {other} beside it")
