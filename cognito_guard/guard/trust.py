"""Whom a Guard trusts: for each issuer what is accepted of it, and the ring that holds its keys.

Decides which issuer strings lead to a ring: those of the profiles, and those for which the application's `resolve` names a profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.keys import KeyRing, KeyStatus, StaticKeys, warm_up, warm_up_async
from cognito_guard.pool import Issuer, KeySource, Profile
from cognito_guard.token.acceptance import Acceptance, acceptances

Resolve = Callable[[str], Profile | Sequence[Profile] | None]
Ring = KeyRing | StaticKeys
OpenRings = Callable[[Sequence[Profile]], Mapping[KeySource, Ring]]
_TENANTS = 1024  # resolved pools whose keys are kept; beyond, those of the least recently used are fetched again


class Trust(NamedTuple):
    """One issuer: what is accepted of it, and its keys. `resolved`: the application's `resolve` named it."""

    acceptance: Acceptance
    ring: Ring
    resolved: bool


class _Tenant(NamedTuple):
    """What `resolve` last answered for a set of issuers."""

    profiles: tuple[Profile, ...]
    trusts: dict[str, Trust]


class TrustStore:
    """From an issuer to its `Trust`. Every problem of the profiles and their key files goes to `problems`."""

    def __init__(
        self, profiles: Sequence[Profile], *, resolve: Resolve | None, open_rings: OpenRings, problems: list[str]
    ) -> None:
        self._resolve = resolve
        self._open_rings = open_rings
        self._profiles = tuple(profiles)
        self._fixed = self._trusts(self._profiles, None, problems, resolved=False)
        self._lock = Lock()
        self._tenants: dict[tuple[Issuer, ...], _Tenant] = {}  # the most recently used last

    def of(self, issuer: Any) -> Trust:
        """The trust in an issuer as a token names it. Raises `TokenRejected`, or what `resolved_profiles` raises."""
        trust = self._fixed.get(issuer) if type(issuer) is str else None
        if trust is None:
            if self._resolve is None or type(issuer) is not str:
                raise TokenRejected("issuer_unknown", "iss")
            trust = self._resolved(issuer)
        return trust

    def resolved_profiles(self, issuer: str) -> tuple[Profile, ...]:
        """What the application's `resolve` answers now; nothing where it does not know the issuer.

        Raises `Unavailable` if it fails (its own exception is the cause), `ConfigurationError` if it answers anything else.
        """
        if self._resolve is None:
            return ()
        try:
            answer = self._resolve(issuer)
        except Exception as error:
            raise Unavailable("resolve_unavailable", "resolve failed", retry_after=1) from error
        if answer is None:
            return ()
        profiles = (answer,) if isinstance(answer, Profile) else tuple(answer) if isinstance(answer, list | tuple) else ()
        if not profiles or not all(isinstance(each, Profile) and _names(each, issuer) for each in profiles):
            problem = "answer None, a profile, or several; each one's issuers hold the one that was asked for"
            raise ConfigurationError("resolve", [problem])
        return profiles

    def warm_up(self) -> None:
        """Fetch the keys of the fixed profiles. Raises `Unavailable`."""
        warm_up(self._profiles, _rings(self._fixed))

    async def warm_up_async(self) -> None:
        """`warm_up`, awaited."""
        await warm_up_async(self._profiles, _rings(self._fixed))

    def status(self) -> tuple[KeyStatus, ...]:
        """The state of every key source, of resolved tenants too."""
        with self._lock:
            trusts = [self._fixed, *(tenant.trusts for tenant in self._tenants.values())]
        rings = dict.fromkeys(trust.ring for group in trusts for trust in group.values())
        return tuple(ring.status() for ring in rings)

    def _resolved(self, issuer: str) -> Trust:
        profiles = self.resolved_profiles(issuer)
        if not profiles:
            raise TokenRejected("issuer_unknown", "iss")
        issuers = tuple(dict.fromkeys(own for profile in profiles for own in profile.issuers))
        with self._lock:
            tenant = self._tenants.pop(issuers, None)
            if tenant is not None:
                self._tenants[issuers] = tenant
        if tenant is None or tenant.profiles != profiles:
            problems: list[str] = []
            # a tenant whose clients changed keeps its keys; what is opened anew may read a file, so not under the lock
            rings = None if tenant is None else _rings(tenant.trusts)
            tenant = _Tenant(profiles, self._trusts(profiles, rings, problems, resolved=True))
            if problems:
                raise ConfigurationError("resolve", problems)
            with self._lock:
                self._tenants[issuers] = tenant
                while len(self._tenants) > _TENANTS:
                    del self._tenants[next(iter(self._tenants))]
        return tenant.trusts[issuer]

    def _trusts(
        self, profiles: tuple[Profile, ...], rings: Mapping[KeySource, Ring] | None, problems: list[str], *, resolved: bool
    ) -> dict[str, Trust]:
        accepted = acceptances(profiles, problems)
        try:
            rings = self._open_rings(profiles) if rings is None else rings
        except ConfigurationError as error:
            problems += error.problems
            return {}
        return {url: Trust(acceptance, rings[acceptance.keys], resolved) for url, acceptance in accepted.items()}


def _names(profile: Profile, issuer: str) -> bool:
    return any(issuer == own.url for own in profile.issuers)


def _rings(trusts: Mapping[str, Trust]) -> dict[KeySource, Ring]:
    return {trust.acceptance.keys: trust.ring for trust in trusts.values()}
