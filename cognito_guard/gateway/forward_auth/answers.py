"""What a proxy is answered (THREATS section 6.2): 200 is the one status that nginx, Traefik, Caddy and Envoy all take for "let it pass".

Decides how each kind of proxy must hear a refusal, and which fields an allowed request carries on. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cognito_guard.gateway.forward_auth.kinds import KindName
from cognito_guard.token.principal import Principal
from cognito_guard.web.problem import Challenge, problem
from cognito_guard.web.request import HeaderPair

Identity = Callable[[Principal | None], list[HeaderPair]]
"""Every managed header as a pair, in one order, empty where there is nothing to say: `IdentityHeaders.pairs`."""


class Answers:
    """The answers for one kind of proxy. Build one at start, and share it."""

    def __init__(self, name: KindName, identity: Identity) -> None:
        self._name = name
        self._identity = identity
        managed = [pair[0] for pair in identity(None)]
        # Envoy shows us only the fields that it is told to: the usual aliases are removed even where nobody could see them
        self._usual = list(dict.fromkeys(managed_name.replace(b"-", by) for managed_name in managed for by in (b"_", b".")))
        self._removal = (_REMOVE, b",".join(self._usual))

    def allow(self, principal: Principal | None, aliases: tuple[bytes, ...]) -> list[HeaderPair]:
        """The header pairs of a 200 without a body: what the proxy is to set on the request, `aliases` what it is to take off.

        Every managed header stands there, so that a proxy which sets what it finds overwrites what the client sent. Of the four, only
        Envoy can be told to take something off. Raises what `identity` raises.
        """
        pairs = [*self._identity(principal), *_EMPTY]
        if self._name == "envoy":
            removal = self._removal
            if aliases:
                removal = (_REMOVE, b",".join(dict.fromkeys([*self._usual, *aliases])))
            if removal[1]:
                pairs.append(removal)
        return pairs

    def deny(self, refusal: Challenge) -> Challenge:
        """The answer for a request that must not pass, as this kind of proxy hands it on.

        A `refusal` that is none (a resource's metadata, RFC 9728) would be an allow to every proxy, so it is refused: the proxy must
        send that path to the gateway instead of asking about it.

        nginx hands on 401 (with its challenge) and 403, and makes 500 of everything else: 400 becomes 401, without the body, which
        would tell another status. 503 stays and becomes nginx's 500: our outage must not tell clients to drop a good session.
        Envoy answers 4xx as they are, and any 5xx with its `status_on_error`, unless `failure_mode_allow` opens the gate: never set it.
        """
        if refusal.status < 400:
            return _ELSEWHERE
        if self._name != "nginx" or refusal.status in (401, 403) or refusal.status >= 500:
            return refusal
        headers = tuple(pair for pair in refusal.headers if pair[0] not in (b"content-type", b"content-length"))
        return Challenge(401 if refusal.status == 400 else 403, refusal.code, (*headers, (b"content-length", b"0")), b"")


_EMPTY: Final = ((b"content-length", b"0"), (b"cache-control", b"no-store"))
_REMOVE: Final = b"x-envoy-auth-headers-to-remove"
_ELSEWHERE: Final = problem(
    403,
    "forbidden",
    "metadata_elsewhere",
    "this document cannot be served through a question of a proxy; let the proxy send its path to the gateway",
)
