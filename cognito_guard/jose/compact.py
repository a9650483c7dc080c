"""JWS compact serialisation (RFC 7515 §7.1): from text to three decoded parts, strictly and before any library.

Decides which texts are a JWS that this package will look at, and which JOSE headers it refuses. Holds no opinion on claims: a
`CompactJws` hands out octets only, and the signature's verdict on them.
"""

from __future__ import annotations

from cognito_guard.errors import TokenRejected
from cognito_guard.jose import base64url, strict_json
from cognito_guard.jose.jwk import MAX_KID, VerificationKey
from cognito_guard.value import Value

# RFC 7515 §4.1.11 and RFC 7797 would change what is signed; RFC 7516 and §4.1.10 would make it another object
_REFUSED = ("crit", "b64", "zip", "enc", "cty")
_REMEMBERED = 256


class JoseHeader(Value):
    """The parameters that are looked at: `typ` in lower case without `application/`, or None. All others are ignored, keys included."""

    __slots__ = ("alg", "kid", "typ")
    alg: str
    kid: str
    typ: str | None

    def __init__(self, alg: str, kid: str, typ: str | None) -> None:
        self._set(alg=alg, kid=kid, typ=typ)


class CompactJws:
    """A JWS of well-formed parts, not verified: `header` and `payload` may choose a route, never a verdict."""

    __slots__ = ("_new_segment", "_signature", "_signing_input", "header", "payload")

    def __init__(
        self, header: JoseHeader, payload: bytes, signing_input: bytes, signature: bytes, new_segment: str | None
    ) -> None:
        self.header = header
        self.payload = payload
        self._signing_input = signing_input
        self._signature = signature
        self._new_segment = new_segment

    def is_signed_by(self, key: VerificationKey) -> bool:
        """Whether the signature is `key`'s, made with the one algorithm of that key which the header names too."""
        return self.header.alg == key.alg and key.verify(self._signature, self._signing_input)


class CompactParser:
    """Parses tokens of at most `max_size` characters whose algorithm is in `algorithms`.

    A header segment is remembered once its token was verified: a pool has a handful, and each stands before every token.
    """

    def __init__(self, algorithms: frozenset[str], max_size: int) -> None:
        self._algorithms = algorithms
        self._max_size = max_size
        self._headers: dict[str, JoseHeader] = {}

    def parse(self, token: str) -> CompactJws:
        """The JWS that `token` is. Raises `TokenRejected`; any other exception is a bug."""
        if len(token) > self._max_size:
            raise TokenRejected("token_too_large")
        signing_input, _, tail = token.rpartition(".")
        head, second_dot, body = signing_input.partition(".")
        if not second_dot or "." in body or "=" in token or "+" in token or "/" in token:
            raise TokenRejected("encrypted_token" if token.count(".") == 4 else "not_a_jwt")
        payload = signature = None
        try:
            payload = base64url.decode_plain(body)
            signature = base64url.decode_plain(tail)
        except ValueError:
            pass
        if payload is None or signature is None:  # outside the handler: the decoder's error may show a part of the token
            raise TokenRejected("not_a_jwt")
        header = self._headers.get(head)
        new_segment = None
        if header is None:
            header, new_segment = self._parse_header(head), head
        return CompactJws(header, payload, signing_input.encode(), signature, new_segment)

    def remember(self, jws: CompactJws) -> None:
        """Keep the header segment of a *verified* token. Never call this for any other."""
        if jws._new_segment is not None:  # noqa: SLF001 - parser and product are one
            if len(self._headers) >= _REMEMBERED:
                self._headers.clear()
            self._headers[jws._new_segment] = jws.header  # noqa: SLF001

    def _parse_header(self, segment: str) -> JoseHeader:
        raw = parameters = None
        try:
            raw = base64url.decode_plain(segment)
            parameters = strict_json.parse_object(raw)
        except ValueError:
            pass
        if parameters is None:
            raise TokenRejected("not_a_jwt" if raw is None else "header_malformed")
        alg = parameters.get("alg")
        if not isinstance(alg, str) or alg not in self._algorithms:
            raise TokenRejected("algorithm_refused", "alg")
        for name in _REFUSED:
            if name in parameters:
                raise TokenRejected("header_parameter_refused", name)
        kid = parameters.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID:
            raise TokenRejected("kid_refused", "kid")
        return JoseHeader(alg, kid, _media_type(parameters["typ"]) if "typ" in parameters else None)


def _media_type(typ: object) -> str:
    """In the form in which profiles list it; "" for what is no media type, and is never listed."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) and typ.isascii() else ""
