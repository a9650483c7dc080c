"""The front: the order of the questions, the same answers for threads and event loops, and one decision event for each request."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from cognito_guard.errors import ConfigurationError, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.front import Decision, Front, Request
from cognito_guard.policy import AuthenticatedWithin, InGroup
from cognito_guard.testing import (
    Case,
    LocalUserPool,
    behaviour,
    sample_routes,
    sample_settings,
    settings_behaviour,
    settings_routes,
    websocket_behaviour,
)
from cognito_guard.token.principal import Principal
from cognito_guard.web import Identify, Protect, Public, ReportOnly
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Forward

CLAIMS = {
    "iss": "https://i",
    "sub": "jane\n42",
    "client_id": "web",
    "jti": "j-1",
    "exp": 9,
    "cognito:groups": ["staff"],
    "auth_time": 995,
}
STAFF = Principal(CLAIMS, "access")
TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.c2VjcmV0LXNpZ25hdHVyZQ"


class Scripted:
    """A Guard with one answer: a Principal, or an error."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def clock(self) -> float:
        return 1000

    def authenticate(self, token: str) -> Any:
        self.asked.append(token)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def authenticate_async(self, token: str) -> Any:
        return self.authenticate(token)


def front(answer: Any = STAFF, *routes: Any) -> tuple[Front, Scripted]:
    guard = Scripted(answer)
    return Front(guard, routes), guard  # type: ignore[arg-type]


def ask(front: Front, path: str = "/x", *values: str, method: str = "GET") -> Forward | Challenge:
    fields = [(b"authorization", value.encode()) for value in values]
    return front.judge(Request(method, path, fields, path.encode()))


def test_a_public_route_asks_nobody() -> None:
    """Neither the header nor the Guard is looked at, be the credentials bad, doubled, or the keys away."""
    judge, guard = front(RuntimeError("asked"), Public("/x"))

    class Unread(list[tuple[bytes, bytes]]):
        def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
            raise AssertionError("the headers were read")

    assert judge.judge(Request("GET", "/x", Unread())) == Forward(None)
    assert guard.asked == []


def test_cheap_refusals_come_before_the_guard() -> None:
    """What is no one token, absent credentials and a target with two readings never reach the Guard."""
    judge, guard = front(STAFF, Public("/open"), Identify("/maybe"))
    for path, values, status in [
        ("/x", (), 401),
        ("/x", ("Bearer",), 400),
        ("/x", ("Bearer a", "Bearer a"), 400),
        ("//x", (f"Bearer {TOKEN}",), 400),
    ]:
        outcome = ask(judge, path, *values)
        assert isinstance(outcome, Challenge)
        assert outcome.status == status
    assert ask(judge, "/maybe") == Forward(None)
    assert guard.asked == []


def test_the_token_and_nothing_else_goes_to_the_guard() -> None:
    """Without scheme and spaces."""
    judge, guard = front()
    assert ask(judge, "/x", f"bearer   {TOKEN}") == Forward(STAFF)
    assert guard.asked == [TOKEN]


def test_rules_see_the_guards_clock() -> None:
    """The sign-in's age is judged by the clock that judged the token: auth_time is 995, now is 1000."""
    assert ask(front(STAFF, Protect("/*", AuthenticatedWithin(5)))[0], "/x", "Bearer a") == Forward(STAFF)
    outcome = ask(front(STAFF, Protect("/*", AuthenticatedWithin(4)))[0], "/x", "Bearer a")
    assert isinstance(outcome, Challenge)
    assert outcome.code == "insufficient_user_authentication"


@pytest.mark.parametrize(
    "bug",
    [RuntimeError("b"), KeyError("b"), ConfigurationError("Guard", ["b"]), "token", None, {"sub": "s"}, KeyboardInterrupt()],
)
@pytest.mark.parametrize("kind", [Identify, Protect])
async def test_a_bug_in_the_guard_is_never_a_forward(kind: Any, bug: Any) -> None:
    """What is neither a Principal nor an error of the family comes through as an exception (500); a Guard's None is not anonymous."""
    judge, _ = front(bug, kind("/*"))
    expected = type(bug) if isinstance(bug, BaseException) else TypeError
    with pytest.raises(expected):
        ask(judge, "/x", "Bearer a")
    with pytest.raises(expected):
        await judge.judge_async(Request("GET", "/x", [(b"authorization", b"Bearer a")]))


