"""Whether the clock here agrees with that of an endpoint, by the `Date` of its answer (RFC 9110 section 6.6.1).

Decides how much of a difference matters to Cognito's tokens. Knows no clock: an answer carries when it was asked for and came.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from cognito_guard.doctor.finding import Finding
from cognito_guard.doctor.network import Answer

WARNS_ABOVE = 2.0
FAILS_ABOVE = 60.0
"""Seconds; the latter is what `iat` may lie ahead before a token is refused."""


def clock_finding(host: str, answer: Answer | None) -> Finding:
    """The clock here against an answer of `host`; None where nothing answered with a `Date`.

    A `Date` has whole seconds and was written somewhere between the question and its answer, so half a second and half the time
    between the two are left out of account.
    """
    there = None if answer is None else _date(answer)
    if answer is None or there is None:
        return Finding(
            "clock", "skipped", "no endpoint answered with its time", "Compare by hand: chronyc tracking, or timedatectl"
        )
    ahead = (answer.began + answer.ended) / 2 - (there + 0.5)
    certain = abs(ahead) - (answer.ended - answer.began) / 2 - 0.5
    if certain <= WARNS_ABOVE:
        return Finding("clock", "ok", f"it agrees with {host}, as far as a Date field tells (within {WARNS_ABOVE:g} s)")
    told = f"{_span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} {host}"
    if ahead > 0:
        told += f": tokens are refused as expired {_span(ahead)} early"
    elif certain > FAILS_ABOVE:
        told += f": new tokens are refused as issued in the future, and old ones pass {_span(-ahead)} too long"
    else:
        told += f": tokens that have expired still pass for {_span(-ahead)}"
    return Finding(
        "clock",
        "failed" if certain > FAILS_ABOVE else "warning",
        told,
        "Synchronise the clock (chrony, systemd-timesyncd or the hypervisor's; on EC2 from 169.254.169.123); a container has its host's",
    )


def _date(answer: Answer) -> float | None:
    """When the answer was made, in seconds since 1970; what a cache held it for (`Age`) is added."""
    try:
        made = parsedate_to_datetime(answer.field("date"))
        seconds = (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    age = answer.field("age")
    waited = int(age) if age.isascii() and age.isdecimal() and len(age) < 10 else 0
    return seconds + waited


def _span(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
