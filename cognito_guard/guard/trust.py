"""Whom a Guard trusts: for each issuer what is accepted of it, and the ring that holds its keys.

Decides which issuer strings lead to a ring: those of the profiles, and those for which the application's `resolve` names a profile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.keys import KeyRing, KeyStatus, StaticKeys, warm_up, warm_up_async
from cognito_guard.pool import KeySource, Profile
from cognito_guard.token.acceptance import Acceptance, acceptances

if TYPE_CHECKING:
    from cachetools import LRUCache

Resolve = Callable[[str], Profile | None]
Ring = KeyRing | StaticKeys
OpenRings = Callable[[Sequence[Profile]], dict[KeySource, Ring]]
_TENANTS = 1024  # resolved profiles whose keys are kept; beyond, the least recently used are fetched again


class Trust(NamedTuple):
    """One issuer: what is accepted of it, and its keys. `resolved`: the application's `resolve` named it."""

    acceptance: Acceptance
    ring: Ring
    resolved: bool


class TrustStore:
    """From an issuer to its `Trust`. Every problem of the profiles and their key files goes to `problems`."""

    def __init__(
        self, profiles: Sequence[Profile], *, resolve: Resolve | None, open_rings: OpenRings, problems: list[str]
    ) -> None:
        self._resolve = resolve
        self._open_rings = open_rings
        self._profiles = tuple(profiles)
        self._fixed = self._open(profiles, problems, resolved=False)
        self._lock = Lock()
        self._tenants: LRUCache[Profile, dict[str, Trust]] | None = None
        if resolve is not None:
            from cachetools import LRUCache  # late: most programs know their tenants

            self._tenants = LRUCache(_TENANTS)

    def of(self, issuer: Any) -> Trust:
        """The trust in an issuer as a token names it. Raises `TokenRejected`, or what `resolved_profile` raises."""
        trust = self._fixed.get(issuer) if type(issuer) is str else None
        if trust is None:
            if self._tenants is None or type(issuer) is not str:
                raise TokenRejected("issuer_unknown", "iss")
            trust = self._tenant(issuer, self._tenants)
        return trust

    def resolved_profile(self, issuer: str) -> Profile | None:
        """What the application's `resolve` answers now. Raises `Unavailable` if it fails."""
        if self._resolve is None:
            return None
        try:
            return self._resolve(issuer)
        except Exception as error:
            raise Unavailable("resolve_unavailable", "resolve failed", retry_after=1) from error

    def _tenant(self, issuer: str, tenants: LRUCache[Profile, dict[str, Trust]]) -> Trust:
        profile = self.resolved_profile(issuer)
        if profile is None:
            raise TokenRejected("issuer_unknown", "iss")
        if not isinstance(profile, Profile) or all(issuer != own.url for own in profile.issuers):
            raise ConfigurationError("resolve", ["answer None, or a profile whose issuers hold the one that was asked for"])
        with self._lock:
            trusts = tenants.get(profile)
        if trusts is None:
            problems: list[str] = []
            trusts = self._open([profile], problems, resolved=True)  # may read a key file: not under the lock
            if problems:
                raise ConfigurationError("resolve", problems)
            with self._lock:
                trusts = tenants.setdefault(profile, trusts)
        return trusts[issuer]

    def warm_up(self) -> None:
        """Fetch the keys of the fixed profiles. Raises `Unavailable`."""
        warm_up(self._profiles, self._rings())

    async def warm_up_async(self) -> None:
        """`warm_up`, awaited."""
        await warm_up_async(self._profiles, self._rings())

    def status(self) -> tuple[KeyStatus, ...]:
        """The state of every key source, of resolved tenants too."""
        with self._lock:
            tenants = [trust for trusts in (self._tenants or {}).values() for trust in trusts.values()]
        rings = [trust.ring for trust in (*self._fixed.values(), *tenants)]
        return tuple(ring.status() for ring in dict.fromkeys(rings))

    def _rings(self) -> dict[KeySource, Ring]:
        return {trust.acceptance.keys: trust.ring for trust in self._fixed.values()}

    def _open(self, profiles: Sequence[Profile], problems: list[str], *, resolved: bool) -> dict[str, Trust]:
        accepted = acceptances(profiles, problems)
        try:
            rings = self._open_rings(profiles)
        except ConfigurationError as error:
            problems += error.problems
            return {}
        return {url: Trust(acceptance, rings[acceptance.keys], resolved) for url, acceptance in accepted.items()}
