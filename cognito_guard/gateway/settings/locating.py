"""Where in a TOML text each key stands, which `tomllib` does not tell. Decides lines only; whether the text is TOML is not judged."""

from __future__ import annotations

import re
import tomllib

Place = tuple[str | int, ...]
"""A key or an element: names of tables and keys, and positions from 0 in arrays, such as `("route", 2, "require")`."""


def locate(text: str) -> dict[Place, int]:
    """The line, from 1, of every table, key and array element. Of what is no TOML, whatever could be told; never raises."""
    scan = _Scan()
    line = 1
    for found in _TOKEN.finditer(text):
        kind, token = str(found.lastgroup), found[0]
        if kind == "newline":
            scan.end_line()
        elif kind != "blank":
            scan.take(kind, token, line)
        line += token.count("\n")
    return scan.lines


class _Scan:
    """What is being read: a header, a key, a value, or what follows one. Open arrays and inline tables lie on a stack."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self._last: dict[Place, int] = {}  # arrays of tables, and the position of their last
        self._table: Place = ()
        self._open: list[tuple[Place, int | None]] = []  # a position for an array, None for an inline table
        self._reading = "key"
        self._key: list[str] = []
        self._brackets = 0
        self._here: Place = ()

    def end_line(self) -> None:
        if not self._open:
            self._reading, self._key, self._brackets = "key", [], 0

    def take(self, kind: str, token: str, line: int) -> None:
        if self._reading == "key":
            self._take_key(kind, token, line)
        elif self._reading == "value":
            self._take_value(kind, token, line)
        elif kind == "mark" and self._open:  # after a value: the parts of a date or a float are of no interest
            self._take_end(token)

    def _take_key(self, kind: str, token: str, line: int) -> None:
        if kind != "mark":
            if len(self._key) < _DEEPEST:
                self._key.append(_unquoted(kind, token))
        elif token == "=":
            below = self._open[-1][0] if self._open else self._table
            self._here = (below + tuple(self._key))[:_DEEPEST]
            for depth in range(len(below) + 1, len(self._here) + 1):
                self.lines.setdefault(self._here[:depth], line)
            self._reading = "value"
        elif self._open and token in "},":
            self._take_end(token)
        elif token == "[" and not self._open:
            self._brackets += 1
        elif token == "]" and self._brackets:
            self._enter(line)
            self._reading = "header's end"

    def _enter(self, line: int) -> None:
        place: Place = ()
        for at, name in enumerate(self._key, 1):
            place += (name,)
            if at == len(self._key) and self._brackets > 1:
                self._last[place] = self._last.get(place, -1) + 1
            self.lines.setdefault(place, line)
            if place in self._last:
                place += (self._last[place],)
                self.lines.setdefault(place, line)
        self._table = place

    def _take_value(self, kind: str, token: str, line: int) -> None:
        if kind == "mark" and token in "]}":
            self._take_end(token)  # the end of an empty array, or of one with a comma at its end
            return
        self.lines.setdefault(self._here, line)
        if kind != "mark":
            self._reading = "value's end"
        elif token == "[":
            self._open.append((self._here, 0))
            self._here = (*self._here, 0)[:_DEEPEST]
        elif token == "{":
            self._open.append((self._here, None))
            self._reading, self._key = "key", []

    def _take_end(self, token: str) -> None:
        if not self._open:
            return
        place, position = self._open[-1]
        if token in "]}":
            self._open.pop()
            self._reading = "value's end"
        elif token == "," and position is None:
            self._reading, self._key = "key", []
        elif token == "," and position is not None:
            self._open[-1] = (place, position + 1)
            self._here, self._reading = (*place, position + 1)[:_DEEPEST], "value"


def _unquoted(kind: str, token: str) -> str:
    if kind == "bare":
        return token
    if kind == "basic" and "\\" in token:
        try:
            return str(tomllib.loads(f"key = {token}")["key"])
        except ValueError:
            pass
    return token[1:-1]


_DEEPEST = 32  # parts of a place; what lies deeper is known by the line of what it lies in
_TOKEN = re.compile(
    r'''
    (?P<long>"""(?:[^"\\]|\\.|"(?!""))*+"""(?:"{1,2})?|\'\'\'(?:[^']|'(?!''))*+\'\'\'(?:'{1,2})?)
    |(?P<basic>"(?:[^"\\\n]|\\.)*+")
    |(?P<literal>'[^'\n]*+')
    |(?P<newline>\n)
    |(?P<blank>[ \t\r]++|\#[^\n]*+)
    |(?P<bare>[^\s\[\]{}=,."'\#]++)
    |(?P<mark>.)
    ''',
    re.VERBOSE | re.DOTALL,
)
