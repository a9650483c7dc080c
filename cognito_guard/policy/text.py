"""Rules as text: `scope:orders/write and (group:staff or group:admin)`, for settings files and the command line.

Decides which texts are rules, and points at the place where one is not. Knows no principal. Strings in quotes are JSON's (RFC 8259 §7).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cognito_guard.errors import ConfigurationError, RuleSyntaxError
from cognito_guard.policy.joining import AllOf, AnyOf, Rule, all_of, any_of
from cognito_guard.policy.rules import (
    LEVELS,
    AssuranceAtLeast,
    AuthenticatedWithin,
    ClaimIs,
    FromClient,
    HasScope,
    InGroup,
    IsDelegated,
    IsMachine,
    IsPerson,
)

MAX_TEXT: Final = 8192
MAX_PARENTHESES: Final = 32


def parse_rule(text: str) -> Rule:
    """The rule that `text` says, in at most 8,192 characters and 32 nested parentheses.

    Single rules are joined by `and`, which binds tighter, and `or`; parentheses group. They are written

        scope:NAME  group:NAME  client:ID  machine  person  delegated  delegated:SUBJECT  authenticated-within:SECONDS
        claim:NAME=VALUE    true, false and JSON numbers are what they are; any other word is a string, and so is "true"
        acr>=LEVEL          for a pool with levels of its own: acr>=gold[bronze<silver<gold], weakest first

    A name of letters, digits and `_ - . / : + @` stands as it is. Any other, and the words and, or and not, stand in double quotes with
    the escapes of a JSON string: `group:"night shift"`.

    Raises `RuleSyntaxError` with the position of the mistake: correct the text. Raises `ConfigurationError` for anything but a string.
    Any other exception is a bug.
    """
    if not isinstance(text, str):
        raise ConfigurationError("parse_rule", ["text: give a string, such as 'scope:orders/read and group:staff'"])
    if len(text) > MAX_TEXT:
        raise RuleSyntaxError(
            text[:MAX_TEXT], MAX_TEXT, f"a rule's text is at most {MAX_TEXT} characters long, and this one goes on"
        )
    return _Reader(text).whole()


def format_rule(rule: Rule) -> str:
    """The text of a rule; `parse_rule` reads it back as an equal rule, unless it is longer than a text may be."""
    match rule:
        case AllOf():
            return " and ".join(f"({format_rule(part)})" if isinstance(part, AnyOf) else format_rule(part) for part in rule.rules)
        case AnyOf():
            return " or ".join(map(format_rule, rule.rules))
        case HasScope():
            return f"scope:{_written(rule.scope)}"
        case InGroup():
            return f"group:{_written(rule.group)}"
        case FromClient():
            return f"client:{_written(rule.client_id)}"
        case ClaimIs():
            return f"claim:{_written(rule.name)}={_value_written(rule.value)}"
        case IsMachine():
            return "machine"
        case IsPerson():
            return "person"
        case IsDelegated():
            return "delegated" if rule.subject is None else f"delegated:{_written(rule.subject)}"
        case AssuranceAtLeast():
            order = "" if rule.order == LEVELS else f"[{'<'.join(map(_written, rule.order))}]"
            return f"acr>={_written(rule.level)}{order}"
        case AuthenticatedWithin():
            return f"authenticated-within:{_json(rule.seconds)}"
    raise ConfigurationError("format_rule", ["rule: give a rule, such as HasScope('orders/read')"])


_NAMED: Final[dict[str, Callable[[str], Rule]]] = {
    "scope": HasScope,
    "group": InGroup,
    "client": FromClient,
    "delegated": lambda subject: IsDelegated(subject=subject),
}
_PLAIN: Final[dict[str, Callable[[], Rule]]] = {"machine": IsMachine, "person": IsPerson, "delegated": IsDelegated}
_KINDS = (
    "scope:NAME, group:NAME, client:ID, claim:NAME=VALUE, machine, person, delegated, acr>=LEVEL or authenticated-within:SECONDS"
)
_IN_QUOTES = r"in double quotes write \" for a quote, \\ for a backslash and \n or \uXXXX for what cannot be printed"

_BLANKS = re.compile(r"[ \t\r\n]*")
_KIND = re.compile(r"[A-Za-z][\w-]*")
_BARE = re.compile(r"[\w./:+@-]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = {"and", "or", "not"}
_MEANT: Final = {"and": "and", "&": "and", "or": "or", "|": "or"}
_CONSTANTS: Final = {"true", "false", "null"}


def _written(name: str) -> str:
    if _BARE.fullmatch(name) and name.lower() not in _WORDS:
        return name
    return '"' + "".join(_escaped(character) for character in name) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else _json(character)[1:-1]


def _value_written(value: str | float) -> str:
    if not isinstance(value, str):
        return _json(value)
    return f'"{value}"' if _NUMBER.fullmatch(value) or value.lower() in _CONSTANTS else _written(value)


def _json(value: str | float) -> str:
    import json  # late: few programs print rules

    return json.dumps(value)


class _Reader:
    """Reads one text from left to right; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Rule:
        rule = self.alternatives(0)
        if self.at < len(self.text):
            raise self.mistake("a ')' without its '('" if self.ahead() == ")" else self.not_joined())
        return rule

    def alternatives(self, depth: int) -> Rule:
        at, rules = self.at, [self.conjunction(depth)]
        while self.took("or"):
            rules.append(self.conjunction(depth))
        return self.built(at, lambda: any_of(*rules))

    def conjunction(self, depth: int) -> Rule:
        at, rules = self.at, [self.term(depth)]
        while self.took("and"):
            rules.append(self.term(depth))
        return self.built(at, lambda: all_of(*rules))

    def term(self, depth: int) -> Rule:
        self.skip_blanks()
        if self.ahead() != "(":
            return self.single()
        opening = self.at
        if depth == MAX_PARENTHESES:
            raise self.mistake(f"more than {MAX_PARENTHESES} nested parentheses")
        self.at += 1
        rule = self.alternatives(depth + 1)
        if self.ahead() != ")":
            raise self.mistake(self.not_joined() if self.ahead() else f"the '(' of character {opening + 1} is never closed")
        self.at += 1
        self.skip_blanks()
        return rule

    def single(self) -> Rule:
        at, kind = self.at, self.match(_KIND)
        if kind is None or kind in ("and", "or"):
            raise self.mistake(f"a rule is missing here; write one of {_KINDS}", at)
        if kind == "not":
            raise self.mistake("there is no negation: say who may, not who may not", at)
        if kind in _NAMED and self.took_text(":"):
            at, name = self.at, self.name(f"{kind}:")[0]
            rule = self.built(at, lambda: _NAMED[kind](name))
        elif kind in _PLAIN:
            rule = _PLAIN[kind]()
        elif kind == "claim":
            rule = self.claim()
        elif kind == "acr":
            rule = self.assurance()
        elif kind == "authenticated-within":
            rule = self.authenticated_within()
        elif kind in _NAMED:
            raise self.mistake(f"after {kind} write ':' and a name")
        else:
            raise self.mistake(f"unknown kind of rule '{kind[:40]}'; write one of {_KINDS}", at)
        if self.ahead() not in ("", ")", *" \t\r\n"):
            raise self.mistake("a blank, ')' or the end must follow here; a name with such a character stands in double quotes")
        self.skip_blanks()
        return rule

    def claim(self) -> Rule:
        if not self.took_text(":"):
            raise self.mistake("after claim write ':', a claim's name, '=' and a value")
        at = self.at
        name, _ = self.name("claim:")
        if not self.took_text("="):
            raise self.mistake("after the claim's name write '=' and a value, without blanks")
        value_at = self.at
        word, quoted = self.name("=")
        value: str | float = word
        if not quoted and word.lower() in _CONSTANTS:
            if word not in ("true", "false"):
                raise self.mistake(f"write true or false, or put '{word}' in double quotes if it is a string", value_at)
            value = word == "true"
        elif not quoted and _NUMBER.fullmatch(word):
            value = self.number(word, value_at)
        return self.built(at, lambda: ClaimIs(name, value))

    def assurance(self) -> Rule:
        if not self.took_text(">="):
            raise self.mistake("after acr write '>=' and a level, without blanks")
        at = self.at
        level, _ = self.name(">=")
        if not self.took_text("["):
            return self.built(at, lambda: AssuranceAtLeast(level))
        order = [self.name("[")[0]]
        while self.took_text("<"):
            order.append(self.name("<")[0])
        if not self.took_text("]"):
            raise self.mistake("name all levels, weakest first, with '<' between and ']' after them, without blanks")
        return self.built(at, lambda: AssuranceAtLeast(level, order=order))

    def authenticated_within(self) -> Rule:
        if not self.took_text(":"):
            raise self.mistake("after authenticated-within write ':' and a number of seconds")
        at, word = self.at, self.match(_BARE)
        if word is None or not _NUMBER.fullmatch(word):
            raise self.mistake("write the seconds as a number, such as 300", at)
        seconds = self.number(word, at)
        return self.built(at, lambda: AuthenticatedWithin(seconds))

    def name(self, after: str) -> tuple[str, bool]:
        """A name and whether it stood in quotes."""
        at = self.at
        word = self.match(_BARE)
        if word is not None:
            if word.lower() in _WORDS:
                raise self.mistake(f"a name is missing after '{after}'; if it is '{word}', put it in double quotes", at)
            return word, False
        if self.ahead() != '"':
            raise self.mistake(
                f"a name is missing after '{after}'; put it in double quotes unless it is letters, digits and _ - . / : + @"
            )
        quoted = self.match(_QUOTED)
        if quoted is None:
            raise self.mistake("this double quote is never closed")
        import json  # late: few rules are in quotes

        try:
            return str(json.loads(quoted)), True
        except json.JSONDecodeError as error:
            at += error.pos
        raise self.mistake(_IN_QUOTES, at)

    def number(self, word: str, at: int) -> float:
        try:
            return int(word) if word.lstrip("-").isdecimal() else float(word)
        except ValueError:
            pass
        raise self.mistake("the number is too long", at)

    def built(self, at: int, build: Callable[[], Rule]) -> Rule:
        try:
            return build()
        except ConfigurationError as error:
            problems = error.problems
        raise self.mistake("; ".join(problems), at)

    def not_joined(self) -> str:
        """Why what follows a rule does not join it."""
        found = _BARE.match(self.text, self.at)
        meant = _MEANT.get(found[0].lower() if found else self.ahead())
        return f"between rules write '{meant}'" if meant else "between rules write 'and' or 'or'"

    def ahead(self) -> str:
        return self.text[self.at : self.at + 1]

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def took(self, word: str) -> bool:
        """Takes the joining word if it stands here as a word of its own."""
        found = _BARE.match(self.text, self.at)
        if found is None or found[0] != word:
            return False
        self.at = found.end()
        return True

    def took_text(self, text: str) -> bool:
        taken = self.text.startswith(text, self.at)
        self.at += len(text) if taken else 0
        return taken

    def skip_blanks(self) -> None:
        self.match(_BLANKS)

    def mistake(self, problem: str, at: int | None = None) -> RuleSyntaxError:
        return RuleSyntaxError(self.text, self.at if at is None else at, problem)
