"""The kinds of values that settings have. Each reader answers the value, or says at its spot what to write instead and answers None.

Decides forms, units and bounds. What a value means together with others is `building`'s business. No message repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from cognito_guard.gateway.hosts import host_problem
from cognito_guard.gateway.settings.mistakes import Spot

Reader = Callable[[Any, Spot], Any]


def text(raw: Any, spot: Spot) -> str | None:
    """A string of at least one character and without control characters."""
    if isinstance(raw, str) and raw and not _CONTROL.search(raw):
        return raw
    spot.wrong("write a string, in quotation marks and without control characters")
    return None


def rule_text(raw: Any, spot: Spot) -> str | None:
    """A string that may run over several lines; `parse_rule` judges it."""
    if isinstance(raw, str):
        return raw
    spot.wrong("write a rule as a string, such as 'scope:orders/write and group:staff'")
    return None


def one_of(*words: str) -> Reader:
    """One of the words."""

    def read(raw: Any, spot: Spot) -> str | None:
        if isinstance(raw, str) and raw in words:
            return raw
        listed = ", ".join(f'"{word}"' for word in words[:-1])
        spot.wrong(f'write {listed} or "{words[-1]}"' if listed else f'write "{words[-1]}"')
        return None

    return read


def flag(raw: Any, spot: Spot) -> bool | None:
    """true or false."""
    if isinstance(raw, bool):
        return raw
    spot.wrong("write true or false, without quotation marks")
    return None


def seconds(low: float, high: float, *, none: bool = False) -> Reader:
    """Seconds within bounds, fractions allowed. `none`: the word stands for no limit."""

    def read(raw: Any, spot: Spot) -> float | None:
        if none and raw == "none":
            return None
        if isinstance(raw, int | float) and not isinstance(raw, bool) and low <= raw <= high:
            return raw
        spot.wrong(f"write seconds, a number from {low:g} to {high:g}" + (', or "none" for no limit' if none else ""))
        return None

    return read


def count(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(raw: Any, spot: Spot) -> int | None:
        if type(raw) is int and low <= raw <= high:
            return raw
        spot.wrong(f"write a whole number from {low} to {high}")
        return None

    return read


def octets(low: int, high: int, *, none: bool = False) -> Reader:
    """A size: a whole number of octets, or a string such as "64 KiB". `none`: the word stands for no limit."""

    def read(raw: Any, spot: Spot) -> int | None:
        if none and raw == "none":
            return None
        size = raw
        found = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
        if found is not None:
            size = int(found[1]) * _UNITS[found[2]]
        if type(size) is int and low <= size <= high:
            return size
        bounds = f"from {_size_text(low)} to {_size_text(high)}"
        spot.wrong(
            f'write octets, such as 65536 or "64 KiB" (B, KiB, MiB, GiB), {bounds}' + (', or "none" for no limit' if none else "")
        )
        return None

    return read


def several(reader: Reader, *, least: int = 0) -> Reader:
    """A list; one value may stand without its brackets."""

    def read(raw: Any, spot: Spot) -> tuple[Any, ...] | None:
        if isinstance(raw, str):
            value = reader(raw, spot)
            return None if value is None else (value,)
        if not isinstance(raw, list):
            spot.wrong('write a list, such as ["...", "..."]')
            return None
        if len(raw) < least:
            spot.wrong("the list is empty; name at least one")
            return None
        values = tuple(reader(each, spot.at(at)) for at, each in enumerate(raw))
        return None if None in values else values

    return read


def file(raw: Any, spot: Spot) -> str | None:
    """A file's path; from the settings file's directory on, unless it begins with `/`."""
    given = text(raw, spot)
    if given is None:
        return None
    path = spot.mistakes.path(spot.place, given)
    spot.mistakes.readable(spot.place, path)
    return path


def directory(raw: Any, spot: Spot) -> str | None:
    """A directory's path; `file` says from where on. It need not be there yet."""
    given = text(raw, spot)
    return None if given is None else spot.mistakes.path(spot.place, given)


def file_or_url(raw: Any, spot: Spot) -> str | None:
    """Where a JWK Set comes from; whoever builds the pool judges a URL."""
    given = text(raw, spot)
    return given if given is None or is_url(given) else file(raw, spot)


def is_url(given: str) -> bool:
    """Whether a text names an address and not a file."""
    return given.lower().startswith(("https://", "http://", INSECURE))


