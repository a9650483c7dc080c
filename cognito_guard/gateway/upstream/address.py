"""Where an upstream is: its URL, vetted. Opens nothing and resolves no name."""

from __future__ import annotations

from cognito_guard.errors import ConfigurationError
from cognito_guard.urls import InsecureHttp, vetted_url
from cognito_guard.value import Value


class Address(Value):
    """An upstream's address: `http://host:port`, `https://host:port` or `unix:/path/to.sock`; without a path of its own.

    `origin` is its one spelling, for logs, metrics and audiences (lower case, port only where it is not the default); `authority` is
    the Host field it expects for itself (`localhost` for a socket). Plain http is allowed to any host: whether the network up to the
    upstream is yours, only you know. Raises `ConfigurationError` with every mistake.
    """

    __slots__ = ("origin", "host", "port", "socket", "tls", "authority")
    origin: str
    host: str
    port: int
    socket: str | None
    tls: bool
    authority: bytes

    def __init__(self, url: str) -> None:
        problems: list[str] = []
        if isinstance(url, str) and url.startswith("unix:"):
            self._set(origin=url, host="", port=0, socket=_socket(url[5:], problems), tls=False, authority=b"localhost")
        else:
            self._read(vetted_url(InsecureHttp(url), "url", problems), problems)
        if problems:
            raise ConfigurationError("Address", problems)

    def _read(self, url: str, problems: list[str]) -> None:
        if not url:
            return
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if parts.path not in ("", "/"):
            problems.append("url: write it without a path; requests keep the path with which they came")
        if parts.port == 0:
            problems.append("url: port 0 is no port")
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or (443 if tls else 80)
        shown = f"[{host}]" if ":" in host else host
        if port != (443 if tls else 80):
            shown += f":{port}"
        self._set(origin=f"{parts.scheme}://{shown}", host=host, port=port, socket=None, tls=tls, authority=shown.encode("ascii"))


def _socket(path: str, problems: list[str]) -> str:
    if not path.startswith("/") or "\0" in path or len(path.encode("utf-8", "surrogatepass")) > 107:
        problems.append("url: what follows 'unix:' is the absolute path of a socket, of at most 107 octets: 'unix:/run/app.sock'")
    return path
