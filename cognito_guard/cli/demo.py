"""`cognito-guard demo`: a local user pool and a protected sample application on loopback, to be tried with curl. No AWS account needed.

Decides what is shown. The tokens are minted by `testing`, judged by the Guard, and the answers are those of a real server.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cognito_guard.errors import ConfigurationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from cognito_guard.adapters.asgi import CognitoASGI, Receive, Scope, Send
    from cognito_guard.testing import LocalUserPool
    from cognito_guard.token.principal import Principal

_HOST = "127.0.0.1"

_DESCRIPTION = """\
Run a user pool in this process and a sample application behind the Guard, on 127.0.0.1, and show how it answers good and bad
tokens. Nothing leaves this machine. Then it serves until Ctrl-C, and prints two curl commands to try.

routes of the application
  /health             public
  /orders, /orders/*  scope orders/read; to DELETE, scope orders/write and group staff
  everything else     any good token"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work: a local user pool and a protected application",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", default="0", metavar="PORT", help="default: a free one")
    parser.add_argument("--once", action="store_true", help="show the answers and stop")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Serve until interrupted. Raises `ConfigurationError` with every mistake in the options, `problems` among these."""
    port = options.port
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        problems.append("--port: write a port from 0 (a free one) to 65535")
    try:
        import uvicorn
    except ImportError:
        problems.append("the demo needs uvicorn; install it with: pip install 'cognito-guard[demo]'")
    if problems:
        raise ConfigurationError("demo", problems)
    with _listener(int(port)) as listener:
        # a shell starts background jobs with SIGINT ignored, and a container stops with SIGTERM: both mean Ctrl-C here
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        from cognito_guard.testing import LocalUserPool

        pool = LocalUserPool()
        config = uvicorn.Config(
            protected_app(pool), log_level="warning", lifespan="off", access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="demo", daemon=True)
        thread.start()
        with suppress(KeyboardInterrupt):
            good, bad = _show(pool, listener.getsockname()[1])
            if not options.once:
                _invite(listener.getsockname()[1], good, bad)
                thread.join()
        server.should_exit = True
        thread.join(5)
    return 0


def protected_app(pool: LocalUserPool) -> CognitoASGI:
    """The sample application, wrapped as any ASGI application would be."""
    from cognito_guard import HasScope, InGroup
    from cognito_guard.adapters.asgi import CognitoASGI
    from cognito_guard.web import Protect, Public

    return CognitoASGI(
        _sample_app,
        pool.guard(),
        routes=[
            Public("/health"),
            Protect("/orders/*", HasScope("orders/write") & InGroup("staff"), methods="DELETE"),
            Protect("/orders/*", HasScope("orders/read")),
            Protect("/*"),
        ],
        realm="demo",
    )


async def _sample_app(scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that knows nothing of tokens: it says whom the Guard let in."""
    who: Principal | None = scope["cognito_guard.principal"]
    told = {"path": scope["path"]}
    if who is not None:
        told |= {"username": who.username, "client_id": who.client_id, "scopes": sorted(who.scopes), "groups": sorted(who.groups)}
    body = json.dumps(told).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _listener(port: int) -> socket.socket:
    """A socket that listens already, so that the first request cannot come too early."""
    reason = ""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = error.strerror or type(error).__name__
    if reason:
        raise ConfigurationError(
            "demo", [f"--port: {port} cannot be used ({reason}); choose another, or leave it out for a free one"]
        )
    return listener


def _show(pool: LocalUserPool, port: int) -> tuple[str, str]:
    """Ask as good and bad clients would, and print how they were answered. Gives a good token and an expired one."""
    ada = pool.access(username="ada", scopes=["orders/read", "orders/write"], groups=["staff"])
    bob = pool.access(username="bob", scopes=["orders/read"])
    expired = pool.bad("expired")
    tries = (
        ("GET", "/health", "no token", None),
        ("GET", "/orders", "no token", None),
        ("GET", "/orders", "ada: orders/read, orders/write, group staff", ada),
        ("DELETE", "/orders/7", "ada", ada),
        ("GET", "/orders", "bob: orders/read", bob),
        ("DELETE", "/orders/7", "bob", bob),
        ("GET", "/orders", "a machine: orders/read", pool.machine(scopes=["orders/read"])),
        ("GET", "/orders", "ada's ID token", pool.id(username="ada")),
        ("GET", "/orders", "an expired token", expired),
        ("GET", "/orders", "a token for another app client", pool.bad("client_other")),
        ("GET", "/orders", "a token without a signature", pool.bad("alg_none")),
        ("GET", "/orders", "jane's signature under root's claims", pool.bad("payload_exchanged")),
    )
    print(f"A user pool in this process, and an application behind the Guard: http://{_HOST}:{port}\n")
    for method, path, sent, token in tries:
        status, reason = _ask(port, method, path, token)
        print(f"  {method:6} {path:9}  {sent:43}  {status}  {reason}".rstrip())
    return ada, expired


def _invite(port: int, good: str, bad: str) -> None:
    for kind, token in (("A good token, valid for an hour", good), ("An expired one", bad)):
        print(f"\n{kind}:\n\n  curl -i http://{_HOST}:{port}/orders -H 'Authorization: Bearer {token}'")
    print("\nServing until Ctrl-C.", flush=True)


def _ask(port: int, method: str, path: str, token: str | None) -> tuple[int, str]:
    """The answer's status, and the code that a refusal carries."""
    from http.client import HTTPConnection

    connection = HTTPConnection(_HOST, port, timeout=10)
    try:
        connection.request(method, path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    finally:
        connection.close()
    return answer.status, told.get("code", "")
