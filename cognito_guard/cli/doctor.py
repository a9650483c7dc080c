"""`cognito-guard doctor`: whether pool, clock, managed login, the way to them and the upstreams are as they should be, each with its fix.

Decides which pools, clients and upstreams a call means, and how findings look. Checks nothing itself: `cognito_guard.doctor` does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cognito_guard.cli.check import settings_from
from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings import CONFIG, OPTIONS, PREFIX, GatewaySettings, warnings
from cognito_guard.gateway.settings.making import ANY_CLIENT
from cognito_guard.gateway.settings.readers import INSECURE, is_url
from cognito_guard.pool import JwksUrl, UserPool
from cognito_guard.urls import InsecureHttp, vetted_url

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from cognito_guard.doctor import Answer, Connected, Finding, Network, NoAnswer, PoolSubject, Subject, UpstreamSubject

_DESCRIPTION = """\
Look into everything that verifying tokens needs, from where this is run: the user pool's endpoints and keys, the clock, the proxy and
the authorities on the way, managed login and its app client, the application behind the gateway. Each finding comes with its fix.

Only public addresses are asked, without any token or secret, and no redirect is followed. An app client is tried by asking managed
login for its login page, as a browser would: no one is signed in."""

_EPILOG = """\
Without --pool, the settings of 'cognito-guard proxy' count: --config, or else the COGNITO_GUARD_* variables.

