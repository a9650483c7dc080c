"""Applications that nobody here wrote, with tokens that nobody here made: moto signs ada in, and the fronts judge what she got."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import django
import httpx2
import pytest
from datasette import hookimpl
from datasette.app import Datasette
from datasette.plugins import pm
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import re_path
from httpbin import app as httpbin_app
from litestar import Litestar, get
from litestar.di import NamedDependency

from cognito_guard import Guard, InGroup, JwksUrl, Principal, UserPool
from cognito_guard.adapters.asgi import CognitoASGI
from cognito_guard.adapters.litestar import CognitoLitestar
from cognito_guard.adapters.wsgi import PRINCIPAL, CognitoWSGI
from cognito_guard.front import Front
from cognito_guard.web import Protect

Ask = Callable[..., httpx2.Response]


class Site(NamedTuple):
    """A guarded application: its paths for anybody with a token, for the staff and for the board; `reached` holds whom it saw."""

    ask: Ask
    anybody: str
    staff: str
    board: str
    reached: list[str | None]

    def get(self, path: str, token: str | None) -> httpx2.Response:
        return self.ask(path, headers={} if token is None else {"Authorization": f"Bearer {token}"})


def rules(staff: str, board: str) -> list[Protect]:
    """ada is one of the staff, and not of the board."""
    return [Protect(staff, InGroup("staff")), Protect(board, InGroup("board"))]


@contextmanager
def under_wsgi(app: Any) -> Iterator[Ask]:
    with httpx2.Client(transport=httpx2.WSGITransport(app), base_url="http://test") as client:
        yield client.get


@contextmanager
def under_asgi(app: Any) -> Iterator[Ask]:
    """On one event loop from the first request to the last, as on a server."""
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")
    with asyncio.Runner() as loop:
        yield lambda path, **more: loop.run(client.get(path, **more))
        loop.run(client.aclose())


@contextmanager
def datasette(guard: Guard) -> Iterator[Site]:
    """A plugin hands the principal to datasette as its actor, which its own page shows."""
    reached: list[str | None] = []

    class Actor:
        __name__ = "cognito_actor"

        @hookimpl
        def actor_from_request(self, datasette: Any, request: Any) -> dict[str, str | None]:
            reached.append(request.scope[PRINCIPAL].username)
            return {"id": reached[-1]}

    plugin, doors = Actor(), ("/-/versions.json", "/-/plugins.json")
    pm.register(plugin, name="cognito_actor")
    try:
        with under_asgi(CognitoASGI(Datasette(memory=True).app(), guard, routes=rules(*doors))) as ask:
            yield Site(ask, "/-/actor.json", *doors, reached)
    finally:
        pm.unregister(plugin)


@contextmanager
def httpbin(guard: Guard) -> Iterator[Site]:
    """httpbin knows no users: a line between the two adds the principal's name to the header fields that it shows."""
    reached: list[str | None] = []

    def named(environ: Any, start_response: Any) -> Any:
        reached.append(environ[PRINCIPAL].username)
        return httpbin_app({**environ, "HTTP_X_USER": reached[-1]}, start_response)

    doors = ("/anything/staff", "/anything/board")
    with under_wsgi(CognitoWSGI(named, guard, routes=rules(*doors))) as ask:
        yield Site(ask, "/headers", *doors, reached)


@contextmanager
def django_site(guard: Guard, kind: str) -> Iterator[Site]:
    """Three paths, one view, and the middleware, by Django's own handler of either kind."""
    if not settings.configured:  # not while tests are collected: those of the adapters say more
        settings.configure(SECRET_KEY="k" * 50)
        django.setup()
    reached: list[str | None] = []

    def whoami(request: HttpRequest) -> JsonResponse:
        reached.append(request.cognito_principal.username)
        return JsonResponse({"user": reached[-1]})

    class Urls:
        urlpatterns = (re_path("^(?:me|staff|board)$", whoami),)

    doors = ("/staff", "/board")
    serve, handler = {"wsgi": (under_wsgi, WSGIHandler), "asgi": (under_asgi, ASGIHandler)}[kind]
    said = override_settings(
        ALLOWED_HOSTS=["test"],
        ROOT_URLCONF=Urls,
        MIDDLEWARE=["cognito_guard.adapters.django.CognitoMiddleware"],
        COGNITO_GUARD=Front(guard, rules(*doors)),
    )
    with said, serve(handler()) as ask:
        yield Site(ask, "/me", *doors, reached)


