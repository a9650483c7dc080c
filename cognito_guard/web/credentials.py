"""Where a request carries its token: the `Authorization` field (RFC 6750 §2.1, RFC 9110 §11.4), or a source that was named.

Decides whether a request carries exactly one Bearer token. Knows nothing of JWTs: whatever is one b64token goes to the Guard.
Octets are compared by hand, since `str.split` and `str.strip` take U+00A0, U+0085 and 0x1C to 0x1F for white space.
"""
# ruff: noqa: SLF001 - sources are asked in this file, and nowhere else

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from cognito_guard.errors import ConfigurationError, CredentialsRefused
from cognito_guard.value import Value
from cognito_guard.web.origin import from_same_origin
from cognito_guard.web.request import HeaderPair, Request

MAX_SCANNED = 1024 * 1024
MARKER: Final = "cognito-guard.bearer"
SUBPROTOCOL: Final = b"sec-websocket-protocol"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class FromCookie(Value):
    """The cookie of this name, case included; its value is the token.

    Browsers send cookies along with requests that other sites cause, so a cookie counts for methods other than GET, HEAD, OPTIONS and
    TRACE, and for websockets, only with `Sec-Fetch-Site: same-origin`, or, where that field is absent, with an `Origin` that equals
    `Host`; otherwise the request is one without credentials. Keep what changes anything away from GET, and set the cookie with
    `Secure; HttpOnly; SameSite=Lax` and a `__Host-` name. Wrong arguments raise `ConfigurationError`; correct the call.
    """

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        self._set(name=_field_name("FromCookie", name))

    def _found(self, request: Request) -> list[bytes]:
        name = self.name.encode()
        fields = b";".join(value for field, value in request.headers if field.lower() == b"cookie")
        pairs = (pair.strip(b" \t").partition(b"=") for pair in fields.split(b";"))
        values = [value for at, _, value in pairs if at == name]
        if not values or (request.kind == "http" and request.method in SAFE_METHODS) or from_same_origin(request.headers):
            return values
        return []


class FromHeader(Value):
    """The header field of this name, in any case; its value is the token, without a scheme in front.

    Name a field only if a proxy in front removes what clients send under it, or if clients are meant to send it. Not `Authorization`,
    which is looked at anyway, nor `Cookie`. Wrong arguments raise `ConfigurationError`; correct the call.
    """

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        if isinstance(name, str) and name.lower() in ("authorization", "cookie"):
            raise ConfigurationError(
                "FromHeader", ["name: Authorization is looked at anyway; for a cookie write FromCookie(name)"]
            )
        self._set(name=_field_name("FromHeader", name))

    def _found(self, request: Request) -> list[bytes]:
        name = self.name.lower().encode()
        return [value for field, value in request.headers if field.lower() == name]


class FromQuery(Value):
    """The query parameter of this name, in a websocket's handshake only; the application never sees it.

    Servers and proxies log URLs (RFC 9700 §4.3.2): prefer `FromSubprotocol`, and let such tokens live for minutes.
    Wrong arguments raise `ConfigurationError`; correct the call.
    """

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        self._set(name=_field_name("FromQuery", name))

    def _found(self, request: Request) -> list[bytes]:
        if request.kind != "websocket":
            return []
        return [_decoded(part.partition(b"=")[2]) for part in request.query.split(b"&") if self._is_named(part)]

    def _taken_out(self, request: Request) -> Request:
        kept = [part for part in request.query.split(b"&") if not self._is_named(part)]
        return request.replaced(query=b"&".join(kept))

    def _is_named(self, part: bytes) -> bool:
        return _decoded(part.partition(b"=")[0]) == self.name.encode()


class _FromSubprotocol(Value):
    """The type of `FromSubprotocol`."""

    __slots__ = ()

    def _found(self, request: Request) -> list[bytes]:
        if request.kind != "websocket":
            return []
        offered = subprotocols(request.headers)
        # an empty value stands for a marker out of place, or with nothing behind it: neither is a token
        return [
            offered[at + 1].encode("latin-1") if at == 0 and len(offered) > 1 else b""
            for at, name in enumerate(offered)
            if name == MARKER
        ]

    def _taken_out(self, request: Request) -> Request:
        offered = subprotocols(request.headers)
        kept = without_bearer(offered)
        if kept == offered:
            return request
        pairs = [pair for pair in request.headers if pair[0].lower() != SUBPROTOCOL]
        return request.replaced(headers=[*pairs, (SUBPROTOCOL, ", ".join(kept).encode("latin-1"))] if kept else pairs)

    def __repr__(self) -> str:
        return "FromSubprotocol"


FromSubprotocol: Final = _FromSubprotocol()
"""A websocket's subprotocols `cognito-guard.bearer, <token>[, those of the application]`, for browsers, whose API sets no headers.

`new WebSocket(url, ["cognito-guard.bearer", token, "chat"])`. The first two are never echoed, and the application never sees them.
Offer one that the application accepts: browsers give up a connection in which none of the offered subprotocols was chosen.
"""

Source = FromCookie | FromHeader | FromQuery | _FromSubprotocol
"""A place for a token beside `Authorization`."""


