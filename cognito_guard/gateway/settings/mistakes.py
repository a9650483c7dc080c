"""Mistakes in settings: collected, and each said under the name and the line of what is wrong.

Decides how a place is called: by the flag or variable that set it, else by the file's line and the key. Never repeats a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings.locating import Place


class Mistakes:
    """The mistakes of one reading. `origins`: places that a flag or a variable set, and its name.

    `base`: the directory that the file's relative paths start from. `file_problem`: asked for every file that is named, its contents
    being nobody's business here; answers what is wrong, or None.
    """

    def __init__(
        self,
        name: str,
        lines: Mapping[Place, int],
        origins: Mapping[Place, str],
        *,
        base: str = "",
        file_problem: Callable[[str], str | None] | None = None,
    ) -> None:
        self._name = name
        self._lines = lines
        self._origins = origins
        self._base = base
        self._file_problem = file_problem
        self.files: set[str] = set()
        self._found: list[tuple[int, str]] = []
        self._places: list[Place] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, text: str) -> None:
        """A mistake at a place; where that place has no line of its own, the one that it would be written below."""
        self._places.append(place)
        origin = _nearest(self._origins, place)
        if origin is not None:
            key = called(tuple(part for part in place[len(origin) :] if isinstance(part, str)))
            self._found.append((0, _joined(self._origins[origin], key, text)))
            return
        nearest = _nearest(self._lines, place)
        line = 0 if nearest is None else self._lines[nearest]
        file = f"{self._name}:{line}" if self._name and line else self._name
        self._found.append((line, _joined(file, called(place), text)))

    def has(self, place: Place) -> bool:
        """Whether something is wrong at a place or below it."""
        return any(found[: len(place)] == place for found in self._places)

    def listed(self) -> list[str]:
        """All of them, in the order in which they stand in the file, each once."""
        return list(dict.fromkeys(text for _, text in sorted(self._found, key=lambda found: found[0])))

    def path(self, place: Place, given: str) -> str:
        """A path as it is to be opened: from the settings file's own directory on, where the file names it."""
        if given.startswith("/") or not self._base or _nearest(self._origins, place) is not None:
            return given
        return f"{self._base.rstrip('/')}/{given}"

    def readable(self, place: Place, path: str) -> None:
        """Note a file that must be readable, and what is wrong with it."""
        self.files.add(path)
        problem = None if self._file_problem is None else self._file_problem(path)
        if problem is not None:
            self.add(place, problem)


class Spot:
    """One place of the settings, and where its mistakes go."""

    __slots__ = ("mistakes", "place")

    def __init__(self, mistakes: Mistakes, place: Place = ()) -> None:
        self.mistakes = mistakes
        self.place = place

    def at(self, *further: str | int) -> Spot:
        """A place below."""
        return Spot(self.mistakes, self.place + further)

    def wrong(self, text: str) -> None:
        """Say what is wrong here, and what to write instead."""
        self.mistakes.add(self.place, text)

    def relay(self, error: ConfigurationError, names: Mapping[str, str]) -> None:
        """The mistakes of a constructor below this place, whose arguments are the keys called `names`; others keep their names."""
        for problem in error.problems:
            argument, _, text = problem.partition(": ")
            found = re.fullmatch(r"([a-z_]+)(?:\[([0-9]+)\])?", argument)
            if found is None:
                self.wrong(problem)
                continue
            at = () if found[2] is None else (int(found[2]),)
            self.at(names.get(found[1], found[1]), *at).wrong(text)


def called(place: Place) -> str:
    """A place as it is written: `route[2].require`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + key_text(part)
    return text


def key_text(name: str) -> str:
    """A key as TOML writes it; of a long one the beginning."""
    name = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _nearest(known: Mapping[Place, object], place: Place) -> Place | None:
    return next((place[:depth] for depth in range(len(place), 0, -1) if place[:depth] in known), None)


def _joined(*parts: str) -> str:
    return ": ".join(part for part in parts if part)


_LONGEST_SHOWN = 64
