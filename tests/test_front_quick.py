"""The quick way of the front: what it lets through is what the full way lets through, and nothing that has changed since."""

from __future__ import annotations

import pytest

from cognito_guard import AuthenticatedWithin, DenyList, Guard, HasScope, InGroup
from cognito_guard.front import Front, Request
from cognito_guard.testing import LocalUserPool, behaviour, sample_routes
from cognito_guard.web import Identify, Preflights, Protect, Public
from cognito_guard.web.decide import Forward

NOW = 1_790_000_000


class Times:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = float(NOW), 0.0

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def pool(times: Times) -> LocalUserPool:
    return LocalUserPool(clock=lambda: times.wall)


def quick(front: Front, request: Request):
    return front.granted_before(request.method, request.path, request.raw_path, request.root_path, request.headers)


def bearing(token: str, path: str = "/orders", method: str = "GET", *more: tuple[bytes, bytes]) -> Request:
    return Request(method, path, [(b"host", b"h"), (b"authorization", b"Bearer " + token.encode()), *more], path.encode())


def warm(front: Front, request: Request) -> None:
    assert isinstance(front.judge(request), Forward)
    assert quick(front, request) is not None


def test_the_whole_table_gets_the_same_answers_the_quick_way():
    """Every case is judged the full way, twice; what the quick way then lets through is what the full way forwarded, with its principal."""
    pool = LocalUserPool()
    front = Front(pool.guard(), sample_routes())
    passed = 0
    for case in behaviour(pool):
        if case.keys_unavailable:
            continue
        path, _, query = case.target.partition("?")
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
        request = Request(case.method, path, headers, path.encode(), query=query.encode())
        outcomes = [front.judge(request) for _ in range(2)]
        principal = quick(front, request)
        if principal is not None:
            passed += 1
            assert outcomes == [Forward(principal)] * 2, case.name
        else:
            assert case.method == "OPTIONS" or not (
                isinstance(outcomes[0], Forward) and outcomes[0].principal and path != "/maybe" and _plain(case.headers)
            ), case.name
    assert passed > 15


def _plain(headers: tuple[tuple[str, str], ...]) -> bool:
    return all(value[:7] in ("Bearer ", "bearer ") and value[7:8] != " " for name, value in headers if name == "Authorization")


def test_a_first_request_takes_the_full_way(pool: LocalUserPool):
    """Neither an unknown token nor an unknown target is let through unjudged."""
    front = Front(pool.guard(), [Protect("/orders", HasScope("orders/read"))])
    token = pool.access(scopes=["orders/read"])
    assert quick(front, bearing(token)) is None
    warm(front, bearing(token))
    assert quick(front, bearing(token, "/other")) is None
    assert quick(front, bearing(pool.access(scopes=["orders/read"]))) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b""), (b"authorization", b"Bearer %s")],
        [(b"authorization", b"Bearer %s"), (b"authorization", b"")],
        [(b"authorization", b"Bearer %s"), (b"Authorization", b"Bearer %s")],
        [(b"authorization", b"Bearer %s"), (b"AUTHORIZATION", b"Basic x")],
        [(b"authorization", b"BearerX%s")],
        [(b"authorization", b"Bearer %s ")],
        [(b"authorization", b"Bearer %s=")],
        [(b"authorization", b" Bearer %s")],
        [(b"authorization", b"Basic %s")],
        [(b"x-authorization", b"Bearer %s")],
        [(b"authorization", b"Bearer \xff%s")],
    ],
)
def test_credentials_that_are_not_one_plain_bearer_token(pool: LocalUserPool, headers: list[tuple[bytes, bytes]]):
    """A18 holds for tokens that the Guard knows as for all others."""
    front = Front(pool.guard(), [Protect("/orders")])
    token = pool.access()
    warm(front, bearing(token))
    sent = [(name, value.replace(b"%s", token.encode())) for name, value in headers]
    assert quick(front, Request("GET", "/orders", sent, b"/orders")) is None


def test_a_rule_is_judged_each_time(pool: LocalUserPool):
    """T24: a token that one route let through gains nothing on another."""
    front = Front(pool.guard(), [Protect("/orders", HasScope("orders/read")), Protect("/staff", InGroup("staff"))])
    staff, reader = pool.access(groups=["staff"], scopes=["x"]), pool.access(scopes=["orders/read"])
    warm(front, bearing(staff, "/staff"))
    warm(front, bearing(reader, "/orders"))
    assert quick(front, bearing(staff, "/orders")) is None
    assert quick(front, bearing(reader, "/staff")) is None


