"""Claims as header fields for the upstream: which, under which name, and in which octets (THREATS A20, A23, T2).

Decides how a claim is written so that it can be read back, and what cannot be sent. Judges no claim: a Principal is verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal
from weakref import ref

from pybase64 import b64encode

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.folding import name_problem, trimmed_fold
from cognito_guard.gateway.rewriting.forwarded import is_forwarding
from cognito_guard.gateway.rewriting.hop import HOP_BY_HOP, PROTECTED
from cognito_guard.gateway.rewriting.memo import Memo
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value
from cognito_guard.web.request import HeaderPair

Encoding = Literal["plain", "json", "base64url"]

DEFAULT_IDENTITY: Mapping[str, str] = {
    "X-Cognito-Subject": "sub",
    "X-Cognito-Client": "client_id",
    "X-Cognito-Username": "username",
    "X-Cognito-Groups": "cognito:groups",
    "X-Cognito-Scopes": "scope",
    "X-Cognito-Email": "email",
}
"""What is sent where the settings do not say."""

RESERVED_PREFIX = b"x-cognito-"
"""Fields under this prefix are never taken from clients, even those that no setting names: another setting may have, yesterday."""


class NotSendable(Exception):
    """A claim cannot be written into a header field as configured: control characters under "plain". The request must not be forwarded.

    `header` and `claim` are names from the settings; the claim's value is not held. Gateway-internal.
    """

    def __init__(self, header: str, claim: str) -> None:
        self.header = header
        self.claim = claim
        super().__init__(f"the claim {claim} cannot be sent as {header}; configure the encoding 'json' or 'base64url' for it")


class ClaimHeader(Value):
    """How one claim is written.

    `claim` is a claim's name, `:` and `.` taken literally, or a word that fits both kinds of token: `sub` (`Principal.subject`),
    `client_id`, `username`, `scope` (as in the access token; an ID token grants none, whatever it says).

    `encoding`:
    - "plain": visible ASCII and inner spaces as they are; `%`, any other octet of the UTF-8 form, and a space at either end as `%XX`.
      An array's elements are joined by `delimiter`, which is `%XX` inside an element. So: split, then percent-decode. Numbers and
      booleans as JSON, what is nested as compact JSON under the same rules. Control characters raise `NotSendable`.
    - "json": compact JSON in ASCII (`\\uXXXX`).
    - "base64url": without padding; of a string its UTF-8 octets, of anything else its compact JSON.

    An absent claim, null, and under "plain" the empty string and the array without text, give an empty value.
    """

    __slots__ = ("claim", "encoding", "delimiter")
    claim: str
    encoding: Encoding
    delimiter: str

    def __init__(self, claim: str, *, encoding: Encoding = "plain", delimiter: str = ",") -> None:
        problems = []
        if not isinstance(claim, str) or not claim:
            problems.append("claim: give the name of a claim, such as 'email'")
        if encoding not in ("plain", "json", "base64url"):
            problems.append("encoding: write 'plain', 'json' or 'base64url'")
        if not isinstance(delimiter, str) or not _DELIMITER.fullmatch(delimiter):
            problems.append("delimiter: give one visible ASCII character that is no letter, no digit and not '%', such as ','")
        if problems:
            raise ConfigurationError("ClaimHeader", problems)
        self._set(claim=claim, encoding=encoding, delimiter=delimiter)


class IdentityHeaders:
    """The managed identity headers: each is sent with every request, exactly once, empty where there is nothing to say.

    `headers` gives for each name the claim (a string, or a `ClaimHeader`); empty, nothing is sent, and whatever clients send under
    `X-Cognito-` is dropped all the same. Mistakes raise `ConfigurationError`, all at once.
    """

    __slots__ = ("_memo", "_nobody", "_writers", "names")
    names: tuple[str, ...]

    def __init__(self, headers: Mapping[str, str | ClaimHeader] = DEFAULT_IDENTITY) -> None:
        problems: list[str] = []
        writers: list[_Writer] = []
        seen: dict[bytes, str] = {}
        for name, told in headers.items():
            problem = header_problem(name)
            if problem is None and (other := seen.setdefault(trimmed_fold(name.encode()), name)) != name:
                problem = f"{other!r} is the same name to many upstreams; keep one of the two"
            if problem is not None:
                problems.append(f"headers[{name!r}]: {problem}")
            if not isinstance(told, ClaimHeader) and (not isinstance(told, str) or not told):
                problems.append(f"headers[{name!r}]: give the name of a claim, or ClaimHeader(claim, encoding=...)")
            elif problem is None:
                claim = told if isinstance(told, ClaimHeader) else ClaimHeader(told)
                writers.append((name.lower().encode(), name, claim.claim, _reader(claim.claim), _writer(claim)))
        if problems:
            raise ConfigurationError("IdentityHeaders", problems)
        self.names = tuple(headers)
        self._writers = tuple(writers)
        self._nobody: list[HeaderPair] = [(writer[0], b"") for writer in writers]
        # by identity, since equality of Principals compares all claims; weakly, since it is the Guard's cache that bounds them
        self._memo: Memo[int, tuple[ref[Principal], list[HeaderPair]]] = Memo(4096)

    def pairs(self, principal: Principal | None) -> list[HeaderPair]:
        """Every managed header once, in the order configured, names in lower case. The list is shared: never change it.

        Raises `NotSendable`: forward nothing. Any other exception is a bug.
        """
        if principal is None:
            return self._nobody
        memo, at = self._memo, id(principal)
        known = memo.recall(at) or memo.recover(at)
        if known is not None and known[0]() is principal:
            return known[1]
        made: list[HeaderPair] = []
        octets = 0
        for wire, name, source, read, write in self._writers:
            claim = read(principal)
            value = b"" if claim is None else write(claim)
            if value is None:
                raise NotSendable(name, source)
            made.append((wire, value))
            octets += len(value)
        if octets <= MAX_REMEMBERED:
            memo.keep(at, (ref(principal), made))
        return made


MAX_REMEMBERED = 8192  # octets of values; rarer Principals are written anew each time


def header_problem(name: object) -> str | None:
    """Why a name cannot be that of a managed header; None if it can."""
    problem = name_problem(name)
    if problem is None and isinstance(name, str):
        lower = name.lower().encode()
        if lower in HOP_BY_HOP | PROTECTED or lower.startswith(_TAKEN) or is_forwarding(lower):
            return "the name has a meaning of its own in HTTP; choose another, such as X-Cognito-Subject"
    return problem


Read = Callable[[Principal], Any]
Write = Callable[[Any], bytes | None]
_Writer = tuple[bytes, str, str, Read, Write]

_TAKEN = (
    b"accept",
    b"access-control-",
    b"content-",
    b"date",
    b"if-",
    b"range",
    b"sec-",
    b"traceparent",
    b"tracestate",
    b"x-cognito-guard-",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DELIMITER = re.compile(r"[!-$&-/:-@\[-`{-~]")
# nothing to encode but, in an array, the delimiter; tried at the start only, so it stays linear
_USUAL = re.compile(r"[!-$&-~](?:[ -$&-~]*[!-$&-~])?")
_ODD = re.compile(rb"[^ -$&-~]")


def _reader(claim: str) -> Read:
    return _WORDS.get(claim) or (lambda principal: principal.claims.get(claim))


_WORDS: Mapping[str, Read] = {
    "sub": lambda principal: principal.subject,
    "client_id": lambda principal: principal.client_id,
    "username": lambda principal: principal.username,
    # an ID token's claim of this name is a custom one, and grants nothing
    "scope": lambda principal: principal.claims.get("scope") if principal.token_use == "access" else None,
}


def _writer(told: ClaimHeader) -> Write:
    if told.encoding == "json":
        return lambda claim: _json(claim).encode("ascii")
    if told.encoding == "base64url":
        return _base64url
    delimiter = told.delimiter
    joint, escaped = delimiter.encode(), b"%%%02X" % ord(delimiter)

    def plain(claim: Any) -> bytes | None:
        if not isinstance(claim, tuple):
            return _plain(claim if isinstance(claim, str) else _json(claim))
        elements = []
        for element in claim:
            octets = _plain(element if isinstance(element, str) else _json(element))
            if octets is None:
                return None
            elements.append(octets.replace(joint, escaped) if joint in octets else octets)
        return joint.join(elements)

    return plain


def _plain(text: str) -> bytes | None:
    if _USUAL.fullmatch(text):
        return text.encode("ascii")
    if _CONTROL.search(text):
        return None
    octets = _octets(text)
    if octets is None:
        return None
    inner = octets.strip(b" ")
    before = len(octets) - len(octets.lstrip(b" "))
    after = len(octets) - len(inner) - before
    return b"%20" * before + _ODD.sub(lambda found: b"%%%02X" % ord(found[0]), inner) + b"%20" * after


def _base64url(claim: Any) -> bytes | None:
    octets = _octets(claim) if isinstance(claim, str) else _json(claim).encode("ascii")
    return None if octets is None else b64encode(octets, b"-_").rstrip(b"=")


def _octets(text: str) -> bytes | None:
    """UTF-8; None for a lone surrogate, which the verifier refuses but which must not become an error that carries the text."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None


def _json(claim: Any) -> str:
    return json.dumps(claim, separators=(",", ":"), default=dict)  # `default`: read-only mappings
