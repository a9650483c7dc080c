"""What the answer of a key endpoint means: a JWK Set with its max-age, or a failure with a stable code.

Decides which answers are one at all; only a 200 with a usable set is. Knows neither how the answer came nor what is held. Pure.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from cognito_guard.jose.jwk import JwkSet, parse_jwk_set
from cognito_guard.value import Value

MAX_BYTES = 1024 * 1024
"""No document is longer than this, whoever fetched it."""

FailureCode = Literal[
    "denied",
    "status",
    "redirect",
    "too_large",
    "encoded",
    "document",
    "timeout",
    "deadline",
    "network",
    "fetch_raised",
    "fetch_answer",
    "no_thread",
]


class Fetched(Value):
    """The answer of a key endpoint: status code, body as it came, and the `Cache-Control` field ("" without one)."""

    __slots__ = ("status", "body", "cache_control")
    status: int
    body: bytes
    cache_control: str

    def __init__(self, status: int, body: bytes, cache_control: str = "") -> None:
        self._set(status=status, body=body, cache_control=cache_control)

    def __repr__(self) -> str:
        return f"Fetched(status={self.status!r}, cache_control={self.cache_control!r})"


class Good(NamedTuple):
    """A usable JWK Set. `max_age` in seconds, 0 where the answer promises nothing."""

    jwks: JwkSet
    max_age: int


class Failure(NamedTuple):
    """No keys, and why. `code` is stable, `text` is for people and safe to log. `denied` is 403 or 404, everything else an outage."""

    code: FailureCode
    text: str


Outcome = Good | Failure


def read(fetched: object, algorithms: tuple[str, ...]) -> Outcome:
    """What `fetched` means to a ring that wants keys for `algorithms`. Never raises for anything that came from outside."""
    if not isinstance(fetched, Fetched):
        return Failure("fetch_answer", "the fetch callable did not return a Fetched")
    status, body, cache_control = fetched.status, fetched.body, fetched.cache_control
    if type(status) is not int or not isinstance(body, bytes) or not isinstance(cache_control, str):
        return Failure("fetch_answer", "the fetch callable's Fetched is not an int, bytes and a str")
    if status in (403, 404):
        return Failure("denied", f"the endpoint answered {status}")
    if 300 <= status < 400:
        return Failure("redirect", f"the endpoint answered {status}; redirects are not followed")
    if status != 200:
        return Failure("status", f"the endpoint answered {status}")
    if len(body) > MAX_BYTES:
        return Failure("too_large", f"the answer is longer than {MAX_BYTES} bytes")
    try:
        return Good(parse_jwk_set(body, algorithms), max_age(cache_control))
    except ValueError as reason:
        return Failure("document", str(reason)[:300])


def max_age(cache_control: str) -> int:
    """The seconds of `max-age` (RFC 9111 §5.2.2.1), the smallest of several; 0 for `no-store`, `no-cache`, none, or a malformed field."""
    if len(cache_control) > 1000:
        return 0
    ages: list[int] = []
    at = 0
    while at < len(cache_control):
        directive = re.compile(_DIRECTIVE).match(cache_control, at)  # here, and kept by `re`: not at every start
        if directive is None:
            return 0
        at = directive.end()
        name, argument = directive[1].lower(), directive[2]
        if name in ("no-store", "no-cache"):
            return 0
        if name == "max-age":
            seconds = _SECONDS.fullmatch(argument or "")
            if seconds is None:
                return 0
            ages.append(min(int(seconds[1]), _LONGEST))
    return min(ages, default=0)


_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_DIRECTIVE = rf'[ \t]*+({_TOKEN})(?:=({_TOKEN}|"(?:[^"\\]|\\.)*+"))?[ \t]*+(?:,|\Z)'
_SECONDS = re.compile(r'"?([0-9]{1,20})"?')
_LONGEST = 2**31  # RFC 9111 §1.2.2
