"""The Guard: from a token to the Principal it speaks for, in threads and on event loops alike.

Decides in which order things are asked: the cache, the parser, the issuer's keys, the signature, the claims, revocation. Each of
them decides its own; this file only leads a token through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING

from cognito_guard import keys
from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.guard.cache import Entry, TokenCache, footprint
from cognito_guard.guard.revocation import DenyList, IsRevoked, IsRevokedAsync, refuse_revoked, refuse_revoked_async
from cognito_guard.guard.trust import Resolve, Trust, TrustStore
from cognito_guard.hooks import is_plain_callable
from cognito_guard.jose import strict_json
from cognito_guard.jose.algorithms import ALGORITHMS
from cognito_guard.jose.compact import CompactJws, CompactParser
from cognito_guard.jose.jwk import VerificationKey
from cognito_guard.keys import Fetch, Held, KeyStatus, KeyTimes
from cognito_guard.pool import Profile
from cognito_guard.token.claims import Claims, first_fault, read_claims, valid_from, valid_until
from cognito_guard.token.principal import Principal

if TYPE_CHECKING:
    from cognito_guard.guard.report import Report

MAX_TOKEN_SIZE = 64 * 1024
MAX_LEEWAY = 3600


class Guard:
    """Verifies the tokens that its profiles accept, and nothing else.

    `Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))` is complete: build one at start and
    share it between threads, tasks and event loops. It opens nothing until the first token, holds no connection and needs no close.

    - `leeway`: seconds by which clocks may differ, for `exp` and `nbf` (`iat` has at least 60).
    - `clock`: seconds since the epoch, for claims. `monotonic`: seconds that never go back, for keys.
    - `fetch`: how JWK Sets are fetched (`HttpFetch(proxy=..., ca=...)` or a callable); `key_times`: for how long they are trusted.
    - `snapshots`: a directory of this user's own in which fetched keys are kept, so that a restart survives an outage.
    - `is_revoked`, `is_revoked_async`: asked for each token that verifies, cached or not; see `DenyList`. The second is awaited by
      `authenticate_async` in place of the first.
    - `resolve`: from an issuer that no profile names (unverified text!) to its profile or profiles, or None: `tenants.get`, not
      `tenants.__getitem__`. It must answer from an allow-list of yours and must not block: whatever it lets through is trusted. It is
      asked again for every token, cached ones included.
    - `max_token_size`: characters, from 65536 upward. `cache_tokens`, `cache_bytes`: bounds of the verified-token cache; below 2 it is off.

    `clock` can be read back: fronts and rules judge by it. Wrong arguments raise `ConfigurationError` with every mistake; correct the
    call. Any other exception is a bug.
    """

    def __init__(
        self,
        *profiles: Profile,
        leeway: float = 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        fetch: Fetch | None = None,
        key_times: KeyTimes | None = None,
        snapshots: str | PathLike[str] | None = None,
        is_revoked: IsRevoked | None = None,
        is_revoked_async: IsRevokedAsync | None = None,
        resolve: Resolve | None = None,
        max_token_size: int = MAX_TOKEN_SIZE,
        cache_tokens: int = 10_000,
        cache_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        problems: list[str] = []
        if not profiles and resolve is None:
            problems.append("profiles: give at least one, such as UserPool(...).access_tokens(client=...), or resolve=")
        wrong = [at for at, profile in enumerate(profiles, 1) if not isinstance(profile, Profile)]
        if wrong:
            problems.append(
                f"profiles: number {', '.join(map(str, wrong))} is not one; a pool's access_tokens() and id_tokens() return them"
            )
        if isinstance(leeway, bool) or not isinstance(leeway, int | float) or not 0 <= leeway <= MAX_LEEWAY:
            problems.append(f"leeway: give seconds, from 0 to {MAX_LEEWAY}; clocks that differ by more need mending")
        if not _is_count(max_token_size) or max_token_size < MAX_TOKEN_SIZE:
            problems.append(
                f"max_token_size: give characters, {MAX_TOKEN_SIZE} or more; groups and custom claims make long tokens"
            )
        for name, bound in (("cache_tokens", cache_tokens), ("cache_bytes", cache_bytes)):
            if not _is_count(bound):
                problems.append(f"{name}: give a whole number, 0 (no cache) or more")
        clocks = {name: given for name, given in (("clock", clock), ("monotonic", monotonic)) if is_plain_callable(given)}
        problems += [f"{name}: give a plain callable of seconds" for name in ("clock", "monotonic") if name not in clocks]
        if resolve is not None and not is_plain_callable(resolve):
            problems.append("resolve: give a plain callable that answers a profile or None; it is not awaited")
        if is_revoked is not None and not is_plain_callable(is_revoked):
            problems.append(
                "is_revoked: give a plain callable that answers True or False; one to be awaited is is_revoked_async="
            )
        if is_revoked_async is not None and (not callable(is_revoked_async) or isinstance(is_revoked_async, DenyList)):
            problems.append("is_revoked_async: give a callable whose answer is awaited; a DenyList is is_revoked=")
        good = tuple(profile for profile in profiles if isinstance(profile, Profile))
        open_rings = partial(
            keys.open_rings,
            fetch=fetch,
            times=key_times,
            # of snapshots the age is taken before any mistake is raised
            monotonic=clocks.get("monotonic", time.monotonic),
            clock=clocks.get("clock", time.time),
            snapshots=snapshots,
        )
        self._trusts = TrustStore(good, resolve=resolve, open_rings=open_rings, problems=problems)
        if problems:
            raise ConfigurationError("Guard", problems)
        self._profiles = good
        self._max_token_size = max_token_size
        self._leeway = leeway
        self.clock = clock
        self._monotonic = monotonic
        self._is_revoked = is_revoked
        self._is_revoked_async = is_revoked_async
        algorithms = frozenset(ALGORITHMS) if resolve else frozenset(name for profile in good for name in profile.algorithms)
        self._parser = CompactParser(algorithms, max_token_size)
        self._parse_fast = strict_json.fast_parser()
        self._cache = TokenCache(cache_tokens, cache_bytes)

    def authenticate(self, token: str | bytes) -> Principal:
        """The Principal of a token that is real, meant for one of the profiles, in its time and not revoked. For threads.

        Waits for keys at most once, for as long as the fetch's deadline allows. Not checked: what the holder may do (see the rules),
        and, without a hook, whether the token was revoked, since no signature can show that.

        - `TokenRejected`: the token is bad; answer 401 `invalid_token`. Its `code` says why.
        - `Unavailable`: keys or a hook's answer cannot be had; answer 503 and try again after `retry_after` seconds. The `__cause__`
          is your hook's own exception.
        - `ConfigurationError`: this Guard has only `is_revoked_async`, the token is neither `str` nor `bytes`, or `resolve` answered
          what is no profile of that issuer.
        Any other exception is a bug.
        """
        if self._is_revoked_async is not None and self._is_revoked is None:
            raise ConfigurationError(
                "Guard", ["is_revoked: only is_revoked_async was given; use authenticate_async, or give both"]
            )
        if type(token) is not str:
            token = _text(token)
        known = self._recall(token)
        principal = self._verify(token) if known is None else known.principal
        if self._is_revoked is not None:
            refuse_revoked(self._is_revoked, principal)
        return principal

    async def authenticate_async(self, token: str | bytes) -> Principal:
        """`authenticate` for event loops, asyncio's and trio's: it waits for keys without blocking the loop."""
        if type(token) is not str:
            token = _text(token)
        known = self._recall(token)
        principal = await self._verify_async(token) if known is None else known.principal
        if self._is_revoked_async is not None:
            await refuse_revoked_async(self._is_revoked_async, principal)
        elif self._is_revoked is not None:
            refuse_revoked(self._is_revoked, principal)
        return principal

    def recall(self, token: str) -> Entry | None:
        """What is known of a token that verified before, if nothing has changed since and nobody else is to be asked.

        Never waits; for fronts, which can answer at once then. None says nothing about the token: authenticate it. It is always None
        where there is a revocation hook, which must be asked each time.
        """
        return self._recall(token) if self._is_revoked is None and self._is_revoked_async is None else None

    def still_knows(self, entry: Entry) -> bool:
        """Whether what `recall` gave a while ago counts without a further look: its time, its key set, and no `forget_tokens` since.

        False says nothing about the token: recall it anew.
        """
        held = entry.held
        return (
            entry.starts <= self.clock() < entry.ends
            and entry.ring.held is held
            and self._monotonic() < held.fresh_until
            and not entry.resolved
            and entry.age is self._cache.age
        )

    def explain(self, token: str | bytes) -> Report:
        """Every check on this token in order: passed, failed or not reached, for a person. Blocks for keys as `authenticate` does.

        The verdict is `authenticate`'s own, taken without the cache. The report names claims and shows the values that select a
        profile; it never holds the signature. A Guard with only `is_revoked_async` cannot ask it here: its reports end with
        `revocation_unavailable` at best. Raises `ConfigurationError` for what is neither `str` nor `bytes` and for a wrong answer of
        `resolve`; any other exception is a bug.
        """
        from cognito_guard.guard.report import Facts, explain

        facts = Facts(
            profiles=self._profiles,
            max_token_size=self._max_token_size,
            asks_revocation=self._is_revoked is not None or self._is_revoked_async is not None,
            now=self.clock(),
        )
        return explain(_text(token) if type(token) is not str else token, self._verify_unrevoked, facts)

    def warm_up(self) -> None:
        """Fetch the keys of every profile now, instead of with the first token. Blocks.

        One issuer form of each pool is enough: a pool that never switched answers 403 on the other.
        Raises `Unavailable` when a pool's keys cannot be had from any of its issuers; the Guard works on, and tries again by itself.
        """
        self._trusts.warm_up()

    async def warm_up_async(self) -> None:
        """`warm_up` for event loops."""
        await self._trusts.warm_up_async()

    def key_status(self) -> tuple[KeyStatus, ...]:
        """The state of every key source: age, source, counts of fetches and failures, and the last failure."""
        return self._trusts.status()

    def forget_tokens(self) -> None:
        """Empty the verified-token cache: every token is verified anew."""
        self._cache.clear()

    def _recall(self, token: str) -> Entry | None:
        """The cached entry, if time, keys and tenant still bear it out."""
        entry = self._cache.young.get(token) or self._cache.get_old(token)
        if entry is None:
            return None
        if entry.starts <= self.clock() < entry.ends:
            held = entry.ring.held
            if held is entry.held and self._monotonic() < held.fresh_until and not entry.resolved:
                return entry
            if self._still_holds(entry):
                return entry
        self._cache.forget(token)
        return None

    def _still_holds(self, entry: Entry) -> bool:
        if entry.resolved and entry.profile not in self._trusts.resolved_profiles(entry.principal.issuer):
            return False
        held = entry.ring.held
        try:
            if entry.ring.find(entry.key.kid) is not entry.key:
                return False
        except (TokenRejected, Unavailable):
            return False
        entry.held = held
        return True

    def _verify(self, token: str) -> Principal:
        jws, claims, trust = self._read(token)
        held = trust.ring.held
        key = self._held_key(held, jws) or trust.ring.find(jws.header.kid) or trust.ring.key(jws.header.kid)
        return self._accept(token, jws, claims, trust, held, key)

    async def _verify_async(self, token: str) -> Principal:
        jws, claims, trust = self._read(token)
        held = trust.ring.held
        key = self._held_key(held, jws) or trust.ring.find(jws.header.kid) or await trust.ring.key_async(jws.header.kid)
        return self._accept(token, jws, claims, trust, held, key)

    def _verify_unrevoked(self, token: str) -> Principal:
        principal = self._verify(token)
        if self._is_revoked is not None:
            refuse_revoked(self._is_revoked, principal)
        elif self._is_revoked_async is not None:
            raise Unavailable("revocation_unavailable", "only authenticate_async can ask is_revoked_async", retry_after=1)
        return principal

    def _read(self, token: str) -> tuple[CompactJws, Claims, Trust]:
        """The parts of a token, not verified: its issuer chooses whose keys may verify it, and nothing else is looked at."""
        jws = self._parser.parse(token)
        claims = self._parse_fast(jws.payload)
        if claims is None:
            claims = read_claims(jws.payload)
        trust = self._trusts.of(claims.get("iss"))
        return jws, claims, trust

    def _held_key(self, held: Held, jws: CompactJws) -> VerificationKey | None:
        return held.keys.get(jws.header.kid) if self._monotonic() < held.fresh_until else None

    def _accept(self, token: str, jws: CompactJws, claims: Claims, trust: Trust, held: Held, key: VerificationKey) -> Principal:
        """From here on the key is one of the issuer's: signature first, then claims."""
        if not jws.is_signed_by(key):
            raise TokenRejected("signature_invalid") if jws.header.alg == key.alg else TokenRejected("key_refused", "alg")
        self._parser.remember(jws)
        profile = trust.acceptance.profile(jws.header, claims)
        leeway = self._leeway
        fault = first_fault(claims, profile, self.clock(), leeway)
        if fault is not None:
            raise TokenRejected(*fault)
        principal = Principal(claims, profile.token_use)
        if not self._cache.keeps:
            return principal
        self._cache.put(
            token,
            Entry(
                principal=principal,
                profile=profile,
                resolved=trust.resolved,
                starts=valid_from(claims, leeway),
                ends=valid_until(claims, leeway),
                ring=trust.ring,
                held=held,
                key=key,
                size=footprint(token, jws.payload),
                age=self._cache.age,
            ),
        )
        return principal


def _text(token: object) -> str:
    """A token as text. Octets outside ASCII are no JWT, and need not be told apart."""
    if isinstance(token, str):
        return str.encode(token, "ascii", "replace").decode()  # a plain str, whatever the subclass overrides
    if isinstance(token, bytes | bytearray):
        return bytes(token).decode("ascii", "replace")
    raise ConfigurationError("authenticate", ["token: give it as str or bytes"])


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
