"""Django: decorators and the middleware, sync and async, under WSGI and ASGI (THREATS A19, A26, A27, T9)."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import httpx
import pytest

pytest.importorskip("django")

import django
from django.conf import settings

if not settings.configured:  # test_drf says the same, and either may come first
    contrib = ("admin", "auth", "contenttypes", "sessions", "messages")
    processors = (
        "template.context_processors.request",
        "contrib.auth.context_processors.auth",
        "contrib.messages.context_processors.messages",
    )
    settings.configure(
        SECRET_KEY="k" * 50,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[f"django.contrib.{name}" for name in contrib],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": [f"django.{name}" for name in processors]},
            }
        ],
        STATIC_URL="static/",
    )
    django.setup()

import uvicorn
import waitress
from django.contrib import admin
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path, re_path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from cognito_guard.adapters.django import optional, requires
from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front
from cognito_guard.policy import HasScope, InGroup, parse_rule
from cognito_guard.testing import SAMPLE_ROUTES, LocalUserPool, behaviour, sample_settings, settings_behaviour, settings_routes
from cognito_guard.web import EncodedSlash, FromCookie, Protect, Public

POOL = LocalUserPool()
JANE = ("Authorization", f"Bearer {POOL.access()}")
STAFF = ("Authorization", f"Bearer {POOL.access(groups=['staff'])}")
EXPIRED = ("Authorization", f"Bearer {POOL.bad('expired')}")
FOUR: tuple[tuple[tuple[str, str], ...], ...] = ((), (EXPIRED,), (JANE,), (STAFF,))
GUARDED = ["cognito_guard.adapters.django.CognitoMiddleware"]
Answer = tuple[int, list[tuple[str, str]], bytes]
Ask = Callable[..., Answer]


class Urls:
    """An URLconf, as an object of its own for each test."""

    def __init__(self, *urlpatterns: Any) -> None:
        self.urlpatterns = urlpatterns


@contextmanager
def site(*urlpatterns: Any, middleware: Any = (), front: Any = None, **more: Any) -> Iterator[None]:
    """Django with these views; without `front`, one without routes."""
    guarding = front if front is not None else Front(POOL.guard())
    with override_settings(ROOT_URLCONF=Urls(*urlpatterns), MIDDLEWARE=list(middleware), COGNITO_GUARD=guarding, **more):
        yield


def with_host(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """A client sends one in any case."""
    return [*headers, *([] if any(name == "Host" for name, _ in headers) else [("Host", "test")])]


def wsgi(target: str, *headers: tuple[str, str], method: str = "GET", **more: Any) -> Answer:
    """One request as gunicorn hands it over: fields of one name joined by a comma."""
    raw, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **more,
    }
    for name, value in with_host(headers):
        key = f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    started: list[Any] = []
    response = WSGIHandler()(environ, lambda *given: started.extend(given))
    try:
        return int(started[0][:3]), started[1], b"".join(response)
    finally:
        response.close()


def asgi(target: str, *headers: tuple[str, str], method: str = "GET", **more: Any) -> Answer:
    """One request as uvicorn hands it over."""
    raw, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in with_host(headers)],
        **more,
    }
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return incoming.pop() if incoming else await asyncio.Event().wait()  # the connection stays open

        async def send(message: Any) -> None:
            sent.append(message)

        await ASGIHandler()(scope, receive, send)

    asyncio.run(run())
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture(params=[wsgi, asgi])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Django by either of its handlers."""
    asked: Ask = request.param
    return asked


def statuses(ask: Ask, target: str, method: str = "GET") -> list[int]:
    """For nobody, an expired token, jane, and jane of the staff."""
    return [ask(target, *headers, method=method)[0] for headers in FOUR]


def whoami(request: HttpRequest, **_: str) -> HttpResponse:
    principal = request.cognito_principal
    return HttpResponse(principal.username if principal else "nobody")


async def whoami_async(request: HttpRequest, **_: str) -> HttpResponse:
    return whoami(request)


@pytest.mark.parametrize("view", [whoami, whoami_async])
def test_function_views(view: Any, ask: Ask) -> None:
    """Sync and async, called by Django's sync and async handlers alike; the view keeps its name and its arguments."""
    decorated = requires(InGroup("staff"))(view)
    assert decorated.__name__ == view.__name__
    with site(path("staff/<int:number>", decorated), path("any", requires()(view)), path("maybe", optional()(view))):
        assert statuses(ask, "/staff/7") == [401, 401, 403, 200]
        assert statuses(ask, "/any") == [401, 401, 200, 200]
        assert statuses(ask, "/maybe") == [200, 401, 200, 200]
        assert [ask("/maybe", *headers)[2] for headers in ((), (JANE,))] == [b"nobody", b"jane"]
        _, pairs, body = ask("/staff/7", JANE)
        headers = {name.lower(): value for name, value in pairs}
        assert headers["www-authenticate"].startswith('Bearer realm="api", error="insufficient_scope"')
        assert headers["cache-control"] == "no-store"
        assert json.loads(body)["code"] == "insufficient_scope"


