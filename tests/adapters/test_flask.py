"""CognitoFlask: decorators on views of every kind, one answer for what is refused (THREATS A18, T40)."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Blueprint, Flask, Response, request
from flask.views import MethodView
from werkzeug.exceptions import HTTPException

from cognito_guard.adapters.flask import CognitoFlask, current_principal
from cognito_guard.adapters.wsgi import CognitoWSGI
from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import HasScope, InGroup, parse_rule
from cognito_guard.testing import SAMPLE_ROUTES, Case, LocalUserPool, behaviour, sample_settings, settings_behaviour
from cognito_guard.web import FromCookie, Identify, ProtectedResource, Public

POOL = LocalUserPool()
JANE = {"Authorization": f"Bearer {POOL.access()}"}
STAFF = {"Authorization": f"Bearer {POOL.access(groups=['staff'])}"}
EXPIRED = {"Authorization": f"Bearer {POOL.bad('expired')}"}


@pytest.fixture
def app() -> Flask:
    app = Flask("tested")
    app.testing = True
    return app


@pytest.fixture
def cognito(app: Flask) -> CognitoFlask:
    return CognitoFlask(app, POOL.guard())


def test_requires(app: Flask, cognito: CognitoFlask) -> None:
    """A rule, or none for every good token; the view is not called otherwise, and gets its own arguments."""
    called: list[int] = []

    @app.get("/staff/<int:number>")
    @cognito.requires(InGroup("staff"))
    def staff(number: int) -> str:
        """Kept."""
        called.append(number)
        return cognito.principal.subject  # type: ignore[union-attr]

    @app.get("/any")
    @cognito.requires()
    def anybody() -> str:
        return str(current_principal.username)

    client = app.test_client()
    assert client.get("/staff/1", headers=STAFF).status_code == 200
    assert client.get("/staff/2", headers=JANE).status_code == 403
    assert client.get("/staff/3").status_code == 401
    assert called == [1]
    assert client.get("/any", headers=JANE).text == "jane"
    assert client.get("/any", headers=EXPIRED).get_json()["code"] == "expired"
    assert (staff.__name__, staff.__doc__) == ("staff", "Kept.")


def test_optional(app: Flask, cognito: CognitoFlask) -> None:
    """Anonymous passes, a bad token does not; the proxy is false where there is nobody."""

    @app.get("/maybe")
    @cognito.optional()
    def maybe() -> str:
        if not current_principal:
            assert cognito.principal is None
            with pytest.raises(RuntimeError, match="no principal"):
                _ = current_principal.username
            return "nobody"
        return str(current_principal.username)

    client = app.test_client()
    assert client.get("/maybe").text == "nobody"
    assert client.get("/maybe", headers=JANE).text == "jane"
    assert client.get("/maybe", headers=EXPIRED).status_code == 401


def test_async_views(app: Flask, cognito: CognitoFlask) -> None:
    """The Guard is awaited, in the view's own loop."""

    @app.get("/x")
    @cognito.requires(InGroup("staff"))
    async def view() -> str:
        return current_principal.subject

    client = app.test_client()
    assert client.get("/x", headers=STAFF).text == POOL.guard().authenticate(STAFF["Authorization"][7:]).subject
    assert client.get("/x", headers=JANE).status_code == 403
    assert client.get("/x").status_code == 401


def test_the_rule_sees_the_principal_behind_the_proxy(app: Flask, cognito: CognitoFlask) -> None:
    """`rule.judge(current_principal)`: for a demand that depends on the resource."""

    @app.get("/x")
    @cognito.requires()
    def view() -> str:
        return "yes" if InGroup("staff").judge(current_principal) else "no"

    client = app.test_client()
    assert [client.get("/x", headers=headers).text for headers in (STAFF, JANE)] == ["yes", "no"]


