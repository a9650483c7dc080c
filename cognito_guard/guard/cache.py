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

    `held` is the key set against which the entry was last confirmed; while it stands and is fresh, so does the key. `size`: about how
    many bytes of memory it takes, see `footprint`.
    """

    __slots__ = ("age", "ends", "held", "key", "principal", "profile", "resolved", "ring", "size", "starts")

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
        size: int,
        age: object,
    ) -> None:
        self.principal = principal
        self.profile = profile
        self.resolved = resolved
        self.starts = starts
        self.ends = ends
        self.ring = ring
        self.held = held
        self.key = key
        self.size = size
        self.age = age


def footprint(token: str, payload: bytes) -> int:
    """About how many bytes an entry takes once every part of its Principal was read.

    Claims, groups and nested members cost more than their text, so that text alone would miss by a factor of up to ten.
    """
    parts = payload.count(b",") + 2 * (payload.count(b"{") + payload.count(b"["))
    return 512 + 2 * len(token) + 140 * parts  # the weights are measured, by tests/guard/test_cache.py


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
        self.age = object()  # another one from each `clear` on: for those who kept an entry for themselves
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
        size = entry.size
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
            if (entry := self.young.pop(token, None)) is not None:
                self._bytes -= entry.size
            self._old.pop(token, None)

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self.age = object()
            self.young = {}
            self._old = {}
            self._bytes = 0
