"""Envoy's ext_authz over gRPC: the service that answers `envoy.service.auth.v3.Authorization/Check` (THREATS section 6).

Decides nothing about requests but through a Front. Every answer is a decision: what goes wrong in here is a denial, never an error of
the call, since Envoy may be configured to let those pass (`failure_mode_allow`).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote

import grpc.aio  # type: ignore[import-untyped]

from cognito_guard.errors import ConfigurationError, Unavailable
from cognito_guard.front import Forward, Front, Outcome
from cognito_guard.gateway.ext_authz.messages import allowed, denied, read_check
from cognito_guard.gateway.ext_authz.original import MALFORMED, question
from cognito_guard.gateway.forward_auth.answers import Identity
from cognito_guard.gateway.forward_auth.asking import NOT_SENDABLE, STRANGER, asking_problems
from cognito_guard.gateway.forward_auth.kinds import Kind, Missing, Original
from cognito_guard.gateway.rewriting.identity import NotSendable
from cognito_guard.web.challenge import challenge
from cognito_guard.web.credentials import SUBPROTOCOL
from cognito_guard.web.problem import Challenge, problem
from cognito_guard.web.request import HeaderPair, Request

SECRET_FIELD: Final = "x-cognito-guard-secret"


Listener = Callable[[Original | None, Outcome], object]
"""Hears of each answer: what was asked about (None where that could not be told, or nobody looked), and what came of it."""


class ExtAuthz:
    """Answers Envoy's questions, each by a Front. Build one at start; `start` it in the process, on the loop, that is to serve it.

    - `front`: the Front, or, where routes differ by host, a function that gives it by the value of the original `:authority`.
    - `trusts`: whether to answer this peer (an address, None for a unix socket).
    - `identity`: the managed header pairs of a Principal or of nobody, such as `IdentityHeaders(...).pairs`. Envoy writes them over what
      the client sent, and takes other spellings of their names off the request.
    - `secret`: what the call's metadata `x-cognito-guard-secret` must hold, if anything: at least 16 visible ASCII characters. In Envoy,
      `grpc_service.initial_metadata` sets it.
    - `on_answer`: a `Listener`, for logs and counters; an exception in it is logged, the first one only, and changes nothing.

    A refusal reaches the client as it is: status, challenge and body. Keys that cannot be had are 503 with Retry-After, also when Envoy's
    own timeout is about to end the wait for them. Where a proxy over HTTP would get 500, a question that cannot be read is denied with
    500 here, and so is a bug of ours. Wrong arguments raise `ConfigurationError` with every mistake; correct the call.
    """

    def __init__(
        self,
        front: Front | Callable[[bytes], Front],
        *,
        trusts: Callable[[str | None], bool],
        identity: Identity,
        secret: bytes | None = None,
        on_answer: Listener | None = None,
    ) -> None:
        problems = asking_problems(front, trusts, identity, secret, on_answer)
        if problems:
            raise ConfigurationError("ExtAuthz", problems)
        self._front = front
        self._trusts = trusts
        self._identity = identity
        self._secret = secret
        self._on_answer = on_answer
        self._kind = Kind("envoy", [name for name, _ in identity(None)], by_host=not isinstance(front, Front))
        self._allowed: dict[tuple[HeaderPair, ...], bytes] = {}
        self._known_peers: dict[str, bool] = {}
        self._logged: set[str] = set()
        self._server: Any = None
        self._answering = [self]  # who answers at the address that this one listens at

    async def start(self, bind: str, *, shared: bool = False) -> str:
        """Listen at `host:port` or `unix:/path`, on the running loop; gives the address, with the port where it was 0.

        `shared`: other workers listen at the same address too. The calls are in plain text: listen on loopback or a unix socket, which
        is open to its owner and group. Raises `ConfigurationError` where the address cannot be had; correct it or free it.
        """
        options = [("grpc.so_reuseport", int(shared)), ("grpc.max_receive_message_length", _MAX_MESSAGE)]
        server = grpc.aio.server(options=options)
        # octets in and out: a message that cannot be read must become a denial, and grpc would make an error of it
        answering = self._answering

        async def asked(octets: bytes, context: Any) -> bytes:
            return await answering[0]._check(octets, context)  # noqa: SLF001 - of its own class

        check = grpc.unary_unary_rpc_method_handler(asked)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Check": check}),))
        port = _listen(server, bind)
        if not port:
            await server.stop(None)
            raise ConfigurationError("ExtAuthz", [f"bind: {bind} cannot be used; name another address, or free this one"])
        await server.start()
        self._server = server
        return bind if bind.startswith("unix:") else f"{bind.rpartition(':')[0]}:{port}"

    def hand_over(self, heir: ExtAuthz) -> None:
        """From now on `heir` answers at this one's address, on open connections too, and is the one to stop."""
        heir._answering, heir._server = self._answering, self._server
        heir._answering[0] = heir
        self._answering, self._server = [self], None

    async def stop(self, grace: float) -> None:
        """Take no more calls, and end those that are under way after `grace` seconds at most."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace)

    async def answer(self, octets: bytes, seconds: float | None = None) -> bytes:
        """A CheckResponse for a CheckRequest, as octets on both sides. `seconds`: when the one who asks will wait no longer.

        Any exception but a cancellation is caught here, and is a denial with status 500.
        """
        try:
            return await self._judged(octets, seconds)
        except Exception as bug:  # noqa: BLE001 - an error of the call could be let through by Envoy
            return self._failed(bug)

    async def _check(self, octets: bytes, context: Any) -> bytes:
        try:
            if not self._may_ask(context):
                return self._denied(None, STRANGER)
            seconds = context.time_remaining()
        except Exception as bug:  # noqa: BLE001 - as above
            return self._failed(bug)
        return await self.answer(octets, seconds)

    async def _judged(self, octets: bytes, seconds: float | None) -> bytes:
        asked = read_check(octets)
        if asked is None:
            self._log("a call was no question about an HTTP request")
            return self._denied(None, _UNREADABLE)
        asks = question(asked)
        if isinstance(asks, Challenge):
            return self._denied(None, asks)
        method, target, headers = asks
        raw_path, _, query = target.partition(b"?")
        original = self._kind.original(method, raw_path, query, headers)
        if isinstance(original, Missing):
            return self._denied(None, MALFORMED)
        front = self._front if isinstance(self._front, Front) else self._front(original.host)
        if original.kind == "http":
            principal = front.granted_before(method, original.path, original.raw_path, "", headers)
            if principal is not None:
                return self._forwarded(original, Forward(principal))
        request = original.request(headers)
        wait = asyncio.timeout(None if seconds is None else seconds * _SHARE_OF_TIMEOUT)
        try:
            async with wait:
                outcome = await front.judge_async(request)
        except TimeoutError:
            if not wait.expired():
                raise
            self._log("a decision took longer than the timeout of Envoy's grpc_service; it was answered with 503")
            outcome = _TOO_LATE
        if isinstance(outcome, Challenge):
            return self._denied(original, outcome)
        return self._forwarded(original, outcome, *_without_credentials(front, request))

    def _forwarded(
        self, original: Original, outcome: Forward, written: Iterable[HeaderPair] = (), removed: Iterable[bytes] = ()
    ) -> bytes:
        try:
            pairs = tuple(self._identity(outcome.principal))
        except NotSendable as wrong:
            self._log(str(wrong))
            pairs = None
        if pairs is None:
            return self._denied(original, NOT_SENDABLE)
        if original.aliases or written or removed:
            octets = allowed([*pairs, *written], [*original.aliases, *removed])
        elif (known := self._allowed.get(pairs)) is None:
            octets = allowed(pairs)
            if len(self._allowed) >= _REMEMBERED:
                self._allowed.clear()
            self._allowed[pairs] = octets
        else:
            octets = known
        if self._on_answer is not None:
            self._tell(original, outcome)
        return octets

    def _denied(self, original: Original | None, answer: Challenge) -> bytes:
        if self._on_answer is not None:
            self._tell(original, answer)
        return denied(answer)

    def _tell(self, original: Original | None, outcome: Outcome) -> None:
        try:
            if self._on_answer is not None:
                self._on_answer(original, outcome)
        except Exception:  # noqa: BLE001 - whatever a listener does, the answer stands
            self._log("on_answer raised; what was decided stands", exc_info=True)

    def _may_ask(self, context: Any) -> bool:
        peer: str = context.peer()
        known = self._known_peers.get(peer)
        if known is None:
            known = self._is_trusted(peer)
            if len(self._known_peers) >= _REMEMBERED:
                self._known_peers.clear()
            self._known_peers[peer] = known
        if not known:
            self._log(
                f"a peer that is not trusted ({peer!a}) asked about a request; name it if it is your Envoy", once="stranger"
            )
            return False
        if self._secret is None:
            return True
        for name, value in context.invocation_metadata() or ():
            if name == SECRET_FIELD:
                octets = value.encode() if isinstance(value, str) else value
                if hmac.compare_digest(octets, self._secret):
                    return True
                break
        self._log(f"a question without the right {SECRET_FIELD}; let Envoy set it in grpc_service.initial_metadata")
        return False

    def _is_trusted(self, peer: str) -> bool:
        """`ipv4:127.0.0.1:40000`, `ipv6:%5B::1%5D:40000` or `unix:`, as gRPC names its peers."""
        family, _, rest = peer.partition(":")
        if family in ("unix", "unix-abstract"):
            return self._trusts(None)
        if family not in ("ipv4", "ipv6"):
            return False
        return self._trusts(unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0])

    def _log(self, sentence: str, *, once: str = "", exc_info: bool = False) -> None:
        """Once each: a mistake of the configuration comes with every request, and a client could repeat the others."""
        if (once or sentence) not in self._logged:
            self._logged.add(once or sentence)
            _log.error("ext_authz: %s (said once)", sentence, exc_info=exc_info)

    def _failed(self, bug: Exception) -> bytes:
        # the place, not the message: that may hold what the client sent
        frames = traceback.extract_tb(bug.__traceback__)
        self._log(
            f"{type(bug).__name__} at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: a bug; the request was denied"
        )
        return self._denied(None, _FAILED)


def _listen(server: Any, bind: str) -> int:
    """The port, 1 for a unix socket, 0 where the address cannot be had."""
    mask = os.umask(0o117) if bind.startswith("unix:") else None
    try:
        port: int = server.add_insecure_port(bind)
    except RuntimeError:
        return 0
    finally:
        if mask is not None:
            os.umask(mask)
    return port


def _without_credentials(front: Front, request: Request) -> tuple[list[HeaderPair], list[bytes]]:
    """What to write over and what to remove, so that the application does not see a websocket's token (`Front.without_credentials`)."""
    seen = front.without_credentials(request)
    if seen is request:
        return [], []
    written: list[HeaderPair] = []
    removed: list[bytes] = []
    if seen.query != request.query:
        path = request.raw_path or b""
        written.append((b":path", b"%b?%b" % (path, seen.query) if seen.query else path))
    if seen.headers is not request.headers:
        kept = [pair for pair in seen.headers if pair[0] == SUBPROTOCOL]
        written += kept
        removed += [] if kept else [SUBPROTOCOL]
    return written, removed


_SERVICE: Final = "envoy.service.auth.v3.Authorization"
_MAX_MESSAGE: Final = 16 * 1024 * 1024  # Envoy takes heads of 8 MiB at most; grpc refuses more than this by an error of the call
_SHARE_OF_TIMEOUT: Final = 0.8
_REMEMBERED: Final = 1024
_FAILED: Final = problem(500, "server_error", "internal_error", "the request could not be judged")
_UNREADABLE: Final = problem(
    500, "server_error", "question_unclear", "the proxy's question does not say which request it is about"
)
_TOO_LATE: Final = challenge(Unavailable("keys_unavailable", "the decision took too long", retry_after=1), realm="api")
_log = logging.getLogger("cognito_guard")
