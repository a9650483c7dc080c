"""What a local pool publishes: its JWK Set under its issuers, its rotations, its outages.

Decides what a fetch is answered, and counts. Knows no token. Waits (`hang`, `slow`) end with `recover()`, so that no test sleeps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Condition
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, get_args

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import TokenUse
from cognito_guard.testing.signing_keys import SigningKey, signing_key

if TYPE_CHECKING:
    from cognito_guard.keys import Fetched

Outage = Literal[
    "refused",  # the connection is refused: ConnectionRefusedError
    "timeout",  # TimeoutError, at once
    "hang",  # no answer before `recover()`; then the answer of that moment
    "status_403",
    "status_404",
    "status_429",
    "status_500",
    "status_503",
    "redirect",  # 302 to another host
    "html",  # 200 and a page
    "empty",  # 200 and nothing
    "empty_set",  # 200 and {"keys":[]}
    "truncated",  # 200 and the first half of the JWK Set
    "oversized",  # 200 and the JWK Set, behind 8 MiB of white space
]
IssuerForm = Literal["original", "updated", "both"]
HANG_LIMIT: Final = 60.0
REDIRECT_TARGET: Final = "https://keys.attacker.example/jwks.json"
_PAGE = b"<!doctype html><title>Service Unavailable</title><h1>503</h1>"


def jwks_url(issuer: str) -> str:
    """Where `issuer` publishes its JWK Set."""
    return f"{issuer}/.well-known/jwks.json"


class Disturbance:
    """What `outage()` and `slow()` return: a context manager, if one is wanted, that recovers at its end."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication

    def __enter__(self) -> None:
        """It began when it was called."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._publication.recover()


class Publication:
    """The published side of one local pool; threads share it."""

    def __init__(self, pool_id: str, serves: Iterable[str], knows: Iterable[str], cache_control: str) -> None:
        self._pool_id = pool_id
        self._serves = {jwks_url(issuer) for issuer in serves}
        self._knows = {jwks_url(issuer) for issuer in knows}
        self._cache_control = cache_control
        self._generation = 0
        self._published: tuple[SigningKey, ...] = ()
        self._signing: dict[TokenUse, SigningKey] = {}
        self._outage: Outage | None = None
        self._delay = 0.0
        self._releases = 0
        self._counts: Counter[str] = Counter()
        self._changed = Condition()

    def key(self, use: TokenUse) -> SigningKey:
        """The key that signs `use` tokens now."""
        with self._changed:
            return self._keys()[use]

    def _keys(self) -> dict[TokenUse, SigningKey]:
        if not self._signing:  # not in __init__: a pool that mints nothing makes no key
            self._signing = self._of_generation(0)
            self._published = tuple(self._signing.values())
        return self._signing

    def _of_generation(self, generation: int) -> dict[TokenUse, SigningKey]:
        return {use: signing_key(self._pool_id, use, generation) for use in ("id", "access")}

    def rotate(self) -> None:
        with self._changed:
            self._keys()
            self._generation += 1
            self._signing = self._of_generation(self._generation)
            self._published += tuple(self._signing.values())

    def withdraw(self) -> None:
        with self._changed:
            signing = tuple(self._keys().values())
            if set(signing) == set(self._published):
                raise ConfigurationError("withdraw", ["no older key is published; call rotate() first"])
            self._published = signing

    def replace(self) -> None:
        with self._changed:
            old = self._keys()
            self._generation += 1
            self._signing = {use: signing_key(self._pool_id, use, self._generation, kid=key.kid) for use, key in old.items()}
            kept = tuple(key for key in self._published if key not in old.values())
            self._published = (*kept, *self._signing.values())

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        with self._changed:
            self._keys()
            return {"keys": [key.jwk() for key in self._published]}

    def disturb(self, outage: Outage | None = None, delay: float | None = None) -> Disturbance:
        if outage is not None and outage not in get_args(Outage):
            raise ConfigurationError("outage", [f"kind: give one of {', '.join(get_args(Outage))}"])
        if delay is not None and not 0 < delay <= HANG_LIMIT:
            raise ConfigurationError("slow", [f"seconds: give a number above 0, at most {HANG_LIMIT:.0f}"])
        with self._changed:
            self._outage = outage or self._outage
            self._delay = delay or self._delay
        return Disturbance(self)

    def recover(self) -> None:
        with self._changed:
            self._outage, self._delay = None, 0.0
        self.release()

    def release(self) -> None:
        """End every wait that is going on, and leave the outage as it is."""
        with self._changed:
            self._releases += 1
            self._changed.notify_all()

    def serve(self, issuer: str) -> None:
        """Publish under `issuer` too."""
        self._serves.add(jwks_url(issuer))

    @property
    def fetches(self) -> Mapping[str, int]:
        with self._changed:
            return dict(self._counts)

    def wait_until_fetched(self, times: int, within: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._counts.total() >= times, within):
                raise TimeoutError(f"{self._counts.total()} fetches began within {within} s, not {times}")

    def fetch(self, url: str) -> Fetched:
        """The answer at `url`, after whatever wait was arranged. Raises OSError where the network would fail."""
        from cognito_guard.keys import Fetched  # late: minting needs no key ring

        outage = self._arrive(url)
        if outage == "refused":
            raise ConnectionRefusedError("the local pool refuses connections")
        if outage == "timeout":
            raise TimeoutError("the local pool does not answer")
        if url not in self._serves:
            # what AWS answers under the issuer form that a pool has not switched to
            return Fetched(403, b'{"message":"Forbidden"}') if url in self._knows else Fetched(404, b"")
        status, body = _answer(outage, json.dumps(self.jwks(), separators=(",", ":")).encode())
        return Fetched(status, body, self._cache_control if status == 200 else "")

    def _arrive(self, url: str) -> Outage | None:
        with self._changed:
            self._counts[url] += 1
            self._changed.notify_all()
            before = self._releases
            if self._delay:
                self._changed.wait_for(lambda: self._releases != before, self._delay)
            if self._outage == "hang" and not self._changed.wait_for(lambda: self._releases != before, HANG_LIMIT):
                raise TimeoutError("the local pool hangs, and nobody called recover()")
            return "refused" if self._outage == "hang" else self._outage  # released, and not recovered


def _answer(outage: Outage | None, document: bytes) -> tuple[int, bytes]:
    if outage is None:
        return 200, document
    if outage.startswith("status_"):
        return int(outage.removeprefix("status_")), _PAGE
    if outage == "redirect":
        return 302, b""
    if outage == "oversized":
        return 200, b" " * (8 << 20) + document
    return 200, {"html": _PAGE, "empty": b"", "empty_set": b'{"keys":[]}', "truncated": document[: len(document) // 2]}[outage]
