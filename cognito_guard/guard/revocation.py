"""Revocation: what no signature can show, asked of the application or of a list in memory.

Decides whether a verified token was taken back. A hook that cannot answer makes the token unavailable, never accepted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from threading import Lock

from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.hooks import is_plain_callable
from cognito_guard.token.claims import ISSUED_AHEAD
from cognito_guard.token.principal import Principal

IsRevoked = Callable[[Principal], bool]
IsRevokedAsync = Callable[[Principal], Awaitable[bool]]

LONGEST_LIFE = 86400.0
"""Seconds: Cognito's ID and access tokens live for a day at most, so a denial may be forgotten after that."""


def refuse_revoked(is_revoked: IsRevoked, principal: Principal) -> None:
    """Raise `TokenRejected("revoked")` if the hook says so, `Unavailable` if it fails or answers anything but a bool."""
    try:
        answer: object = is_revoked(principal)
    except Exception as error:
        raise _unavailable() from error
    _refuse(answer)


async def refuse_revoked_async(is_revoked: IsRevokedAsync, principal: Principal) -> None:
    """`refuse_revoked` for a hook that is awaited."""
    try:
        answer: object = await is_revoked(principal)
    except Exception as error:
        raise _unavailable() from error
    _refuse(answer)


def _refuse(answer: object) -> None:
    if answer is True:
        raise TokenRejected("revoked")
    if answer is not False:
        raise _unavailable()


def _unavailable() -> Unavailable:
    return Unavailable("revocation_unavailable", "the revocation hook failed, or did not answer True or False", retry_after=1)


class DenyList:
    """Revocation kept in this process: `Guard(..., is_revoked=deny_list)`.

    Deny one token (`jti`), one sign-in with every token refreshed from it (`origin_jti`), or all of a subject's tokens issued up to
    a moment. Entries are forgotten a minute after `keep` seconds (a day: no ID or access token lives longer; with a Guard's `leeway`
    add twice that). So revoke the refresh token at Cognito too: what it still yields a day later is not denied. Other processes do
    not see the entries, and a restart loses them: share revocations through a hook of your own over a store.

    Where a claim that a denial must look at is of the wrong form, or `iat` is missing, the token counts as revoked. A token without
    `jti` or `origin_jti` (an app client with token revocation off) cannot be found by them: use the subject.
    """

    def __init__(self, *, keep: float = LONGEST_LIFE, clock: Callable[[], float] = time.time) -> None:
        problems = []
        if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep < math.inf:
            problems.append("keep: give seconds, more than 0")
        if not is_plain_callable(clock):
            problems.append("clock: give a plain callable that answers seconds since the epoch")
        if problems:
            raise ConfigurationError("DenyList", problems)
        from cachetools import TTLCache  # late: many programs have no list

        self._clock = clock
        self._lock = Lock()
        keep += ISSUED_AHEAD  # a token that is taken now may have its `iat` that far ahead
        self._claims: dict[str, TTLCache[str, bool]] = {
            claim: TTLCache(math.inf, keep, timer=clock) for claim in ("jti", "origin_jti")
        }
        self._subjects: TTLCache[str, float] = TTLCache(math.inf, keep, timer=clock)

    def deny_token(self, jti: str) -> None:
        """Take back the one token with this `jti`."""
        self._deny("jti", jti)

    def deny_sign_in(self, origin_jti: str) -> None:
        """Take back every token of the sign-in with this `origin_jti`."""
        self._deny("origin_jti", origin_jti)

    def deny_subject(self, subject: str, *, issued_until: float | None = None) -> None:
        """Take back every token of the subject whose `iat` is at or before `issued_until` (seconds since the epoch; default: now).

        Whatever the issuer: a pool's tokens may name either of its forms, and Cognito gives no `sub` twice.
        """
        problems = []
        if not isinstance(subject, str) or not subject:
            problems.append("subject: give it as a string, as the Principal shows it")
        now = self._clock()
        until = now if issued_until is None else issued_until
        if isinstance(until, bool) or not isinstance(until, int | float) or not 0 <= until <= now + ISSUED_AHEAD:
            problems.append("issued_until: give seconds since the epoch that do not lie ahead")
        if problems:
            raise ConfigurationError("DenyList.deny_subject", problems)
        with self._lock:
            self._subjects[subject] = max(until, self._subjects.get(subject, 0.0))

    def __call__(self, principal: Principal) -> bool:
        """Whether the principal's token is denied."""
        with self._lock:
            for claim, denied in self._claims.items():
                if denied and claim in principal.claims:
                    name = principal.claims[claim]
                    if not isinstance(name, str) or name in denied:
                        return True
            cut = self._subjects.get(principal.subject)
        return cut is not None and (principal.issued_at is None or principal.issued_at <= cut)

    def _deny(self, claim: str, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError("DenyList", [f"{claim}: give it as a string, as the Principal shows it"])
        with self._lock:
            self._claims[claim][name] = True
