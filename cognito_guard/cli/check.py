"""`cognito-guard check`: whether a gateway would start with these settings, which route demands what, and what of it looks wrong.

Decides how the file, the environment and the options of a call become settings. Judges none of them itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings import CONFIG, OPTIONS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from cognito_guard.gateway.settings import GatewaySettings

_LARGEST_FILE = 1024 * 1024

_DESCRIPTION = """\
Read the settings of 'cognito-guard proxy', and report every mistake of them at once, each with its line. Without mistakes, print
what each route demands, and warn of routes that are never reached or dangerously open. Nothing is started and nothing is fetched."""

_EPILOG = """\
Each setting counts as given by the option, else by its variable (--bind is COGNITO_GUARD_BIND), else by the file. Pools and upstreams
that are named so replace those of the file. Relative paths start from the file's directory, those of options from this one.

Exit status: 0 if the settings can be used, 1 if there are warnings and --strict was given, 2 for mistakes.

  cognito-guard check --config cognito-guard.toml
  cognito-guard check --config cognito-guard.toml --print-config
  cognito-guard check --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado --upstream http://127.0.0.1:8000"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="check the gateway's settings, and print what each route demands",
        usage="cognito-guard check --config FILE [option ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--strict", action="store_true", help="warnings give exit status 1")
    add_gateway_options(parser)
    parser.set_defaults(run=run)


def add_gateway_options(parser: argparse.ArgumentParser) -> None:
    """Add what `settings_from` reads: --config, --print-config, and an option for each of `OPTIONS`."""
    parser.add_argument("--config", metavar="FILE", help=f"the settings file; also {CONFIG}")
    parser.add_argument("--print-config", action="store_true", help="print the settings in force as a file, and end")
    for option in OPTIONS:
        several = "; may be given several times" if option.kind == "list" else ""
        parser.add_argument(
            option.flag,
            dest=option.name,
            metavar=option.metavar,
            action="append" if option.kind == "list" else "store",
            help=f"{option.meaning}{several} ({option.variable})",
        )
    parser.set_defaults(subject=parser.prog.rpartition(" ")[2])


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Check what the options name. Raises `ConfigurationError` with every mistake in the settings, `problems` among these."""
    from cognito_guard.gateway.settings import printed, route_table, warnings  # late: other commands need only the options

    settings = settings_from(options, problems)
    if options.print_config:
        print(printed(settings), end="")
    else:
        print(route_table(settings), end="")
    found = warnings(settings)
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    return 1 if found and options.strict else 0


def settings_from(options: argparse.Namespace, problems: list[str]) -> GatewaySettings:
    """The settings that the options, the environment and the file name. Looks into every file that they name.

    Raises `ConfigurationError` under the command's name, with every mistake, `problems` among these.
    """
    from cognito_guard.gateway.settings import read

    path = options.config if options.config is not None else os.environ.get(CONFIG)
    text = _text(path, "--config" if options.config is not None else CONFIG, problems)
    settings = None
    try:
        settings = read(
            text,
            name="" if path is None else os.path.basename(path),
            base="" if path is None else os.path.dirname(os.path.abspath(path)),
            environment=os.environ,
            flags={option.name: getattr(options, option.name) for option in OPTIONS},
            file_problem=_file_problem,
        )
    except ConfigurationError as error:
        problems += error.problems
    if settings is not None and not problems:
        problems += _file_problems(settings)
    if settings is None or problems:
        raise ConfigurationError(options.subject, problems)
    return settings


def _text(path: str | None, label: str, problems: list[str]) -> str:
    if path is None:
        return ""
    try:
        with open(path, "rb") as file:
            octets = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        problems.append(f"{label}: the file cannot be read ({error.strerror}); name a readable one")
        return ""
    except ValueError:
        problems.append(f"{label}: this is no path; name a file")
        return ""
    if len(octets) > _LARGEST_FILE:
        problems.append(f"{label}: the file is longer than {_LARGEST_FILE} octets; is it a settings file?")
        return ""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
    problems.append(f"{label}: line {line} is not UTF-8; save the file in UTF-8")
    return ""


def _file_problem(path: str) -> str | None:
    """What is wrong with a file that the settings name, as far as can be told without knowing what it should hold."""
    try:
        with open(path, "rb") as file:
            if file.read(1):
                return None
    except OSError as error:
        return f"the file cannot be read ({error.strerror}); name a readable one"
    return "the file is empty; name one with contents"


def _file_problems(settings: GatewaySettings) -> list[str]:
    """What is wrong inside the files that the settings name: the gateway would say the same at its start."""
    from cognito_guard.gateway.app import Gateway
    from cognito_guard.gateway.vetting import vet

    problems: list[str] = []
    for judge in (Gateway, vet):
        try:
            judge(settings)
        except ConfigurationError as error:
            problems += error.problems
    return problems
