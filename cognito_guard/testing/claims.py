"""The claims of Cognito's three kinds of token, in the order in which AWS's samples show them.

Decides which claims a token carries and refuses keywords that cannot be meant. Knows no key. Sources: "Using the ID token", "Using
the access token" and "Define resource servers" (machine tokens) in the Amazon Cognito developer guide.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from cognito_guard.errors import ConfigurationError

Claims = dict[str, Any]


class Draft:
    """One token's claims in the making; collects every mistake of the call and raises them together in `claims`."""

    def __init__(self, subject: str, issued_at: float, expires_in: float, auth_time: float | None) -> None:
        self._subject = subject
        self._problems: list[str] = []
        issued_at = self._seconds(issued_at, "issued_at", 0)
        self.issued_at, self.expires_at = issued_at, issued_at + self._seconds(expires_in, "expires_in", 1)
        self.auth_time = issued_at if auth_time is None else self._seconds(auth_time, "auth_time", 0)

    def _seconds(self, given: float, argument: str, least: int) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given < 1e12:
            self._problems.append(
                f"{argument}: give seconds, {least} or more; for an expired token put issued_at back, for nonsense use claims={{...}}"
            )
            return least
        return given

    def names(self, given: object, argument: str, *, within: str = "") -> list[str] | None:
        """A list of strings, or None where it is empty: Cognito then leaves the claim out."""
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            self._problems.append(f"{argument}: give a list of strings; a bare string would be read letter by letter")
            return None
        names = list(given)
        if not all(isinstance(name, str) and name and not set(name) & set(within) for name in names):
            self._problems.append(f"{argument}: each is a string, not empty{' and without a space' if within else ''}")
            return None
        return names or None

    def scope(self, given: object) -> str | None:
        """Scopes as the one claim that they are: joined by a space."""
        scopes = self.names(given, "scopes", within=" ")
        return None if scopes is None else " ".join(scopes)

    def texts(self, given: Mapping[str, object]) -> None:
        """Each must be a string that is not empty, or None."""
        for argument, text in given.items():
            if text is not None and (not isinstance(text, str) or not text):
                self._problems.append(f"{argument}: give a string that is not empty; for nonsense use claims={{...}}")

    def json_object(self, given: object, argument: str) -> None:
        """A JSON object, or None."""
        if given is not None and not isinstance(given, Mapping):
            self._problems.append(f'{argument}: give an object, such as {{"sub": "assistant"}}')

    def claims(self, made: Mapping[str, Any], overrides: Mapping[str, Any], without: object) -> Claims:
        """`made` less its None values, with `overrides` in the place of what they override, others last, `without` taken away."""
        claims = {name: claim for name, claim in made.items() if claim is not None}
        claims.update(overrides)
        for name in self.names(without, "without") or ():
            if name not in claims:
                self._problems.append(f"without: this token has no claim {name!r} to leave out")
            claims.pop(name, None)
        if self._problems:
            raise ConfigurationError(self._subject, self._problems)
        return claims


def subject_of(username: str) -> str:
    """The `sub` of a username: like Cognito's, and the same in every run."""
    return str(uuid5(NAMESPACE_URL, f"cognito-guard:{username}"))


def identifier() -> str:
    """A fresh `jti`, `origin_jti` or `event_id`."""
    return str(uuid4())


def access_token_hash(access_token: str) -> str:
    """`at_hash`: the left half of the access token's SHA-256 (OpenID Connect Core §3.1.3.6)."""
    return urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
