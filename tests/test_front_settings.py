"""What a front does on request: a demand named by the caller, report-only mode, hooks, error pages, traces, resource metadata."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError, TokenRejected, Unavailable
from cognito_guard.front import Decision, Front, Request
from cognito_guard.policy import HasScope, InGroup
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import (
    FromCookie,
    FromQuery,
    FromSubprotocol,
    Identify,
    Preflights,
    Protect,
    ProtectedResource,
    Public,
    ReportOnly,
)
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.decide import Forward

POOL = LocalUserPool()
GUARD = POOL.guard()
PLAIN, STAFF = POOL.access(), POOL.access(groups=["staff"])
EXPIRED = POOL.bad("expired")


def asking(
    token: str | None = None, path: str = "/x", method: str = "GET", *headers: tuple[bytes, bytes], **more: Any
) -> Request:
    pairs = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    return Request(method, path, [*pairs, *headers], path.encode(), **more)


def status(outcome: Forward | Challenge) -> int:
    return 200 if isinstance(outcome, Forward) else outcome.status


# --- the caller names the demand


@pytest.mark.parametrize("path", ["/x", "/open", "/open/../x", "//", "", "*"])
async def test_the_callers_demand_is_all_that_counts(path: str) -> None:
    """Decorators: the framework has routed already, so neither the path nor the routes nor the method are asked."""
    front = Front(GUARD, [Public("/open"), Protect("/x", InGroup("nobody"))])
    demands: list[tuple[Any, str | None, int]] = [
        (Protect("/*"), None, 401),
        (Protect("/*"), PLAIN, 200),
        (Protect("/*"), EXPIRED, 401),
        (Protect("/*", InGroup("staff")), PLAIN, 403),
        (Protect("/*", InGroup("staff"), methods="POST"), PLAIN, 403),
        (Protect("/elsewhere", InGroup("staff")), STAFF, 200),
        (Identify("/*"), None, 200),
        (Identify("/*"), EXPIRED, 401),
        (Public("/*"), EXPIRED, 200),
    ]
    for route, token, expected in demands:
        request = asking(token, path, "OPTIONS")
        assert status(front.judge_as(route, request)) == status(await front.judge_as_async(route, request)) == expected


async def test_what_is_no_route_is_no_demand() -> None:
    """A rule in its place, above all, must not pass for "any valid token"."""
    front = Front(GUARD)
    for wrong in (InGroup("staff"), None, "/*"):
        with pytest.raises(TypeError):
            front.judge_as(wrong, asking(PLAIN))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await front.judge_as_async(wrong, asking(PLAIN))  # type: ignore[arg-type]


# --- report-only


def reporting(*routes: Any, **settings: Any) -> Front:
    return Front(GUARD, routes, mode=ReportOnly, **settings)


@pytest.mark.parametrize(
    ("request_", "principal", "line"),
    [
        (asking(), None, "not enforced: refused credentials_missing status=401 route='/*'"),
        (asking(EXPIRED), None, "not enforced: rejected expired status=401 route='/*'"),
        (asking(path="//x"), None, "not enforced: refused target_ambiguous status=400"),
        (asking(PLAIN, "/staff"), None, "not enforced: denied insufficient_scope status=403 route='/staff' rule='group:staff'"),
        (asking("a b"), None, "not enforced: refused credentials_malformed status=400 route='/*'"),
    ],
)
async def test_report_only_lets_pass_and_warns(
    request_: Request, principal: None, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What would have been refused reaches the application without a Principal, and stands in the log as a warning."""
    front = reporting(Public("/open"), Protect("/staff", InGroup("staff")), Protect("/*"))
    caplog.clear()
    assert front.judge(request_) == await front.judge_async(request_) == Forward(principal)
    assert [(record.levelno, record.getMessage().startswith(line)) for record in caplog.records] == [(logging.WARNING, True)] * 2


def test_report_only_in_an_outage() -> None:
    """Not even missing keys keep anybody out."""
    with POOL.outage():
        assert Front(POOL.guard(), mode=ReportOnly).judge(asking(PLAIN)) == Forward(None)


