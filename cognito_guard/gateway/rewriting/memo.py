"""What was worked out lately, kept within bounds. Decides what is forgotten; knows nothing of what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Kept = TypeVar("Kept")


class Memo(Generic[Key, Kept]):
    """At most `size` answers (never None), in two generations: when the young fill their half, they become the old.

    `recall(key)` is one look-up among the young and may be bound once; after its None ask `recover(key)`, then `keep(key, answer)`.
    """

    __slots__ = ("_half", "_old", "_young", "recall")
    recall: Callable[[Key], Kept | None]

    def __init__(self, size: int) -> None:
        self._half = size // 2
        self._old: dict[Key, Kept] = {}
        self._young: dict[Key, Kept] = {}  # the same dictionary for ever: `recall` is bound to it
        self.recall = self._young.get

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def recover(self, key: Key) -> Kept | None:
        """The answer among the old, made young again."""
        answer = self._old.get(key)
        if answer is not None:
            self.keep(key, answer)
        return answer

    def keep(self, key: Key, answer: Kept) -> Kept:
        """Keep it, and hand it back."""
        if len(self._young) >= self._half:
            self._old = self._young.copy()
            self._young.clear()
        self._young[key] = answer
        return answer
