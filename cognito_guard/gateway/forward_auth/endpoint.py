"""The endpoint that proxies ask (THREATS section 6.3): one path for each kind, below `/_cognito_guard/verify/`.

Decides whom to answer at all: trusted peers that know the secret, where there is one. What is asked about is read by `kinds` and
judged by the Front; the query of the question itself decides nothing, since Caddy appends the client's.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable
from typing import Final

from cognito_guard.adapters.asgi import Receive, Scope, Send
from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Forward, Front, Outcome
from cognito_guard.gateway.forward_auth.answers import Answers, Identity
from cognito_guard.gateway.forward_auth.asking import NOT_SENDABLE, STRANGER, asking_problems
from cognito_guard.gateway.forward_auth.kinds import KIND_NAMES, Kind, KindName, Missing, Original
from cognito_guard.gateway.rewriting.identity import NotSendable
from cognito_guard.web.problem import Challenge, problem
from cognito_guard.web.request import HeaderPair

PREFIX: Final = "/_cognito_guard/verify/"
SECRET_FIELD: Final = "X-Cognito-Guard-Secret"

Listener = Callable[[Scope, Original | None, Outcome], object]
"""Hears of each question: its scope, what it was about (None where it did not say, or nobody looked), and what came of it."""


class ForwardAuth:
    """An ASGI application for `PREFIX` and what is below it: `nginx`, `traefik`, `caddy`, and `envoy/<original path>`.

    - `front`: the Front, or, where routes differ by host, a function that gives it by the value of the original Host field.
    - `kinds`: those that may ask; the paths of the others are unknown (404). Name the one you run: each believes fields that another
      kind of proxy would let clients send.
    - `trusts`: whether to answer this peer (an address, None for a unix socket). The server must not rewrite `scope["client"]`.
    - `identity`: the managed header pairs of a Principal or of nobody, such as `IdentityHeaders(...).pairs`.
    - `secret`: what `X-Cognito-Guard-Secret` must hold, if anything: at least 16 visible ASCII characters.
    - `on_answer`: a `Listener`, for logs and counters; an exception in it is logged, the first one only, and changes nothing.

    Allowed is 200 with every managed header and no body, and nothing else is. A question that does not say what it is about is the
    operator's mistake: 500, for Envoy 403 (it may be told to let a request through on 5xx), and an error in the log `cognito_guard`,
    once for each mistake. A bug in the Guard raises, and the server answers 500. Wrong arguments raise `ConfigurationError` with every
    mistake; correct the call. Any other exception is a bug.
    """

    def __init__(
        self,
        front: Front | Callable[[bytes], Front],
        *,
        kinds: Iterable[KindName],
        trusts: Callable[[str | None], bool],
        identity: Identity,
        secret: bytes | None = None,
        on_answer: Listener | None = None,
    ) -> None:
        named: tuple[KindName, ...] = () if isinstance(kinds, str) else tuple(kinds)
        problems = asking_problems(front, trusts, identity, secret, on_answer)
        if not named or any(name not in KIND_NAMES for name in named):
            problems.append(f"kinds: list those that may ask, out of {', '.join(KIND_NAMES)}")
        if problems:
            raise ConfigurationError("ForwardAuth", problems)
        self._front = front
        self._trusts = trusts
        self._secret = secret
        self._on_answer = on_answer
        self._logged: set[str] = set()
        managed = [name for name, _ in identity(None)]
        by_host = not isinstance(front, Front)
        self._kinds = {
            f"{PREFIX}{name}".encode(): (Kind(name, managed, by_host=by_host), Answers(name, identity)) for name in named
        }
        self._envoy = self._kinds.pop(_ENVOY, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is ever looked at
        if scope["type"] != "http":
            raise NotImplementedError("ForwardAuth answers http, and no other scope type")
        headers: list[HeaderPair] = scope["headers"]
        raw_path: bytes = scope.get("raw_path") or b""
        found = self._kinds.get(raw_path)
        if found is None and self._envoy is not None and raw_path.startswith(_ENVOY_BELOW):
            found, raw_path = self._envoy, raw_path[len(_ENVOY) :]
        refusal = self._stranger(scope, headers)
        if refusal is not None or found is None:
            await self._refuse(scope, send, None, refusal or _UNKNOWN)
            return
        kind, answers = found
        original = kind.original(scope["method"], raw_path, scope["query_string"], headers)
        if isinstance(original, Missing):
            self._log(
                logging.ERROR,
                kind.name + original.what,
                f"the proxy's question to {PREFIX}{kind.name} is not clear: {original.what}",
            )
            await self._refuse(scope, send, None, _UNCLEAR_TO_ENVOY if kind.name == "envoy" else _UNCLEAR)
            return
        front = self._front if isinstance(self._front, Front) else self._front(original.host)
        principal = None
        if original.kind == "http":
            principal = front.granted_before(original.method, original.path, original.raw_path, "", headers)
        if principal is None:
            outcome = await front.judge_async(original.request(headers))
            if isinstance(outcome, Challenge):
                await self._refuse(scope, send, original, answers.deny(outcome))
                return
            principal = outcome.principal
        try:
            pairs = answers.allow(principal, original.aliases)
        except NotSendable as wrong:
            self._log(logging.WARNING, wrong.header, str(wrong))
            pairs = None
        if pairs is None:
            await self._refuse(scope, send, original, NOT_SENDABLE)
            return
        if self._on_answer is not None:
            self._tell(scope, original, Forward(principal))
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})

    def _stranger(self, scope: Scope, headers: Iterable[HeaderPair]) -> Challenge | None:
        client = scope.get("client")
        peer = client[0] if client else None
        if not self._trusts(peer):
            self._log(logging.ERROR, "peer", f"a peer that is not trusted ({peer!a}) asked; name it if it is your proxy")
            return STRANGER
        if self._secret is not None:
            told = [value for name, value in headers if len(name) == _SECRET_LENGTH and name.lower() == _SECRET_NAME]
            if len(told) != 1 or not hmac.compare_digest(told[0], self._secret):
                self._log(logging.ERROR, "secret", f"a question without the right {SECRET_FIELD}; let the proxy set it, once")
                return STRANGER
        return None

    async def _refuse(self, scope: Scope, send: Send, original: Original | None, refusal: Challenge) -> None:
        if self._on_answer is not None:
            self._tell(scope, original, refusal)
        body = b"" if scope["method"] == "HEAD" else refusal.body
        await send({"type": "http.response.start", "status": refusal.status, "headers": list(refusal.headers)})
        await send({"type": "http.response.body", "body": body})

    def _tell(self, scope: Scope, original: Original | None, outcome: Outcome) -> None:
        try:
            if self._on_answer is not None:
                self._on_answer(scope, original, outcome)
        except Exception:  # noqa: BLE001 - whatever a listener does, the answer stands
            if "on_answer" not in self._logged:
                self._logged.add("on_answer")
                _log.error("on_answer raised; what was decided stands, and further failures are not logged", exc_info=True)

    def _log(self, level: int, mistake: str, sentence: str) -> None:
        """Once for each mistake: one of the configuration comes with every request."""
        if mistake not in self._logged:
            self._logged.add(mistake)
            _log.log(level, "forward-auth: %s", sentence)


_log = logging.getLogger("cognito_guard")
_ENVOY = f"{PREFIX}envoy".encode()
_ENVOY_BELOW = _ENVOY + b"/"
_SECRET_NAME = SECRET_FIELD.lower().encode()
_SECRET_LENGTH = len(_SECRET_NAME)
_UNKNOWN = problem(
    404, "not_found", "unknown_path", "there is nothing here; a kind of proxy that may ask must be named in the settings"
)
_UNCLEAR_TEXT = "the proxy's question does not say which request it is about; the gateway's log says what lacks"
_UNCLEAR = problem(500, "server_error", "question_unclear", _UNCLEAR_TEXT)
_UNCLEAR_TO_ENVOY = problem(403, "forbidden", "question_unclear", _UNCLEAR_TEXT)
