"""What a rule is: it can be judged, and joined with others by `&` and `|`.

Decides how single rules combine: into a verdict, and into what a denial lacks (which scopes, or only a new sign-in). Knows none of the
single rules; those are in `rules`. There is no negation, since a claim that fails to arrive must never grant anything.
"""
# ruff: noqa: SLF001 - rules read each other's underscored parts, and nobody else does

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Never

from cognito_guard.errors import ConfigurationError
from cognito_guard.policy.verdict import GRANTED, Denied, Granted, StepUp
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value

MAX_DEPTH: Final = 64
NUMBERS: Final = (int, float)  # asked for on each request, where building `int | float` would cost more than the question
_LATEST: Final = 253402300799  # the end of the year 9999, the last date that the verifier accepts


class Remedy(NamedTuple):
    """Scopes to ask for, and whether they, with a new sign-in, would be enough."""

    scopes: tuple[str, ...]
    enough: bool


class SignIn(NamedTuple):
    """What a new sign-in must be: one of these levels, weakest first (any, if empty), and at most so many seconds old."""

    levels: tuple[str, ...] = ()
    max_age: int | None = None


class Rule(Value):
    """Who may. One of the single rules, or several joined by `&` (all of them) and `|` (any of them).

    Frozen, hashable, equal by what is written; `repr` is Python and `str` is the text that `parse_rule` reads. The set of rules is
    closed: subclassing is not supported.
    """

    __slots__ = ()
    _timed: bool = False
    _depth: int = 0

    def judge(self, principal: Principal, *, now: float | None = None) -> Granted | Denied:
        """Granted, or Denied with what is lacking.

        `now` is in seconds since the epoch. A rule that holds `AuthenticatedWithin` raises `ConfigurationError` without it, whatever
        the principal: give it. Other rules do not look at it. Anything but a Principal raises `ConfigurationError`: pass what
        `authenticate` returned. Not checked: that the token has not expired since. Any other exception is a bug.
        """
        if not isinstance(principal, Principal):
            problem = "principal: give the Principal that authenticate() returned; claims by themselves prove nothing"
            raise ConfigurationError("judge", [problem])
        if self._timed and not is_seconds(now):
            raise ConfigurationError("judge", ["now: AuthenticatedWithin needs the time; give now=seconds since the epoch"])
        if self._holds(principal, now):
            return GRANTED
        unmet = self._unmet(principal, now)
        sign_in = self._sign_in(principal, now)
        if sign_in is None:
            return Denied(unmet, scopes=unmet._remedy().scopes, step_up=None)
        return Denied(unmet, scopes=(), step_up=StepUp(sign_in.levels[:1], sign_in.max_age))

    @property
    def needs_now(self) -> bool:
        """Whether `judge` must be given `now`: the rule holds an `AuthenticatedWithin`."""
        return self._timed

    def leaves(self) -> Iterator[Rule]:
        """The single rules that this rule joins, in the order written; of a single rule, itself."""
        yield self

    def _holds(self, principal: Principal, now: float | None) -> bool:
        raise NotImplementedError

    def _unmet(self, _principal: Principal, _now: float | None) -> Rule:
        """Asked of a denied rule: what is left of it without the parts that hold."""
        return self

    def _remedy(self) -> Remedy:
        """Asked of an unmet rule."""
        return Remedy((), enough=False)

    def _sign_in(self, principal: Principal, now: float | None) -> SignIn | None:
        """The sign-in under which the rule holds, all else of the principal being equal; None if there is none."""
        return SignIn() if self._holds(principal, now) else None

    def __and__(self, other: Rule) -> Rule:
        return _join(AllOf, (self, other)) if isinstance(other, Rule) else NotImplemented

    def __or__(self, other: Rule) -> Rule:
        return _join(AnyOf, (self, other)) if isinstance(other, Rule) else NotImplemented

    def __bool__(self) -> Never:
        raise TypeError("a rule is neither true nor false: join with & and |, and judge it for a verdict")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._fields()))})"

    def __str__(self) -> str:
        from cognito_guard.policy.text import format_rule  # late: text knows every rule, so it stands above them

        return format_rule(self)