def output(raw: Any, spot: Spot) -> str | None:
    """Standard output or error, or the path of a file that is made where it is missing."""
    return raw if raw in ("stdout", "stderr") else directory(raw, spot)


def bind(raw: Any, spot: Spot) -> str | None:
    """`host:port`, `[IPv6]:port`, `:port` for every interface, or `unix:/path`."""
    if isinstance(raw, str):
        found = _BIND.fullmatch(raw)
        if _is_unix(raw) or (found is not None and _is_host(found[1]) and int(found[2]) <= _LAST_PORT):
            return raw
    spot.wrong(f"write 'host:port', '[IPv6]:port', or 'unix:/path' (a path from '/' on, of at most {_LONGEST_PATH} octets)")
    return None


def bind_or_none(raw: Any, spot: Spot) -> str | None:
    """A bind address, or "" for none."""
    return "" if raw == "" else bind(raw, spot)


def network(raw: Any, spot: Spot) -> str | None:
    """An address or a network in CIDR form, or the word `unix`, in one canonical form."""
    if raw == "unix":
        return "unix"
    if isinstance(raw, str):
        try:
            return str(ip_network(raw))
        except ValueError:
            pass
    spot.wrong("write an address, a network such as '10.0.0.0/8' (no bits set below its mask), or 'unix' for unix sockets")
    return None


def host(raw: Any, spot: Spot) -> str | None:
    """A host pattern in lower case."""
    problem = host_problem(raw)
    if problem is None:
        return str(raw).lower().removesuffix(".")
    spot.wrong(problem)
    return None


def host_or_any(raw: Any, spot: Spot) -> str | None:
    """A host pattern, or "" for every host."""
    return "" if raw == "" else host(raw, spot)


def proxy_url(raw: Any, spot: Spot) -> str | None:
    """A proxy's URL. User names and passwords have no place in settings, nor in the arguments of a process."""
    if isinstance(raw, str) and _PROXY.fullmatch(raw):
        return raw
    spot.wrong(
        "write 'http://host:port' or 'https://host:port'; for a proxy that asks for a password, leave this out and set HTTPS_PROXY"
    )
    return None


def upstream_url(raw: Any, spot: Spot) -> str | None:
    """`http://host:port`, `https://host:port` or `unix:/path`. A path would have to be put in front of each target, and is refused."""
    if isinstance(raw, str):
        found = _UPSTREAM.fullmatch(raw)
        if _is_unix(raw):
            return raw
        if found is not None and _is_host(found[1]) and 1 <= int(found[2] or 1) <= _LAST_PORT:
            return raw.removesuffix("/")
    spot.wrong("write 'http://host:port', 'https://host:port' or 'unix:/path'; without a path, user name or query")
    return None


def origin_path(raw: Any, spot: Spot) -> str | None:
    """A path that is sent as it stands, with a query perhaps."""
    if isinstance(raw, str) and re.fullmatch(r"/[!\"$-~]*", raw):
        return raw
    spot.wrong("write a path in ASCII that begins with '/', such as '/healthz'; without '#' and blanks")
    return None


def field_name(raw: Any, spot: Spot) -> str | None:
    """A header field's name (RFC 9110 §5.1)."""
    if isinstance(raw, str) and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", raw):
        return raw
    spot.wrong("write a header field's name: 1 to 64 letters, digits and '-', such as 'X-Cognito-Subject'")
    return None


def _is_unix(raw: str) -> bool:
    return raw.startswith("unix:/") and not _CONTROL.search(raw) and len(raw.encode()) - len("unix:") <= _LONGEST_PATH


def _is_host(found: str) -> bool:
    """Whether an address in brackets is one; a name was judged by its letters."""
    if not found.startswith("["):
        return True
    try:
        ip_network(found[1:-1])
    except ValueError:
        return False
    return True


def _size_text(size: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]} {unit}"
    return str(size)


INSECURE = "insecure-http:"
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_BIND = re.compile(rf"({_HOST}|):([0-9]{{1,5}})")
_PROXY = re.compile(rf"https?://{_HOST}(?::[0-9]{{1,5}})?/?")
_UPSTREAM = re.compile(rf"https?://({_HOST})(?::([0-9]{{1,5}}))?/?")
_LAST_PORT = 65535
_LONGEST_PATH = 107  # sun_path of Linux holds 108 octets, the last of them NUL