def test_an_application_factory_with_blueprints() -> None:
    """Decorated before there is an application; each application has a Guard of its own."""
    cognito = CognitoFlask()
    orders = Blueprint("orders", "tested")

    @orders.get("/orders")
    @cognito.requires()
    def listed() -> str:
        return "orders"

    def create(pool: LocalUserPool, **settings: Any) -> Flask:
        app = Flask("tested")
        app.testing = True
        cognito.init_app(app, pool.guard(), **settings)
        app.register_blueprint(orders, url_prefix="/api")
        return app

    here, there = create(POOL), create(LocalUserPool("eu-west-1_Other0001"), realm="there")
    assert here.test_client().get("/api/orders", headers=JANE).text == "orders"
    answer = there.test_client().get("/api/orders", headers=JANE)
    assert answer.status_code == 401
    assert 'realm="there"' in answer.headers["WWW-Authenticate"]


def test_an_application_without_init_app_answers_nothing(app: Flask) -> None:
    """Forgetting it is an error, never an open view."""
    cognito = CognitoFlask()
    app.get("/x")(cognito.requires()(lambda: "open"))
    with pytest.raises(ConfigurationError, match="init_app"):
        app.test_client().get("/x", headers=JANE)


def test_two_extensions_in_one_application(app: Flask, cognito: CognitoFlask) -> None:
    """Two Guards side by side: each decorator asks its own."""
    other_pool = LocalUserPool("eu-west-1_Other0001")
    other = CognitoFlask(app, other_pool.guard())
    app.get("/a", endpoint="a")(cognito.requires()(lambda: "a"))
    app.get("/b", endpoint="b")(other.requires()(lambda: "b"))
    client = app.test_client()
    assert [client.get(path, headers=JANE).status_code for path in ("/a", "/b")] == [200, 401]


def test_a_whole_blueprint(app: Flask, cognito: CognitoFlask) -> None:
    """One `before_request` function; views outside stay open, and its views may ask for more."""
    admin = Blueprint("admin", "tested")

    @admin.before_request
    @cognito.requires(InGroup("staff"))
    def staff_only() -> None:
        pass

    @admin.get("/a")
    def a() -> str:
        return current_principal.subject

    @admin.post("/b")
    @cognito.requires(HasScope("orders/write"))
    def b() -> str:
        return "b"

    app.get("/open")(lambda: f"open to {cognito.principal}")
    app.register_blueprint(admin, url_prefix="/admin")
    client = app.test_client()
    assert client.get("/open", headers=EXPIRED).text == "open to None"
    assert [client.get("/admin/a", headers=headers).status_code for headers in ({}, JANE, STAFF)] == [401, 403, 200]
    assert client.post("/admin/b", headers=STAFF).status_code == 403


def test_class_based_views(app: Flask, cognito: CognitoFlask) -> None:
    """Methods one by one, sync and async, and all of them by `decorators`."""

    class Orders(MethodView):
        @cognito.requires()
        def get(self, number: int) -> str:
            return f"get {number} {type(self).__name__}"

        @cognito.requires(InGroup("staff"))
        async def delete(self, number: int) -> str:
            return f"delete {number}"

    class Staff(MethodView):
        decorators = (cognito.requires(InGroup("staff")),)

        def get(self) -> str:
            return "staff"

        async def post(self) -> str:
            return "posted"

    app.add_url_rule("/orders/<int:number>", view_func=Orders.as_view("orders"))
    app.add_url_rule("/staff", view_func=Staff.as_view("staff"))
    client = app.test_client()
    assert client.get("/orders/7", headers=JANE).text == "get 7 Orders"
    assert [client.delete("/orders/7", headers=headers).status_code for headers in ({}, JANE, STAFF)] == [401, 403, 200]
    assert [client.get("/staff", headers=headers).status_code for headers in ({}, JANE, STAFF)] == [401, 403, 200]
    assert client.post("/staff", headers=STAFF).text == "posted"


