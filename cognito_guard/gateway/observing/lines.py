"""One fact sheet, one line of JSON: ASCII, no line break inside, no token in it, whatever the facts hold.

Decides how facts are written, not which: access log and logger both write through here (THREATS T29, T54).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import orjson


def as_line(facts: Mapping[str, object]) -> bytes:
    """The facts as one line of JSON in ASCII, with its line feed. What reads like a token is replaced by `[token]`. Never raises.

    Control characters and whatever is outside ASCII are escaped, U+0085, U+009B and U+2028 too: a terminal or a line reader that knows
    Unicode takes them for more than text.
    """
    line = _quick(facts)
    if line is None or b"\x7f" in line or not line.isascii():
        # default=repr: a fact that is no JSON is still told
        escaped = json.dumps(facts if line is None else orjson.loads(line), default=repr).replace("\x7f", "\\u007f")
        line = escaped.encode("ascii") + b"\n"
    # a search for one octet is ten times as quick, and most lines hold no J
    return redacted(line) if b"J" in line and b"eyJ" in line else line


def redacted(text: bytes) -> bytes:
    """The text with `[token]` in the place of every run that looks like a JWS or JWE in compact form.

    Such a run begins with `eyJ` (`{"` in base64url), and has a dot, or an encoded one, further on.
    """
    return _RUN.sub(_token_or_not, text)


def _quick(facts: Mapping[str, object]) -> bytes | None:
    try:
        return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, a large number, a foreign type
        return None


def _token_or_not(run: re.Match[bytes]) -> bytes:
    text = run[0]
    return b"[token]" if len(text) > 20 and (b"." in text or b"%2e" in text.lower()) else text


# takes a whole run at once and never looks back: linear, whatever is sent (A16)
_RUN = re.compile(rb"eyJ[A-Za-z0-9_.%=~+-]*")
