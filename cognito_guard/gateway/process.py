"""One process that serves: the current gateway, its listeners, and the settings that take another's place.

Decides when new settings take over and when the process ends. A reload never leaves the gateway without settings: what cannot be
used is told, and the old ones stay.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.app import Gateway
from cognito_guard.gateway.observing.access import AccessLog
from cognito_guard.gateway.observing.admin import Admin, Readiness
from cognito_guard.gateway.server.limits import Limits
from cognito_guard.gateway.server.protocol import protocol
from cognito_guard.gateway.settings import GatewaySettings
from cognito_guard.gateway.vetting import vet
from cognito_guard.gateway.watching import Watch
from cognito_guard.gateway.workers import HANDLED
from cognito_guard.keys import KeyStatus

if TYPE_CHECKING:
    from cognito_guard.gateway.observing.metrics import Metrics

_LOOK = 2.0
"""Seconds between two looks at the files."""
_SETTLED = 0.25
"""Seconds without a change after which a file that has changed is taken for written."""
_LOOKS_AT_MOST = 40

Reread = Callable[[], GatewaySettings]
"""Reads the settings anew; raises `ConfigurationError` with every mistake."""


class _Server(uvicorn.Server):
    """uvicorn's, but signals are the process's to handle."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Process:
    """One process that serves: the current gateway, its predecessors while they end, and the two listeners."""

    def __init__(
        self,
        gateway: Gateway,
        reread: Reread,
        config: str | None,
        watch: Watch,
        *,
        shared: bool = False,
        parent: int | None = None,
    ) -> None:
        self._gateway = gateway
        self._parent = parent  # the process that stops this one
        self._reread = reread
        self._config = config
        self._shared = shared
        self._readiness: Readiness = gateway.readiness()
        self._watch = watch
        self._tls: ssl.SSLContext | None = None
        self._old: set[asyncio.Task[None]] = set()

    async def run(self, listeners: list[socket.socket], admin: socket.socket | None) -> None:
        """Serve until a signal ends it."""
        from cognito_guard.gateway.observing.metrics import Metrics  # only now is it settled whether workers share their counts

        settings = self._gateway.settings
        log = _access_log(settings)
        self._metrics = metrics = Metrics(key_status=self._key_status, lines_dropped=lambda: 0 if log is None else log.dropped)
        self._log = log
        await self._gateway.open(metrics, log, shared=self._shared)
        if self._watch.changed():  # a worker that takes a dead one's place starts with the settings of the process's start
            await self._reload()
        servers = [(self._server(self._app, settings), listeners)]
        if admin is not None:
            servers.append(
                (self._server(Admin(self._readiness, metrics.exposition, lambda: self._gateway.guard), settings), [admin])
            )
        main = servers[0][0]
        main.config.load()
        self._tls = main.config.ssl
        loop = asyncio.get_running_loop()
        _limit_handshakes(loop, settings.timeouts.head)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, main)
        reload = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        loop.add_signal_handler(signal.SIGUSR1, (lambda: None) if log is None else log.reopen)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        beside = [loop.create_task(self._reloads(reload)), loop.create_task(self._beside_others(metrics, main))]
        asides = [loop.create_task(server.serve(sockets)) for server, sockets in servers[1:]]
        try:
            await main.serve(listeners)
        finally:
            for server, _ in servers[1:]:
                server.should_exit = True
            for task in beside:
                task.cancel()
            for task in self._old:
                task.cancel()
            await asyncio.gather(*asides, *beside, *self._old, return_exceptions=True)
            await self._gateway.close()
            metrics.publish()
            if log is not None:
                log.close()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await self._gateway(scope, receive, send)

    def _key_status(self) -> tuple[KeyStatus, ...]:
        return self._gateway.guard.key_status()  # of the current one, whichever that is by then

    def _stop(self, main: uvicorn.Server) -> None:
        self._readiness.draining = True
        if main.should_exit:
            main.force_exit = True  # asked twice: now
        main.should_exit = True

    def _server(self, app: Any, settings: GatewaySettings) -> _Server:
        times, most = settings.timeouts, settings.limits
        limits = Limits(
            head=most.head,
            fields=most.fields,
            body=most.body,
            connections=most.connections,
            head_seconds=times.head,
            body_seconds=times.body,
            write_seconds=times.write,
            keep_alive_seconds=times.keep_alive,
        )
        is_main = app == self._app
        return _Server(
            uvicorn.Config(
                app,
                http=protocol(limits),
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=2048,
                timeout_graceful_shutdown=max(1, int(settings.server.drain)) if is_main else 1,
                ssl_certfile=settings.server.tls_certificate if is_main else None,
                ssl_keyfile=settings.server.tls_key if is_main else None,
                ssl_ciphers=None,  # Python's; older uvicorns have one of their own, without AEAD for TLS 1.2
            )
        )

    # new settings

    async def _reloads(self, asked: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK):
                    await asked.wait()
            except TimeoutError:
                if not self._watch.changed():
                    continue
                for _ in range(
                    _LOOKS_AT_MOST
                ):  # a file that is still being written can be well-formed, and lack half of its routes
                    await asyncio.sleep(_SETTLED)
                    if not self._watch.changed():
                        break
            asked.clear()
            await self._reload()

    async def _reload(self) -> None:
        old = self._gateway
        self._watch = watch_of(
            self._config, old.settings
        )  # before anything is read: what changes from now on is seen the next time
        try:
            settings = self._reread()
            self._watch.add(settings.files)
            gateway = Gateway(settings, before=old)
            vet(settings)
        except ConfigurationError as error:
            self._metrics.reload_successful = False
            _log.error("the new settings cannot be used, and the old ones stay: %s", "; ".join(error.problems))
            return
        except Exception:  # noqa: BLE001 - a bug, and no reason to stop looking at the files
            self._metrics.reload_successful = False
            _log.exception("the new settings could not be read by a bug, and the old ones stay")
            return
        self._metrics.reload_successful = True
        for name, keys in _fixed_changes(old.settings, settings).items():
            _log.warning("a change of %s counts from the next start on (%s)", name, ", ".join(keys))
        if settings == old.settings:
            _log.info("the settings have not changed; files that they name were read again")
        if gateway.guard is not old.guard:
            try:
                async with asyncio.timeout(10):
                    await gateway.guard.warm_up_async()  # so that no request waits for keys which the old settings had
            except Exception as error:  # noqa: BLE001 - the gateway goes on trying, and says so
                _log.warning("keys for the new settings cannot be had yet (%s)", type(error).__name__)
        self._renew_certificate(settings)
        await gateway.open(self._metrics, self._log, shared=self._shared)
        self._gateway = gateway
        self._readiness.profiles, self._readiness.key_status = settings.profiles, gateway.guard.key_status
        old.retire()
        task = asyncio.get_running_loop().create_task(_end(old))
        self._old.add(task)
        task.add_done_callback(self._old.discard)
        _log.info("new settings are in force")

    def _renew_certificate(self, settings: GatewaySettings) -> None:
        certificate, key = settings.server.tls_certificate, settings.server.tls_key
        if self._tls is not None and certificate is not None:
            try:
                self._tls.load_cert_chain(certificate, key)  # for handshakes from now on
            except (OSError, ValueError):  # exchanged since it was vetted, and not in full yet: the watch sees the rest
                _log.error(
                    "server.tls_certificate, server.tls_key: they changed while they were read; see that the next look takes them"
                )

    async def _beside_others(self, metrics: Metrics, main: uvicorn.Server) -> None:
        """Where several workers share their counts, any of them may be asked for all; and none outlives the one who stops them."""
        while self._shared:
            metrics.publish()
            await asyncio.sleep(1)
            if self._parent is not None and os.getppid() != self._parent:
                _log.error("the process that started this worker is gone; this one ends too")
                self._stop(main)
                return


