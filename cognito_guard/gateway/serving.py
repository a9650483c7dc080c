"""The gateway as a program: its sockets, its workers, and the signals that end it.

Decides what is made sure of before anything is served. What a process does then is `process.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Sequence

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.app import Gateway
from cognito_guard.gateway.listening import address_of_socket, bound, want_descriptors
from cognito_guard.gateway.observing.logs import log_config
from cognito_guard.gateway.process import Process, Reread, grpc_address, watch_of
from cognito_guard.gateway.settings import GatewaySettings
from cognito_guard.gateway.vetting import vet
from cognito_guard.gateway.workers import HANDLED, Workers

Ready = Callable[[Sequence[str], str | None], object]


def serve(settings: GatewaySettings, reread: Reread, *, ready: Ready, config: str | None = None) -> int:
    """Run the gateway until SIGTERM or SIGINT; answers the exit status.

    SIGHUP, and a change of `config` or of a file that the settings name, bring new settings in; SIGUSR1 opens the access log anew.
    `ready` is called once the sockets are bound, with their addresses and the admin listener's. Raises `ConfigurationError` for what
    cannot be used, before anything is served. The process should end then: the signals stay blocked.
    """
    several = settings.server.workers > 1
    parent = os.getpid() if several else None
    watch = watch_of(config, settings)
    with tempfile.TemporaryDirectory(prefix="cognito-guard-") as folder:
        if several:
            from cognito_guard.gateway.observing.shared import share_metrics, worker_ended

            share_metrics(os.path.join(folder, "metrics"))
        logging.config.dictConfig(log_config(settings.log.level, decisions=not settings.log.access))
        gateway = Gateway(settings)
        vet(settings)
        want_descriptors(settings.limits.connections, sum(upstream.connections for upstream in settings.upstreams))
        listeners, admin = _bind(settings)
        # what comes from here on is for the gateway, and waits until it can be heard
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        ready([address_of_socket(listener) for listener in listeners], None if admin is None else address_of_socket(admin))

        async def serving() -> None:
            try:
                await Process(gateway, reread, config, watch, shared=several, parent=parent).run(listeners, admin)
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # nothing may kill what has come to its end

        def work() -> int:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(serving())
            return 0

        try:
            return Workers(settings.server.workers, work, on_death=worker_ended).run() if several else work()
        finally:
            for listener in (*listeners, *([] if admin is None else [admin])):
                listener.close()


def _bind(settings: GatewaySettings) -> tuple[list[socket.socket], socket.socket | None]:
    problems: list[str] = []
    listeners = []
    for address, setting in [*((bind, "server.bind") for bind in settings.server.bind), (settings.server.admin, "server.admin")]:
        if not address:
            continue
        try:
            listeners.append(bound(address, setting))
        except ConfigurationError as error:
            problems += error.problems
    grpc = grpc_address(settings)
    if grpc is not None and not grpc.startswith("unix:"):
        try:
            # each process binds it for itself, beside its siblings: what another program holds must be known before there are any
            bound(grpc, "forward_auth.grpc").close()
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        for listener in listeners:
            listener.close()
        raise ConfigurationError("proxy", problems)
    return (listeners[:-1], listeners[-1]) if settings.server.admin else (listeners, None)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
