"""CognitoASGI: translation between ASGI and the front (THREATS A26, T6, T12, T40), in process."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import httpx2
import pytest

from cognito_guard.adapters.asgi import CognitoASGI
from cognito_guard.errors import ConfigurationError
from cognito_guard.testing import Case, LocalUserPool, behaviour, sample_settings, settings_behaviour, settings_routes
from cognito_guard.web import Identify, Public

KEY = "cognito_guard.principal"
POOL = LocalUserPool()
GOOD = POOL.access()
CASES = behaviour(POOL)


class Recorder:
    """An application that notes its scopes and answers with the principal's subject, without reading the body."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.lifespans: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.lifespans.append(scope)
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.scopes.append(scope)
        principal = scope[KEY]
        body = b"" if principal is None else principal.subject.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def call(app: Any, scope: dict[str, Any], *incoming: dict[str, Any]) -> list[dict[str, Any]]:
    """One call with these messages to receive; one more `receive` than that fails the test."""
    sent: list[dict[str, Any]] = []
    messages = iter(incoming)

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def http(path: str = "/x", *headers: tuple[bytes, bytes], method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": list(headers), **more}


def guarded(*routes: Any) -> tuple[CognitoASGI, Recorder]:
    app = Recorder()
    return CognitoASGI(app, POOL.guard(), routes=routes), app


BEARER = (b"authorization", b"Bearer " + GOOD.encode())


async def test_the_principal_goes_into_a_scope_of_its_own() -> None:
    """A good token reaches the application with its Principal, Starlette's keys included; the server's scope is not touched."""
    app, inner = guarded()
    scope = http("/x", BEARER, state={"a": 1}, extensions={})
    before = dict(scope)
    sent = await call(app, scope)
    assert sent[0]["status"] == 200
    assert inner.scopes[0][KEY].username == "jane"
    assert scope == before
    seen = dict(inner.scopes[0])
    assert seen.pop("user") is seen.pop("auth")
    assert {**scope, KEY: seen[KEY]} == seen


async def test_what_stood_in_the_scope_is_overwritten() -> None:
    """Also with None: nobody's earlier word counts as ours."""
    app, inner = guarded(Public("/open"), Identify("/maybe"))
    for path in ("/open", "/maybe"):
        await call(app, http(path, **{KEY: "forged", "user": "forged", "auth": "forged"}))
    assert [(scope[KEY], scope["user"].is_authenticated, scope["auth"].scopes) for scope in inner.scopes] == [
        (None, False, [])
    ] * 2


async def test_a_refusal_reads_nothing_and_calls_nobody() -> None:
    """T40: the answer goes out before any of the body is asked for, as one start and one body."""
    app, inner = guarded()
    sent = await call(app, http("/x", method="POST"))
    start, body = sent
    assert start["type"] == "http.response.start"
    assert start["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="api"') in start["headers"]
    assert (body["type"], body.get("more_body", False)) == ("http.response.body", False)
    assert json.loads(body["body"])["code"] == "credentials_missing"
    assert inner.scopes == []


async def test_head_gets_the_headers_of_get_and_no_body() -> None:
    """RFC 9110 §9.3.2."""
    app, _ = guarded()
    get, head = await call(app, http()), await call(app, http(method="HEAD"))
    assert head[0] == get[0]
    assert head[1]["body"] == b"" != get[1]["body"]


async def test_headers_are_any_iterable_in_any_case() -> None:
    """ASGI: names "should be lower-cased, but it is not required"; what can be iterated once still reaches the application."""
    app, inner = guarded()
    pairs = [(b"Host", b"h"), (b"AUTHORIZATION", BEARER[1]), (b"cookie", b"a"), (b"cookie", b"b")]
    for headers in (iter(pairs), (pair for pair in pairs), tuple(pairs), [list(pair) for pair in pairs]):
        scope = http() | {"headers": headers}
        assert (await call(app, scope))[0]["status"] == 200
    assert [[tuple(pair) for pair in scope["headers"]] for scope in inner.scopes] == [pairs] * 4


async def test_raw_path_and_root_path_are_optional() -> None:
    """As the specification says; None is how some servers leave raw_path out."""
    app, inner = guarded(Public("/open"))
    assert (await call(app, {"type": "http", "method": "GET", "path": "/open", "headers": []}))[0]["status"] == 200
    assert (await call(app, http("/open") | {"raw_path": None}))[0]["status"] == 200
    assert (await call(app, http("/api/open", root_path="/api")))[0]["status"] == 200
    assert (await call(app, http("/apiopen", root_path="/api")))[0]["status"] == 400
    assert len(inner.scopes) == 3


async def test_client_headers_never_choose_the_path_or_the_method() -> None:
    """T6, T12: Host, forwarded and override headers and the User-Agent change nothing (Starlette's "BadHost" included)."""
    app, inner = guarded(Public("/open"))
    tricks = [
        (b"host", b"h/open?"),
        (b"x-original-url", b"/open"),
        (b"x-rewrite-url", b"/open"),
        (b"x-forwarded-uri", b"/open"),
        (b"x-forwarded-prefix", b"/open"),
        (b"x-http-method-override", b"OPTIONS"),
        (b"user-agent", b"kube-probe/1.29"),
        (KEY.encode(), b"forged"),
    ]
    for method in ("GET", "OPTIONS", "HEAD", "POST"):
        assert (await call(app, http("/x", *tricks, method=method, query_string=b"/open")))[0]["status"] == 401
    assert inner.scopes == []


async def test_lifespan_passes_through() -> None:
    """The same scope object, both ways, with nothing judged."""
    app, inner = guarded()
    scope = {"type": "lifespan", "state": {}}
    sent = await call(app, scope, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert inner.lifespans[0] is scope


@pytest.mark.parametrize("kind", ["http2", "HTTP", "", "webtransport", "http.request", None])
async def test_an_unknown_scope_type_never_reaches_the_application(kind: Any) -> None:
    """THREATS section 4; the specification asks for an exception."""
    app, inner = guarded(Public("/*"))
    with pytest.raises(NotImplementedError):
        await call(app, http() | {"type": kind})
    assert inner.scopes == []


async def test_a_bug_in_the_guard_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 500; nothing was sent and the application was not called."""
    guard, inner = POOL.guard(), Recorder()

    async def broken(token: str) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(guard, "authenticate_async", broken)
    with pytest.raises(LookupError, match="a bug"):
        await call(CognitoASGI(inner, guard), http("/x", BEARER))
    assert inner.scopes == []


def test_mistakes_are_told_when_built() -> None:
    """Swapped arguments included."""
    with pytest.raises(ConfigurationError, match="app: "):
        CognitoASGI(POOL.guard(), Recorder())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoASGI(Recorder(), Recorder())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="realm: "):
        CognitoASGI(Recorder(), POOL.guard(), realm='"')


async def test_it_fits_starlettes_add_middleware_and_mount() -> None:
    """Routes see the path below the mount; the handler finds the Principal in its scope."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    def hello(request: Request) -> PlainTextResponse:
        principal = request.scope[KEY]
        return PlainTextResponse(principal.username if principal else "nobody")

    inner = Starlette(routes=[Route("/open", hello), Route("/x", hello)])
    inner.add_middleware(CognitoASGI, guard=POOL.guard(), routes=[Public("/open")])
    outer = Starlette(routes=[Mount("/sub", inner)])
    for app, prefix in ((inner, ""), (outer, "/sub")):
        async with client(app) as web:
            assert (await web.get(f"{prefix}/open")).text == "nobody"
            assert (await web.get(f"{prefix}/x")).status_code == 401
            assert (await web.get(f"{prefix}/x", headers={"Authorization": f"Bearer {GOOD}"})).text == "jane"


async def test_starlettes_own_user_and_auth_work() -> None:
    """`request.user`, `request.auth` and `@requires`, as under its AuthenticationMiddleware."""
    from starlette.applications import Starlette
    from starlette.authentication import requires
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def me(request: Request) -> JSONResponse:
        return JSONResponse(
            [request.user.is_authenticated, request.user.display_name, request.user.identity, request.auth.scopes]
        )

    inner = Starlette(
        routes=[
            Route("/maybe", me),
            Route("/anyone", requires("authenticated")(me)),
            Route("/readers", requires("orders/read")(me)),
        ]
    )
    tokens = [POOL.access(username="jane", scopes=["orders/read", "b"]), GOOD, POOL.machine(scopes=["orders/read"]), None]
    found = []
    async with client(CognitoASGI(inner, POOL.guard(), routes=[Identify("/*")])) as web:
        for token in tokens:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            found += [await web.get(path, headers=headers) for path in ("/maybe", "/anyone", "/readers")]
    assert [answer.status_code for answer in found] == [200, 200, 200, 200, 200, 403, 200, 200, 200, 200, 403, 403]
    subject = POOL.guard().authenticate(tokens[0] or "").subject
    assert found[0].json() == [True, "jane", subject, ["authenticated", "b", "orders/read"]]
    assert found[6].json() == [True, POOL.client, POOL.client, ["authenticated", "orders/read"]]
    assert found[9].json() == [False, "", "", []]


def client(app: Any, root_path: str = "") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, root_path=root_path), base_url="http://test")


# the client resolves dot segments before it sends; uvicorn gets them in test_asgi_served
SENDABLE = [case for case in CASES if "/../" not in case.target]


@pytest.mark.parametrize("case", [*SENDABLE, *settings_behaviour(POOL)], ids=lambda case: case.name)
async def test_the_behaviour_table_in_process(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Every row through httpx2's ASGI transport, under asyncio and trio; no part of a token is logged."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    inner = Recorder()
    guard = POOL.guard()
    disturbance = POOL.outage() if case.keys_unavailable else None
    try:
        async with client(CognitoASGI(inner, guard, routes=settings_routes(), **sample_settings())) as web:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
            answer = await web.request(case.method, case.target, headers=headers)
    finally:
        if disturbance is not None:
            POOL.recover()
    assert case.check(answer.status_code, answer.headers.raw, answer.content, reached=bool(inner.scopes)) == []
    parts = [part for _, value in case.headers for part in re.split(r"[ .,]", value) if len(part) >= 20]
    assert [part for part in parts if part in caplog.text] == []
