"""W3C Trace Context: which `traceparent` and `tracestate` are passed on, and the trace id for the log.

Decides by the grammar of the Recommendation (Level 1, 2.2.5 and 3.3) alone. Starts no trace and changes no octet of a good one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from cognito_guard.web.request import HeaderPair


class Trace(NamedTuple):
    """A well-formed trace context: the two ids in lower-case hexadecimal, and the fields as they were sent (`tracestate` joined)."""

    trace_id: str
    parent_id: str
    traceparent: str
    tracestate: str


def traced(headers: Sequence[HeaderPair]) -> tuple[Trace | None, Sequence[HeaderPair]]:
    """The request's trace context, and the headers to pass on; names are in lower case.

    The same headers come back where all is well. A malformed or repeated `traceparent` is dropped, and every `tracestate` with it; a
    malformed `tracestate` is dropped alone. Never raises.
    """
    fields = [pair for pair in headers if pair[0] in _NAMES]
    if not fields:
        return None, headers
    parents = [value for name, value in fields if name == b"traceparent"]
    states = [value for name, value in fields if name == b"tracestate"]
    parent = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if parent is None or (parent["version"] == b"00" and parent["more"]):
        return None, [pair for pair in headers if pair[0] not in _NAMES]
    state = b",".join(states)
    if states and not _is_state(state):
        state = b""
        headers = [pair for pair in headers if pair[0] != b"tracestate"]
    return Trace(parent["trace"].decode(), parent["span"].decode(), parents[0].decode("latin-1"), state.decode("ascii")), headers


def _is_state(state: bytes) -> bool:
    members = [member.strip(b" \t") for member in state.split(b",", 64)]
    keys = [member.partition(b"=")[0] for member in members if member]
    if len(keys) > 32 or len(set(keys)) < len(keys):
        return False
    return all(_MEMBER.fullmatch(member) for member in members if member)  # empty members may stand (3.3.1.1)


_NAMES = frozenset({b"traceparent", b"tracestate"})
# a later version may say more after the flags, behind a dash (2.2.5); ids of zeros and version ff are invalid
_PARENT = re.compile(
    rb"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}"
    rb"(?P<more>-[!-~]{0,200})?"
)
# one possible end for each part: nothing to look back for
_MEMBER = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
