"""From settings to the parts that serve: Guard, policy, upstreams, rewriting, forward-auth.

Decides how the settings' words become arguments, and reads the files that they name. Serves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from cognito_guard.adapters.asgi import Scope
from cognito_guard.decision import Decision
from cognito_guard.errors import ConfigurationError
from cognito_guard.front import FrontSettings, Outcome
from cognito_guard.gateway.exchange import Handling
from cognito_guard.gateway.forward_auth.endpoint import ForwardAuth
from cognito_guard.gateway.forward_auth.kinds import Original
from cognito_guard.gateway.parts import Parts
from cognito_guard.gateway.policy import Policy
from cognito_guard.gateway.proxy import Proxy
from cognito_guard.gateway.rewriting import Assertion, Authorization, IdentityHeaders, OwnCookies, Peers, Rewriting
from cognito_guard.gateway.settings import (
    AssertionSettings,
    ForwardAuthSettings,
    GatewaySettings,
    RouteSettings,
    UpstreamSettings,
)
from cognito_guard.gateway.upstream import Address, Entry, Health, Replicas, Timeouts, Upstream, Upstreams, client_context
from cognito_guard.guard import Guard
from cognito_guard.keys import HttpFetch
from cognito_guard.policy import HasScope
from cognito_guard.web import FromCookie, FromHeader, Protect, ReportOnly
from cognito_guard.web.routes import Route

if TYPE_CHECKING:
    from cognito_guard.gateway.ext_authz.service import ExtAuthz


class Listeners(NamedTuple):
    """Who hears of decisions, and of the answers to other proxies' questions."""

    decided: Callable[[Decision], object]
    answered: Callable[[Scope, Original | None, Outcome], object]
    answered_grpc: Callable[[Original | None, Outcome], object]


def assemble(
    settings: GatewaySettings,
    heard: Listeners,
    *,
    clock: Callable[[], float],
    before: Parts | None = None,
    **guard_settings: Any,
) -> Parts:
    """Build everything that the settings name. Raises `ConfigurationError` with every mistake of the files and values in them.

    The Guard of the parts `before` goes on, with its keys and the tokens that it knows, where whom it trusts is still the same.
    """
    problems: list[str] = []
    trusted = _trusted(settings)
    guard: Guard | None
    if before is not None and before.trusted == trusted:
        guard = before.guard
    else:
        guard = _told(problems, "", lambda: _guard(settings, clock, guard_settings))
    peers = _peers(settings.server.trusted_proxies)
    identity: IdentityHeaders | None = _told(problems, "identity", lambda: IdentityHeaders(dict(settings.identity)))
    assertion = None if settings.assertion is None else _assertion(settings.assertion, problems)
    rewriting: Rewriting | None = None
    if identity is not None:
        rewriting = _told(problems, "", lambda: _rewriting(settings, identity, peers, assertion))
    upstreams, own_hosts, checks = _upstreams(settings, problems)
    handling = {id(route.route): _handling(route, problems) for route in settings.routes}
    policy: Policy | None = None
    if guard is not None:
        policy = _told(problems, "", lambda: _policy(settings, guard, heard.decided))
    asked: tuple[ForwardAuth | None, ExtAuthz | None] = (None, None)
    if settings.forward_auth is not None and policy is not None and identity is not None:
        asked = _forward_auth(settings.forward_auth, policy, identity, heard, problems)
    if problems or guard is None or policy is None or rewriting is None:
        raise ConfigurationError("proxy", problems)
    parts = Parts(settings, guard, peers, trusted)
    parts.forward_auth, parts.grpc = asked
    parts.jwks = None if assertion is None else assertion.jwks()
    if upstreams is not None:
        parts.serves(upstreams, checks)
        parts.proxy = Proxy(
            policy, upstreams, rewriting, clock=clock, handling=handling, own_hosts=own_hosts, idle=settings.timeouts.idle
        )
    return parts


