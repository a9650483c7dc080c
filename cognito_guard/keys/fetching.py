"""Fetching a JWK Set over HTTP: the `Fetch` port, and `HttpFetch` behind it, on httpx2 where that is installed, else on httpx.

Decides how far an exchange may go: time, bytes, redirects, schemes, proxies. What the answer means is `documents`' decision.
"""

from __future__ import annotations

from os import PathLike, fspath
from threading import Timer
from typing import TYPE_CHECKING, Any, Protocol

from cognito_guard.errors import ConfigurationError
from cognito_guard.keys.documents import MAX_BYTES, FailureCode, Fetched
from cognito_guard.urls import is_loopback

if TYPE_CHECKING:
    from ssl import SSLContext


class Fetch(Protocol):
    """How keys are fetched; a plain function fits. Called in a thread of its own, never twice at a time for one URL.

    Return whatever the endpoint answered, any status included, without following redirects. Any exception is an outage, and so is
    silence beyond `KeyTimes.deadline`; but give your client a timeout all the same, since a thread cannot be ended from outside.
    """

    def __call__(self, url: str) -> Fetched: ...


class FetchFailed(Exception):
    """No answer, and why. A callable of your own may raise it; its text goes to logs and to `KeyStatus`."""

    def __init__(self, code: FailureCode, text: str) -> None:
        self.code: FailureCode = code
        self.text = text
        super().__init__(f"{code}: {text}")


