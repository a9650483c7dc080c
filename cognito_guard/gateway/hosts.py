"""Hosts: one canonical form, and the patterns that settings name them by (THREATS T10).

Decides when two spellings are one host. Resolves nothing.
"""

from __future__ import annotations

import re


def canonical(host: bytes) -> str:
    """A Host field's value without its port and final dot, in lower case; "" for what is no host. Never raises."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found[1].decode("ascii").lower().removesuffix(".")


def host_matches(pattern: str, name: str) -> bool:
    """Whether a canonical name falls under a pattern: the name itself, or `*.` and what a longer name ends in."""
    pattern = pattern.lower().removesuffix(".")
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return name == pattern


def host_problem(pattern: object) -> str | None:
    """What is wrong with a host pattern, as a sentence without the setting's name; None for a good one."""
    if isinstance(pattern, str) and _PATTERN.fullmatch(pattern):
        return None
    return "give a host name such as 'api.example.com', or '*.example.com' for every name below; without scheme, port and path"


_NAME = r"(?=[A-Za-z0-9_-])(?:[A-Za-z0-9_-]++\.)*+[A-Za-z0-9_-]*+"
_ADDRESS = r"\[[0-9A-Fa-f:.]++\]"
_HOST = re.compile(rf"({_NAME}|{_ADDRESS})(?::[0-9]{{1,5}})?".encode())
_PATTERN = re.compile(rf"(?:\*\.)?{_NAME}|{_ADDRESS}")
