"""The three servers of the demo in one process: the pool and the application in threads, the gateway in the main one.

Decides where they listen, and that all end together. What is told of them is the caller's business.
"""

from __future__ import annotations

import asyncio
import logging.config
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Final, NamedTuple

import uvicorn

from cognito_guard.demo.application import Told, sample_application
from cognito_guard.demo.settings import gateway_settings, pool_settings
from cognito_guard.demo.tries import Tokens, Tried, tokens_of, tried
from cognito_guard.errors import ConfigurationError, Unavailable
from cognito_guard.gateway.app import Gateway
from cognito_guard.gateway.observing.logs import log_config
from cognito_guard.gateway.process import Process
from cognito_guard.gateway.settings import read
from cognito_guard.gateway.watching import Watch
from cognito_guard.local_pool import Served
from cognito_guard.local_pool import serve as serve_pool

HOST: Final = "127.0.0.1"


class Demo(NamedTuple):
    """A demo that runs: the pool, the addresses, each user's tokens, and how the requests that were tried were answered."""

    pool: Served
    told: Told
    tokens: dict[str, Tokens]
    tries: tuple[Tried, ...]


def serve(port: int, show: Callable[[Demo], bool]) -> None:
    """Serve at that port (0: a free one) until SIGINT or SIGTERM, or until `show` answers False.

    `show` is called once, in a thread, when everything runs and the requests have been tried; what it raises is raised from here. To
    be called in the main thread, whose handlers of both signals it replaces. Raises `ConfigurationError` for a port that cannot be
    had, and where the gateway does not answer in time; any other exception is `show`'s, or a bug.
    """
    with _listening(port) as gateway, _listening(0) as admin, _listening(0) as behind:
        # a shell starts background jobs with SIGINT ignored, and a container stops with SIGTERM: both mean Ctrl-C here
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        showing = None
        with suppress(KeyboardInterrupt):
            own = gateway.getsockname()[1]
            pages = (_url(gateway), _url(gateway, "localhost"))
            with serve_pool(settings=pool_settings(pages)) as pool:
                settings = gateway_settings(
                    pool=pool.settings.pool_id,
                    issuer=pool.issuer,
                    bind=f"{HOST}:{own}",
                    admin=f"{HOST}:{admin.getsockname()[1]}",
                    upstream=_url(behind),
                )
                told = Told(pages[0], _url(admin), _url(behind), settings)
                with _application(pool, told, behind):
                    logging.config.dictConfig(log_config("warning", decisions=False))
                    given = read(settings, name="demo")
                    serving = Gateway(given)
                    with suppress(Unavailable):  # the gateway goes on trying by itself
                        serving.guard.warm_up()
                    showing = _Showing(pool, told, own, show)
                    showing.start()
                    asyncio.run(Process(serving, lambda: given, None, Watch(())).run([gateway], admin))
        if showing is not None:
            showing.end()


class _Showing(threading.Thread):
    """Tries the requests, shows the demo, and ends it where `show` says so or fails."""

    def __init__(self, pool: Served, told: Told, port: int, show: Callable[[Demo], bool]) -> None:
        super().__init__(name="cognito-guard-demo", daemon=True)
        self._pool = pool
        self._told = told
        self._port = port
        self._show = show
        self._over = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        stays = False
        try:
            demo = self._tried()
            stays = demo is None or self._show(demo)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error
        if not stays:
            os.kill(os.getpid(), signal.SIGINT)

    def _tried(self) -> Demo | None:
        """None where Ctrl-C cut an answer off."""
        tokens = tokens_of(self._pool)
        with suppress(OSError, HTTPException, ValueError):
            return Demo(self._pool, self._told, tokens, tuple(tried(self._pool, self._port, tokens)))
        if self._over.wait(5):
            return None
        raise ConfigurationError("demo", ["the gateway did not answer in time; this machine is very busy: start it once more"])

    def end(self) -> None:
        """The servers have ended. Raises what the thread met."""
        self._over.set()
        self.join(5)
        if self._failure is not None:
            raise self._failure


@contextmanager
def _application(pool: Served, told: Told, listener: socket.socket) -> Iterator[None]:
    """The sample application, until the block ends."""
    config = uvicorn.Config(
        sample_application(pool, told),
        log_config=None,
        lifespan="off",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="cognito-guard-demo-application", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(5)


def _listening(port: int) -> socket.socket:
    """A socket that listens already, so that the first request cannot come too early."""
    reason = ""
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
    raise ConfigurationError(
        "demo", [f"--port: {port} cannot be used ({reason}); choose another, or leave it out for a free one"]
    )


def _url(listener: socket.socket, host: str = HOST) -> str:
    """The origin, as browsers write it."""
    port = listener.getsockname()[1]
    return f"http://{host}" if port == 80 else f"http://{host}:{port}"
