"""The request that a proxy asks about (THREATS section 6.1): nginx, Traefik, Caddy or Envoy.

Decides where it is read: only in what this kind of proxy writes itself, and never in what a client could have sent, in whatever
spelling. Judges nothing about the request, and knows neither peers nor secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from urllib.parse import unquote

from cognito_guard.gateway.hosts import canonical
from cognito_guard.gateway.rewriting.folding import trimmed_fold
from cognito_guard.gateway.rewriting.identity import RESERVED_PREFIX
from cognito_guard.value import Value
from cognito_guard.web.request import HeaderPair, Request

KindName = Literal["nginx", "traefik", "caddy", "envoy"]

KIND_NAMES: Final[tuple[KindName, ...]] = ("nginx", "traefik", "caddy", "envoy")


class Missing(Value):
    """The question does not say what it is about: the proxy is configured wrongly, and no request may pass on a guess.

    `what` is a constant sentence for the operator's log; nothing of the request stands in it.
    """

    __slots__ = ("what",)
    what: str

    def __init__(self, what: str) -> None:
        self._set(what=what)


class Original:
    """The request that a proxy asks about; nothing in here is believed yet.

    `raw_path` and `query` as the client sent them, `path` percent-decoded, `host` the value of its Host field, `kind` "websocket" for
    a handshake. `aliases`: names of fields, in lower case, that fold to one that a proxy or we write, and are not it:
    `x_forwarded_uri`, `x.cognito.subject`. They count for nothing, and no application should see them.
    """

    __slots__ = ("method", "path", "raw_path", "query", "host", "kind", "aliases", "_host_differs")

    def __init__(
        self,
        method: str,
        raw_path: bytes,
        query: bytes,
        host: bytes,
        kind: Literal["http", "websocket"],
        aliases: tuple[bytes, ...],
        host_differs: bool,  # noqa: FBT001 - one is made for each request, by position
    ) -> None:
        self.method = method
        letters = raw_path.decode("latin-1")
        # octets beyond ASCII need no care: `read_path` finds them in raw_path
        self.path = unquote(letters) if "%" in letters else letters
        self.raw_path = raw_path
        self.query = query
        self.host = host
        self.kind = kind
        self.aliases = aliases
        self._host_differs = host_differs

    def request(self, headers: Sequence[HeaderPair]) -> Request:
        """The facts to judge: with the question's own header pairs, which carry the client's credentials, and the original Host."""
        if self._host_differs:
            headers = [(b"host", self.host), *(pair for pair in headers if pair[0].lower() != b"host")]
        return Request(self.method, self.path, headers, self.raw_path, "", self.kind, self.query)

    def __repr__(self) -> str:
        return f"Original({self.method!r}, {self.path!r}, kind={self.kind!r})"  # the query may hold a token


class Kind:
    """How one kind of proxy asks. Build one at start, with the names of the identity fields; share it.

    - nginx: `X-Original-Method`, `X-Original-URI`, and `X-Original-Host` if `by_host`, since `Host` is what `proxy_pass` makes of it;
      all three only because its configuration sets them. Where no route names a host, nginx need not tell it.
    - Traefik, Caddy: `X-Forwarded-Method`, `-Uri` and `-Host`, which they set themselves.
    - Envoy: the request line below the path prefix, and `Host`.
    """

    def __init__(self, name: KindName, managed: Iterable[bytes], *, by_host: bool = True) -> None:
        self.name = name
        self._by_host = by_host
        self._in_fields = name != "envoy"
        self._needs_host = by_host or name != "nginx"
        self._exact = {b"sec-websocket-key": _KEY, b"upgrade": _UPGRADE, b"host": _HOST_FIELD}
        method, target, host = _SOURCES[name]
        if self._in_fields:
            self._exact |= {method: _METHOD, target: _TARGET}
            if self._needs_host:
                self._exact[host] = _HOST
        self._managed = frozenset(each.lower() for each in managed)
        self._folded = _FOLDED | {trimmed_fold(each) for each in self._managed}
        self._roles: dict[bytes, int] = {}
        self._hosts: set[bytes] = set()
        self._what = {
            _METHOD: (f"{_shown(method)} (the method)", "is not a method"),
            _TARGET: (f"{_shown(target)} (the target)", "is empty"),
            _HOST: (f"{_shown(host)} (the host)", "is not a host"),
            _HOST_FIELD: ("Host", "is not a host"),
        }

    def original(self, method: str, raw_path: bytes, query: bytes, headers: Iterable[HeaderPair]) -> Original | Missing:
        """The request that this question is about, or what the question lacks.

        `method`, `raw_path` and `query` are the question's own, for Envoy without the path prefix; the other kinds never look at them.
        Any source that is absent, stands twice or is malformed is `Missing`. Never raises.
        """
        found: dict[int, bytes] = {}
        is_handshake = False
        aliases: tuple[bytes, ...] = ()
        roles = self._roles
        for name, value in headers:
            role = roles.get(name)
            if role is None:
                role = self._learn(name)
            if role:
                if role >= _METHOD:
                    if role in found:
                        return self._missing(role, "stands twice")
                    found[role] = value
                elif role == _ALIAS:
                    aliases = (*aliases, name.lower())
                elif role == _KEY or b"websocket" in value.lower():
                    is_handshake = True
        host_field = found.get(_HOST_FIELD, b"")
        host = host_field
        if self._in_fields:
            octets = found.get(_METHOD)
            if octets is None:
                return self._missing(_METHOD, "is absent")
            asked = _METHODS.get(octets)
            if asked is None:
                if not _TOKEN.fullmatch(octets):
                    return self._missing(_METHOD)
                asked = octets.decode("ascii")
            method = asked
            target = found.get(_TARGET)
            if target is None:
                return self._missing(_TARGET, "is absent")
            if self._needs_host:
                told = found.get(_HOST)
                if told is None:
                    return self._missing(_HOST, "is absent")
                host = told
        else:
            if _HOST_FIELD not in found:
                return self._missing(_HOST_FIELD, "is absent")
            target = b"%b?%b" % (raw_path, query) if query else raw_path
        if not target:
            return self._missing(_TARGET)
        if self._by_host and host not in self._hosts and not self._is_host(host):
            return self._missing(_HOST if self._in_fields else _HOST_FIELD)
        if b"#" in target:
            raw_path, query = target, b""  # with it in the path, there are two readings
        else:
            raw_path, _, query = target.partition(b"?")
        kind: Literal["http", "websocket"] = "websocket" if is_handshake and method == "GET" else "http"
        return Original(method, raw_path, query, host, kind, aliases, host != host_field)

    def _learn(self, name: bytes) -> int:
        lower = name.lower()
        role = self._exact.get(lower, _NOTHING)
        if not role:
            plain = trimmed_fold(name)
            if plain.startswith(RESERVED_PREFIX):
                role = _NOTHING if lower in self._managed else _ALIAS
            elif plain != lower and plain in self._folded:
                role = _ALIAS
        if len(name) <= _LONGEST_REMEMBERED:
            if len(self._roles) >= _REMEMBERED:
                self._roles.clear()
            self._roles[name] = role
        return role

    def _is_host(self, host: bytes) -> bool:
        if not canonical(host):
            return False
        if len(self._hosts) >= _REMEMBERED:
            self._hosts.clear()
        if len(host) <= _LONGEST_HOST:
            self._hosts.add(host)
        return True

    def _missing(self, role: int, lack: str = "") -> Missing:
        what, malformed = self._what[role]
        return Missing(f"{what} {lack or malformed}")


def _shown(name: bytes) -> str:
    return name.decode("ascii").title().replace("-Uri", "-URI" if name.startswith(b"x-original") else "-Uri")


_SOURCES: Final = {
    "nginx": (b"x-original-method", b"x-original-uri", b"x-original-host"),
    "traefik": (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"),
    "caddy": (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"),
    "envoy": (b"request-line", b"request-line", b"host"),
}
# those that may stand once only are the last, so that one comparison tells them
_NOTHING, _ALIAS, _KEY, _UPGRADE, _METHOD, _TARGET, _HOST, _HOST_FIELD = range(8)
# what proxies write about the original request, and applications and other decision services believe
_FOLDED: Final = frozenset(
    [b"forwarded", b"x-real-ip", b"x-rewrite-url"]
    + [b"x-forwarded-" + part for part in (b"for", b"host", b"method", b"port", b"prefix", b"proto", b"server", b"uri")]
    + [b"x-original-" + part for part in (b"host", b"method", b"uri", b"url")]
)
_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
}
_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_REMEMBERED = 1024
_LONGEST_REMEMBERED = 64
_LONGEST_HOST = 261  # a name of 255 octets, and a port