class Joined(Rule):
    """Two or more rules. No part is joined by the same word, so a rule has one form however its parentheses were set."""

    __slots__ = ("rules", "_timed", "_depth")
    rules: tuple[Rule, ...]

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        depth = 1 + max(rule._depth for rule in rules)
        if depth > MAX_DEPTH:
            raise ConfigurationError("rule", [f"& and | are nested more than {MAX_DEPTH} deep; write a flatter rule"])
        self._set(rules=rules, _timed=any(rule._timed for rule in rules), _depth=depth)

    def leaves(self) -> Iterator[Rule]:
        for rule in self.rules:
            yield from rule.leaves()

    def _unmet(self, principal: Principal, now: float | None) -> Rule:
        unmet = tuple(rule._unmet(principal, now) for rule in self.rules if not rule._holds(principal, now))
        return _join(type(self), unmet)


class AllOf(Joined):
    """Rules joined by `&`. Written with the operator or `all_of`."""

    __slots__ = ()

    def _holds(self, principal: Principal, now: float | None) -> bool:
        for rule in self.rules:  # noqa: SIM110 - all() with a generator takes twice the time
            if not rule._holds(principal, now):
                return False
        return True

    def _remedy(self) -> Remedy:
        parts = [rule._remedy() for rule in self.rules]
        scopes = dict.fromkeys(scope for part in parts for scope in part.scopes)
        return Remedy(tuple(scopes), enough=all(part.enough for part in parts))

    def _sign_in(self, principal: Principal, now: float | None) -> SignIn | None:
        levels: tuple[str, ...] = ()
        ages: list[int] = []
        for rule in self.rules:
            part = rule._sign_in(principal, now)
            if part is None:
                return None
            if levels and part.levels:
                levels = tuple(level for level in levels if level in part.levels)
                if not levels:
                    return None  # the parts order the levels differently, and no level is enough for both
            levels = levels or part.levels
            ages += [] if part.max_age is None else [part.max_age]
        return SignIn(levels, min(ages, default=None))

    def __repr__(self) -> str:
        return " & ".join(f"({rule!r})" if isinstance(rule, AnyOf) else repr(rule) for rule in self.rules)


class AnyOf(Joined):
    """Rules joined by `|`. Written with the operator or `any_of`."""

    __slots__ = ()

    def _holds(self, principal: Principal, now: float | None) -> bool:
        for rule in self.rules:  # noqa: SIM110 - any() with a generator takes twice the time
            if rule._holds(principal, now):
                return True
        return False

    def _remedy(self) -> Remedy:
        parts = [rule._remedy() for rule in self.rules]
        named = [part for part in parts if part.scopes]
        return next((part for part in parts if part.enough), named[0] if named else parts[0])

    def _sign_in(self, principal: Principal, now: float | None) -> SignIn | None:
        parts = [part for part in (rule._sign_in(principal, now) for rule in self.rules) if part is not None]
        return SignIn() if SignIn() in parts else parts[0] if parts else None

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.rules))


def all_of(*rules: Rule) -> Rule:
    """All of the rules: `all_of(*map(HasScope, names))`. None at all raises `ConfigurationError`: it would grant everybody."""
    return _join(AllOf, _given("all_of", rules))


def any_of(*rules: Rule) -> Rule:
    """Any of the rules: `any_of(*map(InGroup, names))`. None at all raises `ConfigurationError`: it would grant nobody."""
    return _join(AnyOf, _given("any_of", rules))


def is_seconds(given: object) -> bool:
    """A number from 0 to the end of the year 9999; neither a boolean nor NaN."""
    return isinstance(given, NUMBERS) and not isinstance(given, bool) and 0 <= given <= _LATEST


def _given(subject: str, rules: tuple[object, ...]) -> tuple[Rule, ...]:
    if not rules:
        raise ConfigurationError(subject, ["rules: give at least one rule; an empty list says nothing about who may"])
    given = tuple(rule for rule in rules if isinstance(rule, Rule))
    if len(given) < len(rules):
        problem = "rules: each argument is a rule, such as HasScope('orders/read'); put * before a list, write names as rules"
        raise ConfigurationError(subject, [problem])
    return given


def _join(kind: type[Joined], rules: tuple[Rule, ...]) -> Rule:
    flat: list[Rule] = []
    for rule in rules:
        flat += rule.rules if isinstance(rule, kind) else (rule,)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))
