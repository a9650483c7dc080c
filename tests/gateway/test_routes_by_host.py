"""Routes and upstreams by host: one host in all its spellings, and nothing that only looks like it (THREATS T6, T10)."""

from __future__ import annotations

import pytest

from cognito_guard.testing import LocalUserPool

HOSTS = """
[[route]]
path = "/*"
host = "open.example.com"
access = "public"
[[route]]
path = "/x/*"
host = "*.public.example.com"
access = "public"
[[upstream]]
url = "{upstream}"
host = "open.example.com"
[[upstream]]
url = "{upstream}"
host = "*.example.com"
path = "/x/*"
[[upstream]]
url = "{upstream}"
host = "[::1]"
"""


@pytest.fixture(scope="module")
def jane(pool: LocalUserPool) -> bytes:
    return b"Authorization: Bearer " + pool.access(username="jane").encode()


@pytest.fixture(scope="module")
def by_host(gateway):
    return gateway(HOSTS)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"open.example.com", 200),
        (b"OPEN.Example.COM", 200),
        (b"open.example.com.", 200),
        (b"open.example.com:8080", 200),
        (b"Open.example.com.:80", 200),
        (b"a.public.example.com", 200),
        (b"a.b.PUBLIC.example.com.", 200),
        (b"public.example.com", 401),
        (b"apublic.example.com", 401),
        (b"xopen.example.com", 401),
        (b"open.example.com.evil.test", 401),
        (b"open-example.com", 401),
        (b"[::1]", 401),
        (b"open.example.com@evil.test", 400),
        (b"open.example.com/x", 400),
        (b"open.example.com, evil.test", 400),
        (b"open.example.com evil", 400),
        (b"open.example.com..", 400),
        (b"open.example.com:", 400),
        (b"open.example.com:99999", 400),
        (b"", 400),
    ],
)
def test_hosts(by_host, upstream, host: bytes, status: int) -> None:
    """T10: case, port and final dot make no other host; what only looks like one is not it. The application gets Host as it came."""
    upstream.take()
    other = (b"X-Forwarded-Host: open.example.com", b"Forwarded: host=open.example.com", b"X-Host: open.example.com")
    for fields in ((), other):
        assert by_host.get(b"/x/y", *fields, host=host).status == status
        assert [received.values(b"host") for received in upstream.take()] == ([[host]] if status == 200 else [])


def test_upstreams_by_host(by_host, upstream, jane: bytes) -> None:
    """T10: a host and path that no upstream serves is a 404 after the token was judged, and goes nowhere; two Hosts are refused."""
    upstream.take()
    assert by_host.get(b"/x/y", host=b"other.test").status == 401
    for host, target in ((b"other.test", b"/x/y"), (b"a.example.com", b"/y"), (b"a.example.com", b"/xy")):
        answer = by_host.get(target, jane, host=host)
        assert (answer.status, answer.code) == (404, "no_upstream")
    assert by_host.get(b"/x/y", b"Host: open.example.com", host=b"other.test").status == 400
    assert upstream.take() == []
    assert (
        by_host.get(b"/x/y", jane, host=b"A.Example.com.:1").status == by_host.get(b"/", jane, host=b"[::1]:8080").status == 200
    )
