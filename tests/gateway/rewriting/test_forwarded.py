"""Who is believed about forwarded requests, and what the upstream is told (THREATS T6; RFC 7239)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.forwarded import MAX_HOPS, Forwarding, Peers, client_address, is_forwarding

NOBODY = Peers()
FRONT = Peers(["10.0.0.0/8", "fd00::/8", "192.0.2.1"], unix=True)
CLAIMS = [
    (b"x-forwarded-for", b"198.51.100.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"shop.example.com"),
    (b"x-forwarded-port", b"8443"),
]
HOSTILE = [
    b"",
    b",",
    b"unknown",
    b"_hidden",
    b"1.2.3",
    b"1.2.3.4.5",
    b"a b",
    b"<x>",
    b'"',
    b"\xff",
    b"1.1.1.1;proto=x",
    b"\x00",
    b"010.1.1.1",
]


def written(peers, peer, scheme="http", host=b"api.example.com", claimed=()):
    return dict(Forwarding(peers).pairs(peer, scheme, host, claimed))


# --- who is believed


@pytest.mark.parametrize(
    "peer", ["10.1.2.3", "::ffff:10.1.2.3", "::FFFF:0a01:0203", "fd00::1", "fd00::1%eth0", "192.0.2.1", None]
)
def test_trusted(peer):
    """Networks of both families, one address, an IPv4 address inside IPv6, a unix socket."""
    assert FRONT.trusts(peer)
    assert FRONT.trusts(peer), "the second time from the memo"
    assert not NOBODY.trusts(peer)


@pytest.mark.parametrize(
    "peer", ["11.0.0.1", "192.0.2.2", "::1", "::10.1.2.3", "fe00::1", "", "unix", "10.1", "10.1.2.3 ", "010.1.2.3", "x" * 500]
)
def test_not_trusted(peer):
    """T6: nobody by default, and nobody beyond the networks; what is no address is not trusted."""
    assert not FRONT.trusts(peer)
    assert not Peers(["10.0.0.0/8"]).trusts(None)


def test_an_ipv4_network_written_as_ipv6():
    """`::ffff:10.0.0.0/104` is 10.0.0.0/8."""
    peers = Peers(["::ffff:10.0.0.0/104"])
    assert peers.trusts("10.9.9.9")
    assert peers.trusts("::ffff:10.9.9.9")
    assert not peers.trusts("11.0.0.1")


def test_mistakes_come_together():
    """Each mistake at once, naming its place; a network with host bits is one, since it trusts more than it seems to."""
    with pytest.raises(ConfigurationError) as refused:
        Peers(["10.0.0.0/8", "10.0.0.1/8", "proxy.internal", "10.0.0.0/33", 5, ""])
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [f"cidrs[{at}]" for at in range(1, 6)]
    with pytest.raises(ConfigurationError, match="bare string"):
        Peers("10.0.0.0/8")


# --- what is written


def test_an_untrusted_peer():
    """Its own address, the scheme it used, its Host: nothing else, exactly once."""
    assert Forwarding(NOBODY).pairs("203.0.113.7", "https", b"api.example.com") == [
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"x-forwarded-host", b"api.example.com"),
        (b"x-forwarded-port", b"443"),
        (b"forwarded", b"for=203.0.113.7;proto=https;host=api.example.com"),
    ]


@pytest.mark.parametrize(
    ("peer", "host", "forwarded"),
    [
        ("2001:DB8::0:1", b"a", b'for="[2001:db8::1]";proto=http;host=a'),
        ("fe80::1%eth0", b"a", b'for="[fe80::1]";proto=http;host=a'),
        ("::ffff:192.0.2.1", b"a:81", b'for=192.0.2.1;proto=http;host="a:81"'),
        (None, b"[::1]:81", b'for=unknown;proto=http;host="[::1]:81"'),
        ("testclient", b"", b"for=unknown;proto=http"),
        ("1.1.1.1", b"a, b", b"for=1.1.1.1;proto=http"),
    ],
)
def test_forwarded_is_rfc_7239(peer, host, forwarded):
    """IPv6 and ports in quotation marks; a peer without an address is `unknown`; a host that is none is left out."""
    assert written(NOBODY, peer, host=host)[b"forwarded"] == forwarded


@pytest.mark.parametrize(
    ("scheme", "proto", "port"), [("http", b"http", b"80"), ("ws", b"http", b"80"), ("wss", b"https", b"443")]
)
def test_scheme_and_port(scheme, proto, port):
    """Websockets count as http and https; the port is that of the Host, or the scheme's."""
    told = written(NOBODY, "1.1.1.1", scheme)
    assert (told[b"x-forwarded-proto"], told[b"x-forwarded-port"]) == (proto, port)
    assert written(NOBODY, "1.1.1.1", scheme, b"a:8080")[b"x-forwarded-port"] == b"8080"


