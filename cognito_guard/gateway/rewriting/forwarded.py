"""Who asked, by which scheme and host: `X-Forwarded-*` and `Forwarded` (RFC 7239), built anew for every request.

Decides which peers are believed (none by default) and how far (THREATS T6). Knows no identity and resolves no name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.folding import trimmed_fold
from cognito_guard.gateway.rewriting.memo import Memo
from cognito_guard.web.request import HeaderPair

REBUILT = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded"})
"""The fields that `Forwarding` writes. A client's `Forwarded` is never believed: proxies that keep X-Forwarded-For let it through."""

MAX_HOPS = 32  # elements of X-Forwarded-For that are looked at, from the right


class Peers:
    """The peers whose word on forwarded requests counts.

    `cidrs`: addresses and networks such as "10.0.0.0/8"; `unix`: peers on a unix socket as well, whose address is None. An IPv4 address
    inside IPv6 (`::ffff:10.0.0.1`) is that IPv4 address. Mistakes raise `ConfigurationError`, all at once.
    """

    __slots__ = ("_known", "_networks", "_unix")

    def __init__(self, cidrs: Iterable[str] = (), *, unix: bool = False) -> None:
        problems: list[str] = []
        networks = [] if isinstance(cidrs, str) else [_network(cidr, at, problems) for at, cidr in enumerate(cidrs)]
        if isinstance(cidrs, str):
            problems.append("cidrs: give a list; a bare string would be read letter by letter")
        if problems:
            raise ConfigurationError("Peers", problems)
        self._networks = tuple(network for network in networks if network is not None)
        self._unix = unix
        self._known: Memo[str, tuple[bool, str | None]] = Memo(8192)

    def trusts(self, peer: str | None) -> bool:
        """Whether the peer at this address (None: on a unix socket) is believed. What is no address is not."""
        return self._unix if peer is None else self.look_at(peer)[0]

    def look_at(self, peer: str) -> tuple[bool, str | None]:
        """`trusts`, and the address in its one canonical form; None for what is no address."""
        known = self._known.recall(peer) or self._known.recover(peer)
        if known is None:
            address = _address(peer)
            known = (False, None) if address is None else (any(address in network for network in self._networks), str(address))
            if len(peer) <= 64:
                self._known.keep(peer, known)
        return known

    def chain(self, fields: Sequence[bytes]) -> list[str]:
        """The addresses in the values of X-Forwarded-For, nearest last, from the right up to the first element that is none."""
        if not fields:
            return []
        chain: list[str] = []
        for element in reversed(b",".join(fields).rsplit(b",", MAX_HOPS)[-MAX_HOPS:]):
            text = element.strip(b" \t").decode("latin-1")
            if not text:
                continue  # RFC 9110 §5.6.1.2: a list may hold empty elements
            ported = _PORTED.fullmatch(text)
            address = self.look_at(text if ported is None else ported[1] or ported[2])[1]
            if address is None:
                break
            chain.append(address)
        chain.reverse()
        return chain


def client_address(peers: Peers, peer: str | None, headers: Iterable[HeaderPair]) -> str | None:
    """Whose request it is, for logs: the peer, or, as long as each is trusted, the one that it names in X-Forwarded-For.

    In one canonical form; None for a unix peer that names nobody. `headers` have names in lower case. Never raises.
    """
    trusted, client = (peers.trusts(None), None) if peer is None else peers.look_at(peer)
    if trusted:
        for address in reversed(peers.chain([value for name, value in headers if name == b"x-forwarded-for"])):
            client = address
            if not peers.trusts(address):
                break
    return client