def _policy(settings: GatewaySettings, guard: Guard, decided: Callable[[Decision], object]) -> Policy:
    front: FrontSettings = {"realm": settings.realm, "credentials": settings.credentials, "on_decision": decided}
    if settings.resource is not None:
        front["resource"] = settings.resource.metadata
    if settings.mode == "report-only":
        front["mode"] = ReportOnly
    routes: list[tuple[Route, Sequence[str]]] = [(route.route, route.host) for route in settings.routes]
    if not _are_handled_alike(settings.routes):
        routes.insert(0, (_TELLS_APART, ()))
    return Policy(guard, routes, **front)


def _are_handled_alike(routes: Sequence[RouteSettings]) -> bool:
    """Whether it makes no difference to `Authorization` and to websockets under which route a path falls, as it makes none to who may."""
    kinds = {(route.authorization, route.authorization_file, route.close_at_expiry) for route in routes}
    if not any(route.path == "/*" and not route.methods and not route.host for route in routes):
        kinds.add(("keep", None, False))
    return len(kinds) == 1


def _forward_auth(
    asked: ForwardAuthSettings, policy: Policy, identity: IdentityHeaders, heard: Listeners, problems: list[str]
) -> tuple[ForwardAuth | None, ExtAuthz | None]:
    """Those who answer other proxies: over HTTP and over gRPC."""
    secret = None
    if asked.secret_file is not None:
        secret = _octets(asked.secret_file, "forward_auth.secret_file", problems).strip() or None
    trusts = _peers(asked.trusted).trusts
    over_http = over_grpc = None
    if asked.kinds:
        over_http = _told(
            problems,
            "forward_auth",
            lambda: ForwardAuth(
                policy.judge,
                kinds=asked.kinds,
                trusts=trusts,
                identity=identity.pairs,
                secret=secret,
                on_answer=heard.answered,
            ),
            {"secret": "secret_file"},
        )
    if asked.grpc is not None:
        try:
            from cognito_guard.gateway.ext_authz.service import ExtAuthz
        except ImportError:
            problems.append("forward_auth.grpc: it needs grpcio; install it with: pip install 'cognito-guard[grpc]'")
        else:
            over_grpc = _told(
                problems,
                "forward_auth",
                lambda: ExtAuthz(
                    policy.judge, trusts=trusts, identity=identity.pairs, secret=secret, on_answer=heard.answered_grpc
                ),
                {"secret": "secret_file"},
            )
    return over_http, over_grpc


def _assertion(told: AssertionSettings, problems: list[str]) -> Assertion | None:
    key = _octets(told.key_file, "assertion.key_file", problems)
    if not key:
        return None
    made: Assertion | None = _told(
        problems,
        "assertion",
        lambda: Assertion(key, header=told.header, issuer=told.issuer, lifetime=told.lifetime),
        {"key_pem": "key_file"},
    )
    return made


def _guard(settings: GatewaySettings, clock: Callable[[], float], more: dict[str, Any]) -> Guard:
    if settings.ca is not None or settings.proxy is not None:
        more = {"fetch": HttpFetch(ca=settings.ca, proxy=settings.proxy), **more}
    return Guard(*settings.profiles, leeway=settings.leeway, snapshots=settings.snapshots, clock=clock, **more)


def _trusted(settings: GatewaySettings) -> tuple[object, ...]:
    """Everything that makes a Guard, and the content of the files that it reads."""
    files = settings.files & {settings.ca, *(pool.jwks for pool in settings.pools)}
    contents = [(path, _content(path)) for path in sorted(files)]
    return settings.profiles, settings.leeway, settings.snapshots, settings.ca, settings.proxy, contents


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _peers(trusted: Sequence[str]) -> Peers:
    return Peers([network for network in trusted if network != "unix"], unix="unix" in trusted)


