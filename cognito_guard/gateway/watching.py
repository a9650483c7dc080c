"""Files on which settings rest, watched for change. Decides that something changed, not what to make of it."""

from __future__ import annotations

import os
from collections.abc import Iterable


class Watch:
    """Remembers how files looked. A file that is missing is a look of its own, and links are followed: mounted configuration
    is exchanged by turning a link round."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._seen = {path: _looks(path) for path in paths}

    def add(self, paths: Iterable[str]) -> None:
        """Watch these too, from now on; those that are watched already, from then on."""
        self._seen |= {path: _looks(path) for path in paths if path not in self._seen}

    def changed(self) -> bool:
        """Whether any file looks different from the last time."""
        seen = {path: _looks(path) for path in self._seen}
        was, self._seen = self._seen, seen
        return seen != was


def _looks(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
