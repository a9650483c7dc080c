"""The access and audit log: one line of JSON for each request, and what was decided about it.

Decides what a line tells (no query unless it is handed over, no header, no token ever), and that a log which cannot be written loses
lines, counts them and says so, while requests go on. Knows nothing of how a request was judged.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import select
import stat
import threading
import time
from collections.abc import Iterator
from functools import lru_cache

from cognito_guard.decision import Decision
from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.observing.lines import as_line, redacted


def line(
    now: float,
    *,
    method: str,
    path: bytes,
    host: bytes,
    status: int,
    seconds: float,
    decision: Decision | None = None,
    client: str | None = None,
    upstream: str | None = None,
    upstream_status: int | None = None,
    failure: str | None = None,
    octets_in: int = 0,
    octets_out: int = 0,
    trace_id: str | None = None,
    websocket: bool = False,
    query: bytes | None = None,
) -> bytes:
    """The line for one request. Pure; every line has the same members, null where there is nothing to tell, and `query` only if given.

    `now` is the end of the request in seconds since the epoch. `path`, `host` and `query` are the octets as sent; from a `path` that is
    a whole target the query is cut off. `decision` is None for what was refused before it was judged. `failure` says how the upstream
    failed. Paths are cut at 1,024 octets and hosts at 255, so that a line stays below 4,096 octets but for the longest rules and claims.
    """
    told = _NOT_JUDGED if decision is None else decision
    facts: dict[str, object] = {
        "time": rfc3339(now),
        "method": method,
        "path": _shown(path.partition(b"?")[0], 1024),
        "host": _shown(host, 255),
        "status": status,
        "duration_ms": int(seconds * 1e6) / 1000,
        "verdict": told.verdict,
        "code": told.code,
        "route": told.route,
        "rule": told.rule,
        "sub": told.subject,
        "client_id": told.client_id,
        "jti": told.jti,
        "enforced": told.enforced,
        "upstream": upstream,
        "upstream_status": upstream_status,
        "failure": failure,
        "client": client,
        "bytes_in": octets_in,
        "bytes_out": octets_out,
        "trace_id": trace_id,
        "websocket": websocket,
    }
    if query is not None:
        facts["query"] = _shown(query, 1024)
    return as_line(facts)


class _NotJudged:
    """A decision that there is not."""

    verdict = code = route = rule = subject = client_id = jti = enforced = None


_NOT_JUDGED = _NotJudged()


def rfc3339(now: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    milliseconds = int(now * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _shown(octets: bytes, most: int) -> str:
    if len(octets) > most:
        octets = redacted(octets)  # first, so that what follows a long token is still told
    return octets.decode("latin-1") if len(octets) <= most else octets[:most].decode("latin-1") + "..."


class AccessLog:
    """Writes lines to "stdout", "stderr", a file (appending; made with mode 0640) or an open descriptor, from a thread of its own.

    Lines are gathered for `delay` seconds; no caller ever waits for a disk or a pipe. Into a regular file a batch is one write; into
    anything else no write is longer than PIPE_BUF, so that the lines of several workers stay whole. What cannot be written (a full disk,
    a reader that is gone or asleep, more than `most` octets waiting) is dropped and counted in `dropped`, and each spell of it told once.

    Build it in the process that writes, after any fork. A file that cannot be opened raises `ConfigurationError`; correct the setting.
    """

    def __init__(self, file: str | int, *, delay: float = 0.2, most: int = 8 * 1024 * 1024) -> None:
        target = _STANDARD.get(file, file) if isinstance(file, str) else file
        self._path = target if isinstance(target, str) else None
        reason = ""
        try:
            self._descriptor = _opened(target) if isinstance(target, str) else os.dup(target)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        if reason:
            raise ConfigurationError(
                "AccessLog", [f"file: {file} cannot be opened for writing ({reason}); name a file that this user may append to"]
            )
        self._delay = delay
        self._most = most
        self._dropped = self._told = 0
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size = 0
        self._reopening = False
        self._failing = False
        self._torn = False
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cognito-guard-access-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @property
    def dropped(self) -> int:
        """How many lines were lost since the start."""
        return self._dropped

    def add(self, line: bytes) -> None:
        """Hand over a line with its line feed. Never raises, never waits for the file."""
        with self._lock:
            if self._size + len(line) > self._most or self._ending.is_set():
                self._dropped += 1
                return
            self._lines.append(line)
            self._size += len(line)
            first = len(self._lines) == 1
        if first:
            self._wake.set()

    def reopen(self) -> None:
        """Open the file anew under its name: for logrotate, on SIGUSR1. Lines from here on go there; a descriptor stays as it is.

        Where the new one cannot be opened the old one stays in use, and the log says so.
        """
        self._reopening = self._path is not None
        self._wake.set()

    def close(self, *, patience: float = 2.0) -> None:
        """Write what is waiting and stop. Waits for at most `patience` seconds for a file that does not take it; may be called again."""
        atexit.unregister(self.close)
        self._ending.set()
        self._wake.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            ended = self._ending.wait(0 if self._reopening else self._delay)
            self._wake.clear()
            if self._reopening:
                self._reopening = False
                self._reopen()
            with self._lock:
                lines, self._lines, self._size = self._lines, [], 0
            if lines:
                self._write(lines)
            if ended:
                os.close(self._descriptor)
                return

    def _reopen(self) -> None:
        assert self._path is not None  # noqa: S101 - for the type checker: reopen() asked
        try:
            fresh = _opened(self._path)
        except OSError as error:
            _log.error("the access log cannot be opened anew (%s); the old file stays in use", error.strerror)
            return
        os.close(self._descriptor)
        self._descriptor = fresh
        self._torn = False

    def _write(self, lines: list[bytes]) -> None:
        lost = 0
        reason = "more lines than it takes"
        for batch in self._batches(lines):
            octets = b"\n" + batch if self._torn else batch
            written, problem = self._put(octets)
            if written:
                self._torn = octets[written - 1] != _LINE_FEED
            if problem:
                reason = problem
                # a line feed that only closes a torn line ends no line of this batch
                lost += batch.count(b"\n") - octets.count(b"\n", 0, written) + (written > 0 and octets is not batch)
        with self._lock:
            self._dropped += lost
            new, self._told = self._dropped - self._told, self._dropped
        if new and not self._failing:
            _log.error("the access log cannot be written (%s); lines are dropped and counted", reason)
        elif self._failing and not new:
            _log.warning("the access log is written again; %d lines were dropped since the start", self._dropped)
        self._failing = bool(new)

    def _batches(self, lines: list[bytes]) -> Iterator[bytes]:
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            yield b"".join(lines)
            return
        batch: list[bytes] = []
        size = 0
        for each in lines:
            if batch and size + len(each) > select.PIPE_BUF:
                yield b"".join(batch)
                batch, size = [], 0
            batch.append(each)
            size += len(each)
        yield b"".join(batch)

    def _put(self, octets: bytes) -> tuple[int, str]:
        """How many of the octets were written, and why not all of them."""
        written = 0
        with memoryview(octets) as view:
            while written < len(octets):
                try:
                    written += os.write(self._descriptor, view[written:])
                except BlockingIOError:  # somebody made the descriptor, which may be shared, non-blocking
                    if not self._takes_more():
                        return written, os.strerror(errno.EAGAIN)
                except OSError as error:
                    return written, error.strerror or type(error).__name__
        return written, ""

    def _takes_more(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(1000))


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


_LINE_FEED = 0x0A
_STANDARD = {"stdout": 1, "stderr": 2}
_log = logging.getLogger("cognito_guard.gateway")
