"""The options that name whose tokens are meant, shared by the commands that judge tokens.

Decides how a call's options become a Guard. Each option is judged by itself, so that none hides another's mistake.
"""

from __future__ import annotations

import argparse
import re
import time

from cognito_guard.errors import ConfigurationError
from cognito_guard.guard import Guard
from cognito_guard.keys import StaticKeys
from cognito_guard.pool import JwksFile, Profile, UserPool
from cognito_guard.token.claims import MAX_DATE

_TOKEN_USES = ("access", "id", "any")
_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options. What is wrong or missing is judged by `guard_of`, which reports all of it at once."""
    parser.add_argument("--pool", action="append", metavar="ID", help="user pool id; may be given several times")
    parser.add_argument(
        "--client", action="append", metavar="ID", help="app client id, of any of the pools; may be given several times"
    )
    parser.add_argument("--token-use", default="access", metavar="USE", help="access (the default), id, or any for both")
    parser.add_argument("--issuer", metavar="URL", help="where the one --pool is an emulator: its issuer, as its tokens name it")
    parser.add_argument("--jwks", metavar="FILE", help="a JWK Set with the keys of every --pool; nothing is fetched then")
    parser.add_argument("--now", metavar="SECONDS", help="judge as of this time, in seconds since 1970; default: the clock's")
    parser.add_argument("--leeway", metavar="SECONDS", help="by how much clocks may differ; default: 0")


def guard_of(options: argparse.Namespace, problems: list[str], subject: str) -> Guard:
    """The Guard that the options name. Raises `ConfigurationError` with every mistake in them, `problems` among these."""
    pool_ids, clients = dict.fromkeys(options.pool or ()), options.client or []
    if not pool_ids:
        problems.append("--pool: it is missing; name the user pool whose tokens are meant, such as eu-west-1_AbC123xyz")
    if options.issuer is not None and len(pool_ids) > 1:
        problems.append("--issuer: it is for one --pool; name that one alone")
    for pool_id in pool_ids:
        _judge_pool(pool_id, options.issuer, problems)
    if not clients:
        problems.append("--client: it is missing; name the app client to which the tokens were issued")
    for client in dict.fromkeys(clients):
        try:
            UserPool("eu-west-1_Any").access_tokens(client=client)  # a client id looks the same in every pool
        except ConfigurationError as error:
            problems += [f"--client: {_sentence(problem)}" for problem in error.problems]
    if options.token_use not in _TOKEN_USES:
        problems.append(f"--token-use: write access, id or any; not {options.token_use!r}")
    now = _seconds(options.now, "--now", problems)
    leeway = _seconds(options.leeway, "--leeway", problems) or 0
    keys = options.jwks
    if keys is not None and (not keys or keys.lower().startswith(("http://", "https://"))):
        problems.append("--jwks: give the path of a JWK Set file; without --jwks the keys are fetched from AWS")
    elif keys is not None and problems:  # without problems the Guard reads it, and a pipe can be read only once
        try:
            StaticKeys(JwksFile(keys), algorithms=("RS256",))
        except ConfigurationError as error:
            problems += [f"--{problem}" for problem in error.problems]
    if problems:
        raise ConfigurationError(subject, problems)
    profiles: list[Profile] = []
    for pool in [UserPool(pool_id, issuer=options.issuer, jwks=keys) for pool_id in pool_ids]:
        if options.token_use != "id":
            profiles.append(pool.access_tokens(client=clients))
        if options.token_use != "access":
            profiles.append(pool.id_tokens(client=clients))
    try:
        return Guard(*profiles, leeway=leeway, clock=time.time if now is None else lambda: now, cache_tokens=0)
    except ConfigurationError as error:
        problems = [f"--{problem}" for problem in error.problems]  # those of the JWK Set file; all else was judged above
    raise ConfigurationError(subject, problems)


def _judge_pool(pool_id: str, issuer: str | None, problems: list[str]) -> None:
    try:
        UserPool(pool_id, issuer=issuer)
    except ConfigurationError as error:
        for problem in error.problems:
            if problem.startswith("issuer: "):
                problems.append(f"--{problem}")
            else:
                problems.append(f"--pool: {pool_id!r}: {_sentence(problem).replace('give issuer=', 'give --issuer')}")


def _seconds(text: str | None, option: str, problems: list[str]) -> float | None:
    if text is None:
        return None
    if _SECONDS.fullmatch(text) and float(text) <= MAX_DATE:
        return float(text)
    problems.append(f"{option}: write seconds, such as 60 or 1767225600; not {text!r}")
    return None


def _sentence(problem: str) -> str:
    """A problem without the name of the argument, which here has another."""
    return problem.partition(": ")[2]