def test_a_refusal_is_answered_as_it_is(app: Flask, cognito: CognitoFlask) -> None:
    """Error handlers are not asked, decorators in between do not see it, `after_request` functions do; `error_page` is the hook."""
    seen: list[int] = []

    @app.errorhandler(401)
    @app.errorhandler(HTTPException)
    @app.errorhandler(Exception)
    def handler(error: Exception) -> tuple[str, int]:
        return "handled", 500

    @app.after_request
    def after(response: Response) -> Response:
        seen.append(response.status_code)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    def shouting(view: Any) -> Any:
        return lambda: view().upper()

    @app.get("/x")
    @shouting
    @cognito.requires()
    def view() -> str:
        return "loud"

    @app.get("/broken")
    @cognito.requires()
    def broken() -> str:
        raise LookupError("the application's own")

    client = app.test_client()
    refused = client.get("/x")
    assert (refused.status_code, refused.get_json()["code"], refused.headers["Access-Control-Allow-Origin"]) == (
        401,
        "credentials_missing",
        "*",
    )
    assert refused.headers["Cache-Control"] == "no-store"
    assert client.get("/x", headers=JANE).text == "LOUD"
    assert client.get("/broken", headers=JANE).text == "handled"
    assert seen == [401, 200, 500]


def test_a_refused_body_is_not_read(app: Flask, cognito: CognitoFlask) -> None:
    """T40."""
    app.post("/x")(cognito.requires()(lambda: "x"))

    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the body was asked for {name}")

    with app.request_context(environ := app.test_request_context("/x", method="POST").request.environ):
        environ["wsgi.input"] = Untouched()
        assert app.full_dispatch_request().status_code == 401


def test_settings_reach_the_front(app: Flask) -> None:
    """Credentials by cookie, as everywhere only for the same origin."""
    cognito = CognitoFlask(app, POOL.guard(), credentials=[FromCookie("session")])
    app.route("/x", methods=["GET", "POST"])(cognito.requires()(lambda: "x"))
    client = app.test_client()
    client.set_cookie("session", POOL.access())
    assert client.get("/x").status_code == 200
    assert client.post("/x").status_code == 401
    assert client.post("/x", headers={"Origin": "http://localhost"}).status_code == 200
    assert client.post("/x", headers={"Origin": "http://evil", "Sec-Fetch-Site": "same-origin"}).status_code == 401


def test_the_document_of_a_resource(app: Flask) -> None:
    """RFC 9728, also below a catch-all view of the application; the challenges name it."""
    resource = ProtectedResource("https://api.example.com", authorization_servers=["https://issuer.example.com"])
    cognito = CognitoFlask(app, POOL.guard(), resource=resource)
    app.get("/<path:rest>")(cognito.requires()(lambda rest: rest))
    client = app.test_client()
    told = client.get("/.well-known/oauth-protected-resource")
    assert (told.status_code, told.get_json()["resource"]) == (200, "https://api.example.com")
    assert f'resource_metadata="{resource.metadata_url}"' in client.get("/x").headers["WWW-Authenticate"]
    assert client.options("/.well-known/oauth-protected-resource", headers=JANE).status_code == 404


def test_the_principal_of_the_middleware(app: Flask) -> None:
    """Routes by CognitoWSGI around `wsgi_app`, the principal by the extension: one key in the environment."""
    cognito = CognitoFlask(app, POOL.guard())
    app.wsgi_app = CognitoWSGI(app.wsgi_app, POOL.guard(), routes=[Public("/open"), Identify("/maybe")])  # type: ignore[method-assign]
    for path in ("/open", "/maybe", "/x"):
        app.get(path, endpoint=path)(lambda: current_principal.username if current_principal else "nobody")
    client = app.test_client()
    assert [client.get(path, headers=JANE).text for path in ("/open", "/maybe", "/x")] == ["nobody", "jane", "jane"]
    assert client.get("/x").status_code == 401
    assert client.get("/maybe").text == "nobody"
    with app.test_request_context("/open"):
        assert cognito.principal is None


