"""Django REST framework: the authentication class and the permissions (THREATS A18)."""

from __future__ import annotations

import json
import logging
import re
from contextlib import nullcontext
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

pytest.importorskip("rest_framework")

import django
from django.conf import settings

if not settings.configured:  # test_django says the same, and either may come first
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

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path, re_path
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from cognito_guard.adapters.drf import CognitoAuthentication, TokenUser, requires
from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front
from cognito_guard.policy import InGroup, parse_rule
from cognito_guard.testing import SAMPLE_ROUTES, LocalUserPool, behaviour, sample_settings, settings_behaviour

POOL = LocalUserPool()
JANE = ("Authorization", f"Bearer {POOL.access()}")
STAFF = ("Authorization", f"Bearer {POOL.access(groups=['staff'])}")
EXPIRED = ("Authorization", f"Bearer {POOL.bad('expired')}")
FOUR: tuple[tuple[tuple[str, str], ...], ...] = ((), (EXPIRED,), (JANE,), (STAFF,))
Answer = tuple[int, list[tuple[str, str]], bytes]


class Plain(BaseRenderer):
    """Octets as they are; a refusal is JSON, since its detail is an object."""

    media_type = "text/plain"
    format = "txt"

    def render(self, answered: Any, *_: Any) -> bytes:
        return answered.encode() if isinstance(answered, str) else json.dumps(answered).encode()


class Whoami(APIView):
    """Answers with the subject of `request.auth`, and notes its calls."""

    authentication_classes = (CognitoAuthentication,)
    permission_classes = (AllowAny,)
    renderer_classes = (Plain,)
    reached: list[Any] = []  # noqa: RUF012 - shared on purpose, and cleared by each test that reads it

    def get(self, request: Any, **_: str) -> Response:
        Whoami.reached.append(request)
        return Response("" if request.auth is None or request.method == "HEAD" else request.auth.subject)

    post = put = patch = delete = options = get


def view(**attributes: Any) -> Any:
    return type("View", (Whoami,), attributes).as_view()


def site(*urlpatterns: Any, front: Any = None) -> Any:
    urls = type("Urls", (), {"urlpatterns": urlpatterns})
    guarding = front if front is not None else Front(POOL.guard())
    return override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[], COGNITO_GUARD=guarding)


def ask(target: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
    """One request as gunicorn hands it over: fields of one name joined by a comma."""
    raw, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
    }
    for name, value in headers:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    started: list[Any] = []
    response = WSGIHandler()(environ, lambda *given: started.extend(given))
    try:
        return int(started[0][:3]), started[1], b"".join(response)
    finally:
        response.close()


def statuses(target: str) -> list[int]:
    """For nobody, an expired token, jane, and jane of the staff."""
    return [ask(target, *headers)[0] for headers in FOUR]


def field(pairs: list[tuple[str, str]], name: str) -> str | None:
    return {at.lower(): value for at, value in pairs}.get(name)


def test_authentication_with_permissions_of_their_own() -> None:
    """A good token is an authenticated user, none is anonymous, a bad one never passes; 401 comes with our challenge, 403 without."""
    patterns = [
        path("any", view(permission_classes=[IsAuthenticated])),
        path("maybe", view()),
        path("admin", view(permission_classes=[IsAdminUser])),
    ]
    with site(*patterns, front=Front(POOL.guard(), realm="rest")):
        assert statuses("/any") == [401, 401, 200, 200]
        assert statuses("/maybe") == [200, 401, 200, 200]
        assert statuses("/admin") == [401, 401, 403, 403]
        assert field(ask("/any")[1], "www-authenticate") == 'Bearer realm="rest"'
        assert str(field(ask("/any", EXPIRED)[1], "www-authenticate")).startswith('Bearer realm="rest", error="invalid_token"')


def test_requires() -> None:
    """Rules, with the answer that tells what is lacking; also on function views."""

    @api_view(["GET"])
    @authentication_classes([CognitoAuthentication])
    @permission_classes([requires(InGroup("staff"))])
    def function(request: Any) -> Response:
        return Response(str(request.user))

    scoped = view(permission_classes=[requires(parse_rule("scope:orders/read"))])
    with site(path("function", function), path("any", view(permission_classes=[requires()])), path("scope", scoped)):
        assert statuses("/function") == [401, 401, 403, 200]
        assert statuses("/any") == [401, 401, 200, 200]
        status, pairs, body = ask("/scope", JANE)
        assert (status, json.loads(body)["code"]) == (403, "insufficient_scope")
        assert 'scope="orders/read"' in str(field(pairs, "www-authenticate"))
        assert field(pairs, "cache-control") == "no-store"