def _rewriting(settings: GatewaySettings, identity: IdentityHeaders, peers: Peers, assertion: Assertion | None) -> Rewriting:
    cookies = [source.name for source in settings.credentials if isinstance(source, FromCookie)]
    return Rewriting(
        identity,
        peers,
        assertion=assertion,
        credentials=[source.name for source in settings.credentials if isinstance(source, FromHeader)],
        credential_cookies=OwnCookies(cookies),
        trailers=True,
        methods_decide=any(route.methods for route in settings.routes),
    )


def _upstreams(
    settings: GatewaySettings, problems: list[str]
) -> tuple[Upstreams[Replicas] | None, dict[int, bytes], dict[tuple[str, str], tuple[bytes, float]]]:
    """The upstreams; the Host that one wants instead of the client's, by its id; and the active checks by what they serve."""
    own_hosts: dict[int, bytes] = {}
    checks: dict[tuple[str, str], tuple[bytes, float]] = {}
    entries = []
    for at, told in enumerate(settings.upstreams):
        upstream = _told(problems, f"upstream[{at}]", partial(_upstream, told, settings))
        if upstream is None:
            continue
        entry = Entry(upstream, host=told.host, path=told.path)
        entries.append(entry)
        if not told.preserve_host:
            own_hosts[id(upstream)] = upstream.address.authority
        if told.health is not None:
            checks[entry.host, entry.path] = told.health.encode("ascii"), told.health_interval
    return (Upstreams(entries, Replicas) if entries else None), own_hosts, checks


def _upstream(told: UpstreamSettings, settings: GatewaySettings) -> Upstream:
    address, times = Address(told.url), settings.timeouts
    tls = client_context(ca=told.ca, client_cert=told.client_cert, client_key=told.client_key) if address.tls else None
    return Upstream(
        address,
        timeouts=Timeouts(connect=times.connect, answer=times.answer, idle=times.idle, total=times.total),
        connections=told.connections,
        keep_alive=told.keep_alive,
        tls=tls,
        sni=told.sni,
        health=Health(),
    )


def _handling(route: RouteSettings, problems: list[str]) -> Handling:
    authorization: Authorization = "strip" if route.authorization == "strip" else "keep"
    if route.authorization == "replace" and route.authorization_file is not None:
        setting = f"route {route.path}: authorization_file"
        value = _octets(route.authorization_file, setting, problems).strip()
        if value and not _FIELD_VALUE.fullmatch(value):
            problems.append(
                f"{setting}: {route.authorization_file} holds no field value; write it on one line, in visible characters"
            )
        authorization = ("replace", value)
    return Handling(authorization, close_at_expiry=route.close_at_expiry)


def _octets(path: str, setting: str, problems: list[str]) -> bytes:
    """The content of a small file; empty, and a problem told, where it cannot be had or is empty."""
    reason = ""
    try:
        with open(path, "rb") as file:
            octets = file.read(65536)
    except OSError as error:
        octets, reason = b"", error.strerror or type(error).__name__
    if not octets.strip():
        problems.append(f"{setting}: {path} {f'cannot be read ({reason})' if reason else 'is empty'}; name a file with the value")
        return b""
    return octets


def _told(problems: list[str], place: str, build: Callable[[], Any], keys: Mapping[str, str] = MappingProxyType({})) -> Any:
    """What `build` answers, or None, and its mistakes under the setting's name; `keys`: the settings' names of its arguments."""
    try:
        return build()
    except ConfigurationError as error:
        for problem in error.problems:
            argument, colon, sentence = problem.partition(": ")
            told = f"{keys.get(argument, argument)}{colon}{sentence}"
            problems.append(f"{place}.{told}" if place else told)
    return None


# of no use but to differ: a path with two readings is refused where routes demand different things
_TELLS_APART = Protect("/_cognito_guard/nobody", HasScope("cognito-guard/nobody"))
_FIELD_VALUE = re.compile(rb"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?")