class HttpFetch:
    """One GET over a connection of its own, which is closed afterwards. Redirects are not followed, cookies and `.netrc` not read.

    - `proxy`: an `http://` or `https://` URL, for every fetch. Without it `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the
      environment count, except for loopback addresses, which are always asked directly.
    - `ca`: a PEM file of the authorities to trust *instead of* the usual ones; read now. Without it `SSL_CERT_FILE` counts.
    - `timeout`: seconds for each step (connecting, each read). `deadline`: seconds for the whole exchange, name resolution excepted.
    - `max_bytes`: the longest body that is read, at most 1 MiB.

    Wrong arguments raise `ConfigurationError` with every mistake. A call returns `Fetched` for any status (its body is read only for
    200) and raises `FetchFailed`.
    """

    __slots__ = ("_context", "_proxy", "deadline", "max_bytes", "timeout")

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca: str | PathLike[str] | None = None,
        timeout: float = 3,
        deadline: float = 8,
        max_bytes: int = 256 * 1024,
    ) -> None:
        problems: list[str] = []
        if proxy is not None and not _is_proxy(proxy):
            problems.append("proxy: give an absolute URL such as 'http://proxy.internal:3128'")
        for name, seconds in (("timeout", timeout), ("deadline", deadline)):
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 300:
                problems.append(f"{name}: give seconds, above 0 and at most 300")
        if type(max_bytes) is not int or not 1 <= max_bytes <= MAX_BYTES:
            problems.append(f"max_bytes: give a whole number from 1 to {MAX_BYTES}")
        self._context = None if ca is None else _authorities(ca, problems)
        if problems:
            raise ConfigurationError("HttpFetch", problems)
        self._proxy = proxy
        self.timeout = timeout
        self.deadline = deadline
        self.max_bytes = max_bytes

    def __call__(self, url: str) -> Fetched:
        """The endpoint's answer. Raises `FetchFailed`."""
        if not url.startswith(("https://", "http://")):
            raise FetchFailed("network", "the URL is neither https nor http")
        client = _client()
        watchdog = _Watchdog(self.deadline)
        failure = FetchFailed("deadline", f"the exchange did not end within {self.deadline:g} s")
        try:
            fetched = self._exchange(client, url, watchdog)
            if not watchdog.expired:
                return fetched
        except FetchFailed as refusal:
            failure = refusal
        except client.TimeoutException:
            if not watchdog.expired:
                failure = FetchFailed("timeout", f"the endpoint was silent for {self.timeout:g} s")
        except (client.HTTPError, client.InvalidURL, OSError) as error:
            if not watchdog.expired:
                failure = FetchFailed("network", _reason(error))
        finally:
            watchdog.cancel()
        raise failure

    def _exchange(self, client: Any, url: str, watchdog: _Watchdog) -> Fetched:
        from urllib.parse import urlsplit

        step = min(self.timeout, self.deadline)
        headers = {
            "User-Agent": "cognito-guard",
            "Accept": "application/jwk-set+json, application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        verify = self._context or (client.create_ssl_context() if url.startswith("https:") else _trusting_nobody())
        environment = self._proxy is None and not is_loopback(urlsplit(url).hostname or "")
        with (
            client.Client(
                verify=verify, proxy=self._proxy, trust_env=environment, timeout=step, follow_redirects=False
            ) as connection,
            connection.stream("GET", url, headers=headers, extensions={"trace": watchdog.watch}) as answer,
        ):
            fields = answer.headers
            body = self._body(answer, fields) if answer.status_code == 200 else b""
            return Fetched(answer.status_code, body, fields.get("cache-control", ""))

    def _body(self, answer: Any, fields: Any) -> bytes:
        # refused before a byte of it is decoded: a body of 10 kB may hide one of 10 GB
        if fields.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise FetchFailed("encoded", "the answer is compressed, although identity was asked for")
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self.max_bytes:
                raise FetchFailed("too_large", f"the answer is longer than {self.max_bytes} bytes")
        return bytes(body)

    def __repr__(self) -> str:
        # neither the proxy's URL, which may hold a password, nor what it was built from
        return f"HttpFetch(timeout={self.timeout!r}, deadline={self.deadline!r}, max_bytes={self.max_bytes!r})"


class _Watchdog:
    """Ends an exchange at its deadline by shutting its socket down: a peer that sends a byte a second never meets a read timeout."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._socket: Any = None
        self._timer = Timer(seconds, self._bark)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, _event: str, info: dict[str, Any]) -> None:
        """The client's `trace` extension: told of every step, it learns of each new socket, plain and then TLS."""
        extra = getattr(info.get("return_value"), "get_extra_info", None)
        if extra is not None:
            self._socket = extra("socket")
            if self.expired:  # it barked while there was no socket to shut down
                self._socket.close()
                raise FetchFailed("deadline", "no connection within the deadline")

    def cancel(self) -> None:
        self._timer.cancel()
        self._socket = None

    def _bark(self) -> None:
        self.expired = True
        connection = self._socket
        if connection is not None:
            from socket import SHUT_RDWR, socket

            try:
                # the plain socket's method: that of a TLS socket drops the TLS state which the fetching thread is using
                socket.shutdown(connection, SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself


def _client() -> Any:
    try:
        import httpx2
    except ImportError:
        import httpx

        return httpx
    return httpx2


def _trusting_nobody() -> SSLContext:
    """For plain http, where loading a hundred authorities would be the larger part of the fetch."""
    from ssl import PROTOCOL_TLS_CLIENT, SSLContext

    return SSLContext(PROTOCOL_TLS_CLIENT)


def _authorities(ca: object, problems: list[str]) -> SSLContext | None:
    if not isinstance(ca, str | PathLike):
        problems.append("ca: give the path of a PEM file")
        return None
    from ssl import SSLError, create_default_context

    path = fspath(ca)
    try:
        return create_default_context(cafile=path)
    except SSLError:
        problems.append(f"ca: {path} holds no PEM certificates; give a bundle of '-----BEGIN CERTIFICATE-----' blocks")
    except OSError as error:
        problems.append(f"ca: {path} cannot be read ({error.strerror}); give the path of a PEM file")
    return None


def _is_proxy(given: object) -> bool:
    from urllib.parse import urlsplit

    try:
        return isinstance(given, str) and urlsplit(given).scheme in ("http", "https") and bool(urlsplit(given).hostname)
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    """What the operating system or TLS said, which names no secret; else only the kind of the error."""
    for _ in range(8):
        said = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
        if isinstance(said, str):
            return said[:200]
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    return f"the exchange broke off ({type(error).__name__})"
