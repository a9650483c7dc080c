"""`cognito-guard local-pool`: a Cognito user pool and its managed login for development, on this machine only.

Decides how options become settings, and what is told at the start. The server is `cognito_guard.local_pool`.
"""

from __future__ import annotations

import argparse
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cognito_guard.errors import ConfigurationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from cognito_guard.local_pool import Served, User

_COMMAND = "local-pool"
_LONGEST_FILE = 1024 * 1024

_DESCRIPTION = """\
Run a user pool for development, with what Cognito's managed login and its sign-in API speak: /oauth2/authorize with a login page,
/oauth2/token, /oauth2/userInfo, /oauth2/revoke, /logout, JWK Set and discovery, and InitiateAuth for the AWS SDKs (endpoint_url).
It listens on this machine only, and serves until Ctrl-C. Nothing leaves this machine.

Keys, and the passwords and secrets that nobody wrote, are new at each start; with --keys DIR they stay the same."""

_EPILOG = """\
Without --config there are the users reader, staff and admin, jane at a simulated Google, the public client web (code with PKCE), the
confidential client server, the client machine (client_credentials), and the scopes orders/read and orders/write. A FILE says
otherwise; tables that it leaves out are the ones above:

  pool = "local_1"                      # also: host, port, keys
  [[user]]
  name = "ada"                          # password (made up if missing), groups, provider, totp, mfa
  groups = ["staff"]
  attributes = { email = "ada@example.com", "custom:team" = "7" }
  [[client]]
  id = "web"                            # secret, grants, scopes, pkce, access_seconds, id_seconds, refresh_seconds, rotation_grace
  callbacks = ["http://localhost:3000/callback"]
  sign_outs = ["http://localhost:3000/"]
  [[resource_server]]
  id = "orders"
  scopes = ["read", "write"]

In a program: UserPool("local_1", issuer="http://127.0.0.1:9229/local_1").access_tokens(client="web")"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        _COMMAND,
        help="a user pool with login pages for development, on this machine",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", metavar="PORT", help="default: 9229; 0 for a free one")
    parser.add_argument("--host", metavar="HOST", help="127.0.0.1 (the default), localhost or ::1; it stands in the issuer")
    parser.add_argument("--pool", metavar="ID", help="the pool's id; default: local_1")
    parser.add_argument("--config", metavar="FILE", help="users, groups, clients and resource servers, in TOML")
    parser.add_argument("--keys", metavar="DIR", help="keep the signing keys here; made if it is missing")
    parser.add_argument(
        "--user", action="append", default=[], metavar="NAME[:PASSWORD[:GROUP,...]]", help="a user; may be given several times"
    )
    parser.add_argument(
        "--callback", action="append", default=[], metavar="URL", help="one more callback URL of the clients; several times"
    )
    parser.add_argument(
        "--sign-out", action="append", default=[], metavar="URL", help="one more sign-out URL of the clients; several times"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Serve until interrupted. Raises `ConfigurationError` with every mistake in the options and the file, `problems` among these."""
    from cognito_guard.local_pool import kept_pool, read_settings, serve

    try:
        import starlette  # noqa: F401 - as the next
        import uvicorn  # noqa: F401 - is it there?
    except ImportError:
        problems.append("the local pool needs starlette and uvicorn; install them with: pip install 'cognito-guard[local-pool]'")
    port = _port(options.port, problems)
    users = [user for text in options.user if (user := _user(text, problems)) is not None]
    read = read_settings(
        _text_of(options.config, problems),
        name=options.config or "",
        host=options.host,
        port=port,
        pool=options.pool,
        keys=options.keys,
        users=users,
        callbacks=options.callback,
        sign_outs=options.sign_out,
        problems=problems,
    )
    pool = None if read.keys is None else kept_pool(read.settings.pool_id, read.keys)
    # a shell starts background jobs with SIGINT ignored, and a container stops with SIGTERM: both mean Ctrl-C here
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), serve(pool, settings=read.settings) as served:
        tell(served)
        served.wait()
    return 0


def tell(served: Served) -> None:
    """Print what there is: issuer, users, clients, and two curl lines to begin with."""
    settings = served.settings
    print(f"A user pool for development, on this machine only: {served.issuer}\n")
    users = [
        (user.username, user.password or f"(at {user.provider}, simulated)", ", ".join(user.groups)) for user in settings.users
    ]
    _table(("user", "password", "groups"), users)
    clients = [(client.id, str(client.secret or "(public)"), " ".join(settings.scopes_of(client))) for client in settings.clients]
    _table(("client", "secret", "scopes"), clients)
    for title, command in _commands(served):
        print(f"{title}:\n\n  {command}\n")
    print("Serving until Ctrl-C.", flush=True)


def _commands(served: Served) -> list[tuple[str, str]]:
    import json

    settings = served.settings
    found: list[tuple[str, str]] = []
    machine = next((client for client in settings.clients if "client_credentials" in client.grants), None)
    if machine is not None:
        found.append(
            (
                "A machine's token",
                f"curl -u {machine.id}:{machine.secret} {served.url}/oauth2/token -d grant_type=client_credentials",
            )
        )
    client = next((client for client in settings.clients if "password" in client.grants and client.secret is None), None)
    user = next((user for user in settings.users if user.password), None)
    if client is not None and user is not None:
        asked = {
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": client.id,
            "AuthParameters": {"USERNAME": user.name, "PASSWORD": user.password},
        }
        target = "X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth"
        sent = f"-H {shlex.quote(target)} -d {shlex.quote(json.dumps(asked, separators=(',', ':')))}"
        found.append((f"Tokens of {user.name}", f"curl {served.url}/ {sent}"))
    return found


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def _port(text: str | None, problems: list[str]) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    problems.append("--port: write a port from 0 (a free one) to 65535")
    return None


def _user(text: str, problems: list[str]) -> User | None:
    from cognito_guard.local_pool import User

    name, _, rest = text.partition(":")
    password, _, groups = rest.partition(":")
    given: dict[str, Any] = {"groups": [group for group in groups.split(",") if group]}
    try:
        return User(name, password or None, attributes={"email": f"{name}@example.com"}, **given)
    except ConfigurationError as error:
        problems += [f"--user: {problem}" for problem in error.problems]
    return None


def _text_of(path: str | None, problems: list[str]) -> str:
    if path is None:
        return ""
    reason = ""
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_FILE).decode()
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
    except ValueError:
        reason = "it is not UTF-8"
    problems.append(f"--config: the file cannot be read: {reason}")
    return ""