async def awaited(*_: Any) -> None:
    """A hook that nobody would await."""


def test_settings_are_checked_when_built_and_all_at_once() -> None:
    """Guard, routes, every setting, and settings that there are not; nothing is awaited."""
    wrong_settings: Any = {
        "realm": 'a"b',
        "credentials": ["session"],
        "resource": "https://api.example.com",
        "mode": "report-only",
        "on_decision": awaited,
        "error_page": b"<h1>",
        "relam": "x",
    }
    with pytest.raises(ConfigurationError) as wrong:
        Front("guard", ["/x"], **wrong_settings)  # type: ignore[arg-type,list-item]
    named = [problem.partition(":")[0] for problem in wrong.value.problems]
    assert named == ["guard", "routes[0]", "relam", *(name for name in wrong_settings if name != "relam")]
    for mode in (True, False, None, type(ReportOnly)):
        with pytest.raises(ConfigurationError, match="mode: "):
            Front(POOL.guard(), mode=mode)  # type: ignore[arg-type]


STORIES: list[tuple[Any, Any, tuple[str, ...], int, str]] = [
    (
        STAFF,
        Protect("/*", InGroup("staff")),
        (f"Bearer {TOKEN}",),
        logging.DEBUG,
        r"granted granted route='/*' rule='group:staff' subject='jane\n42' client_id='web' jti='j-1'",
    ),
    (STAFF, Public("/*"), (f"Bearer {TOKEN}",), logging.DEBUG, "open public route='/*'"),
    (STAFF, Identify("/*"), (), logging.DEBUG, "open anonymous route='/*'"),
    (
        STAFF,
        Protect("/*", InGroup("admin")),
        (f"Bearer {TOKEN}",),
        logging.INFO,
        r"denied insufficient_scope status=403 route='/*' rule='group:admin' subject='jane\n42' client_id='web' jti='j-1'",
    ),
    (
        TokenRejected("expired", "exp"),
        Protect("/*"),
        (f"Bearer {TOKEN}",),
        logging.INFO,
        "rejected expired status=401 route='/*'",
    ),
    (STAFF, Protect("/*"), (), logging.INFO, "refused credentials_missing status=401 route='/*'"),
    (STAFF, Protect("/*"), (f"Bearer {TOKEN} {TOKEN}",), logging.INFO, "refused credentials_malformed status=400 route='/*'"),
    (STAFF, Protect("/*"), (f"Bearer {TOKEN}",) * 2, logging.INFO, "refused credentials_ambiguous status=400 route='/*'"),
    (
        Unavailable("keys_unavailable", "m", retry_after=1),
        Identify("/*"),
        (f"Bearer {TOKEN}",),
        logging.WARNING,
        "unavailable keys_unavailable status=503 route='/*'",
    ),
]


