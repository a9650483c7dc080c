"""The path of a request (THREATS A19): the one that routes are matched with, or the reason why it has two readings.

Decides what every server, framework and application would read alike. Knows no routes: whether a doubt matters is theirs to say.
"""

from __future__ import annotations

import re

from cognito_guard.value import Value


class TwoFaced(Value):
    """A request target that others may read otherwise than we do.

    `path` is the path as the server gave it; `reason` says what is doubtful, without any of it. Where an encoded slash is the only
    doubt, `readings` holds both: the slash as a separator, and as a letter of its segment. Otherwise it is empty.
    """

    __slots__ = ("path", "reason", "readings")
    path: str
    reason: str
    readings: tuple[str, ...]

    def __init__(self, path: str, reason: str, readings: tuple[str, ...] = ()) -> None:
        self._set(path=path, reason=reason, readings=readings)


def read_path(path: str, raw_path: bytes | None = None, root_path: str = "") -> str | TwoFaced:
    """The path below `root_path`, if it has one reading only. Never raises.

    `path` is percent-decoded (the ASGI specification's `path`), `raw_path` is what was sent, without the query, where the server tells;
    with or without `root_path` in front, it must decode to `path`. Doubtful are: an encoded slash, a backslash, `;`, an empty, `.` or
    `..` segment, control characters, what is not UTF-8, whatever a second decoding would read differently, a malformed
    percent-encoding, `#` and `?` unless they were sent encoded, and a target that does not start with `/`.

    `root_path` is cut at a segment boundary only, and what is left of the root itself is `/`. A path that does not hold `root_path`
    is taken whole, as Starlette does: some servers and test clients do not put it in front. A path that holds it elsewhere is
    doubtful: Starlette keeps it, Django cuts it within a segment, Litestar cuts at it wherever it stands.
    """
    if _PLAIN.fullmatch(path) and (not raw_path or raw_path == path.encode()):
        return path if not root_path else _below(path, root_path)
    raw = raw_path.decode("latin-1") if raw_path else ""
    if not raw and _UNTOLD.search(path):
        return TwoFaced(path, "a '%', '?' or '#' that, without raw_path, may be a letter or syntax")
    doubt = (_RAW_DOUBT.search(raw) if raw else None) or _DOUBT.search(path)
    if doubt:
        return TwoFaced(path, _REASONS[str(doubt.lastgroup)])
    below = _below(path, root_path)
    if not raw or isinstance(below, TwoFaced):
        return below
    decoded = _decode(raw, _ESCAPE)
    in_front = "" if decoded == path else root_path
    if decoded is None or (in_front + decoded != path and decoded != root_path + path):
        return TwoFaced(path, "a raw_path that does not decode to path")
    if not _ENCODED_SLASH.search(raw):
        return below
    kept = _below(f"{in_front}{_decode(raw, _ESCAPE_BUT_SLASH)}", root_path)
    return TwoFaced(path, "an encoded slash", (below, kept) if isinstance(kept, str) else ())


def _below(path: str, root_path: str) -> str | TwoFaced:
    if root_path in ("", "/"):
        return path
    if path.startswith(root_path):
        below = path[len(root_path) :]
        if below.startswith("/"):
            return below
        if not below:
            return "/"
    if root_path in path:
        return TwoFaced(path, "a root_path that is not the path's first segments")
    return path


def _decode(raw: str, escape: re.Pattern[str]) -> str | None:
    octets = escape.sub(lambda found: chr(int(found[1], 16)), raw).encode("latin-1")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


# what nearly every path is; it needs no second look. Segments begin with a letter other than "."
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~@:,=+!$&'()*-][A-Za-z0-9_~@:,=+!$&'()*.-]*+)++/?|/")
_UNTOLD = re.compile(r"[%?#]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPE_BUT_SLASH = re.compile(r"%(?!2[fF])([0-9A-Fa-f]{2})")
_ENCODED_SLASH = re.compile(r"%2[fF]")
_RAW_DOUBT = re.compile(
    r"""(?P<start>\A(?!/)) | (?P<control>[\x00-\x20\x7f]) | (?P<octets>[^\x00-\x7f]) | (?P<syntax>[?#])
    | (?P<percent>%(?![0-9A-Fa-f]{2}))""",
    re.VERBOSE,
)
_DOUBT = re.compile(
    r"""(?P<start>\A(?!/)) | (?P<control>[\x00-\x1f\x7f-\x9f]) | (?P<backslash>\\) | (?P<parameter>;) | (?P<empty>//)
    | (?P<dots>/\.\.?(?:/|\Z)) | (?P<twice>%(?:[0-9A-Fa-f]{2}|u)) | (?P<octets>[\ufffd\ud800-\udfff])""",
    re.VERBOSE,
)
_REASONS = {
    "start": "a target that does not start with '/'",
    "control": "a control character or a blank",
    "backslash": "a backslash",
    "parameter": "a semicolon",
    "empty": "an empty segment",
    "dots": "a dot segment",
    "twice": "a percent-encoding that is left after decoding",
    "percent": "a malformed percent-encoding",
    "syntax": "a '?' or '#' within the path",
    "octets": "octets that are not encoded UTF-8",
}
