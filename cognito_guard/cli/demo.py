"""`cognito-guard demo`: a local user pool, a sample application and the gateway in front of it, to be looked at and tried with curl.

Decides what is told on the terminal. The servers, and what is tried, are `cognito_guard.demo`.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from cognito_guard.errors import ConfigurationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Sequence

    from cognito_guard.demo.serving import Demo

_DESCRIPTION = """\
Run a user pool, a sample application and the gateway in front of it on 127.0.0.1, and show how good and bad tokens are answered.
Then it serves until Ctrl-C: a page to sign in at and to try things out, and two curl commands. No AWS account is needed, and
nothing leaves this machine. Users, passwords and keys are new at each start.

routes of the application
  /health             public
  /hello              public, but a token that is sent must be good
  /orders, /orders/*  scope orders/read; to DELETE, scope orders/write and group staff
  /admin              group admin
  everything else     any good token"""

_EPILOG = """\
With --json the addresses, users with passwords and tokens, and the tries are one line of JSON:

  cognito-guard demo --json --once | python3 -m json.tool"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work: a local user pool, an application, and the gateway in front of it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", default="0", metavar="PORT", help="of the gateway and its page; default: a free one")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")
    parser.add_argument("--once", action="store_true", help="show the answers and stop")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Serve until interrupted. Raises `ConfigurationError` with every mistake in the options, `problems` among these."""
    port = options.port
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        problems.append("--port: write a port from 0 (a free one) to 65535")
    try:
        import prometheus_client  # noqa: F401 - as the next two
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401 - are they there?
    except ImportError as error:
        problems.append(f"the demo needs {error.name}; install it with: pip install 'cognito-guard[demo]'")
    if problems:
        raise ConfigurationError("demo", problems)
    from cognito_guard.demo.serving import serve

    def show(demo: Demo) -> bool:
        if options.json:
            print(json.dumps(as_object(demo)), flush=True)
        else:
            print(as_text(demo, serves=not options.once), flush=True)
        return not options.once

    serve(int(port), show)
    return 0


def as_object(demo: Demo) -> dict[str, Any]:
    """The demo as a JSON object."""
    pool, told = demo.pool, demo.told
    return {
        "page": f"{told.gateway}/",
        "gateway": told.gateway,
        "application": told.application,
        "admin": told.admin,
        "explain": f"{told.admin}/explain",
        "pool": {"url": pool.url, "issuer": pool.issuer, "id": pool.settings.pool_id, "client": pool.pool.client},
        "users": [
            {
                "name": user.name,
                "password": user.password,
                "groups": user.groups,
                "access_token": demo.tokens[user.name].access,
                "id_token": demo.tokens[user.name].id,
            }
            for user in pool.settings.users
        ],
        "tries": [tried._asdict() for tried in demo.tries],
    }


def as_text(demo: Demo, *, serves: bool) -> str:
    """The demo in words; what can only be used while it `serves` is left out otherwise."""
    pool, told = demo.pool, demo.told
    lines = ["A user pool, a sample application, and the gateway in front of it, on this machine only.", ""]
    lines += _columns(
        [
            ("page", f"{told.gateway}/", "sign in, call the routes, try bad tokens"),
            ("gateway", told.gateway, "asks for tokens, in front of the application"),
            ("application", told.application, "believes what the gateway tells it; in earnest, nobody else may reach it"),
            ("user pool", pool.url, f"issuer {pool.issuer}"),
            ("explain", f"{told.admin}/explain", "why a token is refused: the gateway's admin listener"),
        ]
    )
    lines += ["", *_columns([("user", "password", "groups"), *_users(demo)])]
    lines += ["", *_columns([(each.method, each.path, each.sent, str(each.status), each.code) for each in demo.tries])]
    if serves:
        good = demo.tokens["staff"].access
        for kind, token in (("A good token, valid for an hour", good), ("An expired one", pool.pool.bad("expired"))):
            lines += ["", f"{kind}:", "", f"  curl -i {told.gateway}/orders -H 'Authorization: Bearer {token}'"]
        lines += ["", "Serving until Ctrl-C."]
    return "\n".join(lines)


def _users(demo: Demo) -> list[tuple[str, str, str]]:
    return [(user.name, user.password or "", ", ".join(user.groups)) for user in demo.pool.settings.users]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
