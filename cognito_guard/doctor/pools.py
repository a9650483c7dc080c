"""A pool's id, its JWK Sets and its discovery documents, each judged by itself.

Decides what an answer of an issuer means: in use, not in use, out of reach, or wrong. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from cognito_guard.doctor.finding import Finding
from cognito_guard.doctor.network import Answer, NoAnswer, advice_for
from cognito_guard.errors import ConfigurationError
from cognito_guard.jose.jwk import JwkSet
from cognito_guard.jose.strict_json import parse_object
from cognito_guard.keys import Fetched, StaticKeys
from cognito_guard.keys.documents import Failure, Good, Outcome, read
from cognito_guard.pool import Issuer, JwksDocument, JwksFile, UserPool
from cognito_guard.urls import vetted_url

ALGORITHMS = ("RS256",)
_PARTITIONS = (
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
)


def pool_finding(pool_id: str, issuers: tuple[Issuer, ...]) -> Finding:
    """What the id says. Its form alone: whether there is such a pool, its issuers tell. `issuers` are those that were given instead."""
    try:
        UserPool(pool_id)
    except ConfigurationError as error:
        if issuers:
            return Finding("pool", "ok", f"{pool_id}, an emulator's: its issuer is {issuers[0].url}")
        told = "; ".join(problem.partition(": ")[2] for problem in error.problems)
        return Finding(
            "pool",
            "failed",
            f"{pool_id[:60]!r} is no user pool id",
            told.replace("give issuer=", "give --issuer"),
        )
    region = pool_id.rpartition("_")[0]
    partition = next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")
    return Finding("pool", "ok", f"{pool_id}: region {region}, partition {partition}")


def outcome_of(answer: Answer | NoAnswer) -> Outcome | NoAnswer:
    """What the answer means to a key ring."""
    if isinstance(answer, NoAnswer):
        return answer
    if answer.field("content-encoding").strip().lower() not in ("", "identity"):
        return Failure("encoded", "the answer is compressed, although identity was asked for")
    return read(Fetched(answer.status, answer.body, answer.field("cache-control")), ALGORITHMS)


def issuer_finding(url: str, outcome: Outcome | NoAnswer, *, others_answer: bool) -> Finding:
    """One place where a pool publishes its keys. `others_answer`: another of the pool's places has good ones."""
    if isinstance(outcome, Good):
        return Finding("issuer", "ok", f"{url}: it answers with a JWK Set")
    if isinstance(outcome, NoAnswer):
        told, advice = str(outcome), advice_for(outcome)
    elif outcome.code == "denied" and others_answer:
        return Finding("issuer", "ok", f"{url}: {outcome.text}, so this pool does not use it, which is fine: another one answers")
    else:
        told, advice = (
            outcome.text,
            _ADVICE.get(outcome.code, "Whatever answers there is no JWKS endpoint; look at what stands between"),
        )
    if others_answer:
        return Finding(
            "issuer",
            "warning",
            f"{url}: {told}",
            f"{advice}. Until then, tokens of this issuer get 503, and those of the other pass",
        )
    return Finding("issuer", "failed", f"{url}: {told}", advice)


_ADVICE = {
    "denied": (
        "Check the pool's id, letter by letter, and its region: AWS answers so for pools that there are not. If it is right, a firewall "
        "or proxy refuses"
    ),
    "status": "If AWS's health page shows nothing, look at what stands between: a proxy or firewall of yours, or a quota",
    "redirect": "Something on the way redirects, such as a captive portal or a proxy that asks for a sign-in; let the host through",
}


def keys_finding(url: str, jwks: JwkSet) -> Finding:
    """The JWK Set itself: Cognito publishes two RSA keys of 2048 bits, one for access and one for ID tokens."""
    bits = sorted({key.material[0].bit_length() for key in jwks.keys.values()})
    told = f"{url}: {_count(len(jwks.keys), 'usable key')} (RSA, {' and '.join(map(str, bits))} bits)"
    if jwks.refused:
        return Finding(
            "keys",
            "failed",
            f"{told}; different keys share one kid: {'; '.join(jwks.left_out[:5])}",
            "No token under that kid verifies. Look at what publishes this set: Cognito gives every key a kid of its own",
        )
    problems = [f"left out: {'; '.join(jwks.left_out[:5])}"] if jwks.left_out else []
    advice = ["Tokens signed by a key that is left out are refused (key_unknown)"] if jwks.left_out else []
    if len({key.material for key in jwks.keys.values()}) < len(jwks.keys):
        problems.append("one key stands under several kids")
        advice.append("Look at what publishes this set: Cognito does not do so")
    if len(jwks.keys) == 1:
        problems.append("Cognito publishes two, one for access and one for ID tokens")
        advice.append("An emulator such as moto has one, and that is fine for tests; Cognito itself never has fewer than two")
    if problems:
        return Finding("keys", "warning", f"{told}; {'; '.join(problems)}", ". ".join(advice))
    return Finding("keys", "ok", told)


