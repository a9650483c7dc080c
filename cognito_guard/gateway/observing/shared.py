"""The directory in which the workers' metrics come together (prometheus_client's multi-process mode).

Decides its name in the environment and what is cleared from it. Counts nothing.
"""

from __future__ import annotations

import os
import re

from cognito_guard.errors import ConfigurationError


def share_metrics(directory: str) -> None:
    """Let every process that is started from here on count into `directory`, which is made (0700) if it is not there.

    Call it in the parent, before anything imports prometheus_client and before the first worker. What workers of an earlier run left there
    is removed, and no other file. A directory that cannot be used raises `ConfigurationError`; name another.
    """
    reason = ""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for name in os.listdir(directory):
            if _LEFT_BEHIND.fullmatch(name):
                os.unlink(os.path.join(directory, name))
        if not os.access(directory, os.W_OK | os.X_OK):
            reason = "it is not writable"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise ConfigurationError("metrics", [f"directory: {directory} cannot be used ({reason}); name one of this user's own"])
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory


def worker_ended(process: int) -> None:
    """Take what a worker that is gone had open (requests in flight, websockets, keys) out of the sums; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process)  # type: ignore[no-untyped-call]


_LEFT_BEHIND = re.compile(r"(?:counter|histogram|gauge_[a-z]+)_[0-9]+\.db")