def test_what_ended_since(pool: LocalUserPool, times: Times):
    """A25: neither an expired token nor one whose key was withdrawn."""
    guard = pool.guard(monotonic=lambda: times.steady)
    front = Front(guard, [Protect("/orders")])
    short, long = pool.access(expires_in=100), pool.access(expires_in=20_000)
    warm(front, bearing(short))
    warm(front, bearing(long))
    times.move(100)
    assert quick(front, bearing(short)) is None
    pool.rotate()
    pool.withdraw()
    times.move(4000)
    guard.warm_up()
    assert quick(front, bearing(long)) is None
    assert not isinstance(front.judge(bearing(long)), Forward)


def test_what_is_forgotten(pool: LocalUserPool):
    """`forget_tokens` reaches what a front keeps for itself."""
    guard = pool.guard()
    front = Front(guard, [Protect("/orders")])
    request = bearing(pool.access())
    warm(front, request)
    guard.forget_tokens()
    assert quick(front, request) is None
    warm(front, request)


def test_a_sign_in_that_ages(pool: LocalUserPool, times: Times):
    """A rule over time is judged each time, however often it was satisfied."""
    front = Front(pool.guard(monotonic=lambda: times.steady), [Protect("/orders", AuthenticatedWithin(60))])
    request = bearing(pool.access(expires_in=3600))
    warm(front, request)
    assert quick(front, request) is not None
    times.move(61)
    assert quick(front, request) is None
    assert not isinstance(front.judge(request), Forward)


def test_tenants_are_asked_about_each_time(pool: LocalUserPool):
    """A tenant that is let go is let go at once, for tokens that passed a moment ago too."""
    tenants = {pool.issuer: pool.user_pool.access_tokens(client=pool.client)}
    front = Front(Guard(resolve=tenants.get, fetch=pool.fetch, clock=pool.clock), [Protect("/orders")])
    request = bearing(pool.access())
    warm(front, request)
    tenants.clear()
    assert quick(front, request) is None


def test_another_route_in_the_place_of_one_that_was_satisfied(pool: LocalUserPool):
    """Routes of decorators come and go: what was granted belongs to the route itself, not to where it lay in memory."""
    front = Front(pool.guard(), [Protect("/orders")])
    request = bearing(pool.access(scopes=["x"]))
    warm(front, request)
    for at in range(200):
        assert front.granted_as_before(Protect("/orders", HasScope("x")), request.headers) is not None
        assert front.granted_as_before(Protect("/orders", InGroup(f"staff{at}")), request.headers) is None
    assert all(len(known.granted) <= 64 for known in front._known.values())


def test_revocation_is_always_asked(pool: LocalUserPool):
    """With a hook there is no quick way."""
    front = Front(pool.guard(is_revoked=DenyList()), [Protect("/orders")])
    request = bearing(pool.access())
    assert isinstance(front.judge(request), Forward)
    assert quick(front, request) is None


def test_targets_that_are_told_by_more_than_their_name(pool: LocalUserPool):
    """OPTIONS may be a preflight; public and identify routes have ways of their own; a websocket leaves nothing behind."""
    front = Front(pool.guard(), [Preflights("/*"), Public("/open"), Identify("/maybe"), Protect("/*")])
    token = pool.access()
    for request in (bearing(token, "/open"), bearing(token, "/maybe"), bearing(token, "/orders", "OPTIONS")):
        assert isinstance(front.judge(request), Forward)
        assert quick(front, request) is None
    socket = Request("GET", "/orders", bearing(token).headers, b"/orders", kind="websocket")
    assert isinstance(front.judge(socket), Forward)
    assert quick(front, bearing(token)) is None


def test_every_passage_is_recorded(pool: LocalUserPool):
    """The hook hears of quick requests too."""
    heard = []
    front = Front(pool.guard(), [Protect("/orders")], on_decision=heard.append)
    warm(front, bearing(pool.access()))
    assert [decision.verdict for decision in heard] == ["granted", "granted"]


def test_what_is_remembered_is_bounded(pool: LocalUserPool):
    """A flood of targets, or endless ones, costs no memory."""
    front = Front(pool.guard(), [Protect("/*")])
    for at in range(3000):
        front.judge(bearing("x", f"/{at}"))
    front.judge(bearing("x", "/" + "y" * 5000))
    for _ in range(1100):
        warm(front, bearing(pool.access(), "/known"))
    large = bearing(pool.access(groups=[f"group-with-a-long-name-{at}" for at in range(300)]), "/known")
    warm(front, large)
    assert len(front._known) <= 1024
    assert all(len(field) <= 4096 for field in front._known)
    assert len(front._remembered) <= 1024
    assert all(len(target[1]) < 600 for target in front._remembered)
