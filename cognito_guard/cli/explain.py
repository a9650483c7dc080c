"""`cognito-guard explain`: why a token is taken or refused, check by check, or what a code means; for a person.

Decides how a Report looks on a terminal and as JSON. Judges nothing: the Guard does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from cognito_guard.cli import pool_options
from cognito_guard.errors import ConfigurationError
from cognito_guard.guard.report import Check, Report
from cognito_guard.pool import Profile
from cognito_guard.reasons import REASONS, Reason

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Explain a token, or a code.

Of a token every check is listed in the order in which it is made: passed, failed, or not reached. What the token says is shown by
the names of its claims and the values that select a profile; the signature and whatever names a person never are. Without TOKEN,
paste one on standard input.

A code is what stands in answers, logs and metrics, such as 'expired' or 'key_unknown': what it means, why it happens with Cognito,
and what to do."""

_EPILOG = """\
Exit status: 0 if the token is good or the code is known, 1 if not, 2 for a mistake in the call.

  cognito-guard explain --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado eyJ...
  cognito-guard explain --pool local_1 --issuer http://127.0.0.1:9229/local_1 --client web --token-use any < token.txt
  cognito-guard explain client_refused"""

_MARKS = {"passed": ("ok", "32"), "failed": ("FAILED", "31;1"), "not reached": ("-", "2")}
_MOST = 1024 * 1024  # characters read from standard input


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "explain",
        help="why a token is refused, check by check; or what a code means",
        usage="cognito-guard explain --pool ID --client ID [option ...] [TOKEN]\n       cognito-guard explain CODE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    pool_options.add_to(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "token", nargs="?", metavar="TOKEN", help="a token, which other users of this machine can see meanwhile; or a code"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Explain what the options name. Raises `ConfigurationError` with every mistake in them, `problems` among these."""
    if options.token is not None and re.fullmatch(r"[a-z_]{1,64}", options.token):
        return _explain_code(options.token, problems, as_json=options.json)
    guard = pool_options.guard_of(options, problems, "explain")
    report = guard.explain(_token(options.token))
    print(json.dumps(as_object(report)) if options.json else as_text(report, colour=_has_colour()))
    return 0 if report else 1


def as_object(report: Report) -> dict[str, Any]:
    """A report as a JSON object."""
    reason = REASONS[report.code] if report.code is not None else None
    return {
        "verdict": "good" if report else "refused",
        "code": report.code,
        "message": report.message,
        "advice": None if reason is None else reason.advice,
        "expires_in": None if report.expires_in is None else round(report.expires_in, 3),
        "closest_profile": None if report.closest is None else _described(report.closest),
        "checks": [
            {"name": check.name, "status": check.status, "expected": check.expected, "found": check.found}
            for check in report.checks
        ],
    }


def as_text(report: Report, *, colour: bool) -> str:
    """A report as a table with a verdict below, in lines of about 120 characters."""
    lines = [_row(check, colour=colour) for check in report.checks]
    lines.append("")
    if report:
        lines.append(_painted("The token is good.", "32;1", colour=colour) + _lifetime(report.expires_in))
    else:
        lines.append(_painted(f"Refused: {report.code}.", "31;1", colour=colour) + f" {_capital(report.message or '')}.")
        if report.expires_in is not None:
            lines.append(_lifetime(report.expires_in).strip())
    if report.closest is not None:
        lines.append(f"Closest profile: {_described(report.closest)}.")
    if report.code is not None:
        lines += ["", *_paragraphs(REASONS[report.code])]
    return "\n".join(lines)


def _explain_code(code: str, problems: list[str], *, as_json: bool) -> int:
    if problems:
        raise ConfigurationError("explain", problems)
    reason = REASONS.get(code)
    if reason is None:
        from difflib import get_close_matches

        near = get_close_matches(code, REASONS, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        print(f"There is no code {code!r}.{hint} The codes are: {', '.join(sorted(REASONS))}.", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps({"code": code, "meaning": reason.meaning, "why": reason.why, "advice": reason.advice}))
    else:
        print("\n".join([f"{code}", *_paragraphs(reason)]))
    return 0


def _token(given: str | None) -> str:
    if given is not None:
        return given.strip()
    if sys.stdin is None:
        raise ConfigurationError("explain", ["standard input is closed; give TOKEN, or a token there"])
    if sys.stdin.isatty():
        print(
            "Paste a token, then Enter. (Terminals cut lines at 4,096 characters: for longer ones use '< file'.)", file=sys.stderr
        )
        text = sys.stdin.readline(_MOST)
    else:
        text = sys.stdin.read(_MOST)
    # pasted from a header or from JSON, with what stands around it
    return re.sub(r"\A(?:[Aa]uthorization: *)?[Bb]earer +", "", text.strip()).strip("\"', \n")


def _row(check: Check, *, colour: bool) -> str:
    mark, style = _MARKS[check.status]
    if check.status == "passed":
        told = check.found or check.expected
    elif check.status == "failed":
        told = f"expected {check.expected}" + ("" if check.found is None else f"; found {check.found}")
    else:
        told = ""
    return f"{_painted(f'{mark:>6}', style, colour=colour)}  {check.name:18}  {told}".rstrip()


def _paragraphs(reason: Reason) -> list[str]:
    return [
        textwrap.fill(f"{head}: {text}", 110, initial_indent="  ", subsequent_indent="    ")
        for head, text in (("What it means", reason.meaning), ("Why with Cognito", reason.why), ("What to do", reason.advice))
    ]


def _described(profile: Profile) -> str:
    clients = sorted(profile.clients) if isinstance(profile.clients, frozenset) else ["any client"]
    return f"{profile.token_use} tokens of {profile.pool} for {' or '.join(clients)}"


def _lifetime(expires_in: float | None) -> str:
    if expires_in is None:
        return ""
    span = _span(abs(expires_in))
    return f" It expires in {span}." if expires_in > 0 else f" It expired {span} ago."


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _painted(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour and style and text else text


def _has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
