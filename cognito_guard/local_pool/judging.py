"""Forms of single settings: text, names, seconds, URLs. Each answers the value, or says what to write instead and answers a stand-in.

Decides forms and bounds. What settings mean together is `settings`' business. No message repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cognito_guard.errors import ConfigurationError
from cognito_guard.urls import is_loopback


class Judge:
    """One constructor's arguments, judged one by one; `problems` collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def text(self, given: object, argument: str, form: re.Pattern[str], wanted: str) -> str:
        """A string that `form` matches wholly; `wanted` says what to write."""
        if isinstance(given, str) and form.fullmatch(given):
            return given
        self.problems.append(f"{argument}: write {wanted}")
        return ""

    def texts(self, given: object, argument: str, form: re.Pattern[str], wanted: str) -> tuple[str, ...]:
        """A list of such strings, each once."""
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            self.problems.append(f"{argument}: write a list of strings; each {wanted}")
            return ()
        texts = list(given)
        for at, text in enumerate(texts):
            if not isinstance(text, str) or not form.fullmatch(text):
                self.problems.append(f"{argument}[{at}]: write {wanted}")
        return tuple(dict.fromkeys(text for text in texts if isinstance(text, str)))

    def flag(self, given: object, argument: str) -> bool:
        """true or false."""
        if not isinstance(given, bool):
            self.problems.append(f"{argument}: write true or false")
        return given is True

    def seconds(self, given: object, argument: str, least: int, most: int) -> int:
        """A whole number of seconds within bounds."""
        if type(given) is int and least <= given <= most:
            return given
        self.problems.append(f"{argument}: write seconds, a whole number from {least} to {most}")
        return least

    def refuse(self, subject: str) -> None:
        """Raise `ConfigurationError` with every problem, if there is one."""
        if self.problems:
            raise ConfigurationError(subject, self.problems)

    def urls(self, given: object, argument: str) -> tuple[str, ...]:
        """Where browsers may be sent: https, http on loopback, or an application's own scheme. Compared letter by letter."""
        urls = self.texts(given, argument, _ANY, "a URL")
        for at, url in enumerate(urls):
            if not is_callback(url):
                self.problems.append(
                    f"{argument}[{at}]: write an absolute URL without a fragment: https://..., http://localhost..., or one of an"
                    " application's own scheme such as myapp://callback"
                )
        return urls


def is_callback(url: str) -> bool:
    """Whether `url` may stand in a client's list of callback and sign-out URLs (and, as a resource, in a request)."""
    if not _PLAIN.fullmatch(url) or len(url) > 1024 or _SCRIPTS.match(url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return True
    return bool(host) and "@" not in parts.netloc and (parts.scheme == "https" or is_loopback(str(host)))


def table(given: object, argument: str, problems: list[str]) -> Mapping[str, Any]:
    """A table, or an empty one and a complaint."""
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return given
    problems.append(f"{argument}: write a table of names and values")
    return {}


_ANY = re.compile(r".+", re.DOTALL)
# printable ASCII, but for '#' and what no URL holds
_PLAIN = re.compile(r"[a-z][a-z0-9+.-]*://[!$-;=?-\[\]_a-z~]+")
_SCRIPTS = re.compile(r"(?:javascript|data|vbscript|file|blob|about|view-source|ftp|ws|wss):")