@contextmanager
def litestar(guard: Guard) -> Iterator[Site]:
    """Three handlers that take the principal as a dependency, each with its guard."""
    reached: list[str | None] = []
    cognito = CognitoLitestar(guard)

    def handler(path: str, rule: InGroup | None = None) -> Any:
        @get(path, guards=[cognito.requires(rule)])
        async def whoami(principal: NamedDependency[Principal]) -> dict[str, str | None]:
            reached.append(principal.username)
            return {"user": principal.username}

        return whoami

    handlers = [handler("/me"), handler("/staff", InGroup("staff")), handler("/board", InGroup("board"))]
    with under_asgi(Litestar(handlers, plugins=[cognito], openapi_config=None, logging_config=None)) as ask:
        yield Site(ask, "/me", "/staff", "/board", reached)


SITES: dict[str, Callable[[Guard], Any]] = {
    "datasette": datasette,
    "httpbin": httpbin,
    "django-wsgi": lambda guard: django_site(guard, "wsgi"),
    "django-asgi": lambda guard: django_site(guard, "asgi"),
    "litestar": litestar,
}


@pytest.fixture(scope="module", params=SITES)
def running(request, signed_in) -> Iterator[Site]:
    """Each with a Guard of its own, which fetches moto's keys over HTTP: they are public, so nobody trusts them but by name."""
    pool = UserPool(signed_in.pool_id, jwks=JwksUrl(signed_in.jwks_url))
    with SITES[request.param](Guard(pool.access_tokens(client=signed_in.client))) as site:
        yield site


@pytest.fixture
def site(running) -> Site:
    """Not yet reached by this test."""
    running.reached.clear()
    return running


def test_an_access_token_passes(site, signed_in):
    """The application answers, and knows whom; the second time too, when the token is known."""
    for _ in range(2):
        answer = site.get(site.anybody, signed_in.access)
        assert answer.status_code == 200
        assert '"ada"' in answer.text
    assert site.reached == ["ada", "ada"]


def test_a_group_decides(site, signed_in):
    """moto's `cognito:groups` opens the door of the staff, and not that of the board."""
    assert site.get(site.staff, signed_in.access).status_code == 200
    denied = site.get(site.board, signed_in.access)
    assert (denied.status_code, denied.json()["code"]) == (403, "insufficient_scope")
    assert site.reached == ["ada"]


def _impersonating(token: str) -> str:
    """The same token, in which one changed byte makes ada into ida."""
    header, payload, signature = token.split(".")
    octets = base64.urlsafe_b64decode(payload + "==")
    assert octets.count(b'"ada"') == 1
    forged = base64.urlsafe_b64encode(octets.replace(b'"ada"', b'"ida"')).decode().rstrip("=")
    return f"{header}.{forged}.{signature}"


def _misigned(token: str) -> str:
    """The same token, with another letter in the midst of its signature."""
    return token[:-99] + ("A" if token[-99] != "A" else "B") + token[-98:]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda signed_in: signed_in.id, "token_use_refused"),
        (lambda signed_in: _impersonating(signed_in.access), "signature_invalid"),
        (lambda signed_in: _misigned(signed_in.access), "signature_invalid"),
        (lambda _: None, "credentials_missing"),
    ],
    ids=["id-token", "changed-payload", "changed-signature", "no-token"],
)
def test_everything_else_is_answered_for_the_application(site, signed_in, token, code):
    """Also just after the good token came in: 401 at every door, and nothing reaches the application."""
    assert site.get(site.anybody, signed_in.access).status_code == 200
    for path in (site.anybody, site.staff, site.board):
        refused = site.get(path, token(signed_in))
        assert (refused.status_code, refused.json()["code"]) == (401, code)
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="api"')
    assert site.reached == ["ada"]
