"""Which URLs a setting may hold: absolute, plain to read, and https unless the risk is named or stays on this machine.

Opens nothing and resolves no name.
"""

from __future__ import annotations

import re

from cognito_guard.value import Value


class InsecureHttp(Value):
    """A plain `http://` URL beyond loopback, taken on by name: whoever sits on that network path can replace the keys."""

    __slots__ = ("url",)
    url: str

    def __init__(self, url: str) -> None:
        self._set(url=url)


def issuer_url(given: object, argument: str, problems: list[str]) -> str:
    """`vetted_url`, in the form in which tokens name issuers."""
    url = vetted_url(given, argument, problems)
    if url.endswith("/"):
        problems.append(f"{argument}: write it without the final '/', as the tokens' iss claim does")
    return url


def vetted_url(given: object, argument: str, problems: list[str]) -> str:
    """An absolute http(s) URL of printable ASCII, without user info, query and fragment; plain http needs loopback or a name.

    Mistakes go to `problems`, under the argument's name; the answer is the URL as it was given, or "".
    """
    insecure = isinstance(given, InsecureHttp)
    url = given.url if isinstance(given, InsecureHttp) else given
    if not isinstance(url, str):
        problems.append(f"{argument}: give a URL as a string")
        return ""
    from urllib.parse import urlsplit  # late: an import that most programs never need

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("https", "http") or not url.startswith(f"{parts.scheme}://{parts.netloc}"):
        problems.append(f"{argument}: give an absolute URL such as 'https://host/path'")
        return ""
    if not url.isascii() or any(not 0x21 <= ord(character) < 0x7F for character in url) or set(url) & set("?#@\\"):
        problems.append(
            f"{argument}: the URL holds a space, a control or non-ASCII character, user info, a query, a fragment or '\\'; leave it out"
        )
        return ""
    if not _AUTHORITY.fullmatch(parts.netloc):  # urlsplit reads "[::1].evil" as the host "::1"
        problems.append(
            f"{argument}: what stands after '//' is not a host name or an address (IPv6 in brackets) with or without a port"
        )
        return ""
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        problems.append(f"{argument}: plain http is for loopback only; use https://, or name the risk with InsecureHttp(url)")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without brackets, is this machine."""
    if host == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