class Orders(View):
    def get(self, request: HttpRequest, **_: str) -> HttpResponse:
        return whoami(request)

    @method_decorator(requires(InGroup("staff")))
    def delete(self, request: HttpRequest) -> HttpResponse:
        return whoami(request)


class AsyncOrders(View):
    async def get(self, request: HttpRequest, **_: str) -> HttpResponse:
        return whoami(request)

    @method_decorator(requires(InGroup("staff")))
    async def delete(self, request: HttpRequest) -> HttpResponse:
        return whoami(request)


@method_decorator(requires(HasScope("orders/read") | InGroup("staff")), name="dispatch")
class WholeOrders(Orders):
    pass


@method_decorator(requires(HasScope("orders/read") | InGroup("staff")), name="dispatch")
class WholeAsyncOrders(AsyncOrders):
    pass


@pytest.mark.parametrize(("part", "whole"), [(Orders, WholeOrders), (AsyncOrders, WholeAsyncOrders)])
def test_class_based_views(part: Any, whole: Any, ask: Ask) -> None:
    """The whole class by its `dispatch`, one method, and what `as_view()` returns; sync and async, by both handlers."""
    with site(path("part", part.as_view()), path("outer", requires()(part.as_view())), path("whole", whole.as_view())):
        assert statuses(ask, "/part", "DELETE") == [401, 401, 403, 200]
        assert statuses(ask, "/outer") == [401, 401, 200, 200]
        assert statuses(ask, "/whole") == statuses(ask, "/whole", "DELETE") == [401, 401, 403, 200]
        assert ask("/whole", STAFF)[2] == b"jane"


def test_csrf_comes_before_any_decorator() -> None:
    """Django answers unsafe methods first; `csrf_exempt` on top lets the token decide, and a cookie counts only for the same origin."""
    front = Front(POOL.guard(), credentials=[FromCookie("session")])
    views = path("plain", requires()(whoami)), path("exempt", csrf_exempt(requires()(whoami)))
    cookie = ("Cookie", f"session={POOL.access()}")
    with site(*views, middleware=["django.middleware.csrf.CsrfViewMiddleware"], front=front):
        for ask in (wsgi, asgi):
            assert ask("/plain", JANE, method="POST")[0] == 403
            assert ask("/exempt", JANE, method="POST")[0] == 200
            assert ask("/exempt", cookie, method="POST")[0] == 401
            assert ask("/exempt", cookie, ("Origin", "http://test"), method="POST")[0] == 200
            # the underscored name, as a server that folds the two hands it over
        assert wsgi("/exempt", cookie, ("Origin", "http://evil"), method="POST", HTTP_SEC_FETCH_SITE="same-origin")[0] == 401
        assert asgi("/exempt", cookie, ("Origin", "http://evil"), ("Sec_Fetch_Site", "same-origin"), method="POST")[0] == 401


@pytest.mark.parametrize("rule", ["group:staff", True, InGroup, whoami, [InGroup("staff")]])
def test_what_is_no_rule_is_refused_at_once(rule: Any) -> None:
    """`@requires` without parentheses included."""
    with pytest.raises(ConfigurationError, match="rule: "):
        requires(rule)


def test_a_decorated_class_is_refused_at_once() -> None:
    """It would be called with a request, and answer with an object."""
    with pytest.raises(ConfigurationError, match="method_decorator"):
        requires()(Orders)


@pytest.mark.parametrize("wrong", [{}, "front", POOL, {"guard": POOL.guard()}])
def test_the_setting_must_be_a_front(wrong: Any) -> None:
    """The middleware says so when Django loads it, a decorator at its first request; never an open view."""
    with site(front=wrong, middleware=GUARDED), pytest.raises(ConfigurationError, match="COGNITO_GUARD: give Front"):
        WSGIHandler()
    called: list[str] = []
    with site(path("x", requires()(lambda _: called.append("x"))), front=wrong):
        assert wsgi("/x", JANE)[0] == 500
    assert called == []


def inner(get_response: Any) -> Any:
    """A middleware below ours, in the tests' `MIDDLEWARE`: it rewrites the path and knows nothing of the rest."""

    def middleware(request: HttpRequest) -> Any:
        request.path_info = re.sub("^/de/", "/", request.path_info)
        return get_response(request)

    return middleware


REWRITING = f"{__name__}.inner"


