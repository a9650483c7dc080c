"""The question that a CheckRequest asks, in the form in which every kind of proxy's is read (THREATS T5, T6, T20).

Decides what Envoy's own rewriting has made ambiguous, and what stands for the request's target, host and fields. `Kind` of forward-auth
reads the rest, as for Envoy over HTTP. Judges no credentials.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cognito_guard.gateway.ext_authz.messages import Asked
from cognito_guard.web.problem import Challenge, problem
from cognito_guard.web.request import HeaderPair


class Question(NamedTuple):
    """A request as Envoy tells of it: `target` holds the query; the fields hold `host`, and no pseudo-fields."""

    method: str
    target: bytes
    headers: list[HeaderPair]


def question(asked: Asked) -> Question | Challenge:
    """The question, or the answer to a request that cannot be told for certain. Never raises.

    Envoy joins two `Authorization` fields by a comma, in raw form too; so one with a comma counts as two, which fronts refuse. Without
    `encode_raw_headers`, `!` may stand for an octet that Envoy could not tell: a path with it is refused, and in `Authorization` it is read
    as such an octet.
    """
    target, host, raw = asked.path, asked.host, asked.raw
    headers: list[HeaderPair] = []
    for pair in asked.fields:
        name = pair[0]
        if name == b"authorization":
            value = pair[1] if raw else pair[1].replace(b"!", b"\xff")
            # a Bearer value with a comma is refused as it is
            one = b"," not in value or value[:7].lower() == b"bearer "
            headers += [(name, value)] if one else [(name, part) for part in value.split(b",")]
        elif name[:1] == b":":
            # in raw form these are octets as they were sent, where the attributes may hold "!"
            if raw and name == b":path":
                target = pair[1]
            elif raw and name == b":authority":
                host = pair[1]
        elif name != b"host":  # Envoy routes by `:authority`, and so do we
            headers.append(pair)
    headers.append((b"host", host))
    if not raw and b"!" in target.partition(b"?")[0]:
        return _MANGLED
    if asked.method in (b"CONNECT", b"TRACE"):
        return _METHOD_REFUSED
    if not _METHOD.fullmatch(asked.method):
        return MALFORMED
    return Question(asked.method.decode("ascii"), target, headers)


MALFORMED: Final = problem(400, "invalid_request", "request_malformed", "the request's method, target or host is malformed")
_METHOD: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_MANGLED: Final = problem(
    400,
    "invalid_request",
    "target_ambiguous",
    "the target of the request has two readings: an octet that Envoy may have replaced",
)
_METHOD_REFUSED: Final = problem(501, "invalid_request", "method_refused", "this gateway does not serve this method")
