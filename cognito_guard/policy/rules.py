"""The single rules: what one verified principal must have.

Decides whether a Principal has it. Equality is exact: no prefix, no case folding, no pattern. Knows no token, no HTTP and no clock
(the time is an argument); how rules are joined and denied is `joining`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy.joining import NUMBERS, Remedy, Rule, SignIn, is_seconds
from cognito_guard.token.principal import Principal

__all__ = [
    "Rule",
    "HasScope",
    "InGroup",
    "FromClient",
    "ClaimIs",
    "IsMachine",
    "IsPerson",
    "IsDelegated",
    "AssuranceAtLeast",
    "AuthenticatedWithin",
    "rule_scopes",
]

LEVELS: Final = ("urn:cognito:loa:1", "urn:cognito:loa:2", "urn:cognito:loa:3", "urn:cognito:loa:4")
"""The names that Cognito gives the assurance levels of `acr`, weakest first; a pool can rename them."""

_CLOCK_SKEW: Final = 60  # seconds that an auth_time may lie ahead, as for iat


class HasScope(Rule):
    """The access token grants exactly this one scope: `orders/read`, as the token spells it. ID tokens have no scopes."""

    __slots__ = ("scope",)
    scope: str

    def __init__(self, scope: str) -> None:
        problem = "scope: write one scope as the token spells it, 1 to 513 visible ASCII characters without space, '\"' and '\\'"
        self._set(scope=_text("HasScope", scope, _SCOPE.fullmatch, f"{problem}; join several with & or |"))

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return self.scope in principal.scopes

    def _remedy(self) -> Remedy:
        return Remedy((self.scope,), enough=True)


class InGroup(Rule):
    """`cognito:groups` holds exactly this group. A pre token generation trigger may have set the groups."""

    __slots__ = ("group",)
    group: str

    def __init__(self, group: str) -> None:
        self._set(group=_text("InGroup", group, _printable(128), "group: write one group's name, 1 to 128 printable characters"))

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return self.group in principal.groups


class FromClient(Rule):
    """The token was issued to exactly this app client. The Guard's own list of clients was judged before."""

    __slots__ = ("client_id",)
    client_id: str

    def __init__(self, client_id: str) -> None:
        problem = "client_id: write an app client's id, 1 to 128 letters, digits, '_' and '+'"
        self._set(client_id=_text("FromClient", client_id, _CLIENT_ID.fullmatch, problem))

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return self.client_id == principal.client_id


class ClaimIs(Rule):
    """The claim is exactly this string, boolean or number, of this JSON type: True is not 1, "1" is not 1; 1 is 1.0.

    A claim that is absent, null, an array or an object never equals: an array is not searched. Two traps of Cognito: `custom:` claims are
    strings whatever the attribute's type, and `email_verified` is a boolean in tokens but a string in userInfo answers.
    """

    __slots__ = ("name", "value")
    name: str
    value: str | float

    def __init__(self, name: str, value: str | float) -> None:
        problems: list[str] = []
        if not isinstance(name, str) or not _printable(256)(name):
            problems.append("name: write a claim's name, 1 to 256 printable characters")
        if isinstance(value, str):
            value = str.__str__(value)
            if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
                problems.append("value: the string holds a lone surrogate, which no token can hold")
        elif isinstance(value, bool):
            pass
        elif not isinstance(value, NUMBERS) or not -1e300 < value < 1e300:
            problems.append("value: give a string, True, False or a finite number; null, arrays and objects cannot be asked for")
        else:
            value = int(value) if isinstance(value, int) else float(value)
        if problems:
            raise ConfigurationError("ClaimIs", problems)
        self._set(name=str.__str__(name), value=value)

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return _same(principal.claims.get(self.name), self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClaimIs) and self.name == other.name and _same(self.value, other.value)

    def __hash__(self) -> int:
        return hash((self.name, self.value))


class IsMachine(Rule):
    """The token came from the client-credentials grant, as far as it shows: see `Principal.is_machine`."""

    __slots__ = ()

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return principal.is_machine


class IsPerson(Rule):
    """The token speaks for a person: see `Principal.is_person`."""

    __slots__ = ()

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return principal.is_person