def given_keys_finding(source: JwksFile | JwksDocument) -> Finding:
    """Keys that are bundled with the application."""
    try:
        held = StaticKeys(source, algorithms=ALGORITHMS).held
    except ConfigurationError as error:
        problem, _, advice = error.problems[0].partition("; give ")
        return Finding("keys", "failed", problem.removeprefix("jwks: "), f"Give {advice}" if advice else "Give a JWK Set file")
    where = source.path if isinstance(source, JwksFile) else "a document"
    found = keys_finding(where, JwkSet(held.keys, held.refused, held.left_out))
    return Finding("keys", found.status, f"{found.found}; it is never renewed, and nothing is fetched", found.advice)


def discovery_finding(issuer: Issuer, answer: Answer | NoAnswer, accepted: Collection[str]) -> tuple[Finding, str]:
    """What the issuer says of itself, and the managed-login domain that it names, or "". `accepted`: every issuer that the pool may have."""
    url = f"{issuer.url}/.well-known/openid-configuration"
    document = _document(answer)
    if document is None:
        told = str(answer) if isinstance(answer, NoAnswer) else f"the answer ({answer.status}) is no discovery document"
        advice = "Tokens are verified without it; clients that look for the endpoints (MCP, OpenID Connect libraries) need it"
        return Finding("discovery", "warning", f"{url}: {told}", advice), ""
    named = document.get("issuer")
    if not isinstance(named, str) or named not in accepted:
        return Finding(
            "discovery",
            "failed",
            f"{url} names another issuer, {_shown(named)}: tokens that carry it are refused here (issuer_unknown)",
            "If that is the pool's real issuer, do not replace it: leave --issuer out, and name where the keys are by --jwks",
        ), ""
    domain, problems = _domain(document, issuer), []
    if document.get("jwks_uri") != getattr(issuer.keys, "url", None):
        problems.append("its jwks_uri is not where the keys are fetched from")
    if not domain:
        problems.append("it names no managed-login domain")
    told = f"{url}: tokens carry the issuer {named}"
    if problems:
        advice = {
            True: "Without a domain there is no sign-in through the browser and no custom scope: App integration > Domain makes one",
            False: "The keys come from where they are meant to; look at what rewrites this document",
        }[not domain]
        return Finding("discovery", "warning", f"{told}; {'; '.join(problems)}", advice), domain
    return Finding("discovery", "ok", f"{told}; managed login is at {domain}"), domain


def _document(answer: Answer | NoAnswer) -> Mapping[str, Any] | None:
    if isinstance(answer, NoAnswer) or answer.status != 200:
        return None
    try:
        return parse_object(answer.body)
    except ValueError:
        return None


def _domain(document: Mapping[str, Any], issuer: Issuer) -> str:
    """Where `/oauth2/authorize` and `/oauth2/token` lie. A pool without a domain names addresses below its issuer, which lead nowhere."""
    ends = []
    for member, path in (("authorization_endpoint", "/oauth2/authorize"), ("token_endpoint", "/oauth2/token")):
        endpoint = document.get(member)
        if not isinstance(endpoint, str) or not endpoint.endswith(path) or endpoint.startswith(f"{issuer.url}/"):
            return ""
        ends.append(endpoint.removesuffix(path))
    problems: list[str] = []
    domain = vetted_url(ends[0], "domain", problems)
    host = urlsplit(domain).hostname or ""
    return "" if problems or ends[0] != ends[1] or host.startswith(".") else domain


def _shown(named: object) -> str:
    """Something of a document that is not ours, fit for a terminal."""
    return repr(named[:120]) if isinstance(named, str) else "which is not a string"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
