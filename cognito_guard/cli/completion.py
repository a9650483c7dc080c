"""`cognito-guard completion`: what a shell needs to complete commands and options. The work is shtab's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cognito_guard.errors import ConfigurationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SHELLS = ("bash", "zsh", "tcsh")

_DESCRIPTION = """\
Print a completion script for your shell. Needs shtab: pip install 'cognito-guard[completion]'.

  bash  cognito-guard completion bash > ~/.local/share/bash-completion/completions/cognito-guard
  zsh   cognito-guard completion zsh > ~/.zfunc/_cognito-guard     (with fpath=(~/.zfunc $fpath) before compinit)
  tcsh  cognito-guard completion tcsh > ~/.cognito-guard.tcsh      (and source it)"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for bash, zsh or tcsh",
        usage="cognito-guard completion SHELL",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh or tcsh")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Print the script. Raises `ConfigurationError` with every mistake in the call, `problems` among these."""
    if options.shell not in SHELLS:
        problems.append(f"SHELL: write one of {', '.join(SHELLS)}")
    try:
        import shtab
    except ImportError:
        problems.append("it needs shtab; install it with: pip install 'cognito-guard[completion]'")
    if problems:
        raise ConfigurationError("completion", problems)
    from cognito_guard.cli.main import parser

    print(shtab.complete(parser(), shell=options.shell))
    return 0