def test_the_middleware_judges_by_routes(ask: Ask) -> None:
    """What no route names is protected, also where no view answers; sync and async views and middlewares in any mixture."""
    front = Front(POOL.guard(), [Public("/open/*"), Protect("/staff", InGroup("staff"))])
    views = [path("open/x", whoami), path("staff", whoami_async), path("x", whoami)]
    for middleware in (
        GUARDED,
        ["django.middleware.common.CommonMiddleware", *GUARDED],
        [REWRITING, *GUARDED],
        [*GUARDED, REWRITING],
    ):
        with site(*views, front=front, middleware=middleware):
            assert statuses(ask, "/open/x") == [200] * 4
            assert ask("/open/x", JANE)[2] == b"nobody"
            assert statuses(ask, "/staff") == [401, 401, 403, 200]
            assert statuses(ask, "/x") == [401, 401, 200, 200]
            assert statuses(ask, "/nowhere") == [401, 401, 404, 404]
            assert ask("/x", method="HEAD")[2] == b""


def test_the_path_is_the_one_that_django_resolves(ask: Ask) -> None:
    """A middleware above that rewrites `path_info` is followed; the target as it was sent counts only where it agrees."""
    front = Front(POOL.guard(), [Public("/open/*"), Public("/de/*"), Protect("/repos/*", accepts=EncodedSlash)])
    with site(re_path("^(open|repos)/", lambda _, __: HttpResponse("x")), front=front, middleware=[REWRITING, *GUARDED]):
        assert ask("/de/open/x")[0] == 200
        assert ask("/de/x")[0] == 401
        assert ask("/de/open/a%25b")[0] == 400
        assert ask("/open/a%25b")[0] == 200
        assert ask("/open/a%2fb")[0] == 400
        assert ask("/repos/a%2fb")[0] == 401


def test_the_prefix_of_the_server() -> None:
    """Routes see what lies below SCRIPT_NAME and `root_path`, with and without it in the target as sent."""
    front = Front(POOL.guard(), [Public("/open"), Public("/api/secret")])
    with site(path("open", whoami), path("secret", whoami), front=front, middleware=GUARDED):
        assert wsgi("/open", SCRIPT_NAME="/api")[0] == 200
        assert wsgi("/open", SCRIPT_NAME="/api", RAW_URI="/api/open?x")[0] == 200
        assert wsgi("/secret", SCRIPT_NAME="/api", RAW_URI="/api/secret")[0] == 401
        assert asgi("/api/open", root_path="/api")[0] == 200
        assert asgi("/api/open", root_path="/api", raw_path=None)[0] == 200
        assert asgi("/api/secret", root_path="/api")[0] == 401
        assert asgi("/apiopen", root_path="/api")[0] in (400, 401)  # before 6.1 Django cuts within a segment: two readings
    front = Front(POOL.guard(), [Public("/files/*")])
    with site(path("files/<path:rest>", whoami), front=front, middleware=GUARDED):
        assert (
            asgi("/api/files/a%25b", root_path="/api")[0]
            == wsgi("/files/a%25b", SCRIPT_NAME="/api", RAW_URI="/api/files/a%25b")[0]
            == 200
        )
        assert (
            asgi("/api/files/a%2fb", root_path="/api")[0]
            == wsgi("/files/a%2fb", SCRIPT_NAME="/api", RAW_URI="/api/files/a%2fb")[0]
            == 400
        )


def test_force_script_name() -> None:
    """Under ASGI Django takes it off the path: `/api/secret` is the view `secret`, whatever a route says of `/api/secret`."""
    front = Front(POOL.guard(), [Public("/open"), Public("/api/secret"), Public("/files/*")])
    views = path("open", whoami), path("secret", whoami), path("files/<path:rest>", whoami)
    with site(*views, front=front, middleware=GUARDED, FORCE_SCRIPT_NAME="/api"):
        assert asgi("/api/open")[0] == wsgi("/open")[0] == 200
        assert asgi("/api/files/a%25b")[0] == 200
        assert asgi("/api/files/a%2fb")[0] == 400
        assert asgi("/api/secret")[0] == wsgi("/secret")[0] == 401
        assert asgi("/api/secret", JANE)[0] == wsgi("/secret", JANE)[0] == 200
        assert asgi("/apiopen")[0] in (400, 401)  # as above


CASES = (*behaviour(POOL), *settings_behaviour(POOL))
LEFT_OUT = {
    ("middleware", wsgi): "cookie_fetch_same_origin",  # it proves nothing there
    ("middleware", asgi): "",
    # Django, not a table of routes, picks the view, and the middleware tells of the resource
    ("decorators", wsgi): "public_dot_segments|preflight.*|resource.*|cookie_fetch_same_origin",
    ("decorators", asgi): "public_dot_segments|preflight.*|resource.*",
}


