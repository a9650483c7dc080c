"""What one set of settings came to: the parts that serve, and what starts and ends with them. Decides nothing."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cognito_guard.gateway.forward_auth.endpoint import ForwardAuth
from cognito_guard.gateway.proxy import Proxy
from cognito_guard.gateway.rewriting import Peers
from cognito_guard.gateway.settings import (
    GatewaySettings,
)
from cognito_guard.gateway.upstream import Replicas, Upstreams
from cognito_guard.guard import Guard

if TYPE_CHECKING:
    from cognito_guard.gateway.ext_authz.service import ExtAuthz


class Parts:
    """What one set of settings came to. `proxy`, `forward_auth`, `grpc` and `jwks` are None where they are not wanted."""

    def __init__(self, settings: GatewaySettings, guard: Guard, peers: Peers, trusted: tuple[object, ...]) -> None:
        self.guard = guard
        self.trusted = trusted
        self.peers = peers
        self.proxy: Proxy | None = None
        self.forward_auth: ForwardAuth | None = None
        self.grpc: ExtAuthz | None = None
        self.jwks: dict[str, Any] | None = None
        self._settings = settings
        self._replicas: Sequence[Replicas] = ()
        self._checks: Sequence[tuple[Replicas, bytes, float]] = ()

    def serves(self, upstreams: Upstreams[Replicas], checks: Mapping[tuple[str, str], tuple[bytes, float]]) -> None:
        """Take the upstreams in: `checks` are the active ones, path and interval by host and path pattern."""
        self._replicas = tuple(upstreams.groups.values())
        self._checks = [(upstreams.groups[served], *check) for served, check in checks.items()]

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """The active checks of the upstreams, to be run as tasks."""
        return [replicas.watch(path, interval) for replicas, path, interval in self._checks]

    async def start_grpc(self, before: Parts | None, *, shared: bool) -> None:
        """Answer Envoy's questions over gRPC, where that is wanted: where those `before` did so, in their place."""
        asked = self._settings.forward_auth
        if self.grpc is None or asked is None or asked.grpc is None:
            return
        if before is None:
            await self.grpc.start(asked.grpc, shared=shared)
        elif before.grpc is not None:
            before.grpc.hand_over(self.grpc)

    async def close(self, grace: float) -> None:
        """End what is under way."""
        if self.grpc is not None:
            await self.grpc.stop(grace)
        for replicas in self._replicas:
            await replicas.close()