@pytest.mark.parametrize(("answer", "route", "values", "level", "line"), STORIES)
def test_one_decision_event_for_each_request(
    answer: Any, route: Any, values: tuple[str, ...], level: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its level, its one line, its value; facts of verified tokens only, and no token text (T29)."""
    caplog.set_level(logging.DEBUG)
    ask(front(answer, route)[0], "/secret-path", *values)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("cognito_guard", level, line)
    decision: Decision = record.__dict__["decision"]
    assert str(decision) == line
    assert (decision.subject is not None) == (decision.verdict in ("granted", "denied"))
    assert not [part for part in TOKEN.split(".") if part in repr(record.__dict__)]
    assert "secret-path" not in repr(record.__dict__)


def test_the_event_of_an_ambiguous_target(caplog: pytest.LogCaptureFixture) -> None:
    """No route decided, and the target is not repeated."""
    caplog.set_level(logging.DEBUG)
    ask(front(STAFF, Public("/open"))[0], "/open/../x", f"Bearer {TOKEN}")
    assert caplog.messages == ["refused target_ambiguous status=400"]


def test_an_event_that_nobody_reads_is_not_built(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The granted path pays one question to the logger."""
    caplog.set_level(logging.WARNING)
    monkeypatch.delattr("cognito_guard.decision.Decision")
    assert ask(front()[0], "/x", "Bearer a") == Forward(STAFF)
    assert isinstance(ask(front(TokenRejected("expired"))[0], "/x", "Bearer a"), Challenge)


POOL = LocalUserPool()
CASES = behaviour(POOL)
FURTHER = (*settings_behaviour(POOL), *websocket_behaviour(POOL))


@pytest.fixture(scope="module")
def plain() -> Front:
    return Front(POOL.guard(), sample_routes())


@pytest.fixture(scope="module")
def rich() -> Front:
    return Front(POOL.guard(), settings_routes(), **sample_settings())


async def outcomes(front: Front, case: Case) -> list[Forward | Challenge]:
    """The case as uvicorn would hand it over, to both doors."""
    raw, _, query = case.target.partition("?")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
    request = Request(case.method, unquote(raw), headers, raw.encode(), "", case.kind, query.encode())
    return [front.judge(request), await front.judge_async(request)]


def differences(case: Case, outcome: Forward | Challenge) -> list[str]:
    if isinstance(outcome, Challenge):
        return case.check(outcome.status, outcome.headers, outcome.body, reached=False)
    return case.check(200, [], outcome.principal.subject.encode() if outcome.principal else b"", reached=True)


async def judged(case: Case, front: Front, routes: Any, **settings: Any) -> list[list[str]]:
    if case.keys_unavailable:
        with POOL.outage():
            both = await outcomes(Front(POOL.guard(), routes, **settings), case)
    else:
        both = await outcomes(front, case)
        assert both[0] == both[1]  # during an outage the seconds to wait shrink between two questions
    return [differences(case, outcome) for outcome in both]


def parts_told(case: Case, text: str) -> list[str]:
    sent = " ".join([case.target, *(value for name, value in case.headers if name not in ("Origin", "Host"))])
    return [
        part
        for part in re.split(r"[ .,;=?&/]", sent)
        if len(part) >= 24 and "oauth-protected-resource" not in part and part in text
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_behaviour_table(case: Case, plain: Front, rich: Front, caplog: pytest.LogCaptureFixture) -> None:
    """Every row, with a real Guard, whether settings were given or not; sync and async agree to the octet; no log holds a token."""
    caplog.set_level(logging.DEBUG)
    assert await judged(case, plain, sample_routes()) == [[], []]
    assert await judged(case, rich, settings_routes(), **sample_settings()) == [[], []]
    assert parts_told(case, caplog.text) == []


@pytest.mark.parametrize("case", FURTHER, ids=lambda case: case.name)
async def test_the_behaviour_tables_of_settings_and_websockets(case: Case, rich: Front, caplog: pytest.LogCaptureFixture) -> None:
    """Likewise: cookies, other fields, RFC 9728, preflights, and websockets."""
    caplog.set_level(logging.DEBUG)
    assert await judged(case, rich, settings_routes(), **sample_settings()) == [[], []]
    assert parts_told(case, caplog.text) == []


ELSEWHERE = [
    case
    for case in FURTHER
    if case.name.startswith(("cookie", "field", "query", "subprotocol"))
    and "/open" not in case.target
    and not any(name == "Authorization" and value.startswith("Bearer") for name, value in case.headers)
]


@pytest.mark.parametrize("case", ELSEWHERE, ids=lambda case: case.name)
async def test_no_source_counts_unless_it_is_named(case: Case, plain: Front) -> None:
    """Without settings a token in a cookie, another field, a query or a subprotocol is no credentials at all."""
    for outcome in await outcomes(plain, case):
        if case.target == "/maybe":
            assert outcome == Forward(None)
        else:
            assert isinstance(outcome, Challenge)
            assert outcome.code == "credentials_missing"


def test_refused_credentials_from_the_guard_are_an_answer() -> None:
    """A Guard that finds the credentials missing says so within the family."""
    outcome = ask(front(CredentialsRefused("credentials_missing", "m"))[0], "/x", "Bearer a")
    assert isinstance(outcome, Challenge)
    assert outcome.status == 401