def table_views(reached: list[str], *, decorated: bool) -> list[Any]:
    """The sample routes as views, sync and async in turn."""

    def answer(request: HttpRequest, **_: str) -> HttpResponse:
        reached.append(request.path)
        principal = getattr(request, "cognito_principal", None)
        return HttpResponse("" if principal is None or request.method == "HEAD" else principal.subject)

    async def answer_async(request: HttpRequest, **_: str) -> HttpResponse:
        return answer(request)

    if not decorated:
        return [re_path("", answer)]
    made = []
    for at, (pattern, kind, rule) in enumerate(SAMPLE_ROUTES):
        view: Any = [answer, answer_async][at % 2]
        if kind != "public":
            view = optional()(view) if kind == "identify" else requires(rule and parse_rule(rule))(view)
        made.append(path(pattern[1:].replace("/*", "/<path:rest>"), view))
    return [*made, re_path("", requires()(answer))]


@pytest.mark.parametrize("door", ["middleware", "decorators"])
def test_the_behaviour_table(door: str, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """Every row through the middleware and through decorated views, as WSGI and as ASGI; no part of a token is logged."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    reached: list[str] = []
    views = table_views(reached, decorated=door == "decorators")
    wrong: list[tuple[str, str]] = []
    for keys_unavailable in (False, True):
        front = Front(POOL.guard(), settings_routes(), **sample_settings())  # one that never held keys for the outage
        middleware = GUARDED if door == "middleware" else []
        with POOL.outage() if keys_unavailable else nullcontext(), site(*views, front=front, middleware=middleware):
            for case in CASES:
                if case.keys_unavailable != keys_unavailable or re.fullmatch(LEFT_OUT[door, ask], case.name):
                    continue
                reached.clear()
                caplog.clear()
                status, headers, body = ask(case.target, *case.headers, method=case.method)
                wrong += [(case.name, problem) for problem in case.check(status, headers, body, reached=bool(reached))]
                parts = [part for _, value in case.headers for part in re.split(r"[ .,]", value) if len(part) >= 20]
                wrong += [(case.name, "token text in the log") for part in parts if part in caplog.text]
    assert wrong == []


@contextmanager
def under_waitress() -> Iterator[tuple[str, int]]:
    """Connections queue up from the start, so there is nothing to wait for."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(WSGIHandler(), sockets=[listening], threads=2)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)  # in its own thread, where no select is under way
        thread.join(10)
        server.trigger.close()
        assert not thread.is_alive()


@contextmanager
def under_uvicorn() -> Iterator[tuple[str, int]]:
    server = uvicorn.Server(uvicorn.Config(ASGIHandler(), ws="none", http="h11", lifespan="off", log_config=None))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


NASTY = [
    b"/open/../admin/",
    b"/open/%2e%2e/admin/",
    b"/open/..%2fadmin/",
    b"/open/..;/admin/",
    b"/open//admin/",
    b"/open/%252e%252e/admin/",
    b"/open/x%ff",
    b"/open/x%00",
    b"/open/x#/admin/",
    b"//admin/",
    b"/admin%2f",
    b"/%61dmin/",
    b"http://test/admin/",
    b"?/open/x",
    b"*",
]


@pytest.mark.parametrize("served", [under_waitress, under_uvicorn])
def test_djangos_own_admin_behind_a_real_server(served: Any) -> None:
    """A site that nobody here wrote: its sign-in page for the staff's tokens only, and no way around (T9)."""
    front = Front(POOL.guard(), [Public("/open/*"), Protect("/admin/*", InGroup("staff"))])
    names = ("security.SecurityMiddleware", "contrib.sessions.middleware.SessionMiddleware", "common.CommonMiddleware")
    stack = [f"django.{name}" if name.startswith("contrib") else f"django.middleware.{name}" for name in names]
    stack += ["django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"]
    views = path("admin/", admin.site.urls), path("open/<path:rest>", whoami)
    with site(*views, front=front, middleware=[*GUARDED, *stack]), served() as address:
        with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as client:
            for headers, status in zip(FOUR, (401, 401, 403, 302), strict=True):
                assert client.get("/admin/", headers=dict(headers)).status_code == status
            page = client.get("/admin/login/", headers=dict([STAFF]))
            assert (page.status_code, "Django administration" in page.text) == (200, True)
            assert client.post("/admin/login/", data={"username": "a"}).json()["code"] == "credentials_missing"
            assert client.get("/open/caf%C3%A9").text == "nobody"
        for target in NASTY:
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.split(b" ")[1] in (b"400", b"401"), target