class Forwarding:
    """Writes `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded` for the upstream.

    Of an untrusted peer nothing is believed: its own address, the scheme it used, its Host. A trusted one's X-Forwarded-For is continued
    from the right as far as it consists of addresses (ports are left out); its -Proto, -Host and -Port count where each stands once and
    is well-formed. `Forwarded` says the same; scheme and host stand in its first element, which readers take.
    """

    __slots__ = ("_memo", "_peers")

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._memo: Memo[tuple[object, ...], list[HeaderPair]] = Memo(2048)

    def pairs(self, peer: str | None, scheme: str, host: bytes | None, claimed: Sequence[HeaderPair] = ()) -> list[HeaderPair]:
        """The fields for one request; those with nothing to say are left out. The list is shared: never change it.

        `scheme` is that of the connection (`http`, `https`, `ws`, `wss`), `host` the Host field. `claimed` are the peer's own fields
        among `REBUILT`, names in lower case: give none for a peer that is not trusted. Never raises.
        """
        memo = self._memo
        key = (peer, scheme, host, *claimed)
        made = memo.recall(key) or memo.recover(key)
        if made is None:
            made = self._made(peer, scheme, host or b"", claimed)
            if sum(len(value) for _, value in claimed) + len(host or b"") <= 512:
                memo.keep(key, made)
        return made

    def _made(self, peer: str | None, scheme: str, host: bytes, claimed: Sequence[HeaderPair]) -> list[HeaderPair]:
        said: dict[bytes, list[bytes]] = {}
        for name, value in claimed:
            said.setdefault(name, []).append(value)
        proto = _SCHEMES.get(_single(said, b"x-forwarded-proto").lower()) or _SCHEMES.get(scheme.encode(), b"http")
        named = _HOST.fullmatch(_single(said, b"x-forwarded-host")) or _HOST.fullmatch(host)
        port = _PORT.fullmatch(_single(said, b"x-forwarded-port"))

        chain = self._peers.chain(said.get(b"x-forwarded-for", ()))
        address = None if peer is None else self._peers.look_at(peer)[1]
        if address is not None:
            chain.append(address)
        made = [(b"x-forwarded-proto", proto)]
        if chain:
            made.append((b"x-forwarded-for", ", ".join(chain).encode()))
        elements = [b"for=" + _node(hop) for hop in chain] or [b"for=unknown"]  # RFC 7239 §6.2
        elements[0] += b";proto=" + proto
        if named is not None:
            made.append((b"x-forwarded-host", named[0]))
            elements[0] += b';host="%s"' % named[0] if _NOT_TOKEN.search(named[0]) else b";host=" + named[0]
        if port is not None and _is_port(port[0]):
            made.append((b"x-forwarded-port", port[0]))
        elif named is not None:
            own = named[1] if named[1] and _is_port(named[1]) else None
            made.append((b"x-forwarded-port", own or _DEFAULT_PORTS[proto]))
        made.append((b"forwarded", b", ".join(elements)))
        return made


def is_forwarding(name: bytes) -> bool:
    """Whether a field of this name, in any spelling, tells of a request before it was forwarded, or is read so by some upstream."""
    fold = trimmed_fold(name)
    return fold in _FORWARDING or fold.startswith(_FORWARDING_PREFIXES)


# names that proxies set and frameworks believe; beside those of the standards: nginx, Envoy, Traefik, Cloudflare, Akamai, Fastly, IIS
_FORWARDING_PREFIXES = (b"x-forwarded-", b"x-original-", b"x-envoy-")
_FORWARDING = frozenset(
    {
        b"forwarded",
        b"x-forwarded",
        b"x-forward-for",
        b"x-real-ip",
        b"x-rewrite-url",
        b"x-client-ip",
        b"client-ip",
        b"true-client-ip",
        b"x-cluster-client-ip",
        b"x-proxyuser-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"remote-addr",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"x-appengine-user-ip",
        b"x-azure-clientip",
        b"x-host",
        b"x-http-host-override",
        b"x-scheme",
        b"x-url-scheme",
        b"front-end-https",
        b"x-script-name",
    }
)

_SCHEMES = {b"http": b"http", b"https": b"https", b"ws": b"http", b"wss": b"https"}
_DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_PORT = re.compile(rb"[0-9]{1,5}")
_NOT_TOKEN = re.compile(rb"[:\[\]]")  # of what _HOST lets through
_PORTED = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


def _single(said: dict[bytes, list[bytes]], name: bytes) -> bytes:
    values = said.get(name, ())
    return values[0] if len(values) == 1 else b""


def _is_port(digits: bytes) -> bool:
    return 0 < int(digits) < 65536


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])  # without a zone: it means something on this machine only
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _node(address: str) -> bytes:
    return f'"[{address}]"'.encode() if ":" in address else address.encode()


def _network(given: object, at: int, problems: list[str]) -> IPv4Network | IPv6Network | None:
    wrong = f"cidrs[{at}]: give an address or a network such as '10.0.0.0/8' or 'fd00::/8'"
    if not isinstance(given, str):
        problems.append(wrong)
        return None
    try:
        network = ip_network(given, strict=False)
    except ValueError:
        problems.append(wrong)
        return None
    if "/" in given and network.network_address != ip_network(given.partition("/")[0]).network_address:
        problems.append(f"cidrs[{at}]: {given!r} names one machine and a whole network; write '{network}' or leave the '/' out")
    if (
        isinstance(network, IPv6Network)
        and network.prefixlen >= 96
        and (inner := network.network_address.ipv4_mapped) is not None
    ):
        return IPv4Network((inner, network.prefixlen - 96))
    return network
