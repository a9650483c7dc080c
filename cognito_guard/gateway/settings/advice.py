"""What a person should see before the gateway starts: the table of routes, and what of it is open, useless or risky.

Decides what is worth a warning. Nothing in here changes what the gateway does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from cognito_guard.gateway.settings.making import ANY_CLIENT
from cognito_guard.gateway.settings.patterns import Paths, covers, host_covers, hosts_meet, meet, paths_of, route_paths
from cognito_guard.gateway.settings.readers import INSECURE
from cognito_guard.gateway.settings.values import GatewaySettings, RouteSettings, UpstreamSettings
from cognito_guard.urls import is_loopback
from cognito_guard.web import FromQuery, FromSubprotocol
from cognito_guard.web.credentials import SAFE_METHODS


def warnings(settings: GatewaySettings) -> list[str]:
    """What is probably not meant, or needs to be known: one sentence each, beginning with the setting that it is about."""
    return [
        *_opened(settings),
        *_unreached_routes(settings.routes),
        *_upstream_warnings(settings),
        *_asked_warnings(settings),
        *_network_warnings(settings),
    ]


def _opened(settings: GatewaySettings) -> Iterator[str]:
    if settings.mode == "report-only":
        yield "mode: report-only: every request reaches the upstreams, whatever is decided about it"
    for at, pool in enumerate(settings.pools):
        if ANY_CLIENT in pool.clients:
            yield f"pool[{at}].clients: tokens of every app client are accepted, those of other teams and those made tomorrow included"
        for key, urls in (("jwks", [pool.jwks]), ("issuer", [pool.issuer]), ("extra_issuers", pool.extra_issuers)):
            if any(url is not None and url.startswith(INSECURE) for url in urls):
                yield f"pool[{at}].{key}: keys come over plain http: whoever sits on that network path can replace them"
    for at, each in enumerate(settings.routes):
        here = f"route[{at}]"
        if each.mode == "report-only":
            yield f"{here}.mode: report-only: {each.path} is open while it stands"
        if each.authorization == "replace" and (each.access != "protect" or "report-only" in (each.mode, settings.mode)):
            yield f"{here}.authorization: whoever sends no token reaches the upstream with the gateway's own Authorization"
        if each.access == "public" and each.path == "/*":
            yield f"{here}: public /* opens everything that no earlier route names" + _only(each)
        elif each.access == "public":
            yield from _holes(at, each, settings.routes)
        if each.access == "identify" and not SAFE_METHODS.issuperset(each.methods or ("POST",)):
            yield (
                f"{here}: identify lets requests without a token through, and here also methods that change things; "
                'name methods = ["GET"], or protect the others'
            )


def _holes(at: int, public: RouteSettings, routes: Sequence[RouteSettings]) -> Iterator[str]:
    """An opening in what another route protects by name. What lies under /* alone is what public routes are for."""
    for number, other in enumerate(routes[at + 1 :], at + 1):
        if other.access != "protect" or other.path == "/*" or not _methods_meet(public, other):
            continue
        if _hosts_meet(public.host, other.host) and meet(route_paths(public.route), route_paths(other.route)):
            yield f"route[{at}]: public {public.path} opens a part of what route[{number}] protects ({other.path})"


def _only(route: RouteSettings) -> str:
    parts = [f"for {', '.join(route.methods)}"] if route.methods else []
    parts += [f"on {', '.join(route.host)}"] if route.host else []
    return f" ({' '.join(parts)})" if parts else ""


def _unreached_routes(routes: Sequence[RouteSettings]) -> Iterator[str]:
    for at, each in enumerate(routes):
        if covers(_OWN, route_paths(each.route)):
            yield f"route[{at}]: it never decides: the gateway answers what lies under /_cognito_guard/ itself"
        before = [number for number in range(at) if _counts_wherever(routes[number], each)]
        missing = _methods(each)
        taking = []
        for number in before:
            methods = _methods(routes[number])
            if methods is None or (missing is not None and methods & missing):
                taking.append(number)
                missing = frozenset() if methods is None or missing is None else missing - methods
            if missing is not None and not missing:
                break
        if missing is not None and not missing:
            named = " and ".join(f"route[{number}]" for number in taking)
            same = len(taking) == 1 and routes[taking[0]].route.pattern == each.route.pattern
            yield f"route[{at}]: it is never reached: {named} " + (
                "has the same pattern and comes first; write one of them"
                if same
                else f"{'takes' if len(taking) == 1 else 'take'} every request of it first; write it above"
            )


def _counts_wherever(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether the earlier route takes all paths and hosts of the later one, methods aside."""
    if earlier.access == "preflights" and later.access != "preflights":
        return False  # it takes preflights alone
    return _hosts_cover(earlier.host, later.host) and covers(route_paths(earlier.route), route_paths(later.route))


def _methods(route: RouteSettings) -> frozenset[str] | None:
    if route.access == "preflights":
        return frozenset({"OPTIONS"})
    if not route.methods:
        return None
    return frozenset(route.methods) | ({"HEAD"} if route.access == "protect" and "GET" in route.methods else set())


def _methods_meet(one: RouteSettings, other: RouteSettings) -> bool:
    here, there = _methods(one), _methods(other)
    return here is None or there is None or bool(here & there)


def _hosts_cover(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    return all(any(host_covers(one, each) for one in wide or ("",)) for each in narrow or ("",))


def _hosts_meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return any(hosts_meet(here, there) for here in one or ("",) for there in other or ("",))


def _upstream_warnings(settings: GatewaySettings) -> Iterator[str]:
    seen: dict[tuple[str, str, str], int] = {}
    checks: dict[tuple[str, str], int] = {}
    for at, upstream in enumerate(settings.upstreams):
        here = f"upstream[{at}]"
        if covers(_OWN, paths_of(upstream.path, itself=True)):
            yield f"{here}: it is never reached: the gateway answers what lies under /_cognito_guard/ itself"
        first = seen.setdefault((upstream.url, upstream.host, upstream.path), at)
        if first != at:
            yield f"{here}: it is upstream[{first}] once more"
        if upstream.health is not None:
            checked = checks.setdefault((upstream.host, upstream.path), at)
            other = settings.upstreams[checked]
            if (other.health, other.health_interval) != (upstream.health, upstream.health_interval):
                yield f"{here}.health: its replica upstream[{checked}] is asked otherwise; what stands last counts for all of them"
        if upstream.url.startswith("http:") and not is_loopback(_host(upstream)):
            yield f"{here}.url: tokens and identity travel in the clear beyond this machine; see that nobody else is on that network"
    if not settings.upstreams:
        return
    for at, route in enumerate(settings.routes):
        serving = [number for number, upstream in enumerate(settings.upstreams) if _serves(upstream, route)]
        if not serving:
            yield f"route[{at}]: no upstream serves its path and host"
        wider = [number for number in serving if not _hosts_cover(route.host, [settings.upstreams[number].host])]
        if wider and route.require is not None:
            yield (
                f"route[{at}].host: clients choose the host that they name, and under another one they reach upstream[{wider[0]}] "
                "without this rule; give that upstream the host, or leave the route's out"
            )


def _serves(upstream: UpstreamSettings, route: RouteSettings) -> bool:
    return _hosts_meet([upstream.host], route.host) and meet(paths_of(upstream.path, itself=True), route_paths(route.route))


def _host(upstream: UpstreamSettings) -> str:
    host = upstream.url.partition("://")[2]
    return host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]


def _asked_warnings(settings: GatewaySettings) -> Iterator[str]:
    """What counts for requests that pass through this gateway, and not for those that another proxy asks about."""
    asked = settings.forward_auth
    if asked is None:
        return
    theirs = "requests that another proxy asks about are not changed by this gateway"
    for at, route in enumerate(settings.routes):
        if route.authorization != "keep":
            yield f"route[{at}].authorization: {theirs}; let that proxy change Authorization and the other credentials"
        if route.close_at_expiry:
            yield f"route[{at}].close_at_expiry: {theirs}, and their websockets not ended"
    if settings.assertion is not None:
        yield (
            f"assertion: {theirs}: they go without it, and {settings.assertion.header} is what clients send; "
            "let that proxy remove it"
        )
    if asked.kinds:
        for at, source in enumerate(settings.credentials):
            if isinstance(source, FromQuery) or source == FromSubprotocol:
                yield f"credential[{at}]: {theirs}: its application sees these tokens"
    if asked.grpc is not None and asked.grpc.startswith("unix:") and settings.server.workers > 1:
        yield "forward_auth.grpc: of several workers only one answers at a unix socket; give host:port to have all of them answer"


def _network_warnings(settings: GatewaySettings) -> Iterator[str]:
    server, asked = settings.server, settings.forward_auth
    reachable = [address for address in server.bind if not _is_local(address)]
    if reachable and server.tls_certificate is None:
        yield f"server.bind: {', '.join(reachable)} is reached from other machines, and tokens come there in the clear; see that TLS ends in front"
    if server.admin and not _is_local(server.admin):
        yield f"server.admin: {server.admin} shows metrics and readiness to other machines"
    for network in server.trusted_proxies:
        if _is_everybody(network):
            yield f"server.trusted_proxies: {network} is everybody: clients say themselves where they come from"
        elif reachable and network != "unix" and ip_network(network).num_addresses > 1 and not ip_network(network).is_loopback:
            yield (
                f"server.trusted_proxies: every machine in {network} can reach {reachable[0]} past the proxy, and say itself where "
                "requests come from; name the proxies' own addresses"
            )
    if asked is not None:
        for network in asked.trusted:
            if _is_everybody(network) and asked.secret_file is None:
                yield f"forward_auth.trusted: {network} is everybody: whoever reaches the gateway can ask; name the proxy, or give secret_file"
        if asked.grpc is not None and not _is_local(asked.grpc):
            yield f"forward_auth.grpc: {asked.grpc} answers other machines; see that only Envoy reaches it"
    if settings.log.query:
        yield "log.query: query strings are written; they can hold tokens and what else nobody should read"


def _is_local(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    return is_loopback(address.rpartition(":")[0].strip("[]"))


def _is_everybody(network: str) -> bool:
    return network != "unix" and ip_network(network).prefixlen <= 1  # two halves make a whole


_OWN: Paths = paths_of("/_cognito_guard/*", itself=True)
