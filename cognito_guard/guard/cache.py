"""The verified-token cache: a token that verified a moment ago need not be verified again.

Decides how long an entry may stay and what must still hold when it is used. The key is the whole token; a cache belongs to one
Guard, so it never crosses profiles. Refused tokens never get here, so junk cannot push good tokens out.
"""

from __future__ import annotations

from threading import Lock

from cognito_guard.jose.jwk import VerificationKey
from cognito_guard.keys import Held, KeyRing, StaticKeys
from cognito_guard.pool import Profile
from cognito_guard.token.principal import Principal


class Entry:
    """A Principal and what it rests on: a span of time, and a key that `ring` must still hold.

    `held` is the key set against which the entry was last confirmed; while it stands and is fresh, so does the key.
    """

    __slots__ = ("ends", "held", "key", "principal", "profile", "resolved", "ring", "starts")

    def __init__(
        self,
        *,
        principal: Principal,
        profile: Profile,
        resolved: bool,
        starts: float,
        ends: float,
        ring: KeyRing | StaticKeys,
        held: Held,
        key: VerificationKey,
    ) -> None:
        self.principal = principal
        self.profile = profile
        self.resolved = resolved
        self.starts = starts
        self.ends = ends
        self.ring = ring
        self.held = held
        self.key = key


# what an entry takes beside its token's text: measured by benchmarks/memory.py, rounded up
_ENTRY_BYTES = 1536
_BYTES_PER_CHARACTER = 3


class TokenCache:
    """At most `max_tokens` entries and about `max_bytes` of memory, in two generations.

    Half the bounds hold the young ones; when they are reached, the young become the old and the old are dropped. A hit among the
    old makes an entry young again. So a hit is one look-up in a dictionary, without a lock and without an order to keep.
    """

    def __init__(self, max_tokens: int, max_bytes: int) -> None:
        self._max_tokens = max_tokens // 2
        self._max_bytes = max_bytes // 2
        self.keeps = self._max_tokens > 0 and self._max_bytes > 0
        self._bytes = 0
        self._lock = Lock()
        self.young: dict[str, Entry] = {}
        self._old: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self.young | self._old)

    def get_old(self, token: str) -> Entry | None:
        """The entry among the old, made young; for a token that is not in `young`."""
        entry = self._old.get(token)
        if entry is not None:
            self.put(token, entry)
        return entry

    def put(self, token: str, entry: Entry) -> None:
        """Keep the entry of a token that verified, where the cache keeps any. One that is larger than half of it is not kept."""
        size = _ENTRY_BYTES + _BYTES_PER_CHARACTER * len(token)
        if size > self._max_bytes:
            return
        with self._lock:
            if token in self.young:
                self.young[token] = entry
                return
            if len(self.young) >= self._max_tokens or self._bytes + size > self._max_bytes:
                self._old = self.young
                self.young = {}
                self._bytes = 0
            self.young[token] = entry
            self._bytes += size

    def forget(self, token: str) -> None:
        """Drop an entry that no longer holds."""
        with self._lock:
            self.young.pop(token, None)
            self._old.pop(token, None)

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self.young = {}
            self._old = {}
            self._bytes = 0
