"""What judging a rule answers: granted, or denied with what is lacking.

Decides nothing: `rules` fills these values, and `web` turns a denial into a status and a challenge (RFC 6750 §3.1, RFC 9470 §3).
No claim of the token stands in them, only what the rule asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cognito_guard.value import Value

if TYPE_CHECKING:
    from cognito_guard.policy.joining import Rule


class Granted(Value):
    """The principal may. True in a condition."""

    __slots__ = ()

    def __bool__(self) -> Literal[True]:
        return True

    def __str__(self) -> str:
        return "granted"


GRANTED: Final = Granted()


class StepUp(Value):
    """What a new sign-in must reach so that the rule is granted (RFC 9470 §3).

    `acr_values` holds the weakest level that suffices, or nothing where the level does not matter; `max_age` is in whole seconds, or
    None where the age does not matter. Both state what the sign-in *must be*, not only what was lacking: a new sign-in replaces the
    level together with the age, so asking for half would send the person to sign in twice.
    """

    __slots__ = ("acr_values", "max_age")
    acr_values: tuple[str, ...]
    max_age: int | None

    def __init__(self, acr_values: tuple[str, ...], max_age: int | None) -> None:
        self._set(acr_values=acr_values, max_age=max_age)


class Denied(Value):
    """The principal may not. False in a condition; `str()` says what is lacking, for logs and for people who run the service.

    - `unmet`: what is left of the rule after taking out what the principal has; itself a rule, so it keeps its `&` and `|`.
    - `lacking`: the single rules in `unmet`, each once, in the order written.
    - `step_up`: where signing in again, and nothing else, would do: answer 401 `insufficient_user_authentication`. Otherwise None,
      because some right is lacking, which wins: answer 403 `insufficient_scope`. Under `|` one alternative that needs nothing but
      the sign-in is enough; the first such one is named.
    - `scopes`: the lacking scopes to name in that 403, in the order written. Under `|` those of the first alternative that scopes (and
      a sign-in) alone would satisfy, so that a client asks for no more than it needs: write first what it should ask for first. Empty
      where no scope is lacking, and where `step_up` is set.

    Scopes and `step_up` may be told to the caller. Nothing else in here may: it would describe the rule to whom it keeps out.
    """

    __slots__ = ("unmet", "scopes", "step_up")
    unmet: Rule
    scopes: tuple[str, ...]
    step_up: StepUp | None

    def __init__(self, unmet: Rule, *, scopes: tuple[str, ...], step_up: StepUp | None) -> None:
        self._set(unmet=unmet, scopes=scopes, step_up=step_up)

    @property
    def lacking(self) -> tuple[Rule, ...]:
        return tuple(dict.fromkeys(self.unmet.leaves()))

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return f"lacking {self.unmet}"


Verdict = Granted | Denied
