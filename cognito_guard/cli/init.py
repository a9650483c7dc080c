"""`cognito-guard init`: a settings file to start from, and the lines that create a user pool to go with it.

Decides what stands in the file: what must be decided, the defaults that people look for, everything else as a comment. Creates nothing
in AWS, and asks nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings import read

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_KINDS = ("proxy", "forward-auth")
_PROXIES = ("nginx", "traefik", "caddy", "envoy")
_RECIPES = ("cli", "cloudformation", "cdk", "terraform")
_POOL, _CLIENT, _UPSTREAM = "eu-west-1_AbC123xyz", "3n4b5urk1ft4fl3mg5e62d9ado", "http://127.0.0.1:8000"
_CHANGE = "   # CHANGE: an example's"

_DESCRIPTION = """\
Write a settings file for 'cognito-guard proxy', every table explained. It can be used as it stands: what is not decided yet is an
example's, and marked CHANGE. With --create, print beside it what creates a fitting user pool, resource server, managed-login domain
and public app client (code grant with PKCE, no secret, short access tokens). Nothing is created in AWS, and nothing is asked."""

_EPILOG = """\
Exit status: 0, or 2 for a mistake in the call or a file that cannot be written.

  cognito-guard init --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado --upstream http://127.0.0.1:8000
  cognito-guard init --kind forward-auth --proxy-kind traefik --output -
  cognito-guard init --create cli > create-pool.sh
  cognito-guard init --create cloudformation > pool.yaml"""

_HEAD = """\
# Settings of cognito-guard. 'cognito-guard check --config {name}' reads them without starting anything, 'cognito-guard doctor
# --config {name}' looks into what they name, 'cognito-guard proxy --config {name}' runs the gateway.
# A line that begins with '#' and a letter or bracket is a setting that is not in force; with these values most say the default.

# realm stands in the challenges of refused requests; leeway is by how many seconds clocks may differ
#realm = "api"
#leeway = 0
# a directory of the gateway's own in which keys are kept, so that a restart survives an outage
#snapshots = "keys"
# on the way to the keys: a proxy, and authorities (PEM) to trust instead of the usual ones
#proxy = "http://proxy.internal:3128"
#ca = "authorities.pem"

# whose tokens are accepted. Several pools may stand here, each under [[pool]]
[[pool]]
id = {pool}{pool_note}
clients = [{client}]{client_note}
{issuer}# "access" tokens are for APIs; "id" tokens only say who signed in
token_use = "access"
# the aud that access tokens must be bound to (RFC 8707, "resource binding")
#resource = "https://api.example.com"

# where a token may stand beside the Authorization field
#[[credential]]
#cookie = "access_token"

# where the gateway listens; admin answers liveness, readiness and metrics
[server]
bind = "127.0.0.1:8080"
admin = "127.0.0.1:9090"
#workers = 1
# whose X-Forwarded-* and Forwarded are believed: the load balancers in front
#trusted_proxies = ["10.0.0.0/8"]
# seconds that requests have to end when the gateway stops
#drain = 30

# what a client may send
#[limits]
#head = "64 KiB"
#body = "none"
#connections = 10000

# how long anybody may take, in seconds
#[timeouts]
#head = 10
#connect = 5
#answer = 60
#total = "none"

"""

_PROXY = """\
# the application. Of several upstreams the longest path counts; those of equal path share the load
[[upstream]]
url = {upstream}{upstream_note}
#path = "/*"
# a path to ask regularly; 2xx and 3xx are healthy
#health = "/health"

"""

_FORWARD_AUTH = """\
# which proxies ask for decisions, and from where they may; the configuration of the proxy itself is an example of the project
[forward_auth]
kinds = [{kind}]
#trusted = ["127.0.0.0/8", "::1/128", "unix"]
# what X-Cognito-Guard-Secret of every question must hold: a file with a random line
#secret_file = "secret"
{grpc}
"""

_TAIL = """\
# the header fields by which the application learns who asks; what clients send under these names is removed
[identity]
X-Cognito-Subject = "sub"
X-Cognito-Client = "client_id"
X-Cognito-Username = "username"
X-Cognito-Groups = "cognito:groups"
X-Cognito-Scopes = "scope"
X-Cognito-Email = "email"

# what each path demands; the first route that fits counts, and what no route names needs a valid token
#[[route]]
#path = "/health"
#access = "public"

#[[route]]
#methods = ["DELETE"]
#path = "/orders/*"
#require = "scope:orders/write and group:staff"

# what clients are told of this API (RFC 9728), which MCP clients need
#[resource]
#url = "https://api.example.com"
#scopes = ["orders/read", "orders/write"]

# who asks, signed by the gateway, for applications that others can reach too
#[assertion]
#key_file = "assertion.pem"
#lifetime = 60

