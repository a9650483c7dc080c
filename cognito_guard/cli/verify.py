"""`cognito-guard verify`: one token a line in, one line of JSON a token out, in the same order; for machines and audits.

Decides how a call's options become a Guard and a rule, and how an answer looks. Judges nothing itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from cognito_guard.cli import pool_options
from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.guard import Guard
from cognito_guard.policy import Denied, Rule, parse_rule
from cognito_guard.token.principal import Principal

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_LONGEST_LINE = 128 * 1024  # above any token that is accepted: what is longer is answered without being held

_DESCRIPTION = """\
Verify tokens. Without TOKEN, read one token a line from standard input. Each line, a blank one too, is answered at once and in
order by one line of JSON:

  {"verdict": "granted", "code": "granted", "principal": {"subject": ..., "scopes": [...], ...}}
  {"verdict": "rejected", "code": "expired", "principal": null}

verdict      what it means
  granted      real, issued to one of the clients, in its time, and fulfilling --require
  denied       real, but not fulfilling --require; the code insufficient_user_authentication asks for a stronger or newer sign-in
  rejected     not a token to trust; the code says why
  unavailable  the pool's keys cannot be had, so nobody knows; try again

No signature shows that a token was revoked after it was issued, so this command does not know."""

_EPILOG = """\
Exit status: 0 if every token was granted, 1 if not, 2 for a mistake in the call.

  cognito-guard verify --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado < tokens.txt
  cognito-guard verify --pool eu-west-1_AbC123xyz --client WEB --client MOBILE --require 'group:staff' < tokens.txt
  cognito-guard verify --pool eu-west-1_AbC123xyz --client WEB --jwks keys.json --now 1767225600 < audit.txt"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "verify",
        help="verify tokens, one a line, for machines and audits",
        usage="cognito-guard verify --pool ID --client ID [option ...] [TOKEN]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    pool_options.add_to(parser)
    parser.add_argument(
        "--require", metavar="RULE", help="what the holder must have, such as 'scope:orders/read and group:staff'"
    )
    parser.add_argument(
        "token", nargs="?", metavar="TOKEN", help="one token; other users of this machine can see it while the command runs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Verify what the options name. Raises `ConfigurationError` with every mistake in them, `problems` among these."""
    guard, rule = _settings(options, problems)
    all_granted = True
    for token in _tokens(options.token):
        answer = judge(guard, rule, token)
        all_granted &= answer["verdict"] == "granted"
        print(json.dumps(answer, default=dict), flush=True)  # dict: an actor is a read-only mapping
    return 0 if all_granted else 1


def judge(guard: Guard, rule: Rule | None, token: bytes) -> dict[str, Any]:
    """The answer to one token, as a JSON object."""
    try:
        principal = guard.authenticate(token)
    except TokenRejected as error:
        return {"verdict": "rejected", "code": error.code, "principal": None}
    except Unavailable as error:
        return {"verdict": "unavailable", "code": error.code, "principal": None}
    verdict, code = "granted", "granted"
    if rule is not None:
        decision = rule.judge(principal, now=guard.clock())
        if isinstance(decision, Denied):
            verdict, code = "denied", "insufficient_user_authentication" if decision.step_up else "insufficient_scope"
    return {"verdict": verdict, "code": code, "principal": describe(principal)}


def describe(principal: Principal) -> dict[str, Any]:
    """A Principal as a JSON object: what it answers, without the raw claims."""
    return {
        "subject": principal.subject,
        "client_id": principal.client_id,
        "username": principal.username,
        "scopes": sorted(principal.scopes),
        "groups": sorted(principal.groups),
        "issuer": principal.issuer,
        "token_use": principal.token_use,
        "issued_at": principal.issued_at,
        "expires_at": principal.expires_at,
        "auth_time": principal.auth_time,
        "acr": principal.acr,
        "amr": principal.amr,
        "jti": principal.jti,
        "origin_jti": principal.origin_jti,
        "actor": principal.actor,
        "is_machine": principal.is_machine,
    }


def _settings(options: argparse.Namespace, problems: list[str]) -> tuple[Guard, Rule | None]:
    rule = _rule(options.require, problems)
    return pool_options.guard_of(options, problems, "verify"), rule


def _rule(text: str | None, problems: list[str]) -> Rule | None:
    if text is None:
        return None
    try:
        return parse_rule(text)
    except ConfigurationError as error:
        problems += [f"--require: {problem}" for problem in error.problems]
    return None


def _tokens(given: str | None) -> Iterator[bytes]:
    if given is not None:
        return iter([given.encode(errors="replace")])
    if sys.stdin is None:
        raise ConfigurationError("verify", ["standard input is closed; give TOKEN, or tokens there, one a line"])
    if sys.stdin.isatty():
        print("Reading tokens, one a line, until Ctrl-D.", file=sys.stderr)
    return lines(sys.stdin.buffer)


def lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream without their ends; of one that is too long only a part that is too long as well."""
    while line := stream.readline(_LONGEST_LINE):
        kept = line
        while line and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST_LINE)
        yield kept.removesuffix(b"\n").removesuffix(b"\r")
