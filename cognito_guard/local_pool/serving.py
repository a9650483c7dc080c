"""The server: a socket on loopback, uvicorn in a thread, until the block ends.

Decides where it listens. Answers are `app`'s.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cognito_guard.errors import ConfigurationError
from cognito_guard.local_pool import built_in
from cognito_guard.local_pool.keys import seed_of
from cognito_guard.local_pool.settings import Settings
from cognito_guard.local_pool.tokens import ServedUserPool
from cognito_guard.testing import LocalUserPool
from cognito_guard.value import Value


class Served(Value):
    """A served pool. `url` is the managed-login domain and the API's `endpoint_url`; `issuer` lies below it.

    `settings` name every user and client, with passwords and secrets. `pool` mints under this issuer, and `pool.guard()` fetches its
    keys over HTTP.
    """

    __slots__ = ("url", "issuer", "settings", "pool", "_thread")
    url: str
    issuer: str
    settings: Settings
    pool: LocalUserPool
    _thread: threading.Thread

    def __init__(self, url: str, settings: Settings, pool: LocalUserPool, thread: threading.Thread) -> None:
        self._set(url=url, issuer=pool.issuer, settings=settings, pool=pool, _thread=thread)

    def wait(self) -> None:
        """Return when the server has ended, which by itself it never does."""
        self._thread.join()


@contextmanager
def serve(pool: LocalUserPool | None = None, *, settings: Settings | None = None) -> Iterator[Served]:
    """Serve a user pool on this machine until the block ends.

    - `pool`: whose keys, clock and outages it has; `kept_pool(...)` for keys that last. Without it keys are made.
    - `settings`: users, clients, host and port. Without them the built-in ones on a free port of 127.0.0.1, with `pool.client` as the
      public client. Missing passwords and secrets are made up, and stand in the `settings` of what you get.

    Raises `ConfigurationError` where a setting or a missing package stands in the way; correct it. Any other exception is a bug.
    """
    problems: list[str] = []
    if pool is not None and settings is not None and pool.user_pool.id != settings.pool_id:
        problems.append("settings: pool_id is not the id of the pool; give both the same")
    try:
        import uvicorn

        from cognito_guard.local_pool.app import local_pool_app
    except ImportError:
        problems.append("the local pool needs starlette and uvicorn; install them with: pip install 'cognito-guard[local-pool]'")
    if problems:
        raise ConfigurationError("local-pool", problems)
    chosen = settings or _built_in(pool)
    with _listener(chosen.host, chosen.port) as listener:
        bracketed = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        url = f"http://{bracketed}:{listener.getsockname()[1]}"
        issuer = f"{url}/{chosen.pool_id}"
        client = next((client.id for client in chosen.clients if "code" in client.grants), chosen.clients[0].id)
        mint = ServedUserPool(pool or LocalUserPool(chosen.pool_id, issuer=issuer, client=client), issuer)
        filled = chosen.filled(seed_of(mint))
        server = uvicorn.Server(
            uvicorn.Config(
                local_pool_app(filled, mint, url),
                log_config=None,  # the logging of the program around it stays as it is
                log_level="warning",
                lifespan="off",
                ws="none",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="cognito-guard-local-pool", daemon=True)
        thread.start()
        try:
            yield Served(url, filled, mint, thread)
        finally:
            mint.recover()  # an outage that hangs would hold its thread
            server.should_exit = True
            thread.join(5)


def _built_in(pool: LocalUserPool | None) -> Settings:
    return Settings(
        pool_id=pool.user_pool.id if pool else "local_1",
        port=0,
        users=built_in.USERS,
        clients=built_in.clients(pool.client if pool else "web"),
        resource_servers=built_in.RESOURCE_SERVERS,
    )


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that the first request cannot come too early. `host` is this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    try:
        return socket.create_server(("127.0.0.1" if host == "localhost" else host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
    raise ConfigurationError("local-pool", [f"port: {port} cannot be used ({reason}); choose another, or 0 for a free one"])