# a line of JSON for each request
[log]
access = true
level = "info"
#output = "stdout"
"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "init",
        help="write a settings file to start from; print what creates a user pool",
        usage="cognito-guard init [--kind KIND] [--pool ID] [--client ID] [--upstream URL] [--create WAY] [option ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--kind", default="proxy", metavar="KIND", help=f"{_or(_KINDS)}; default: proxy")
    parser.add_argument("--proxy-kind", metavar="KIND", help=f"with forward-auth, who asks: {_or(_PROXIES)}; default: nginx")
    parser.add_argument("--pool", metavar="ID", help="user pool id")
    parser.add_argument("--client", action="append", metavar="ID", help="app client id; may be given several times")
    parser.add_argument("--issuer", metavar="URL", help="the issuer of an emulator, such as 'cognito-guard local-pool'")
    parser.add_argument("--upstream", metavar="URL", help="the application")
    parser.add_argument("--output", default="cognito-guard.toml", metavar="FILE", help="default: cognito-guard.toml; - prints it")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--create", metavar="WAY", help=f"print what creates a pool: {_or(_RECIPES)}")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Write what the options name. Raises `ConfigurationError` with every mistake in them, `problems` among these."""
    _judge(options, problems)
    printed = options.output == "-"
    if not printed and not problems:
        _write(options.output, settings_text(options), problems, over=options.force)
    if problems:
        raise ConfigurationError("init", problems)
    if printed:
        print(settings_text(options), end="")
    else:
        print(f"Wrote {options.output}.{_to_do(options)}", file=sys.stderr)
        print(f"Next: cognito-guard check --config {options.output}", file=sys.stderr)
    if options.create is not None:
        from cognito_guard.cli.pool_recipes import RECIPES

        print(RECIPES[options.create], end="")
    return 0


def settings_text(options: argparse.Namespace) -> str:
    """The settings file for options that were judged."""
    name = "cognito-guard.toml" if options.output == "-" else os.path.basename(options.output)
    forward_auth = options.kind == "forward-auth"
    kind = options.proxy_kind or "nginx"
    head = _HEAD.format(
        name=name,
        pool=_toml(options.pool or _POOL),
        pool_note="" if options.pool else _CHANGE,
        client=", ".join(map(_toml, options.client or [_CLIENT])),
        client_note="" if options.client else _CHANGE,
        issuer=f"issuer = {_toml(options.issuer)}\n" if options.issuer else "",
    )
    if forward_auth:
        grpc = '# where Envoy\'s gRPC ext_authz is answered\n#grpc = "127.0.0.1:9191"\n' if kind == "envoy" else ""
        middle = _FORWARD_AUTH.format(kind=_toml(kind), grpc=grpc)
    else:
        middle = _PROXY.format(upstream=_toml(options.upstream or _UPSTREAM), upstream_note="" if options.upstream else _CHANGE)
    return head + middle + _TAIL


def _judge(options: argparse.Namespace, problems: list[str]) -> None:
    for option, words in (("kind", _KINDS), ("proxy_kind", _PROXIES), ("create", _RECIPES)):
        given = getattr(options, option)
        if given is not None and given not in words:
            problems.append(f"--{option.replace('_', '-')}: write {_or(words)}; not {given!r}")
    if options.proxy_kind is not None and options.kind == "proxy":
        problems.append("--proxy-kind: it counts with --kind forward-auth; add that, or leave it out")
    if options.upstream is not None and options.kind == "forward-auth":
        problems.append("--upstream: with forward-auth the proxy in front reaches the application itself; leave it out")
    if options.issuer is not None and options.pool is None:
        problems.append("--issuer: it is for one --pool; name that too")
    if options.create is not None and options.output == "-":
        problems.append("--create: it prints on standard output, as '--output -' does; name a file by --output")
    if not options.output:
        problems.append("--output: name a file, or - for standard output")
    flags = {
        "pool": [options.pool or _POOL],
        "client": options.client or [_CLIENT],
        "issuer": options.issuer,
        "upstream": [options.upstream or _UPSTREAM],
    }
    try:
        read("", flags=flags)
    except ConfigurationError as error:
        problems += error.problems


def _write(path: str, text: str, problems: list[str], *, over: bool) -> None:
    try:
        with open(path, "w" if over else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        problems.append(f"--output: {path} is there already; name another file, or write over it by --force")
    except OSError as error:
        problems.append(f"--output: {path} cannot be written ({error.strerror}); name another file")
    except ValueError:
        problems.append("--output: this is no path; name a file")


def _to_do(options: argparse.Namespace) -> str:
    missing = [
        word
        for word, given in (
            ("the pool", options.pool),
            ("the client", options.client),
            ("the upstream", options.upstream or options.kind != "proxy"),
        )
        if not given
    ]
    return (
        f" Change {' and '.join(missing)} in it, which {'is an example' if len(missing) == 1 else 'are examples'}."
        if missing
        else ""
    )


def _toml(text: str) -> str:
    # a JSON string is a TOML string; what was judged holds no control character
    return json.dumps(text, ensure_ascii=False)


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