def bearer_token(header_pairs: Iterable[HeaderPair]) -> str | None:
    """The Bearer token of a request, or None where it carries no Bearer credentials: no `Authorization` field, or another scheme.

    `header_pairs` are names, in any case, and values, as octets; they are iterated once. The token is one b64token; whether it is a
    JWT is not checked. A value of more than `MAX_SCANNED` octets is handed on as it is, for the Guard's own limit to reject (401).

    Raises `CredentialsRefused` (answer 400): `credentials_ambiguous` for two `Authorization` fields of whatever scheme, since servers
    and frameworks differ in which one they read; `credentials_malformed` for a Bearer value that is not `Bearer`, spaces (U+0020
    only) and one b64token. Any other exception is a bug.
    """
    token = unscanned_bearer(header_pairs)
    refusal = None if token is None else malformed(token)
    if refusal is not None:
        raise refusal
    return token


def unscanned_bearer(header_pairs: Iterable[HeaderPair]) -> str | None:
    """`bearer_token`, but for the alphabet: it holds no space, and `malformed` is still to be asked.

    For callers that ask the Guard first: it accepts letters, digits, `-`, `_` and `.` only, so what it accepts needs no second look.
    """
    field: bytes | None = None
    for name, value in header_pairs:
        if len(name) == 13 and name.lower() == b"authorization":
            if field is not None:
                raise _ambiguous("the request has more than one Authorization field")
            field = value
    if field is None:
        return None
    if field[:7] not in USUAL:
        if not _is_bearer(field):
            # a server may leave blanks in front of a value; they must not turn Bearer credentials into absent ones
            if _is_bearer(field[:MAX_SCANNED].lstrip(b" \t")):
                raise _malformed()
            return None
        if field[6:7] != b" ":
            raise _malformed()
    token = field[7:]
    if len(token) >= MAX_SCANNED:
        return token.decode("latin-1")
    if b" " in token:
        token = token.lstrip(b" ")
        if b" " in token:
            raise _malformed()
    return token.decode("latin-1")


def named_token(request: Request, sources: Iterable[Source]) -> str | None:
    """The token of the first of `sources` that has a value; `malformed` is still to be asked. None: no source has one.

    Raises `CredentialsRefused("credentials_ambiguous")` (answer 400) for a source with two values. Any other exception is a bug.
    """
    for source in sources:
        values = source._found(request)
        if len(values) > 1:
            raise _ambiguous("the request has more than one value where one token was expected")
        if values:
            return values[0].decode("latin-1")
    return None


def without_tokens(request: Request, sources: Iterable[Source]) -> Request:
    """The handshake of a websocket as the application may see it: without what `FromQuery` and `FromSubprotocol` read."""
    for source in sources:
        if isinstance(source, FromQuery | _FromSubprotocol):
            request = source._taken_out(request)
    return request


def malformed(token: str) -> CredentialsRefused | None:
    """The refusal of what is not one b64token (RFC 6750 §2.1); None if it is one, or too long to be looked at (the Guard rejects it)."""
    if len(token) >= MAX_SCANNED:
        return None
    letters = token.encode("latin-1").rstrip(b"=")
    return _malformed() if not letters or letters.translate(None, _B64TOKEN) else None


def source_problems(sources: object) -> list[str]:
    """What is wrong with a setting `credentials=`."""
    if not isinstance(sources, Sequence) or not all(isinstance(source, Source) for source in sources):
        return ["credentials: give a list of FromCookie(name), FromHeader(name), FromQuery(name) or FromSubprotocol"]
    return []


def subprotocols(header_pairs: Iterable[HeaderPair]) -> list[str]:
    """What a websocket's handshake offers, in order (RFC 6455 §11.3.4: the field may stand several times)."""
    fields = b",".join(value for name, value in header_pairs if name.lower() == SUBPROTOCOL)
    return [name for name in (part.strip(b" \t").decode("latin-1") for part in fields.split(b",")) if name]


def without_bearer(offered: Iterable[str]) -> list[str]:
    """Subprotocols without the marker and what follows it, wherever they stand."""
    kept, before = [], ""
    for name in offered:
        if MARKER not in (name, before):
            kept.append(name)
        before = name
    return kept


def _is_bearer(field: bytes) -> bool:
    """Whether the value's first token (RFC 9110 §5.6.2) is `Bearer`; `BearerToken` is another scheme."""
    return field[:6].lower() == b"bearer" and (len(field) == 6 or field[6] not in _TOKEN)


def _decoded(octets: bytes) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), octets.replace(b"+", b" "))


def _field_name(subject: str, name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}", name):
        raise ConfigurationError(subject, ["name: give 1 to 256 letters, digits or '!#$%&'*+-.^_`|~' (RFC 9110 §5.6.2)"])
    return name


def _ambiguous(text: str) -> CredentialsRefused:
    return CredentialsRefused("credentials_ambiguous", text)


def _malformed() -> CredentialsRefused:
    return CredentialsRefused(
        "credentials_malformed", "the credentials are not one token; Authorization holds 'Bearer', a space and it"
    )


USUAL = (b"Bearer ", b"bearer ")
_LETTERS_AND_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_B64TOKEN = _LETTERS_AND_DIGITS + b"-._~+/"
_TOKEN = _LETTERS_AND_DIGITS + b"!#$%&'*+-.^_`|~"