def test_a_trusted_peer():
    """Its X-Forwarded-For is continued, its scheme, host and port are kept; `Forwarded` says the same."""
    assert written(FRONT, "10.0.0.1", claimed=CLAIMS) == {
        b"x-forwarded-proto": b"https",
        b"x-forwarded-for": b"198.51.100.9, 10.0.0.1",
        b"x-forwarded-host": b"shop.example.com",
        b"x-forwarded-port": b"8443",
        b"forwarded": b"for=198.51.100.9;proto=https;host=shop.example.com, for=10.0.0.1",
    }


def test_a_trusted_unix_peer():
    """It has no address of its own to add."""
    told = written(FRONT, None, claimed=CLAIMS[:1])
    assert told[b"x-forwarded-for"] == b"198.51.100.9"
    assert b"x-forwarded-for" not in written(FRONT, None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (b"x-forwarded-proto", [b"gopher", b"https,http", b"", b" https", b"https\x00"]),
        (b"x-forwarded-host", [b"a b", b"a/b", b"a, b", b"", b"u@h", b"a:b", b"a\r\nb", b"\xff", b"a:123456"]),
        (b"x-forwarded-port", [b"0", b"65536", b"x", b"-1", b"", b"80 ", b"99999999999", b"\xb2"]),
    ],
)
def test_malformed_claims_count_for_nothing(name, values):
    """Of a trusted peer, too, only what is well-formed and stands once is kept; else what the connection says."""
    plain = written(FRONT, "10.0.0.1")
    for value in values:
        assert written(FRONT, "10.0.0.1", claimed=[(name, value)]) == plain
    good = dict(CLAIMS)[name]
    assert written(FRONT, "10.0.0.1", claimed=[(name, good), (name, good)]) == plain


@pytest.mark.parametrize("scheme", [b"HTTPS", b"wss", b"WSS"])
def test_the_scheme_in_one_form(scheme):
    """Traefik says `wss` for websockets; upstreams compare with `https`."""
    assert written(FRONT, "10.0.0.1", claimed=[(b"x-forwarded-proto", scheme)])[b"x-forwarded-proto"] == b"https"


@pytest.mark.parametrize(
    ("fields", "chain"),
    [
        ([b"1.1.1.1, 2.2.2.2"], b"1.1.1.1, 2.2.2.2, 10.0.0.1"),
        ([b"1.1.1.1", b"2.2.2.2"], b"1.1.1.1, 2.2.2.2, 10.0.0.1"),
        ([b"1.1.1.1,,\t2.2.2.2 ,"], b"1.1.1.1, 2.2.2.2, 10.0.0.1"),
        ([b"1.1.1.1:4711, [2001:db8::1]:5, [::1], 2001:db8::2"], b"1.1.1.1, 2001:db8::1, ::1, 2001:db8::2, 10.0.0.1"),
        ([b"::ffff:1.1.1.1"], b"1.1.1.1, 10.0.0.1"),
        *[([b"3.3.3.3, " + junk + b"x, 1.1.1.1"], b"1.1.1.1, 10.0.0.1") for junk in HOSTILE if b"," not in junk],
        ([b"1.1.1.1, unknown"], b"10.0.0.1"),
    ],
)
def test_the_chain(fields, chain):
    """Addresses in one form, without ports, from the right up to the first element that is none: what stands left of it proves nothing."""
    claimed = [(b"x-forwarded-for", field) for field in fields]
    assert written(FRONT, "10.0.0.1", claimed=claimed)[b"x-forwarded-for"] == chain


