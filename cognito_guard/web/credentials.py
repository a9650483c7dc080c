"""Bearer credentials (RFC 6750 §2.1, RFC 9110 §11.4) in a request's header pairs.

Decides whether a request carries exactly one Bearer token. Knows nothing of JWTs: whatever is one b64token goes to the Guard.
Octets are compared by hand, since `str.split` and `str.strip` take U+00A0, U+0085 and 0x1C to 0x1F for white space.
"""

from __future__ import annotations

from collections.abc import Iterable

from cognito_guard.errors import CredentialsRefused

MAX_SCANNED = 1024 * 1024


def bearer_token(header_pairs: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The Bearer token of a request, or None where it carries no Bearer credentials: no `Authorization` field, or another scheme.

    `header_pairs` are names, in any case, and values, as octets; they are iterated once. The token is one b64token; whether it is a
    JWT is not checked. A value of more than `MAX_SCANNED` octets is handed on as it is, for the Guard's own limit to reject (401).

    Raises `CredentialsRefused` (answer 400): `credentials_ambiguous` for two `Authorization` fields of whatever scheme, since servers
    and frameworks differ in which one they read; `credentials_malformed` for a Bearer value that is not `Bearer`, spaces (U+0020
    only) and one b64token. Any other exception is a bug.
    """
    field: bytes | None = None
    for name, value in header_pairs:
        if len(name) == 13 and name.lower() == b"authorization":
            if field is not None:
                raise CredentialsRefused("credentials_ambiguous", "the request has more than one Authorization field")
            field = value
    if field is None:
        return None
    if not _is_bearer(field):
        # a server may leave blanks in front of a value; they must not turn Bearer credentials into absent ones
        if _is_bearer(field[:MAX_SCANNED].lstrip(b" \t")):
            raise _malformed()
        return None
    if field[6:7] != b" ":
        raise _malformed()
    if len(field) > MAX_SCANNED:
        return field[7:].decode("latin-1")
    token = field[7:].lstrip(b" ")
    letters = token.rstrip(b"=")
    if not letters or letters.translate(None, _B64TOKEN):
        raise _malformed()
    return token.decode("ascii")


def _is_bearer(field: bytes) -> bool:
    """Whether the value's first token (RFC 9110 §5.6.2) is `Bearer`; `BearerToken` is another scheme."""
    return field[:6].lower() == b"bearer" and (len(field) == 6 or field[6] not in _TOKEN)


def _malformed() -> CredentialsRefused:
    return CredentialsRefused("credentials_malformed", "the Authorization field is not 'Bearer', a space and one token")


_LETTERS_AND_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_B64TOKEN = _LETTERS_AND_DIGITS + b"-._~+/"
_TOKEN = _LETTERS_AND_DIGITS + b"!#$%&'*+-.^_`|~"