def test_report_only_changes_nothing_for_what_passes(caplog: pytest.LogCaptureFixture) -> None:
    """A good token's Principal is there, and nobody is warned."""
    caplog.set_level(logging.INFO)
    front = reporting(Identify("/maybe"))
    caplog.clear()
    outcome = front.judge(asking(PLAIN))
    assert isinstance(outcome, Forward)
    assert outcome.principal is not None
    assert front.judge(asking(path="/maybe")) == Forward(None)
    assert caplog.messages == []


def test_report_only_is_loud_when_built(caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is said, nor let through, where it was not asked for."""
    reporting()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "report-only: every request is let through, whatever is decided about it")
    ]
    caplog.clear()
    assert status(Front(GUARD).judge(asking())) == 401
    assert caplog.messages == []


async def test_report_only_for_one_route(caplog: pytest.LogCaptureFixture) -> None:
    """That route alone lets pass, and says so; every other refuses, and so does a target with two readings."""
    told: list[Decision] = []
    trial = Protect("/new/*", InGroup("staff"), mode=ReportOnly)
    front = Front(GUARD, [trial, Protect("/staff", InGroup("staff"))], on_decision=told.append)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert repr(trial) in caplog.messages[0]
    for request in (asking(None, "/new/x"), asking(PLAIN, "/new/x"), asking(EXPIRED, "/new")):
        assert front.judge(request) == await front.judge_async(request) == Forward(None)
    assert isinstance(front.judge(asking(STAFF, "/new/x")), Forward)
    assert {decision.enforced for decision in told} == {False}
    told.clear()
    assert status(front.judge(asking(PLAIN, "/staff"))) == 403
    assert status(front.judge(asking(None, "/new/../x"))) == 400
    assert status(front.judge(asking(path="/x"))) == 401
    assert {decision.enforced for decision in told} == {True}


def test_a_route_has_no_other_mode() -> None:
    """No truth value loosens anything."""
    for mode in (True, False, "report-only"):
        with pytest.raises(ConfigurationError, match="mode: "):
            Protect("/x", mode=mode)  # type: ignore[arg-type]


async def test_a_bug_stays_a_bug_in_report_only_mode() -> None:
    """An exception out of the Guard is no decision."""

    class Broken:
        clock = staticmethod(POOL.clock)

        def authenticate(self, _token: str) -> None:
            raise LookupError("a bug")

        async def authenticate_async(self, _token: str) -> None:
            raise LookupError("a bug")

    front = Front(Broken(), mode=ReportOnly)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        front.judge(asking(PLAIN))
    with pytest.raises(LookupError):
        await front.judge_async(asking(PLAIN))


# --- on_decision


async def test_every_decision_is_told_once() -> None:
    """Whatever the log's level: granted, open, denied, rejected, refused, unavailable."""
    told: list[Decision] = []
    routes = [Public("/open"), Preflights("/cors"), Protect("/staff", InGroup("staff"))]
    front = Front(GUARD, routes, on_decision=told.append)
    preflight = [(b"origin", b"https://h"), (b"access-control-request-method", b"GET")]
    requests = [
        asking(PLAIN),
        asking(path="/open"),
        asking(None, "/cors", "OPTIONS", *preflight),
        asking(PLAIN, "/staff"),
        asking(EXPIRED),
        asking(),
        asking(path="//"),
    ]
    for request in requests:
        front.judge(request)
        await front.judge_async(request)
    with POOL.outage():
        Front(POOL.guard(), on_decision=told.append).judge(asking(PLAIN))
    facts = [(decision.verdict, decision.code, decision.status, decision.route) for decision in told]
    assert facts[:-1:2] == facts[1:-1:2]
    assert facts[::2] == [
        ("granted", "granted", None, "/*"),
        ("open", "public", None, "/open"),
        ("open", "preflight", None, "/cors"),
        ("denied", "insufficient_scope", 403, "/staff"),
        ("rejected", "expired", 401, "/*"),
        ("refused", "credentials_missing", 401, "/*"),
        ("refused", "target_ambiguous", 400, None),
        ("unavailable", "keys_unavailable", 503, "/*"),
    ]
    assert all(decision.enforced for decision in told)
    reporting(on_decision=told.append).judge(asking())
    assert (told[-1].enforced, told[-1].status) == (False, 401)


def test_a_failing_hook_changes_nothing_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a refusal nor a grant."""

    def broken(_decision: Decision) -> None:
        raise RuntimeError("metrics are down")

    front = Front(GUARD, on_decision=broken)
    assert [status(front.judge(asking(token))) for token in (PLAIN, None, EXPIRED)] == [200, 401, 401]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "on_decision raised; what was decided stands, and further failures are not logged"
    ]
    assert PLAIN not in caplog.text


# --- OpenTelemetry


class Span:
    def __init__(self, *, recording: bool = True) -> None:
        self.recording = recording
        self.attributes: dict[str, Any] = {}

    def is_recording(self) -> bool:
        return self.recording

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        self.attributes |= attributes


def test_a_span_that_is_recorded_gets_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes under our own name; of verified tokens only, as in the log."""
    span = Span()
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace(get_current_span=lambda: span))  # type: ignore[arg-type]
    Front(GUARD, [Protect("/*", HasScope("a/b") | InGroup("staff"))]).judge(asking(STAFF))
    assert span.attributes.pop("cognito_guard.jti")
    assert span.attributes == {
        "cognito_guard.verdict": "granted",
        "cognito_guard.code": "granted",
        "cognito_guard.enforced": True,
        "cognito_guard.route": "/*",
        "cognito_guard.rule": "scope:a/b or group:staff",
        "cognito_guard.subject": GUARD.authenticate(STAFF).subject,
        "cognito_guard.client_id": POOL.client,
    }