def test_a_demand_above_the_routes_decorator_is_an_error(app: Flask, cognito: CognitoFlask) -> None:
    """Flask registers the view without it: the view would be open, and nobody would notice."""
    called: list[str] = []

    @cognito.requires()
    @app.get("/x")
    def view() -> str:
        called.append("x")
        return "open"

    late = Blueprint("late", "tested")

    @cognito.optional()
    @late.get("/late")
    def late_view() -> str:
        called.append("late")
        return "open"

    app.register_blueprint(late)
    for path in ("/x", "/late"):
        with pytest.raises(ConfigurationError, match="below the route's decorator"):
            app.test_client().get(path, headers=JANE)
    assert called == []


@pytest.mark.parametrize("rule", ["group:staff", "orders/read", True, InGroup, lambda: "view", [InGroup("staff")]])
def test_what_is_no_rule_is_refused_at_once(rule: Any, cognito: CognitoFlask) -> None:
    """`@cognito.requires` without parentheses included."""
    with pytest.raises(ConfigurationError, match="rule: "):
        cognito.requires(rule)


def test_mistakes_are_told_when_built(app: Flask, cognito: CognitoFlask) -> None:
    """Swapped and lost arguments, and a decorated class."""
    with pytest.raises(ConfigurationError, match="app: "):
        CognitoFlask(POOL.guard(), app)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoFlask(app)
    with pytest.raises(ConfigurationError, match="init_app"):
        CognitoFlask(None, POOL.guard())
    with pytest.raises(ConfigurationError, match="init_app"):
        CognitoFlask(realm="x")
    with pytest.raises(ConfigurationError, match="relm"):
        CognitoFlask(app, POOL.guard(), relm="x")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="decorators = "):
        cognito.requires()(MethodView)


# Flask, not a table of routes, picks the view; and in WSGI, `Sec-Fetch-Site: same-origin` proves nothing
LEFT_OUT = re.compile("public_dot_segments|preflight.*|cookie_fetch_same_origin")
CASES = [case for case in (*behaviour(POOL), *settings_behaviour(POOL)) if not LEFT_OUT.fullmatch(case.name)]


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def table_app(reached: list[str]) -> Flask:
    """The sample routes as decorated views, sync and async in turn; what none names is protected by the last."""
    app = Flask("tested")
    cognito = CognitoFlask(app, POOL.guard(), **sample_settings())

    def view(*, is_async: bool) -> Any:
        def answer(**_: str) -> Response:
            reached.append(request.path)
            principal = cognito.principal
            return Response("" if principal is None else principal.subject)

        async def answer_async(**_: str) -> Response:
            return answer()

        return answer_async if is_async else answer

    for at, (path, kind, rule) in enumerate(SAMPLE_ROUTES):
        made = view(is_async=at % 2 == 1)
        if kind != "public":
            made = cognito.optional()(made) if kind == "identify" else cognito.requires(rule and parse_rule(rule))(made)
        app.add_url_rule(path.replace("/*", "/<path:rest>"), path, made, methods=METHODS, provide_automatic_options=False)
    rest = cognito.requires()(view(is_async=False))
    app.add_url_rule("/<path:rest>", "rest", rest, methods=METHODS, provide_automatic_options=False)
    return app


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_behaviour_table(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Every row through decorated views; no part of a token is logged."""
    caplog.set_level(logging.DEBUG)
    reached: list[str] = []
    app = table_app(reached)
    disturbance = POOL.outage() if case.keys_unavailable else None
    fields: dict[str, str] = {}
    for name, value in case.headers:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    try:
        answer = app.test_client(use_cookies=False).open(case.target, method=case.method, environ_overrides=fields)
    finally:
        if disturbance is not None:
            POOL.recover()
    assert case.check(answer.status_code, answer.headers.items(), answer.data, reached=bool(reached)) == []
    parts = [part for _, value in case.headers for part in re.split(r"[ .,]", value) if len(part) >= 20]
    assert [part for part in parts if part in caplog.text] == []
