"""What a key source shows of itself: a frozen picture for health pages, metrics and people. Decides nothing."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from cognito_guard.keys.documents import FailureCode
from cognito_guard.keys.ring import Held, Source
from cognito_guard.value import Value


class LastFailure(NamedTuple):
    """The last fetch that failed: a stable code, a text that is safe to log, and seconds since then."""

    code: FailureCode
    text: str
    age: float


class KeyStatus(Value):
    """A key source at one moment; times in seconds from then.

    - `url`: the JWKS URL, the path of a bundled file, or "jwks=" for a document that was given.
    - `source`: where the keys that are held came from: "network", "snapshot", "static", or "none".
    - `keys`, `left_out`: how many are usable; which members of the set are not, and why.
    - `age`: since they were fetched; None without keys and for static ones. `fresh_for`, `usable_for`: 0 when over, `inf` for static keys.
    - `fetches`, `failures`: begun and failed by this process since its start or fork. `last_failure` stays after a later success.
    - `snapshot_problem`: why the snapshot on disk was not read or written, or None.
    """

    __slots__ = (
        "url", "source", "keys", "left_out", "age", "fresh_for", "usable_for",
        "fetches", "failures", "last_failure", "snapshot_problem",
    )  # fmt: skip
    url: str
    source: Source
    keys: int
    left_out: tuple[str, ...]
    age: float | None
    fresh_for: float
    usable_for: float
    fetches: int
    failures: int
    last_failure: LastFailure | None
    snapshot_problem: str | None

    def __init__(
        self,
        url: str,
        held: Held,
        now: float,
        *,
        fetches: int = 0,
        failures: int = 0,
        last_failure: LastFailure | None = None,
        snapshot_problem: str | None = None,
    ) -> None:
        self._set(
            url=url,
            source=held.source,
            keys=len(held.keys),
            left_out=held.left_out,
            age=None if held.fetched_at == -inf else now - held.fetched_at,
            fresh_for=max(0.0, held.fresh_until - now),
            usable_for=max(0.0, held.usable_until - now),
            fetches=fetches,
            failures=failures,
            last_failure=last_failure,
            snapshot_problem=snapshot_problem,
        )

    @property
    def usable(self) -> bool:
        """Whether tokens can be verified now without a fetch."""
        return self.usable_for > 0