def _limit_handshakes(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """A TLS handshake has the time of a head, and not a minute: until it is done, no limit counts its client. uvicorn has no setting."""
    create: Callable[..., Any] = loop.create_server

    def create_server(*arguments: Any, **named: Any) -> Any:
        if named.get("ssl") is not None:
            named["ssl_handshake_timeout"] = seconds
        return create(*arguments, **named)

    loop.create_server = create_server  # type: ignore[method-assign]


async def _end(old: Gateway) -> None:
    """Close a gateway that was replaced, when its requests have come to their end, or the process does."""
    try:
        while old.under_way:  # noqa: ASYNC110 - nobody waits for it, and no request pays for an event
            await asyncio.sleep(1)
    finally:
        await old.close()


def watch_of(config: str | None, settings: GatewaySettings) -> Watch:
    """On the settings file, and the files that it names."""
    return Watch([*([] if config is None else [config]), *settings.files])


def _access_log(settings: GatewaySettings) -> AccessLog | None:
    if not settings.log.access:
        return None
    descriptors = {"stdout": 1, "stderr": 2}
    return AccessLog(descriptors.get(settings.log.output, settings.log.output))


def _fixed_changes(old: GatewaySettings, new: GatewaySettings) -> dict[str, list[str]]:
    """The settings that count at the start only, and differ: tables, and which keys of theirs."""
    changed = {
        table: [key for key in keys if getattr(getattr(old, table), key) != getattr(getattr(new, table), key)]
        for table, keys in _FIXED.items()
    }
    if grpc_address(old) != grpc_address(new):
        changed["forward_auth.grpc"] = ["grpc"]
    return {table: keys for table, keys in changed.items() if keys}


def grpc_address(settings: GatewaySettings) -> str | None:
    """Where Envoy asks over gRPC, if it does."""
    return None if settings.forward_auth is None else settings.forward_auth.grpc


_FIXED = {
    "server": ("bind", "admin", "workers", "drain"),
    "limits": ("head", "fields", "body", "connections"),
    "timeouts": ("head", "body", "write", "keep_alive"),
    "log": ("format", "access", "level", "output"),
}
_log = logging.getLogger("cognito_guard.gateway")