def test_a_long_chain_is_cut():
    """A16: no more than the 32 nearest addresses are looked at, however many a client had its proxy pass on."""
    for length in (MAX_HOPS + 1, 4000):
        hops = [b"1.1.%d.%d" % divmod(at, 256) for at in range(length)]
        told = written(FRONT, "10.0.0.1", claimed=[(b"x-forwarded-for", b", ".join(hops))])
        assert told[b"x-forwarded-for"].split(b", ") == [*hops[-MAX_HOPS:], b"10.0.0.1"]


@given(
    st.sampled_from(["10.0.0.1", "8.8.8.8", "", "x", "fd00::1", None]) | st.ip_addresses().map(str),
    st.sampled_from(["http", "https", "ws", "wss"]),
    st.binary(max_size=30),
    st.lists(st.tuples(st.sampled_from([name for name, _ in CLAIMS]), st.binary(max_size=40) | st.sampled_from(HOSTILE))),
)
def test_whatever_comes(peer, scheme, host, claimed):
    """Any octets in: visible ASCII and spaces out, each name once, the chain made of addresses and the scheme one of two."""
    pairs = Forwarding(FRONT).pairs(peer, scheme, host, claimed)
    told = dict(pairs)
    assert len(told) == len(pairs)
    assert all(0x20 <= octet < 0x7F for value in told.values() for octet in value)
    assert told[b"x-forwarded-proto"] in (b"http", b"https")
    for element in told.get(b"x-forwarded-for", b"::1").decode().split(", "):
        assert str(ip_address(element)) == element
    client_address(FRONT, peer, claimed)


def test_remembered_within_bounds():
    """A flood of peers and hosts costs bounded memory; long fields are never kept."""
    forwarding = Forwarding(FRONT)
    for at in range(5000):
        forwarding.pairs(f"1.1.{at >> 8}.{at & 255}", "http", b"h%d" % at)
        forwarding.pairs("10.0.0.1", "http", b"h" * 600 + b"%d" % at)
    assert len(forwarding._memo) <= 2048
    assert max(len(key[2]) for key in forwarding._memo._young) < 512


# --- whose request it is, for logs


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("8.8.8.8", b"1.1.1.1", "8.8.8.8"),
        ("10.0.0.1", b"1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", b"6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", b"6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"1.1.1.1, rubbish, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("::ffff:8.8.8.8", None, "8.8.8.8"),
        (None, b"1.1.1.1", "1.1.1.1"),
        (None, None, None),
        ("nowhere", b"1.1.1.1", None),
    ],
)
def test_client_address(peer, chain, client):
    """T6: the nearest address that is not a trusted proxy; what an untrusted peer says changes nothing."""
    headers = [(b"host", b"a")] if chain is None else [(b"x-forwarded-for", chain), (b"x-real-ip", b"6.6.6.6")]
    assert client_address(FRONT, peer, headers) == client


def test_client_address_without_trust():
    """A unix peer that is not trusted has no address, whatever it says."""
    assert client_address(NOBODY, None, [(b"x-forwarded-for", b"1.1.1.1")]) is None


# --- names


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-For", b"x_forwarded_for", b"x.forwarded.prefix", b"X-Forwarded-Uri", b"x-forwarded-method", b"x-forwarded-server", b"x-forwarded-client-cert", b"forwarded",
        b"Forwarded_", b"x-original-url", b"X-Original-URI", b"x_original_method", b"X-Real-Ip", b"x-rewrite-url", b"X-Envoy-Original-Path", b"x_envoy_external_address", b"True-Client-IP",
    ],
)  # fmt: skip
def test_names_that_tell_of_a_forwarded_request(name):
    """T6: every name that some proxy sets and some framework believes, in any spelling."""
    assert is_forwarding(name)


@pytest.mark.parametrize("name", [b"x-forward", b"x-request-id", b"host", b"x-originally", b"origin", b"via"])
def test_names_that_do_not(name):
    """Others are not touched."""
    assert not is_forwarding(name)
