"""The head of a request as the upstream gets it, and of its answer as the client does: one pass over the header pairs.

Decides field by field what passes, is dropped or written anew (THREATS A20, A22, T1 to T6). Judges nobody, frames no body, and leaves
the octets of what passes as they came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.assertion import Assertion
from cognito_guard.gateway.rewriting.cookies import OwnCookies
from cognito_guard.gateway.rewriting.folding import MAX_REMEMBERED, Managed, trimmed_fold
from cognito_guard.gateway.rewriting.forwarded import REBUILT, Forwarding, Peers, is_forwarding
from cognito_guard.gateway.rewriting.hop import HOP_BY_HOP, PROTECTED, USUAL, nominated
from cognito_guard.gateway.rewriting.identity import RESERVED_PREFIX, IdentityHeaders
from cognito_guard.gateway.rewriting.memo import Memo
from cognito_guard.token.principal import Principal
from cognito_guard.web.request import HeaderPair

Authorization = Literal["keep", "strip"] | tuple[Literal["replace"], bytes]
"""What becomes of the credentials: they pass, they do not, or `Authorization` is written anew with the value given."""


class Rewriting:
    """What happens to header fields between client and upstream, worked out once and applied to every request.

    - `identity`: the managed headers; `peers`: whose X-Forwarded-* count; `assertion`: the signed one, if any.
    - `own_cookies` never reach the upstream. `credentials` and `credential_cookies` name fields and cookies beside `Authorization`
      that may hold the token: they pass where it is kept and go where it is stripped or replaced.
    - `trailers`: whether the caller passes trailers on; then `TE: trailers` and the answers' `Trailer` are.
    - `methods_decide`: whether a route names methods. Then fields by which frameworks take another method than the one that was
      judged (`X-HTTP-Method-Override` and its like) do not pass.

    Mistakes raise `ConfigurationError`, all at once.
    """

    __slots__ = (
        "_answer_actions",
        "_assertion",
        "_cookies",
        "_credential_folds",
        "_credentials",
        "_forwarding",
        "_identity",
        "_managed",
        "_methods_decide",
        "_protected",
        "_request_actions",
        "_stripped_cookies",
        "_trailers",
        "_trusts",
    )

    def __init__(
        self,
        identity: IdentityHeaders,
        peers: Peers,
        *,
        assertion: Assertion | None = None,
        own_cookies: OwnCookies | None = None,
        credentials: Iterable[str] = (),
        credential_cookies: OwnCookies | None = None,
        trailers: bool = False,
        methods_decide: bool = False,
    ) -> None:
        names = [*identity.names, *(() if assertion is None else (assertion.header,))]
        self._managed = Managed(names)
        self._credentials = frozenset({b"authorization", *(name.lower().encode("ascii") for name in credentials)})
        self._credential_folds = frozenset(map(trimmed_fold, self._credentials))
        problems = []
        if assertion is not None and Managed(identity.names).drops(assertion.header.encode()):
            problems.append("assertion: an identity header has the same name; choose another for one of the two")
        if taken := sorted(name.decode() for name in self._credentials if self._managed.drops(name)):
            problems.append(
                f"credentials: {', '.join(taken)} is a managed header, which clients cannot send; choose another name"
            )
        if problems:
            raise ConfigurationError("Rewriting", problems)
        self._identity = identity
        self._assertion = assertion
        self._forwarding = Forwarding(peers)
        self._trusts = peers.trusts
        self._cookies = own_cookies or OwnCookies()
        self._stripped_cookies = self._cookies | (credential_cookies or OwnCookies())
        self._protected = PROTECTED | self._credentials
        self._trailers = trailers
        self._methods_decide = methods_decide
        self._request_actions: Memo[bytes, int] = Memo(2048)
        self._answer_actions: Memo[bytes, bytes] = Memo(2048)

    def request(
        self,
        headers: Sequence[HeaderPair],
        *,
        principal: Principal | None,
        peer: str | None,
        scheme: str,
        audience: str,
        now: float,
        jti: Callable[[], str],
        authorization: Authorization = "keep",
        host: bytes | None = None,
        websocket: bool = False,
    ) -> list[HeaderPair]:
        """The upstream's header pairs for a request whose `headers` the server has judged (names without blanks, one Host).

        `peer` is the connection's address (None: unix), `scheme` its own; `audience`, `now`, `jti` as `Assertion.pair` wants them.
        `host` stands in for the client's Host, None keeps it. `Content-Length` and `Expect` pass; `Transfer-Encoding` never
        does, so a body without a length is the caller's to frame. `websocket`: a handshake that was judged well-formed; then, and only
        then, `Sec-WebSocket-*` pass and `Connection: Upgrade` with `Upgrade: websocket` is written; no body goes with it.

        Raises `NotSendable` (see `IdentityHeaders.pairs`), and `ValueError` for a replacement that is no field value. Any other
        exception is a bug.
        """
        recall = self._request_actions.recall
        out: list[HeaderPair] = []
        claimed: list[HeaderPair] = []
        named: frozenset[bytes] = _NONE
        asks_trailers = False
        host_seen: bytes | None = None
        keep = authorization == "keep"
        passing = _PASS | (_CREDENTIALS if keep else 0) | (_WEBSOCKET if websocket else _BODY)
        if self._trusts(peer):
            passing |= _VOUCHED
        for pair in headers:
            action = recall(pair[0])
            if action is None:
                action = self._action(pair[0])
            if action & passing:
                out.append(pair)
            elif action == _HOST:
                if host_seen is None:
                    host_seen = pair[1]
                    out.append(pair if host is None else (b"host", host))
            elif action == _COOKIE:
                left = (self._cookies if keep else self._stripped_cookies).without(pair[1])
                if left:
                    out.append(pair if left == pair[1] else (pair[0], left))
            elif action == _CONNECTION:
                if pair[1] not in USUAL:
                    named |= nominated(pair[1], self._protected)
            elif action == _CLAIMED:
                if passing & _VOUCHED:
                    claimed.append((pair[0].lower(), pair[1]))
            elif action == _TE:
                asks_trailers = asks_trailers or b"trailers" in pair[1].lower()
        if named:  # before anything of ours is there
            out = [pair for pair in out if self._survives(pair[0], named)]
        if host is not None and host_seen is None:
            out.insert(0, (b"host", host))
        out += self._identity.pairs(principal)
        out += self._forwarding.pairs(peer, scheme, host_seen, claimed)
        if self._assertion is not None:
            out.append(self._assertion.pair(principal, audience=audience, now=now, jti=jti))
        if isinstance(authorization, tuple):
            out.append((b"authorization", _field_value(authorization[1])))
        if websocket:
            out += _UPGRADE
        elif asks_trailers:
            out += _TE_TRAILERS
        return out

    def answer(self, headers: Iterable[HeaderPair], *, websocket: bool = False) -> list[HeaderPair]:
        """The client's header pairs for an answer: names in lower case, order and repetitions (`Set-Cookie`) kept, without hop-by-hop.

        `websocket`: the answer is the 101 that opens one; `Connection: Upgrade` and `Upgrade: websocket` are written anew. What a
        `Connection` field names goes, but for fields meant for every recipient. Never raises.
        """
        recall = self._answer_actions.recall
        out: list[HeaderPair] = []
        named: frozenset[bytes] = _NONE
        for pair in headers:
            name = pair[0]
            lower = recall(name)
            if lower is None:
                lower = self._answer_name(name)
            if lower == name:
                out.append(pair)
            elif lower:
                out.append((lower, pair[1]))
            elif name.lower() == b"connection" and pair[1] not in USUAL:
                named |= nominated(pair[1])
        if named:
            out = [pair for pair in out if pair[0] not in named]
        if websocket:
            out += _UPGRADE
        return out

    def _survives(self, name: bytes, named: frozenset[bytes]) -> bool:
        """A client cannot take out by `Connection` what a trusted proxy or the handshake says, either."""
        lower = name.lower()
        return lower not in named or lower.startswith(b"sec-websocket-") or is_forwarding(lower)

    def _action(self, name: bytes) -> int:
        memo = self._request_actions
        action = memo.recover(name)
        if action is None:
            action = self._judged(name)
            if len(name) <= MAX_REMEMBERED:
                memo.keep(name, action)
        return action

    def _judged(self, name: bytes) -> int:
        lower, fold = name.lower(), trimmed_fold(name)
        if self._managed.drops(name):
            return _DROP
        if lower in self._credentials:
            return _CREDENTIALS
        if fold in self._credential_folds or fold.startswith(RESERVED_PREFIX):
            return _DROP
        if fold in _OVERRIDES and self._methods_decide:
            return _DROP
        if lower == b"cookie":
            return _COOKIE if self._stripped_cookies else _PASS
        if lower == b"te":
            return _TE if self._trailers else _DROP
        if fold in _BY_NAME:  # in a spelling other than its own, a name with a meaning is an attempt at having it twice
            return _BY_NAME[fold] if lower == fold else _DROP
        if lower in REBUILT:
            return _CLAIMED
        if is_forwarding(name):
            return _VOUCHED if lower == fold else _DROP
        return _PASS

    def _answer_name(self, name: bytes) -> bytes:
        memo = self._answer_actions
        lower = memo.recover(name)
        if lower is None:
            lower = name.lower()
            if lower in HOP_BY_HOP and not (lower == b"trailer" and self._trailers):
                lower = b""
            if len(name) <= MAX_REMEMBERED:
                memo.keep(name, lower)
        return lower


# what becomes of a field: bits, so that one mask says which pass in a request as they are
_DROP: Final = 0
_PASS: Final = 1
_CREDENTIALS: Final = 2
_WEBSOCKET: Final = 4
_BODY: Final = 8
_VOUCHED: Final = 16
_HOST: Final = 32
_COOKIE: Final = 64
_CONNECTION: Final = 128
_CLAIMED: Final = 256
_TE: Final = 512

# by fold; `proxy` becomes HTTP_PROXY under CGI (CVE-2016-5385)
_BY_NAME: Final = {
    **dict.fromkeys(HOP_BY_HOP | {b"proxy"}, _DROP),
    b"host": _HOST,
    b"connection": _CONNECTION,
    b"cookie": _DROP,
    b"content-length": _BODY,
    b"content-type": _PASS,
    b"expect": _BODY,
    **dict.fromkeys(
        (b"sec-websocket-" + part for part in (b"key", b"version", b"protocol", b"extensions", b"accept")), _WEBSOCKET
    ),
}

_OVERRIDES: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
_NONE: Final[frozenset[bytes]] = frozenset()
_UPGRADE: Final = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
_TE_TRAILERS: Final = [(b"te", b"trailers"), (b"connection", b"TE")]
_NO_FIELD_VALUE: Final = re.compile(rb"[^\t -~\x80-\xff]|\A[ \t]|[ \t]\Z|\A\Z")


def _field_value(value: bytes) -> bytes:
    if _NO_FIELD_VALUE.search(value):
        raise ValueError("the replacement for Authorization is not a field value (RFC 9110 §5.5)")
    return value
