"""Pools, credentials, the protected resource and routes, made by the constructors that every front uses, their mistakes told by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings.mistakes import Spot
from cognito_guard.gateway.settings.readers import INSECURE, is_url
from cognito_guard.gateway.settings.tables import CREDENTIAL
from cognito_guard.gateway.settings.values import PoolSettings, ResourceSettings, RouteSettings
from cognito_guard.policy.text import parse_rule
from cognito_guard.pool import AnyClient, JwksUrl, Profile, UserPool
from cognito_guard.urls import InsecureHttp
from cognito_guard.web import (
    EncodedSlash,
    FromCookie,
    FromHeader,
    FromQuery,
    FromSubprotocol,
    Identify,
    Preflights,
    Protect,
    ProtectedResource,
    Public,
    ReportOnly,
)
from cognito_guard.web.credentials import Source
from cognito_guard.web.routes import Route

ANY_CLIENT = "any-client"


def make_pool(found: dict[str, Any], spot: Spot) -> PoolSettings:
    """A pool and its profiles; without profiles where something is wrong."""
    before = len(spot.mistakes)
    uses = found["token_use"] = tuple(dict.fromkeys(found["token_use"]))
    if found["resource"] and "access" not in uses:
        spot.at("resource").wrong("it is about access tokens, and the pool takes none; leave it out")
    jwks: str | JwksUrl | None = found["jwks"]
    if found["jwks"] is not None and is_url(found["jwks"]):
        try:
            jwks = JwksUrl(_url(found["jwks"]))
        except ConfigurationError as error:
            spot.relay(error, {"url": "jwks"})
            jwks = None
    pool = None
    if found["id"] is not None:
        try:
            pool = UserPool(
                found["id"],
                issuer=None if found["issuer"] is None else _url(found["issuer"]),
                extra_issuers=[_url(issuer) for issuer in found["extra_issuers"]],
                jwks=jwks,
            )
        except ConfigurationError as error:
            spot.relay(error, {"pool_id": "id"})
    profiles: list[Profile] = []
    if found["clients"] is not None:
        # a pool that cannot be built must not hide what is wrong with its clients
        profiles = _profiles(pool or UserPool("eu-west-1_Any"), found, spot)
    return PoolSettings(**found, profiles=tuple(profiles) if len(spot.mistakes) == before else ())


def _profiles(pool: UserPool, found: dict[str, Any], spot: Spot) -> list[Profile]:
    clients = found["clients"]
    if ANY_CLIENT in clients and len(clients) > 1:
        spot.at("clients").wrong(f'"{ANY_CLIENT}" stands alone, since it accepts all the others; name the clients, or only it')
        return []
    client = AnyClient if clients == (ANY_CLIENT,) else list(clients)
    profiles = []
    try:
        if "access" in found["token_use"]:
            profiles.append(pool.access_tokens(client=client, resource=list(found["resource"]) or None))
        if "id" in found["token_use"]:
            profiles.append(pool.id_tokens(client=client))
    except ConfigurationError as error:
        spot.relay(error, {"client": "clients"})
    return profiles


def make_resource(found: dict[str, Any], spot: Spot, pools: Sequence[PoolSettings]) -> ResourceSettings:
    """The protected resource; without metadata where something is wrong."""
    if not found["authorization_servers"]:
        issuers = [profile.issuers[0].url for pool in pools for profile in pool.profiles]
        found["authorization_servers"] = tuple(issuers[:1])
    metadata = None
    if found["url"] is not None:
        try:
            metadata = ProtectedResource(
                found["url"],
                # where the pool has a mistake, its issuer is not another one
                authorization_servers=found["authorization_servers"] or ["https://issuer.invalid"],
                **{key: found[key] for key in ("scopes", "name", "documentation", "policy", "terms")},
            )
        except ConfigurationError as error:
            spot.relay(error, {"resource": "url"})
    return ResourceSettings(**found, metadata=metadata)


def make_credential(found: dict[str, Any], spot: Spot) -> Source | None:
    """One source; None where something is wrong."""
    given = {key: value for key, value in found.items() if value is not None}
    if len(given) != 1:
        if not spot.mistakes.has(spot.place):
            spot.wrong(f"write exactly one of {', '.join(row.key for row in CREDENTIAL)} in each [[credential]]")
        return None
    [(key, value)] = given.items()
    if key == "subprotocol":
        if value is not True:
            spot.at(key).wrong("write true, or leave the whole [[credential]] out")
        return FromSubprotocol
    try:
        return FromCookie(value) if key == "cookie" else FromHeader(value) if key == "header" else FromQuery(value)
    except ConfigurationError as error:
        spot.relay(error, {"name": key})
    return None


def make_route(found: dict[str, Any], spot: Spot) -> RouteSettings:
    """A route; without the value for the fronts where something is wrong."""
    access = found["access"]
    found["methods"] = tuple(sorted(set(found["methods"])))
    for key in _NOT_FOR[access]:
        if found[key] not in (None, False, (), "enforce"):
            spot.at(key).wrong(f'it counts for other routes than access = "{access}"; leave it out, or change access')
    if found["authorization"] == "replace" and found["authorization_file"] is None:
        if not spot.mistakes.has(spot.at("authorization_file").place):
            spot.at("authorization_file").wrong("it is missing; name a file that holds the new field value, such as 'Basic ...'")
    elif found["authorization"] != "replace" and found["authorization_file"] is not None:
        spot.at("authorization_file").wrong('it counts for authorization = "replace" only; write that, or leave it out')
    rule = None
    if found["require"] is not None:
        try:
            rule = parse_rule(found["require"])
        except ConfigurationError as error:
            for problem in error.problems:
                spot.at("require").wrong(problem)
    methods = found["methods"] or None
    route: Route | None = None
    if found["path"] is not None:
        try:
            match access:
                case "public":
                    route = Public(found["path"], methods=methods)
                case "identify":
                    route = Identify(found["path"], methods=methods)
                case "preflights":
                    route = Preflights(found["path"])
                case _:
                    accepts = None if found["accepts"] is None else EncodedSlash
                    mode = None if found["mode"] == "enforce" else ReportOnly
                    route = Protect(found["path"], rule, methods=methods, accepts=accepts, mode=mode)
        except ConfigurationError as error:
            spot.relay(error, {"pattern": "path"})
    return RouteSettings(**found, route=route)


def _url(text: str) -> str | InsecureHttp:
    return InsecureHttp(text.removeprefix(INSECURE)) if text.startswith(INSECURE) else text


_NOT_FOR = {
    "protect": (),
    "identify": ("require", "accepts", "mode"),
    "public": ("require", "accepts", "mode", "close_at_expiry"),
    "preflights": ("require", "accepts", "mode", "close_at_expiry", "methods"),
}