@pytest.mark.parametrize(
    "module",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(get_current_span=lambda: None),
        SimpleNamespace(get_current_span=lambda: Span(recording=False)),
        SimpleNamespace(get_current_span=lambda: SimpleNamespace(is_recording=lambda: True, set_attributes=None)),
    ],
)
def test_without_a_recorded_span_nothing_happens(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not imported, half imported, no span, one that is not recorded, one that fails: what was decided stands."""
    if module is None:
        monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    assert [status(Front(GUARD).judge(asking(token))) for token in (PLAIN, None)] == [200, 401]


def test_it_fits_the_real_opentelemetry() -> None:
    """The API without an SDK: its current span is not recorded."""
    pytest.importorskip("opentelemetry.trace")
    assert status(Front(GUARD).judge(asking(PLAIN))) == 200


# --- error pages


def page(answer: Challenge, request: Request) -> Any:
    if request.path == "/api":
        return None
    return [(b"content-type", b"text/html"), (b"x-more", b"1")], b"<h1>%d %s</h1>" % (answer.status, answer.code.encode())


async def test_an_error_page_takes_the_place_of_the_body() -> None:
    """And of nothing else; where it declines, the problem document stays."""
    front, usual = Front(GUARD, error_page=page), Front(GUARD)
    for request in (asking(), asking(EXPIRED), asking("a b"), asking(path="//")):
        answer, same, before = front.judge(request), await front.judge_async(request), usual.judge(request)
        assert isinstance(answer, Challenge)
        assert isinstance(before, Challenge)
        assert answer == same
        assert answer.body == b"<h1>%d %s</h1>" % (before.status, before.code.encode())
        expected = {**dict(before.headers), b"content-type": b"text/html", b"content-length": b"%d" % len(answer.body)}
        assert dict(answer.headers) == expected
    assert front.judge(asking(path="/api")) == usual.judge(asking(path="/api"))


def test_an_error_page_is_not_asked_about_what_passes() -> None:
    """Nor about a resource's metadata."""

    def never(_answer: Challenge, _request: Request) -> None:
        raise AssertionError("asked")

    resource = ProtectedResource("https://h", authorization_servers=["https://i"])
    front = Front(GUARD, error_page=never, resource=resource)
    assert status(front.judge(asking(PLAIN))) == 200
    assert status(front.judge(asking(path="/.well-known/oauth-protected-resource"))) == 200


@pytest.mark.parametrize("made", [RuntimeError("template"), 7, ([], "text"), ([(b"content-type", b"a\r\nb")], b"")])
def test_a_failing_error_page_leaves_the_problem_document(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A page that cannot be made must not turn a 401 into a 500, nor into an open door; it is logged once."""

    def broken(_answer: Challenge, _request: Request) -> Any:
        if isinstance(made, Exception):
            raise made
        return made

    front = Front(GUARD, error_page=broken)
    assert front.judge(asking()) == front.judge(asking()) == Front(GUARD).judge(asking())
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert "error_page raised" in caplog.text


# --- resource metadata


async def test_metadata_is_open_whatever_the_routes_say(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9728: who has no token yet must find out where to get one; the Guard is not asked, and the decision is told."""
    caplog.set_level(logging.DEBUG)
    front = Front(GUARD, [Protect("/*")], resource=ProtectedResource("https://h", authorization_servers=["https://i"]))
    for request in (
        asking(path="/.well-known/oauth-protected-resource"),
        asking(EXPIRED, "/.well-known/oauth-protected-resource"),
    ):
        for outcome in (front.judge(request), await front.judge_async(request)):
            assert isinstance(outcome, Challenge)
            assert (outcome.status, outcome.code) == (200, "resource_metadata")
    assert caplog.messages == ["open resource_metadata status=200"] * 4


def test_every_challenge_leads_to_the_metadata() -> None:
    """Also where the caller names the demand; not where nothing is asked for."""
    front = Front(GUARD, [Public("/open")], resource=ProtectedResource("https://h/mcp", authorization_servers=["https://i"]))
    link = b'resource_metadata="https://h/.well-known/oauth-protected-resource/mcp"'
    for outcome in (
        front.judge(asking()),
        front.judge(asking(EXPIRED)),
        front.judge_as(Protect("/*", InGroup("staff")), asking(PLAIN)),
    ):
        assert isinstance(outcome, Challenge)
        assert link in dict(outcome.headers)[b"www-authenticate"]
    ambiguous = front.judge(asking(path="//"))
    assert isinstance(ambiguous, Challenge)
    assert link not in repr(ambiguous).encode()


# --- what the application may see


def test_without_credentials() -> None:
    """Tokens in the query and among the subprotocols of a websocket are taken out where they are named, and nothing else is."""
    front = Front(GUARD, credentials=[FromCookie("session"), FromQuery("ticket"), FromSubprotocol])
    headers = [
        (b"cookie", b"session=a"),
        (b"sec-websocket-protocol", b"cognito-guard.bearer, tok.e.n, chat"),
        (b"authorization", b"Bearer a"),
    ]
    request = Request("GET", "/x", headers, b"/x", "", "websocket", b"ticket=tok.e.n&a=b")
    shown = front.without_credentials(request)
    assert (shown.query, shown.headers) == (b"a=b", [headers[0], headers[2], (b"sec-websocket-protocol", b"chat")])
    assert (shown.method, shown.path, shown.raw_path, shown.kind) == ("GET", "/x", b"/x", "websocket")
    assert Front(GUARD).without_credentials(request) is request
    http = Request("GET", "/x", headers, b"/x", query=b"ticket=a")
    assert front.without_credentials(http) is http


def test_a_request_shows_no_token() -> None:
    """Its repr, for whoever prints or logs it."""
    assert PLAIN not in repr(asking(PLAIN, query=PLAIN.encode()))


@pytest.mark.parametrize("refusal", [TokenRejected("not_a_jwt"), Unavailable("keys_unavailable", "m", retry_after=1)])
@pytest.mark.parametrize("octet", [b"\x00", b",", b"\xff", b"\x85", b"\xa0", b'"', b"\t"])
def test_an_octet_outside_the_alphabet_is_the_callers_mistake(octet: bytes, refusal: Exception) -> None:
    """400, although the Guard was asked first: whatever it answers, short of a Principal."""

    class Refusing:
        clock = staticmethod(POOL.clock)

        def authenticate(self, _token: str) -> None:
            raise refusal

        authenticate_async = authenticate

    outcome = Front(Refusing()).judge(Request("GET", "/", [(b"authorization", b"Bearer a" + octet + b"b")]))  # type: ignore[arg-type]
    assert isinstance(outcome, Challenge)
    assert (outcome.status, outcome.code) == (400, "credentials_malformed")


def test_a_websocket_is_never_a_preflight() -> None:
    """Whatever method an adapter tells of its handshake."""
    front = Front(GUARD, [Preflights("/*")])
    headers = [(b"origin", b"https://h"), (b"access-control-request-method", b"GET")]
    assert status(front.judge(asking(None, "/x", "OPTIONS", *headers))) == 200
    assert status(front.judge(asking(None, "/x", "OPTIONS", *headers, kind="websocket"))) == 401
