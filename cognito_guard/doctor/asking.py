"""`HttpNetwork`: the checks' questions over real sockets, with httpx2 where that is installed, else with httpx.

Decides how far a question may go: time, octets, redirects, proxies. Proxies and authorities count as for `keys.HttpFetch`, so that what
is found here holds for the Guard. What an answer means is the checks' business.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cognito_guard.doctor.network import Answer, Connected, NoAnswer, Reason, UpstreamSubject
from cognito_guard.doctor.surroundings import proxy_of, without_user
from cognito_guard.errors import ConfigurationError
from cognito_guard.urls import is_loopback

MAX_BYTES = 256 * 1024
"""The longest body that is read; `HttpFetch` takes no longer JWK Set."""

T = TypeVar("T")


class HttpNetwork:
    """GET and connect with a deadline of `seconds` for each question, name resolution included.

    - `proxy`, `ca`: as for `HttpFetch`; None lets the environment count. `clock` gives "now" in seconds since 1970.
    - No redirect is followed, and no cookie, token, secret or `.netrc` entry is sent.

    Nothing is judged here: see `HttpFetch` for what may be wrong with `proxy` and `ca`.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca: str | None = None,
        seconds: float = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._proxy = proxy
        self._ca = ca
        self._seconds = seconds
        self._clock = clock

    def get(self, url: str) -> Answer | NoAnswer:
        """The endpoint's answer to one GET."""
        found = self._within(lambda: self._get(url))
        via = without_user(self._proxy) if self._proxy is not None else proxy_of(url, os.environ).url
        return NoAnswer(found.reason, found.text, via) if isinstance(found, NoAnswer) and via else found

    def connect(self, upstream: UpstreamSubject) -> Connected | NoAnswer:
        """Whether the upstream takes a connection. Proxies do not count on this way."""
        return self._within(lambda: self._connect(upstream))

    def _within(self, ask: Callable[[], T]) -> T | NoAnswer:
        """The answer, or none after the deadline: the thread is left alone then, since nothing ends a name resolution."""
        answers: list[T | NoAnswer] = []

        def work() -> None:
            try:
                answers.append(ask())
            except Exception as error:  # noqa: BLE001 - a socks proxy without its package, a proxy's URL that is none, ...
                answers.append(_reason(error))

        thread = Thread(target=work, name="cognito-guard-doctor", daemon=True)
        thread.start()
        thread.join(self._seconds)
        return answers[0] if answers else NoAnswer("timeout", f"no answer within {self._seconds:g} s")

    def _get(self, url: str) -> Answer | NoAnswer:
        client = _client()
        headers = {
            "User-Agent": "cognito-guard",
            "Accept": "application/json, text/html;q=0.5",
            "Accept-Encoding": "identity",
            "Cache-Control": "no-cache",  # an old answer's Date would look like a wrong clock
            "Connection": "close",
        }
        environment = self._proxy is None and not is_loopback(urlsplit(url).hostname or "")
        deadline = time.monotonic() + self._seconds
        try:
            verify = self._authorities(client, url)
        except (OSError, ssl.SSLError) as error:
            return NoAnswer("authorities", f"the authorities to trust cannot be read ({_said(error)})")
        with client.Client(
            verify=verify, proxy=self._proxy, trust_env=environment, timeout=self._seconds, follow_redirects=False
        ) as connection:
            began = self._clock()
            with connection.stream("GET", url, headers=headers) as answer:
                ended = self._clock()
                body = bytearray()
                for chunk in answer.iter_raw():  # undecoded: a short body may hide a long one
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return NoAnswer("too_large", f"the answer is longer than {MAX_BYTES} octets")
                    if time.monotonic() > deadline:
                        return NoAnswer("timeout", f"the answer did not end within {self._seconds:g} s")
                fields = tuple((name.lower(), value) for name, value in answer.headers.multi_items())
                return Answer(answer.status_code, bytes(body), fields, began=began, ended=ended)

    def _authorities(self, client: Any, url: str) -> ssl.SSLContext:
        if url.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and loads nothing
        context: ssl.SSLContext = client.create_ssl_context() if self._ca is None else ssl.create_default_context(cafile=self._ca)
        return context

    def _connect(self, upstream: UpstreamSubject) -> Connected | NoAnswer:
        from cognito_guard.gateway.upstream import Address, client_context

        try:
            address = Address(upstream.url)
            context = client_context(ca=upstream.ca, client_cert=upstream.client_cert, client_key=upstream.client_key)
        except ConfigurationError as error:
            return NoAnswer("authorities", "; ".join(error.problems))
        if address.socket is not None:
            with socket.socket(socket.AF_UNIX) as plain:
                plain.settimeout(self._seconds)
                plain.connect(address.socket)
            return Connected("the socket takes connections")
        with socket.create_connection((address.host, address.port), timeout=self._seconds) as plain:
            if not address.tls:
                return Connected("it takes TCP connections")
            with context.wrap_socket(plain, server_hostname=upstream.sni or address.host) as encrypted:
                return Connected(f"it takes connections with {encrypted.version()}, and its certificate verifies")


def _client() -> Any:
    try:
        import httpx2
    except ImportError:
        import httpx

        return httpx
    return httpx2


def _reason(error: BaseException) -> NoAnswer:
    """Why there is no answer, from the error and what it was raised from. Only what the system and TLS say is repeated."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 8:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for kinds, reason, words in _REASONS:
        for each in chain:
            if isinstance(each, kinds):
                return NoAnswer(reason, f"{words} ({_said(each)})" if _said(each) else words)
    names = {type(each).__name__ for each in chain}
    if any("Timeout" in name for name in names):
        return NoAnswer("timeout", "no answer in time")
    if names & {"ProxyError", "ImportError", "ValueError", "InvalidURL", "UnsupportedProtocol"}:
        return NoAnswer("proxy", f"the proxy cannot be used, or refused ({type(error).__name__})")
    said = next(filter(None, map(_said, chain)), "") or type(error).__name__
    return NoAnswer("broken", f"the exchange broke off ({said})")


_REASONS: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (socket.gaierror, "name", "the host name has no address here"),
    (ssl.SSLError, "tls", "TLS failed"),
    (ConnectionRefusedError, "refused", "the connection was refused"),
    (FileNotFoundError, "refused", "there is no such socket"),
    (TimeoutError, "timeout", "no answer in time"),
)


def _said(error: BaseException) -> str:
    said = getattr(error, "verify_message", None) or getattr(error, "reason", None) or getattr(error, "strerror", None)
    return said[:200] if isinstance(said, str) else ""
