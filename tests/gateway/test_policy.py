"""Which front judges: routes for some hosts only (THREATS T10)."""

from __future__ import annotations

from cognito_guard.front import Request
from cognito_guard.gateway.policy import Policy
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Protect, Public
from cognito_guard.web.challenge import Challenge

GUARD = LocalUserPool().guard()


def status(policy: Policy, host: bytes, path: str) -> int:
    outcome = policy.front(host).judge(Request("GET", path, [(b"host", host)]))
    return outcome.status if isinstance(outcome, Challenge) else 200


def test_routes_count_for_their_hosts_alone() -> None:
    """In whatever spelling the host is named; and where no host is named, for all."""
    policy = Policy(
        GUARD, [(Public("/open"), ["Shop.example.com"]), (Public("/docs"), ["*.example.com"]), (Public("/health"), [])]
    )
    for host in (b"shop.example.com", b"SHOP.EXAMPLE.COM:443", b"shop.example.com."):
        assert [status(policy, host, path) for path in ("/open", "/docs", "/health", "/x")] == [200, 200, 200, 401]
    for host in (b"other.example.com", b"evil-shop.example.com"):
        assert [status(policy, host, path) for path in ("/open", "/docs", "/health", "/x")] == [401, 200, 200, 401]
    for host in (b"example.com", b"shop.example.com.evil.test", b"", b"shop.example.com/", b"\xff"):
        assert [status(policy, host, path) for path in ("/open", "/docs", "/health", "/x")] == [401, 401, 200, 401]


def test_the_order_of_the_routes_stays() -> None:
    """The first that matches decides, whichever hosts it is for."""
    policy = Policy(GUARD, [(Protect("/a"), ["h"]), (Public("/a"), []), (Public("/b"), ["h"]), (Protect("/b"), [])])
    assert [status(policy, b"h", "/a"), status(policy, b"h", "/b")] == [401, 200]
    assert [status(policy, b"other", "/a"), status(policy, b"other", "/b")] == [200, 401]


def test_hosts_that_clients_invent_cost_nothing() -> None:
    """Any number of names shares the fronts of the settings, and long ones are not remembered."""
    policy = Policy(GUARD, [(Public("/a"), ["*.h"])])
    fronts = {policy.front(b"%d.h" % number) for number in range(3000)} | {policy.front(b"%d" % number) for number in range(3000)}
    assert len(fronts) == 2
    policy.front(b"x" * 10_000)
    assert len(policy._by_host) <= 1024
    assert max(map(len, policy._by_host)) <= 261


def test_without_hosts_there_is_one_front() -> None:
    """The common case looks at no host."""
    policy = Policy(GUARD, [(Public("/a"), [])])
    assert policy.front(b"a") is policy.front(b"b")
