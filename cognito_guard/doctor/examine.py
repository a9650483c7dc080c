"""The checks one after the other: what each needs of those before it, and which are left out, with the reason.

Decides the order. Each check judges for itself, and only what a subject names is asked.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from cognito_guard.doctor.clock import clock_finding
from cognito_guard.doctor.finding import Finding
from cognito_guard.doctor.network import Answer, Network, UpstreamSubject
from cognito_guard.doctor.pools import (
    discovery_finding,
    given_keys_finding,
    issuer_finding,
    keys_finding,
    outcome_of,
    pool_finding,
)
from cognito_guard.doctor.sign_in import client_finding, domain_finding
from cognito_guard.doctor.surroundings import authorities_finding, proxy_finding
from cognito_guard.doctor.upstreams import upstream_finding
from cognito_guard.keys.documents import Good
from cognito_guard.pool import Issuer, JwksUrl
from cognito_guard.value import Value


class PoolSubject(Value):
    """A pool to look into. `issuers` are `UserPool(...).issuers`, or empty where the id is none; `given_issuer`: they are not the id's own."""

    __slots__ = ("id", "issuers", "clients", "given_issuer")
    id: str
    issuers: tuple[Issuer, ...]
    clients: tuple[str, ...]
    given_issuer: bool

    def __init__(
        self,
        pool_id: str,
        issuers: tuple[Issuer, ...],
        *,
        clients: tuple[str, ...] = (),
        given_issuer: bool = False,
    ) -> None:
        self._set(id=pool_id, issuers=issuers, clients=clients, given_issuer=given_issuer)


class Subject(Value):
    """Everything that is looked into. `proxy` and `ca` are what `HttpFetch` would be given; `domain` that of managed login, where known."""

    __slots__ = ("pools", "domain", "redirect_uri", "proxy", "ca", "upstreams")
    pools: tuple[PoolSubject, ...]
    domain: str | None
    redirect_uri: str | None
    proxy: str | None
    ca: str | None
    upstreams: tuple[UpstreamSubject, ...]

    def __init__(
        self,
        pools: tuple[PoolSubject, ...],
        *,
        domain: str | None = None,
        redirect_uri: str | None = None,
        proxy: str | None = None,
        ca: str | None = None,
        upstreams: tuple[UpstreamSubject, ...] = (),
    ) -> None:
        self._set(pools=pools, domain=domain, redirect_uri=redirect_uri, proxy=proxy, ca=ca, upstreams=upstreams)


def examine(subject: Subject, network: Network, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The findings, each as soon as it is made. Raises nothing: what goes wrong is a finding."""
    sources = [issuer.keys for pool in subject.pools for issuer in pool.issuers]
    urls = [source.url for source in sources if isinstance(source, JwksUrl)]
    yield proxy_finding(subject.proxy, environment, [*urls, *([subject.domain] if subject.domain else [])])
    yield authorities_finding(subject.ca, environment)
    dated: dict[str, Answer] = {}
    for pool in subject.pools:
        yield pool_finding(pool.id, pool.issuers if pool.given_issuer else ())
        domains: list[str] = []
        if pool.issuers:
            yield from _keys(pool, network, dated, domains)
        yield from _sign_in(pool, subject, [*filter(None, [subject.domain]), *domains][:1], network)
    host, answer = next(iter(dated.items()), ("", None))
    yield clock_finding(host, answer)
    for upstream in subject.upstreams:
        yield upstream_finding(upstream, network)
    if not subject.upstreams:
        yield Finding("upstream", "skipped", "none is named", "Give --upstream or --config to have it looked into")


def _keys(pool: PoolSubject, network: Network, dated: dict[str, Answer], domains: list[str]) -> Iterator[Finding]:
    """The pool's key sources, then the discovery documents of the issuers that publish their own."""
    sources = dict.fromkeys(issuer.keys for issuer in pool.issuers)
    outcomes = {}
    for source in sources:
        if not isinstance(source, JwksUrl):
            yield given_keys_finding(source)
            continue
        answer = network.get(source.url)
        outcomes[source] = outcome_of(answer)
        if isinstance(answer, Answer) and answer.field("date"):
            dated.setdefault(urlsplit(source.url).hostname or "", answer)
    good = {source: outcome.jwks for source, outcome in outcomes.items() if isinstance(outcome, Good)}
    for source, outcome in outcomes.items():
        yield issuer_finding(source.url, outcome, others_answer=bool(good.keys() - {source}))
    for source, jwks in good.items():
        yield keys_finding(source.url, jwks)
    publishing = [issuer for issuer in pool.issuers if issuer.keys in good]
    own = [issuer for issuer in publishing if _lies_below(issuer)]
    for issuer in own:
        found, domain = discovery_finding(
            issuer, network.get(f"{issuer.url}/.well-known/openid-configuration"), {each.url for each in pool.issuers}
        )
        domains += [domain] if domain and domain not in domains else []
        yield found
    if not own:
        told = "no issuer answers" if not publishing and outcomes else "the keys do not come from the issuer, so it is not asked"
        yield Finding("discovery", "skipped", told)


def _lies_below(issuer: Issuer) -> bool:
    return isinstance(issuer.keys, JwksUrl) and issuer.keys.url.startswith(f"{issuer.url}/")


def _sign_in(pool: PoolSubject, subject: Subject, domains: list[str], network: Network) -> Iterator[Finding]:
    if not domains:
        yield Finding("domain", "skipped", "no managed-login domain is known", "Give --domain to have it looked into")
        yield Finding("app client", "skipped", "it is tried at managed login, whose domain is not known")
        return
    [domain] = domains
    found = domain_finding(domain, network)
    yield found
    if found.status == "failed":
        yield Finding("app client", "skipped", "managed login does not answer")
    elif not pool.clients:
        yield Finding("app client", "skipped", "none is named", "Give --client to have it tried")
    elif subject.redirect_uri is None:
        yield Finding(
            "app client",
            "skipped",
            "no redirect URI is known",
            "Give --redirect-uri, one of the client's callback URLs, to have it tried",
        )
    else:
        for client in pool.clients:
            challenge = urlsafe_b64encode(sha256(secrets.token_bytes(32)).digest()).decode().rstrip("=")
            yield client_finding(
                domain, client, subject.redirect_uri, network, challenge=challenge, state=secrets.token_urlsafe(16)
            )
