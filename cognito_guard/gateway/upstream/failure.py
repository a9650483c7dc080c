"""What can go wrong with an upstream: one exception, a closed set of kinds. Decides nothing; statuses are the caller's business."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "connect",  # refused, unreachable, unknown name
    "connect_timeout",
    "tls",  # the certificate, or the handshake
    "answer_timeout",
    "idle_timeout",
    "total_timeout",
    "closed",  # before the answer was complete
    "malformed",  # the answer is not HTTP/1.1 that has one reading only
    "overloaded",  # every connection was busy until the connect timeout
]


class UpstreamFailed(Exception):
    """An exchange with an upstream came to no good end. `kind` is stable: branch on it, count it.

    `sent` is True as soon as one octet of the request may have left: only where it is False may the request go elsewhere.
    The message names the upstream and the reason, and holds nothing of the request or the answer.
    """

    def __init__(self, kind: Kind, reason: str, *, sent: bool, upstream: str = "") -> None:
        super().__init__(f"{upstream}: {reason}" if upstream else reason)
        self.kind: Kind = kind
        self.sent = sent
        self.upstream = upstream


class Malformed(Exception):
    """An upstream's octets are not one answer with one reading. The message is a constant and quotes none of them."""
