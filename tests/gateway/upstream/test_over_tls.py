"""TLS to an upstream: verified always, with CA, SNI and client certificate (THREATS T19, T53)."""

from __future__ import annotations

import asyncio

import pytest

from cognito_guard.gateway.upstream import Timeouts, UpstreamFailed, client_context

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def get(upstream):
    return await upstream.exchange(b"GET", b"/", HOST)


async def kind(upstream):
    with pytest.raises(UpstreamFailed) as caught:
        await get(upstream)
    return caught.value.kind, caught.value.sent


async def test_a_verified_upstream(raw, authority):
    """Its CA and its name fit: exchanges go over one connection, kept alive."""
    upstream = raw.upstream(await raw.answering([OK] * 3, tls=authority.server("127.0.0.1")), tls=client_context(ca=authority.ca))
    for _ in range(3):
        assert (await get(upstream)).body == b"ok"
    assert len(raw.peers) == 1


async def test_the_name_asked_for(raw, authority):
    """`sni` is the name that is asked for and that the certificate must have, not the address's host."""
    address = await raw.answering([OK], tls=authority.server("app.test"))
    context = client_context(ca=authority.ca)
    assert (await get(raw.upstream(address, tls=context, sni="app.test"))).body == b"ok"
    assert await kind(raw.upstream(address, tls=context)) == ("tls", False)
    assert await kind(raw.upstream(address, tls=context, sni="other.test")) == ("tls", False)


async def test_strangers(raw, authority, other_authority):
    """Another authority's certificate is refused, under a CA of ours and under the system's."""
    address = await raw.answering([OK], tls=other_authority.server("127.0.0.1"))
    assert await kind(raw.upstream(address, tls=client_context(ca=authority.ca))) == ("tls", False)
    upstream = raw.upstream(address)
    assert await kind(upstream) == ("tls", False)
    assert upstream._slots == 0
    assert raw.requests == []


async def test_plain_http_where_tls_was_configured(raw, authority):
    """An upstream that does not speak TLS gets no octet of the request."""
    plain = await raw.serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    upstream = raw.upstream(type(plain)(plain.origin.replace("http:", "https:")), tls=client_context(ca=authority.ca))
    assert (await kind(upstream))[1] is False


async def test_our_own_certificate(raw, authority):
    """Shown where the upstream asks for one; without it the upstream closes."""
    cert, key = authority.certificate("gateway.test")
    address = await raw.answering([OK], tls=authority.server("127.0.0.1", clients=True))
    context = client_context(ca=authority.ca, client_cert=cert, client_key=key)
    assert (await get(raw.upstream(address, tls=context))).body == b"ok"
    assert (await kind(raw.upstream(address, tls=client_context(ca=authority.ca))))[0] in {"tls", "closed"}


async def test_a_handshake_that_hangs(raw, authority):
    """The connect timeout covers the TLS handshake."""
    silent = await raw.serve(lambda peer: peer.gone())
    upstream = raw.upstream(
        type(silent)(silent.origin.replace("http:", "https:")),
        tls=client_context(ca=authority.ca),
        timeouts=Timeouts(connect=0.05),
    )
    assert await kind(upstream) == ("connect_timeout", False)
    assert upstream._slots == 0


async def test_a_truncated_body(raw, authority, anyio_backend):
    """A body without length that ends without TLS's own goodbye was cut off by somebody, and is not given out as whole.

    Under uvloop, which the gateway runs on; asyncio's own loop does not tell the two ends apart.
    """
    proceed = asyncio.Event()

    async def handler(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nab")
        await proceed.wait()
        peer.reset()

    upstream = raw.upstream(await raw.serve(handler, tls=authority.server("127.0.0.1")), tls=client_context(ca=authority.ca))
    answer = await get(upstream)
    proceed.set()
    if anyio_backend[1]["use_uvloop"]:
        with pytest.raises(UpstreamFailed):
            await _whole(answer)
    orderly = raw.upstream(await raw.serve(_orderly, tls=authority.server("127.0.0.1")), tls=client_context(ca=authority.ca))
    assert await _whole(await get(orderly)) == b"abc"


async def _whole(answer):
    body = answer.body
    while not answer.complete:
        body += await answer.read()
    return body


async def _orderly(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
