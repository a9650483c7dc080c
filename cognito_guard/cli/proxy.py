"""`cognito-guard proxy`: the gateway, in front of an application or beside nginx, Traefik, Caddy or Envoy.

Decides how a call's options become a running gateway. Serves nothing itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cognito_guard.cli.check import add_gateway_options, settings_from
from cognito_guard.errors import ConfigurationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from cognito_guard.gateway.settings import GatewaySettings

_DESCRIPTION = """\
Run the gateway: a reverse proxy that lets through what its routes and the tokens of your user pool allow, tells the application who
asks in X-Cognito-* fields, and answers the rest itself; or, with --forward-auth, the service that nginx, Traefik, Caddy or Envoy ask
about every request. What no route names needs a valid token."""

_EPILOG = """\
Each setting counts as given by the option, else by its variable (--bind is COGNITO_GUARD_BIND), else by the file; 'cognito-guard check'
reads them without starting anything. SIGHUP, or a change of the file, brings new settings in: without a mistake, or not at all.
SIGUSR1 opens the access log anew. SIGTERM lets requests come to their end first.

Exit status: 0 after SIGTERM or Ctrl-C, 2 for mistakes in the settings.

  cognito-guard proxy --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado --upstream http://127.0.0.1:8000
  cognito-guard proxy --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado --forward-auth nginx
  cognito-guard proxy --config cognito-guard.toml"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "proxy",
        help="run the gateway in front of an application, or as the service that other proxies ask",
        usage="cognito-guard proxy --pool ID --client ID --upstream URL [option ...]\n       cognito-guard proxy --config FILE [option ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_gateway_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Serve until SIGTERM. Raises `ConfigurationError` with every mistake in the settings, `problems` among these."""
    try:
        import uvicorn  # noqa: F401 - all of the extra, or none of it
    except ImportError:
        problems.append("the gateway needs uvicorn; install it with: pip install 'cognito-guard[gateway]'")
        raise ConfigurationError("proxy", problems) from None
    from cognito_guard.gateway.settings import CONFIG, printed, warnings

    settings = settings_from(options, problems)
    if options.print_config:
        print(printed(settings), end="")
        return 0
    for warning in warnings(settings):
        print(f"cognito-guard proxy: warning: {warning}", file=sys.stderr)
    from cognito_guard.gateway.serving import serve

    config = options.config if options.config is not None else os.environ.get(CONFIG)
    return serve(
        settings, lambda: settings_from(options, []), config=config, ready=lambda bind, admin: _say(settings, bind, admin)
    )


def _say(settings: GatewaySettings, bind: Sequence[str], admin: str | None) -> None:
    where = " and ".join(bind)
    what = ", ".join(dict.fromkeys(upstream.url for upstream in settings.upstreams)) or "no application: forward-auth only"
    print(f"cognito-guard proxy: listening on {where}, in front of {what}", file=sys.stderr, flush=True)
    if admin is not None:
        print(f"cognito-guard proxy: /livez, /readyz and /metrics on {admin}", file=sys.stderr, flush=True)