def test_requires_without_the_authentication_class() -> None:
    """The permission asks for itself: a signed-in session is no Principal."""
    with site(path("x", view(authentication_classes=[SessionAuthentication], permission_classes=[requires()]))):
        assert statuses("/x") == [401, 401, 200, 200]


def test_who_the_user_is() -> None:
    """Enough of Django's user for permissions and throttles; machines too; `user` may find one in a database."""

    class Mine(CognitoAuthentication):
        def user(self, principal: Any) -> Any:
            return f"row of {principal.username}"

    class Seldom(UserRateThrottle):
        rate = "1000/day"

    patterns = [path("x", view(throttle_classes=[Seldom])), path("mine", view(authentication_classes=[Mine]))]
    with site(*patterns):
        Whoami.reached.clear()
        assert ask("/x", JANE)[0] == 200
        assert ask("/x", ("Authorization", f"Bearer {POOL.machine()}"))[0] == 200
        assert ask("/mine", JANE)[0] == 200
    person, machine, mine = Whoami.reached
    assert isinstance(person.user, TokenUser)
    assert (str(person.user), person.user.pk, person.user.principal) == ("jane", person.auth.subject, person.auth)
    assert (person.user.is_authenticated, person.user.is_anonymous, person.user.is_staff, person.user.is_superuser) == (
        True,
        False,
        False,
        False,
    )
    assert machine.user.get_username() == POOL.client
    assert mine.user == "row of jane"


def test_an_error_page_that_is_not_json() -> None:
    """REST framework renders; the code stays."""
    front = Front(POOL.guard(), error_page=lambda *_: ([(b"content-type", b"text/html")], b"<p>no</p>"))
    with site(path("x", view(permission_classes=[requires()])), front=front):
        status, _, body = ask("/x", EXPIRED)
        assert (status, json.loads(body)) == (401, {"code": "expired"})


def test_a_request_outside_a_view() -> None:
    """As REST framework's own test kit makes them."""
    from rest_framework.request import Request

    with site():
        bare = Request(APIRequestFactory().get("/"), authenticators=[CognitoAuthentication()])
        assert bare.auth is None
        with pytest.raises(Exception, match="expired") as refused:
            CognitoAuthentication().authenticate(Request(APIRequestFactory().get("/", headers=dict([EXPIRED]))))
        assert refused.value.status_code == 401  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", ["group:staff", True, InGroup, [InGroup("staff")]])
def test_what_is_no_rule_is_refused_at_once(rule: Any) -> None:
    """When the view is defined."""
    with pytest.raises(ConfigurationError, match="rule: "):
        requires(rule)


def test_the_setting_must_be_a_front() -> None:
    """An error, never an open view."""
    Whoami.reached.clear()
    with site(path("x", view()), front={}):
        assert ask("/x", JANE)[0] == 500
    assert Whoami.reached == []


def table_views() -> list[Any]:
    made = []
    for pattern, kind, rule in SAMPLE_ROUTES:
        attributes: dict[str, Any] = {"permission_classes": [requires(rule and parse_rule(rule))]} if kind == "protect" else {}
        if kind == "public":
            attributes["authentication_classes"] = []
        made.append(path(pattern[1:].replace("/*", "/<path:rest>"), view(**attributes)))
    return [*made, re_path("", view(permission_classes=[requires()]))]


# Django, not a table of routes, picks the view; and in META, `Sec-Fetch-Site: same-origin` proves nothing
LEFT_OUT = re.compile("public_dot_segments|preflight.*|resource.*|cookie_fetch_same_origin")


def test_the_behaviour_table(caplog: pytest.LogCaptureFixture) -> None:
    """Every row, but for those where a table of routes picks the view; no part of a token is logged."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    views, wrong = table_views(), []
    for keys_unavailable in (False, True):
        front = Front(POOL.guard(), **sample_settings())  # one that never held keys for the outage
        with POOL.outage() if keys_unavailable else nullcontext(), site(*views, front=front):
            for case in (*behaviour(POOL), *settings_behaviour(POOL)):
                if case.keys_unavailable != keys_unavailable or LEFT_OUT.fullmatch(case.name):
                    continue
                Whoami.reached.clear()
                caplog.clear()
                status, headers, body = ask(case.target, *case.headers, method=case.method)
                wrong += [(case.name, problem) for problem in case.check(status, headers, body, reached=bool(Whoami.reached))]
                parts = [part for _, value in case.headers for part in re.split(r"[ .,]", value) if len(part) >= 20]
                wrong += [(case.name, "token text in the log") for part in parts if part in caplog.text]
    assert wrong == []
