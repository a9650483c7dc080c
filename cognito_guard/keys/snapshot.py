"""Snapshots: fetched JWK Sets kept on disk, so that a cold start needs no network.

Decides which file is worth trusting: ours, young, for this URL, and not writable by others. A snapshot that is not is left alone
and reported; none of it ever fails a fetch.
"""

from __future__ import annotations

import os  # and no pathlib: it would load urllib with every import of the package
import stat
from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

from cognito_guard.jose import strict_json
from cognito_guard.keys.documents import MAX_BYTES, Failure, Fetched, Good, read

VERSION = 1
_AHEAD = 60.0  # seconds by which the clock of the last run may have been ahead of ours


class Kept(NamedTuple):
    """A snapshot's keys, and its age in seconds."""

    good: Good
    age: float


class Snapshots:
    """The snapshot of one JWKS URL in `directory`. `problem` says what was last wrong with it; None when nothing was.

    Whoever can write to the directory as its owner, or as root, can replace keys: give one that belongs to this program alone.
    `clock` gives seconds since the epoch.
    """

    __slots__ = ("_clock", "_directory", "_path", "_url", "problem")

    def __init__(self, directory: str, url: str, clock: Callable[[], float]) -> None:
        self._directory = directory
        from hashlib import sha256  # late: most programs keep no snapshots

        self._path = os.path.join(directory, f"{sha256(url.encode()).hexdigest()}.json")
        self._url = url
        self._clock = clock
        self.problem: str | None = None

    def load(self, algorithms: tuple[str, ...], usable: float) -> Kept | None:
        """The keys, unless the snapshot is older than `usable` seconds, or not to be trusted. No snapshot is no problem."""
        try:
            kept = self._load(algorithms, usable)
        except FileNotFoundError:
            kept = None
        except (OSError, ValueError) as reason:
            text = reason.strerror if isinstance(reason, OSError) else str(reason)
            self.problem = f"the snapshot is not used: {text}"
            return None
        self.problem = None
        return kept

    def save(self, body: bytes) -> None:
        """Keep a good document. A write that fails is a `problem`, nothing more."""
        try:
            self._save(body)
        except (OSError, ValueError) as reason:
            text = reason.strerror if isinstance(reason, OSError) else type(reason).__name__
            self.problem = f"the snapshot was not written: {text}"
        else:
            self.problem = None

    def _load(self, algorithms: tuple[str, ...], usable: float) -> Kept:
        # O_NONBLOCK: a FIFO in its place must not hold up the start
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            _check(os.fstat(descriptor))
            document = strict_json.parse_object(file.read(3 * MAX_BYTES))
        body, saved_at = document.get("body"), document.get("saved_at")
        if document.get("version") != VERSION or not isinstance(body, str):
            raise ValueError("it is not of this version")
        if document.get("url") != self._url:
            raise ValueError("it was made for another URL")
        if isinstance(saved_at, bool) or not isinstance(saved_at, int | float) or not isfinite(saved_at):
            raise ValueError("it has no time")
        age = self._clock() - saved_at
        if age < -_AHEAD:
            raise ValueError("it lies in the future; one of the two clocks is wrong")
        if age >= usable:
            raise ValueError(f"it is too old ({age:.0f} s)")
        outcome = read(Fetched(200, body.encode()), algorithms)
        if isinstance(outcome, Failure):
            raise ValueError(outcome.text)  # noqa: TRY004
        return Kept(outcome, max(age, 0.0))

    def _save(self, body: bytes) -> None:
        import json

        document = {"version": VERSION, "url": self._url, "saved_at": self._clock(), "body": body.decode()}
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        temporary = f"{self._path}.{os.getpid()}.{os.urandom(6).hex()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
            os.replace(temporary, self._path)
        except OSError:
            os.unlink(temporary)
            raise


def _check(file: os.stat_result) -> None:
    if not stat.S_ISREG(file.st_mode):
        raise ValueError("it is not a regular file")
    if file.st_uid not in (os.geteuid(), 0):
        raise ValueError("it belongs to another user")
    if file.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("others may write to it")