class IsDelegated(Rule):
    """Somebody acts for the subject: the token has an `act` object (RFC 8693 §4.1). With `subject`, exactly this `act.sub`."""

    __slots__ = ("subject",)
    subject: str | None

    def __init__(self, *, subject: str | None = None) -> None:
        if subject is not None:
            subject = _text(
                "IsDelegated", subject, _printable(256), "subject: write the actor's sub, 1 to 256 printable characters"
            )
        self._set(subject=subject)

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        actor = principal.actor
        return actor is not None and (self.subject is None or _same(actor.get("sub"), self.subject))

    def __repr__(self) -> str:
        return "IsDelegated()" if self.subject is None else f"IsDelegated(subject={self.subject!r})"


class AssuranceAtLeast(Rule):
    """Sign-in reached this level of `acr` or a higher one. `order` names the pool's levels, weakest first.

    A token without `acr`, or with one that `order` does not name, is below every level. A refresh keeps `acr`, so a strong sign-in of
    last month still counts: join with `AuthenticatedWithin`. Source: "Step-up authentication" in the Cognito developer guide.
    """

    __slots__ = ("level", "order", "_enough")
    level: str
    order: tuple[str, ...]
    _enough: tuple[str, ...]

    def __init__(self, level: str, *, order: Iterable[str] = LEVELS) -> None:
        names = () if isinstance(order, str | bytes) or not isinstance(order, Iterable) else tuple(order)
        if (
            not names
            or not all(isinstance(name, str) and _LEVEL.fullmatch(name) for name in names)
            or len(set(names)) < len(names)
        ):
            problem = "order: give the names of all levels, weakest first, each once and of 1 to 64 visible ASCII characters"
            raise ConfigurationError("AssuranceAtLeast", [f"{problem} without '\"' and '\\'"])
        if level not in names:
            problem = f"level: write one of {', '.join(names)}; if the pool has levels of its own, name them all in order="
            raise ConfigurationError("AssuranceAtLeast", [problem])
        names = tuple(map(str.__str__, names))
        at = names.index(level)
        self._set(level=names[at], order=names, _enough=names[at:])

    def _holds(self, principal: Principal, _now: float | None) -> bool:
        return principal.acr in self._enough

    def _remedy(self) -> Remedy:
        return Remedy((), enough=True)

    def _sign_in(self, _principal: Principal, _now: float | None) -> SignIn:
        return SignIn(levels=self._enough)

    def __repr__(self) -> str:
        return f"AssuranceAtLeast({self.level!r}{'' if self.order == LEVELS else f', order={self.order!r}'})"


class AuthenticatedWithin(Rule):
    """The person signed in at most this many seconds ago, by `auth_time`; a refresh does not reset it. Needs `judge(..., now=...)`.

    A token without `auth_time`, or with one more than 60 s in the future, is denied.
    """

    __slots__ = ("seconds",)
    _timed = True
    seconds: float

    def __init__(self, seconds: float) -> None:
        if not is_seconds(seconds):
            raise ConfigurationError("AuthenticatedWithin", ["seconds: give a number of seconds, 0 or more, such as 300"])
        self._set(seconds=int(seconds) if isinstance(seconds, int) else float(seconds))

    def _holds(self, principal: Principal, now: float | None) -> bool:
        at = principal.auth_time
        return at is not None and now is not None and now - self.seconds <= at <= now + _CLOCK_SKEW

    def _remedy(self) -> Remedy:
        return Remedy((), enough=True)

    def _sign_in(self, _principal: Principal, _now: float | None) -> SignIn:
        return SignIn(max_age=int(self.seconds))


def rule_scopes(rule: Rule) -> frozenset[str]:
    """Every scope that the rule names, whether or not it needs them all: for `scopes_supported` and API descriptions."""
    return frozenset(leaf.scope for leaf in rule.leaves() if isinstance(leaf, HasScope))


_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,513}")
_LEVEL = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,64}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_+]{1,128}")


def _printable(most: int) -> Callable[[str], bool]:
    return lambda text: text.isprintable() and 0 < len(text) <= most


def _text(subject: str, given: object, fits: Callable[[str], object], problem: str) -> str:
    if not isinstance(given, str) or not fits(given):
        raise ConfigurationError(subject, [problem])
    return str.__str__(given)  # members of a string enumeration become plain strings


def _same(found: object, expected: str | float) -> bool:
    """Equal as JSON scalars: in Python alone True would be 1."""
    if isinstance(expected, bool):
        return found is expected
    return isinstance(found, str if isinstance(expected, str) else NUMBERS) and not isinstance(found, bool) and found == expected
