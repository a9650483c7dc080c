"""What a Guard accepts of one issuer: for each token use and app client, exactly one profile.

Decides which profile a verified token falls under, and which sets of profiles contradict each other. Judges no claim beyond the
ones that select: `token_use`, and the app client's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cognito_guard.errors import TokenRejected
from cognito_guard.jose.compact import JoseHeader
from cognito_guard.pool import Issuer, KeySource, Profile, TokenUse
from cognito_guard.token.claims import Claims, missing_text
from cognito_guard.value import Value

CLIENT_CLAIM: Mapping[TokenUse, str] = {"access": "client_id", "id": "aud"}


class Clients(NamedTuple):
    """The profiles of one issuer and token use: by app client, or one for any."""

    claim: str
    types: frozenset[str]
    named: dict[str, Profile]
    any: Profile | None


class Acceptance(Value):
    """One trusted issuer: its key source, the algorithms its keys may have, and its profiles by token use."""

    __slots__ = ("issuer", "keys", "algorithms", "uses")
    issuer: str
    keys: KeySource
    algorithms: tuple[str, ...]
    uses: dict[str, Clients]

    def __init__(self, issuer: Issuer, profiles: Sequence[Profile]) -> None:
        uses = {}
        for use in dict.fromkeys(profile.token_use for profile in profiles):
            these = [profile for profile in profiles if profile.token_use == use]
            uses[use] = Clients(
                CLIENT_CLAIM[use],
                frozenset().union(*(profile.types for profile in these)),
                {client: profile for profile in these if isinstance(profile.clients, frozenset) for client in profile.clients},
                next((profile for profile in these if not isinstance(profile.clients, frozenset)), None),
            )
        algorithms = tuple(dict.fromkeys(name for profile in profiles for name in profile.algorithms))
        self._set(issuer=issuer.url, keys=issuer.keys, algorithms=algorithms, uses=uses)

    def profile(self, header: JoseHeader, claims: Claims) -> Profile:
        """The profile that verified claims fall under. Raises `TokenRejected`: wrong token use, typ or app client."""
        token_use = claims.get("token_use")
        if type(token_use) is not str:
            raise TokenRejected("claim_invalid" if "token_use" in claims else "claim_missing", "token_use")
        clients = self.uses.get(token_use)
        if clients is None:
            raise TokenRejected("token_use_refused", "token_use")
        if header.typ is not None and header.typ not in clients.types:
            raise TokenRejected("type_refused", "typ")
        fault = missing_text(claims, clients.claim)
        if fault is not None:
            raise TokenRejected(*fault)
        profile = clients.named.get(claims[clients.claim], clients.any)
        if profile is None:
            raise TokenRejected("client_refused", clients.claim)
        return profile


def acceptances(profiles: Sequence[Profile], problems: list[str]) -> dict[str, Acceptance]:
    """By issuer, what is accepted of it. Profiles that contradict each other, so that a token would fit two, go to `problems`."""
    by_issuer: dict[str, list[tuple[Issuer, Profile]]] = {}
    for profile in profiles:
        for issuer in profile.issuers:
            for other, earlier in by_issuer.setdefault(issuer.url, []):
                conflict = _conflict(profile, earlier, same_keys=issuer.keys == other.keys)
                if conflict and conflict not in problems:
                    problems.append(conflict)
            by_issuer[issuer.url].append((issuer, profile))
    return {url: Acceptance(pairs[0][0], [profile for _, profile in pairs]) for url, pairs in by_issuer.items()}


def _conflict(profile: Profile, earlier: Profile, *, same_keys: bool) -> str | None:
    if not same_keys:
        return f"profiles: pool {profile.pool} is given with different keys; build its profiles from one UserPool"
    if profile.token_use != earlier.token_use:
        return None
    if not isinstance(profile.clients, frozenset) or not isinstance(earlier.clients, frozenset):
        return (
            f"profiles: AnyClient takes in every client of pool {profile.pool}; leave its other {profile.token_use} profile out"
        )
    shared = profile.clients & earlier.clients
    if shared:
        named = ", ".join(sorted(shared))
        return f"profiles: two accept {profile.token_use} tokens of pool {profile.pool} and client {named}; name a client once"
    return None
