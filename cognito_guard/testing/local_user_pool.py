"""A user pool in process: what it mints, what it publishes, and its bad days.

Decides which issuers are served and how one pool is put together. Opens no socket unless `serve_jwks()` is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import UserPool
from cognito_guard.testing.mint import Mint
from cognito_guard.testing.publishing import Disturbance, IssuerForm, Outage, Publication

if TYPE_CHECKING:
    from cognito_guard import Guard
    from cognito_guard.keys import Fetched
    from cognito_guard.pool import Profile

DEFAULT_POOL: Final = "eu-west-1_Local0001"
DEFAULT_CLIENT: Final = "1h57kf5cpq17m0eml12example"
_FORMS = ("original", "updated", "both")


class LocalUserPool(Mint):
    """A user pool for tests: mints tokens, publishes their keys, rotates them, breaks down and recovers. Threads may share it.

    - Keys are 2048-bit RSA, one pair for access and one for ID tokens, made on first use and once per process: two objects of one
      id sign with the same keys. Rotations, outages and counts are each object's own, so a new object is a pool on a good day.
    - `client` is the app client of its tokens; `clock` gives "now" in seconds since the epoch and is passed on by `guard()`.
    - `issuer_form` says under which issuers keys are published: the original form (AWS's default), the updated one, or both. The
      form that is not served answers 403, as AWS does. Tokens name the original issuer, unless only the updated one is served.
    - `issuer` replaces both forms, for an emulator's address.
    - `cache_control` accompanies the JWK Set.

    A keyword that cannot be meant raises `ConfigurationError` with every mistake of the call. Any other exception is a bug.
    """

    def __init__(
        self,
        pool_id: str = DEFAULT_POOL,
        *,
        client: str = DEFAULT_CLIENT,
        clock: Callable[[], float] = time.time,
        issuer_form: IssuerForm = "original",
        issuer: str | None = None,
        cache_control: str = "public, max-age=86400",
    ) -> None:
        self.user_pool = UserPool(pool_id, issuer=issuer)
        self.user_pool.access_tokens(client=client)  # judges it
        self.client = client
        self.clock = clock
        issuers = [each.url for each in self.user_pool.issuers]
        if issuer_form not in _FORMS:
            raise ConfigurationError("LocalUserPool", ["issuer_form: give 'original', 'updated' or 'both'"])
        if issuer_form != "original" and len(issuers) == 1:
            raise ConfigurationError("LocalUserPool", ["issuer_form: this pool has one issuer; leave it out"])
        self._form = "updated" if issuer_form == "updated" else "original"
        serves = {"original": issuers[:1], "updated": issuers[1:], "both": issuers}[issuer_form]
        self._publication = Publication(pool_id, serves, issuers, cache_control)
        self._over_http = False

    def jwks(self) -> dict[str, Any]:
        """The JWK Set as Cognito publishes it: the ID key, then the access key; later ones behind."""
        return self._publication.jwks()

    def fetch(self, url: str) -> Fetched:
        """Answer as the pool's JWKS endpoint would: pass it as `Guard(fetch=pool.fetch)`. Another URL is a 404."""
        return self._publication.fetch(url)

    @property
    def fetches(self) -> Mapping[str, int]:
        """How many fetches began, by URL."""
        return self._publication.fetches

    def wait_until_fetched(self, times: int = 1, *, within: float = 10) -> None:
        """Return when `times` fetches have begun since the pool was made, counted together; `TimeoutError` after `within` seconds."""
        self._publication.wait_until_fetched(times, within)

    def rotate(self) -> None:
        """New keys are published beside the old ones, and sign from now on. Each rotation makes keys (about 80 ms, once per process)."""
        self._publication.rotate()

    def withdraw(self) -> None:
        """Keys that do not sign any more leave the JWK Set; without a `rotate()` before there is none: `ConfigurationError`."""
        self._publication.withdraw()

    def replace(self) -> None:
        """New key material takes over the kids of the keys that sign now."""
        self._publication.replace()

    def outage(self, kind: Outage = "refused") -> Disturbance:
        """From now on fetches fail in this way, until `recover()` or, in a `with` statement, its end. See `Outage` for the kinds."""
        return self._publication.disturb(outage=kind)

    def slow(self, seconds: float) -> Disturbance:
        """From now on a fetch waits `seconds` before its answer, or until `recover()` or the end of the `with` statement."""
        return self._publication.disturb(delay=seconds)

    def recover(self) -> None:
        """End the outage and the slowness; whoever waits is answered at once."""
        self._publication.recover()

    def guard(self, *profiles: Profile, **settings: Any) -> Guard:
        """A Guard on this pool's keys and clock. Without `profiles` it accepts access tokens of `client`; `settings` are Guard's."""
        from cognito_guard import Guard

        if not self._over_http:
            settings.setdefault("fetch", self.fetch)
        settings.setdefault("clock", self.clock)
        return Guard(*(profiles or (self.user_pool.access_tokens(client=self.client),)), **settings)

    @contextmanager
    def serve_jwks(self) -> Iterator[LocalUserPool]:
        """Publish over HTTP on 127.0.0.1, until the block ends.

        Gives this pool under that address: same keys, same outages and counts, but `issuer`, `user_pool` and the tokens minted from
        it name the loopback issuer, and its `guard()` fetches over HTTP. `refused` and `timeout` close the connection unanswered.
        """
        from cognito_guard.testing.jwks_server import jwks_server

        with jwks_server(self._publication) as base:
            served = LocalUserPool(self.user_pool.id, client=self.client, clock=self.clock, issuer=f"{base}/{self.user_pool.id}")
            served._publication = self._publication
            served._over_http = True
            self._publication.serve(served.issuer)
            yield served

    def __repr__(self) -> str:
        return f"LocalUserPool({self.user_pool.id!r})"
