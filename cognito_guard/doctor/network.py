"""What the checks ask of the world, as one port: an answer to a GET, or a connection to an upstream; or why there is none.

Decides what to advise about each way in which there is no answer. Opens nothing; `asking` does.
"""

from __future__ import annotations

from typing import Literal, Protocol

from cognito_guard.value import Value

Reason = Literal["name", "refused", "timeout", "tls", "authorities", "proxy", "too_large", "broken"]


class Answer(Value):
    """What an endpoint answered. `fields` are (name in lower case, value); `began` and `ended` the wall clock here, in seconds."""

    __slots__ = ("status", "fields", "body", "began", "ended")
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    began: float
    ended: float

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        fields: tuple[tuple[str, str], ...] = (),
        *,
        began: float = 0.0,
        ended: float = 0.0,
    ) -> None:
        self._set(status=status, fields=fields, body=body, began=began, ended=ended)

    def field(self, name: str) -> str:
        """The first field of a name in lower case, or ""."""
        return next((value for each, value in self.fields if each == name), "")


class NoAnswer(Value):
    """Why there is none. `text` says it in words that hold no secret; `via` is the proxy that was asked, or ""."""

    __slots__ = ("reason", "text", "via")
    reason: Reason
    text: str
    via: str

    def __init__(self, reason: Reason, text: str, via: str = "") -> None:
        self._set(reason=reason, text=text, via=via)

    def __str__(self) -> str:
        return f"{self.text} (through the proxy {self.via})" if self.via else self.text


class Connected(Value):
    """An upstream took a connection; `text` says how: TCP, a unix socket, or the TLS version."""

    __slots__ = ("text",)
    text: str

    def __init__(self, text: str) -> None:
        self._set(text=text)


class UpstreamSubject(Value):
    """An upstream as the gateway would reach it: see `UpstreamSettings` for the fields."""

    __slots__ = ("url", "ca", "sni", "client_cert", "client_key")
    url: str
    ca: str | None
    sni: str | None
    client_cert: str | None
    client_key: str | None

    def __init__(
        self,
        url: str,
        *,
        ca: str | None = None,
        sni: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
    ) -> None:
        self._set(url=url, ca=ca, sni=sni, client_cert=client_cert, client_key=client_key)


class Network(Protocol):
    """The world. Neither method raises: whatever goes wrong is a `NoAnswer`."""

    def get(self, url: str) -> Answer | NoAnswer:
        """One GET without credentials; no redirect is followed."""
        ...

    def connect(self, upstream: UpstreamSubject) -> Connected | NoAnswer:
        """One connection, closed at once; nothing is sent over it but the TLS handshake."""
        ...


def advice_for(none: NoAnswer) -> str:
    """What to do about an endpoint on the internet that gave no answer."""
    if none.via and none.reason in ("name", "refused", "timeout", "broken"):
        return (
            f"Check that the proxy {none.via} is reachable from here and lets this host through; if the host is to be asked "
            "directly, put it into NO_PROXY"
        )
    return _ADVICE[none.reason]


_ADVICE = {
    "name": (
        "Check the host name (the region in a pool's id, the domain's spelling) and the DNS of this machine or container; where "
        "only a proxy reaches the internet, name it by --proxy or HTTPS_PROXY"
    ),
    "refused": "Check host and port; where only a proxy reaches the internet, name it by --proxy or HTTPS_PROXY",
    "timeout": (
        "Packets are dropped on the way: open port 443 outwards in security groups and firewalls, give a private subnet a NAT "
        "gateway, or name the proxy by --proxy or HTTPS_PROXY"
    ),
    "tls": (
        "If a proxy or firewall of yours inspects TLS, name its authority by --ca or SSL_CERT_FILE; if not, somebody else answers "
        "for this host. Do not switch verification off: there is no such setting"
    ),
    "authorities": "Give --ca or SSL_CERT_FILE the path of a readable PEM file with at least one certificate",
    "proxy": "Write the proxy as 'http://host:port' in --proxy or HTTPS_PROXY, and check that it lets this host through",
    "too_large": "Whatever answers there is no Cognito endpoint; check the URL, and what stands between",
    "broken": "Try again; if it stays, look at what stands between: a proxy, a firewall, a load balancer",
}
