"""JSON objects (RFC 8259), strictly: UTF-8, unique names, no lone surrogates, no constants, bounded depth and numbers.

Decides which documents have exactly one reading. The common form (compact, as Cognito writes it) is recognised by comparing the
document with its own re-encoding and takes the fast parser; whatever differs takes the slow one. Same verdict, same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import isinf
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from json import JSONDecoder

MAX_DEPTH = 128


def parse_object(raw: bytes) -> dict[str, Any]:
    """The object that `raw` holds. Raises ValueError, without any of the text, for everything that is not one strict JSON object."""
    document = fast_parser()(raw)
    return parse_object_slowly(raw) if document is None else document


@cache
def fast_parser() -> Callable[[bytes], dict[str, Any] | None]:
    """A function that answers the object, or None when only the strict parser can tell. Loads orjson, hence the late call."""
    from orjson import JSONDecodeError, JSONEncodeError, dumps, loads

    def parse_fast(raw: bytes) -> dict[str, Any] | None:
        # Re-encoding writes each name once, so equality proves that names are unique; it also rules out white space, escapes and
        # numbers in another spelling. Cognito escapes every "/"; both forms are compared.
        # Depth: a second object or array is looked for first, since that is faster than to count them.
        nested = raw.find(b"{", 1) >= 0 or raw.find(b"[", raw.find(b"[") + 1) >= 0
        if nested and raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
            return None
        try:
            document = loads(raw)
            if type(document) is dict and ((encoded := dumps(document)) == raw or encoded.replace(b"/", b"\\/") == raw):
                return document
        except (JSONDecodeError, JSONEncodeError):
            pass
        return None

    return parse_fast


def parse_object_slowly(raw: bytes) -> dict[str, Any]:
    """`parse_object` by the standard library's parser with every strictness added; the authority on what is accepted."""
    from json import JSONDecodeError, dumps

    document = None
    try:
        text = raw.decode("utf-8")
        _check_depth(text)
        document = _strict_decoder().decode(text)
    except (UnicodeDecodeError, JSONDecodeError, RecursionError):  # the last: a caller deep in its own stack
        pass
    if document is None:  # outside the handler: the first two carry the whole text, which must not travel as a context
        raise ValueError("not JSON in UTF-8")
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004
    # a surrogate pair was joined by the parser; whatever surrogate is left stands alone
    if re.search(_ESCAPED_SURROGATE, text) and re.search(_LONE_SURROGATE, dumps(document, ensure_ascii=False)):
        raise ValueError("a lone surrogate")
    return document


# the last `?` keeps this linear: without it, each quote of an unclosed string would be tried as a beginning
_STRINGS = r'"(?:[^"\\]|\\.)*+"?'
_ESCAPED_SURROGATE = r"\\u[dD][89a-fA-F]"
_LONE_SURROGATE = "[\ud800-\udfff]"
# patterns as text: `re` compiles and keeps them when the slow parser first runs, which in most programs is never


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for character in re.sub(_STRINGS, "", text, flags=re.DOTALL):
        if character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deeply")
        elif character in "}]":
            depth -= 1


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(members)
    if len(document) < len(members):
        raise ValueError("a name stands twice")
    return document


def _float(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError("a number out of range")
    return number


def _constant(_name: str) -> Never:
    raise ValueError("NaN or Infinity, which are not JSON")


@cache
def _strict_decoder() -> JSONDecoder:
    from json import JSONDecoder  # late: most programs get by with the fast parser

    # integers: the interpreter's own limit of digits (4,300 unless the program changed it) binds both parsers
    return JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_constant=_constant, strict=True)
