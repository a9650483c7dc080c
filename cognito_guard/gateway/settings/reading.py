"""From text to settings: the file, the environment and the flags, with every mistake of them at once.

Opens no file and reads no environment: both are arguments.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings.building import build
from cognito_guard.gateway.settings.locating import locate
from cognito_guard.gateway.settings.mistakes import Mistakes
from cognito_guard.gateway.settings.options import lay_over
from cognito_guard.gateway.settings.values import GatewaySettings


def read(
    text: str,
    *,
    name: str = "",
    base: str = "",
    environment: Mapping[str, str] = {},
    flags: Mapping[str, object] = {},
    file_problem: Callable[[str], str | None] | None = None,
) -> GatewaySettings:
    """The settings of a TOML text, with the `COGNITO_GUARD_*` variables of `environment` over it, and `flags` over both.

    - `name`: what the file is called in mistakes; `base`: the directory from which its relative paths start.
    - `flags`: values by `Option.name`; None stands for a flag that was not given.
    - `file_problem`: asked for the path of every file that must be readable; answers what is wrong with it, or None. Not given, no
      file is looked at.

    Raises `ConfigurationError` with every mistake, each under its line, flag or variable, as `cognito-guard.toml:12: route[2].require:
    ...`; correct them. Where the text is no TOML, that is the only one of the file. No message holds a value of the file, but for
    what is said of a rule or an app client id. Any other exception is a bug.
    """
    tree, syntax = _parsed(text, name)
    laid = lay_over(tree, environment, flags)
    if syntax:
        raise ConfigurationError("settings", [syntax, *laid.problems])
    mistakes = Mistakes(name, locate(text), laid.origins, base=base, file_problem=file_problem)
    settings = build(laid.tree, mistakes)
    problems = [*laid.problems, *mistakes.listed()]
    if settings is None or problems:
        raise ConfigurationError("settings", problems)
    return settings


def _parsed(text: str, name: str) -> tuple[dict[str, Any], str]:
    """The tables of a text; or what is wrong with it, in one sentence."""
    said = ""
    try:
        return tomllib.loads(text), ""
    except ValueError as error:  # TOMLDecodeError, and what int() says of too many digits
        said = str(error)
    except RecursionError:
        said = "arrays or tables are nested too deeply"
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", said, re.DOTALL)
    reason = found[1] if found else said
    line, column = (found[2], found[3]) if found and found[2] else (str(text.count("\n") + 1), "")
    place = f"line {line}, column {column}" if column else "at its end" if found else "somewhere"
    where = f"{name}:{line}: " if name and found else f"{name}: " if name else ""
    return {}, f"{where}this is not TOML ({place}): {reason[:200]}"