Exit status: 0 if nothing failed (warnings may stand), 1 if a check failed, 2 for a mistake in the call.

  cognito-guard doctor --pool eu-west-1_AbC123xyz
  cognito-guard doctor --pool eu-west-1_AbC123xyz --client 3n4b5urk1ft4fl3mg5e62d9ado --redirect-uri https://app.example.com/callback
  cognito-guard doctor --pool local_1 --issuer http://127.0.0.1:9229/local_1
  cognito-guard doctor --config cognito-guard.toml --json"""

_MARKS = {"ok": ("ok", "32"), "warning": ("WARNING", "33;1"), "failed": ("FAILED", "31;1"), "skipped": ("-", "2")}
_REDIRECT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-\"$-~]+")


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="is the pool reachable, which issuer, are client and clock right; and what to do",
        usage="cognito-guard doctor --pool ID [--client ID] [option ...]\n       cognito-guard doctor --config FILE [option ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help=f"the gateway's settings file; also {CONFIG}")
    parser.add_argument("--pool", action="append", metavar="ID", help="user pool id; may be given several times")
    parser.add_argument("--client", action="append", metavar="ID", help="app client id to try; may be given several times")
    parser.add_argument("--issuer", metavar="URL", help="where the one --pool is an emulator: its issuer, as its tokens name it")
    parser.add_argument("--jwks", metavar="FILE|URL", help="where the pool's keys come from, if not from its issuer")
    parser.add_argument("--domain", metavar="URL", help="managed login's address; default: the one that the pool names")
    parser.add_argument("--redirect-uri", metavar="URL", help="a callback URL of the app client, to have its sign-in tried")
    parser.add_argument("--proxy", metavar="URL", help="the proxy to go through, instead of the environment's")
    parser.add_argument("--ca", metavar="FILE", help="authorities (PEM) to trust instead of the usual ones")
    parser.add_argument("--upstream", action="append", metavar="URL", help="the application; may be given several times")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end; progress goes to standard error")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, problems: list[str]) -> int:
    """Examine what the options name. Raises `ConfigurationError` with every mistake in them, `problems` among these."""
    from cognito_guard.doctor import HttpNetwork, examine

    subject, found = _subject(options, problems)
    show = _json_line if options.json else _row
    findings: list[Finding] = []

    def told(each: Finding) -> None:
        findings.append(each)
        show(each)

    for each in found:
        told(each)
    if subject is not None:
        network = _Announcing(HttpNetwork(proxy=subject.proxy, ca=subject.ca), _announce)
        for each in examine(subject, network, os.environ):
            _announce("")
            told(each)
    failed = any(each.status == "failed" for each in findings)
    if options.json:
        listed = [
            {"name": each.name, "status": each.status, "found": each.found, "advice": each.advice or None} for each in findings
        ]
        print(json.dumps({"status": "failed" if failed else "ok", "findings": listed}))
    else:
        print("\n" + _summary(findings))
    return 1 if failed else 0


class _Announcing:
    """A network that says whom it is about to ask: an answer may take seconds."""

    def __init__(self, network: Network, say: Callable[[str], None]) -> None:
        self._network = network
        self._say = say

    def get(self, url: str) -> Answer | NoAnswer:
        self._say(f"asking {url.partition('?')[0]}")
        return self._network.get(url)

    def connect(self, upstream: UpstreamSubject) -> Connected | NoAnswer:
        self._say(f"connecting to {upstream.url}")
        return self._network.connect(upstream)


def _subject(options: argparse.Namespace, problems: list[str]) -> tuple[Subject | None, list[Finding]]:
    """What is to be examined, None where a settings file cannot be used; and what was found while reading it."""
    for option in ("domain", "redirect_uri"):
        _judge_url(option, getattr(options, option), problems)
    by_settings = any(f"{PREFIX}{name}" in os.environ for name in ("CONFIG", "POOL"))
    if options.config is not None or (not options.pool and by_settings):
        return _subject_of_settings(options, problems)
    return _subject_of_options(options, problems), []


def _subject_of_options(options: argparse.Namespace, problems: list[str]) -> Subject:
    from cognito_guard.doctor import PoolSubject, Subject, UpstreamSubject
    from cognito_guard.gateway.upstream import Address
    from cognito_guard.keys import HttpFetch

    pool_ids = list(dict.fromkeys(options.pool or ()))
    if not pool_ids:
        problems.append("--pool: it is missing; name the user pool, such as eu-west-1_AbC123xyz, or a settings file by --config")
    for_one = [option for option in ("issuer", "domain", "jwks") if getattr(options, option) is not None]
    if len(pool_ids) > 1:
        problems += [f"--{option}: it is for one --pool; name that one alone" for option in for_one]
    clients = tuple(dict.fromkeys(options.client or ()))
    if clients:
        _relay(lambda: UserPool("eu-west-1_Any").access_tokens(client=clients), problems, {"client": "--client"})
    _relay(lambda: HttpFetch(proxy=options.proxy, ca=options.ca), problems, {"proxy": "--proxy", "ca": "--ca"})
    upstreams = tuple(dict.fromkeys(options.upstream or ()))
    for url in upstreams:
        _relay(lambda url=url: Address(url), problems, {"url": "--upstream"})  # type: ignore[misc]
    pools: list[PoolSubject] = []
    for pool_id in pool_ids or ["eu-west-1_Any"]:  # a missing id hides no other mistake
        try:
            pool = UserPool(pool_id, issuer=_url(options.issuer), jwks=_keys(options.jwks, problems))
        except ConfigurationError as error:
            # a wrong id is what doctors are asked about: a finding, and no mistake in the call
            problems += [f"--{problem}" for problem in error.problems if not problem.startswith("pool_id: ")]
            pools.append(PoolSubject(pool_id, (), clients=clients))
        else:
            pools.append(PoolSubject(pool_id, pool.issuers, clients=clients, given_issuer=options.issuer is not None))
    if problems:
        # as it is typed here and in settings files
        raise ConfigurationError(
            "doctor", [each.replace("InsecureHttp(url)", f"{INSECURE}URL") for each in dict.fromkeys(problems)]
        )
    return Subject(
        tuple(pools),
        domain=_trimmed(options.domain),
        redirect_uri=options.redirect_uri,
        proxy=options.proxy,
        ca=options.ca,
        upstreams=tuple(map(UpstreamSubject, upstreams)),
    )


def _subject_of_settings(options: argparse.Namespace, problems: list[str]) -> tuple[Subject | None, list[Finding]]:
    from cognito_guard.doctor import Finding, PoolSubject, Subject, UpstreamSubject

    given = {option.name: getattr(options, option.name, None) for option in OPTIONS}
    settings: GatewaySettings | None = None
    mistakes: tuple[str, ...] = ()
    try:
        settings = settings_from(argparse.Namespace(config=options.config, subject="doctor", **given), list(problems))
    except ConfigurationError as error:
        mistakes = error.problems
    name = os.path.basename(options.config or os.environ.get(CONFIG, "")) or "the environment's settings"
    if settings is not None and options.domain is not None and len(settings.pools) > 1:
        mistakes = (f"--domain: it is for one pool, and {name} has {len(settings.pools)}; name that one by --pool",)
    of_the_call = [mistake for mistake in mistakes if mistake in problems or mistake.startswith("-")]
    if of_the_call:
        raise ConfigurationError("doctor", of_the_call)
    if settings is None:
        advice = "Write what the sentence says; 'cognito-guard check' reads the same settings"
        found = [Finding("configuration", "failed", mistake, advice) for mistake in mistakes]
        return None, [*found, Finding("pool", "skipped", f"{name} cannot be used, so what it means cannot be looked into")]
    found = [Finding("configuration", "ok", f"{name}: no mistake")]
    advice = "If this is meant, leave it; 'cognito-guard check' shows the table of routes"
    found += [Finding("configuration", "warning", warning, advice) for warning in warnings(settings)]
    clients: dict[tuple[str, PoolSubject], list[str]] = {}
    for pool in settings.pools:
        bare = PoolSubject(pool.id, pool.profiles[0].issuers, given_issuer=pool.issuer is not None)
        clients.setdefault((pool.id, bare), []).extend(client for client in pool.clients if client != ANY_CLIENT)
    pools = tuple(
        PoolSubject(pool_id, bare.issuers, clients=tuple(dict.fromkeys(names)), given_issuer=bare.given_issuer)
        for (pool_id, bare), names in clients.items()
    )
    upstreams = tuple(
        UpstreamSubject(each.url, ca=each.ca, sni=each.sni, client_cert=each.client_cert, client_key=each.client_key)
        for each in settings.upstreams
    )
    return Subject(
        pools,
        domain=_trimmed(options.domain),
        redirect_uri=options.redirect_uri,
        proxy=settings.proxy,
        ca=settings.ca,
        upstreams=upstreams,
    ), found


def _judge_url(option: str, given: str | None, problems: list[str]) -> None:
    label = f"--{option.replace('_', '-')}"
    if given is None:
        return
    if option == "domain":
        domain = vetted_url(_url(given.removesuffix("/")), label, problems)
        if domain.count("/") > 2:
            problems.append(f"{label}: write it without a path, such as 'https://shop.auth.eu-west-1.amazoncognito.com'")
    elif not _REDIRECT.fullmatch(given):
        problems.append(f"{label}: write an absolute URL without '#', such as 'https://app.example.com/callback'")


def _trimmed(domain: str | None) -> str | None:
    return None if domain is None else domain.removesuffix("/").removeprefix(INSECURE)


def _url(given: str | None) -> str | InsecureHttp | None:
    """As in a settings file: plain http beyond loopback is written with a word in front."""
    return InsecureHttp(given.removeprefix(INSECURE)) if given is not None and given.startswith(INSECURE) else given


def _keys(given: str | None, problems: list[str]) -> str | JwksUrl | None:
    if given is None or not is_url(given):
        return given
    try:
        return JwksUrl(_url(given) or "")
    except ConfigurationError as error:
        problems += [f"--jwks: {problem.partition(': ')[2]}" for problem in error.problems]
    return None


def _relay(make: Callable[[], object], problems: list[str], names: dict[str, str]) -> None:
    """The mistakes of a constructor, under the names that the user typed."""
    try:
        make()
    except ConfigurationError as error:
        for problem in error.problems:
            argument, _, told = problem.partition(": ")
            problems.append(f"{names.get(argument, argument)}: {told}")


def _row(finding: Finding) -> None:
    mark, style = _MARKS[finding.status]
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    painted = f"\x1b[{style}m{mark:>7}\x1b[0m" if colour else f"{mark:>7}"
    for line in _lines(finding):
        print(f"{painted}  {line}".rstrip(), flush=True)
        painted = " " * 7


def _lines(finding: Finding) -> Iterator[str]:
    """The finding beside its name, the advice below; addresses and words with hyphens stay whole."""
    name = f"{finding.name:13}  "
    for text, head in ((finding.found, ""), (finding.advice, "-> ")):
        wrapped = textwrap.wrap(
            f"{head}{text}", 100, subsequent_indent=" " * len(head), break_on_hyphens=False, break_long_words=False
        )
        for line in wrapped if text else ():
            yield f"{name}{line}"
            name = " " * len(name)


def _json_line(finding: Finding) -> None:
    print(f"{_MARKS[finding.status][0]:>7}  {finding.name:13}  {finding.found}", file=sys.stderr, flush=True)


def _announce(text: str) -> None:
    """On a terminal, what is being asked, in a line that the next one takes the place of."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)


def _summary(findings: list[Finding]) -> str:
    counts = {status: sum(each.status == status for each in findings) for status in ("failed", "warning", "skipped")}
    if not counts["failed"] and not counts["warning"]:
        told = "Nothing is wrong"
    else:
        told = ", ".join(
            f"{count} {status}{'s' if status == 'warning' and count > 1 else ''}"
            for status, count in counts.items()
            if count and status != "skipped"
        )
    skipped = f"; {counts['skipped']} of {len(findings)} checks were skipped" if counts["skipped"] else ""
    return f"{told}{skipped}."
