"""The command line: reads arguments, calls the command, turns its mistakes into clear sentences and exit status 2."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Never

from cognito_guard import __version__
from cognito_guard.cli import check, completion, demo, doctor, explain, init, local_pool, proxy, verify
from cognito_guard.errors import ConfigurationError

COMMANDS = (proxy, check, init, verify, explain, doctor, local_pool, demo, completion)
_TOKEN = re.compile(r"eyJ[\w.=-]{20,}")
_OPTION = re.compile(r"--?[a-z][a-z-]*")


class Parser(argparse.ArgumentParser):
    """argparse's, but a token in the wrong place is not repeated in the complaint."""

    def error(self, message: str) -> Never:
        super().error(without_tokens(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `cognito-guard`. Answers the exit status: 2 for a mistake in the call or a failing disk, otherwise the command's own."""
    if sys.stdout is None:
        print("cognito-guard: standard output is closed, so no answer could be read", file=sys.stderr)
        return 2
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()  # the reader has gone, and nobody is left to tell
        return 1
    except OSError as error:  # whatever else opens a file says so itself
        _silence()
        print(f"cognito-guard: standard input or output failed: {error.strerror}; the answers are incomplete", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _silence() -> None:
    """Let what is still buffered go nowhere: the interpreter would try to write it at exit, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> Parser:
    """The whole command line."""
    made = Parser(
        prog="cognito-guard",
        description="Verify Amazon Cognito tokens, and decide what their holders may do.",
        epilog="'cognito-guard COMMAND --help' explains a command.",
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"cognito-guard {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return made


def _run(arguments: Sequence[str] | None) -> int:
    chosen, left_over = parser().parse_known_args(arguments)
    try:
        # the command is told of what is left over, so that it stands beside the other mistakes
        status: int = chosen.run(chosen, left_over_problems(left_over))
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"cognito-guard {error.subject}: {without_tokens(problem)}", file=sys.stderr)
        print(f"'cognito-guard {error.subject} --help' explains.", file=sys.stderr)
        return 2
    return status


def left_over_problems(arguments: Sequence[str]) -> list[str]:
    """What to say of arguments that nothing takes. They may be tokens: only the name of an option is repeated."""
    names = [argument.partition("=")[0] for argument in arguments]
    problems = [f"{name}: there is no such option" for name in names if _OPTION.fullmatch(name)]
    if len(problems) < len(arguments):
        problems.append(f"arguments: {len(arguments) - len(problems)} too many, which nothing here takes")
    return problems


def without_tokens(text: str) -> str:
    """The text with an ellipsis for what looks like a token."""
    return _TOKEN.sub("eyJ...", text)
