"""CognitoAuth: FastAPI's dependencies, in process (the behaviour table; issue 3)."""

# no `from __future__ import annotations`: FastAPI could not read annotations that name a test's local variables

import json
import logging
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2
import msgspec
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from cognito_guard import HasScope, InGroup, IsPerson, Principal, parse_rule
from cognito_guard.adapters.fastapi import PRINCIPAL, CognitoAuth, Refused
from cognito_guard.errors import ConfigurationError
from cognito_guard.testing import SAMPLE_ROUTES, Case, LocalUserPool, as_user, behaviour
from cognito_guard.web import FromQuery, FromSubprotocol, ProtectedResource

POOL = LocalUserPool()
CASES = behaviour(POOL)
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
DOMAIN = "https://shop.auth.eu-west-1.amazoncognito.com"
Who = Principal | None


def auth_on(pool: LocalUserPool = POOL, **settings: Any) -> CognitoAuth:
    return CognitoAuth(pool.guard(), domain=DOMAIN, client="webclient", **settings)


def client(app: Any, **keywords: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, **keywords), base_url="http://test")


def bearer(**keywords: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {POOL.access(**keywords)}"}


class Table:
    """The sample routes as endpoints, each with the dependency that says the same."""

    def __init__(self, *, sync: bool, through_docs: bool) -> None:
        self.reached: list[str] = []
        auth = auth_on()
        self.app = FastAPI(**auth.docs() if through_docs else {})
        for path, kind, rule in SAMPLE_ROUTES:
            if kind == "public":
                self._add(path.replace("*", "{rest:path}"), Depends(lambda: None), sync=sync)
            elif kind == "identify":
                self._add(path, auth.optional(), sync=sync)
            else:
                self._add(path, auth.requires(parse_rule(str(rule))), sync=sync)
        self._add("/{rest:path}", auth.requires(), sync=sync)

    def _add(self, path: str, dependency: Any, *, sync: bool) -> None:
        def endpoint(request: Request, who: Who = dependency) -> Any:
            self.reached.append(path)
            return PlainTextResponse("" if who is None or request.method == "HEAD" else who.subject)

        async def endpoint_async(request: Request, who: Who = dependency) -> Any:
            return endpoint(request, who)

        self.app.add_api_route(path, endpoint if sync else endpoint_async, methods=METHODS, response_model=None)

    async def check(self, case: Case) -> list[str]:
        self.reached.clear()
        if case.keys_unavailable:
            POOL.outage()
        try:
            async with client(self.app) as web:
                headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
                answer = await web.request(case.method, case.target, headers=headers)
        finally:
            POOL.recover()
        return case.check(answer.status_code, answer.headers.raw, answer.content, reached=bool(self.reached))


# the client resolves dot segments before it sends, and a dependency never sees the path: the framework chose it by its own reading
SENDABLE = [case for case in CASES if "/../" not in case.target]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(sync=False, through_docs=True)


@pytest.mark.parametrize("case", SENDABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_behaviour_table(case: Case, table: Table) -> None:
    """Every row, with async endpoints. A Guard that has keys cannot show an outage, so these rows get an application of their own."""
    assert await (Table(sync=False, through_docs=True) if case.keys_unavailable else table).check(case) == []


@pytest.mark.parametrize("sync", [True, False])
async def test_the_behaviour_table_with_sync_endpoints_and_under_trio(*, sync: bool) -> None:
    """The rows about fronts again: endpoints that run in threads, both event loops, an application that never heard of `docs()`."""
    rows = [case for case in SENDABLE if not case.name.startswith("bad_") and not case.keys_unavailable]
    table = Table(sync=sync, through_docs=False)
    assert [(case.name, wrong) for case in rows for wrong in await table.check(case)] == []


def test_a_refusal_is_the_fronts_own_answer() -> None:
    """Status, header fields and body, whether or not the application has handlers for HTTPException."""
    auth = auth_on(realm="shop")
    app = FastAPI()

    @app.exception_handler(HTTPException)
    def taken(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"mine": True}, error.status_code)

    @app.get("/x", dependencies=[auth.requires()])
    def x() -> str:
        return "x"

    @app.get("/teapot")
    def teapot() -> None:
        raise HTTPException(418)

    web = TestClient(app)
    answer = web.get("/x")
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="shop"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert web.get("/teapot").json() == {"mine": True}


def test_a_handler_of_the_applications_own_comes_first() -> None:
    """For `Refused`, it has the whole answer at hand; for a status, FastAPI asks it before any other."""
    auth = auth_on()
    app = FastAPI()

    @app.exception_handler(Refused)
    def mine(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"mine": error.challenge.code}, error.status_code, headers=dict(error.headers or {}))

    @app.get("/x", dependencies=[auth.requires()])
    def x() -> str:
        return "x"

    answer = TestClient(app).get("/x")
    assert answer.json() == {"mine": "credentials_missing"}
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


async def test_without_starlettes_table_of_handlers_it_is_fastapis_answer() -> None:
    """Should that table ever go, status, header fields and code remain."""
    answer = await http_exception_handler(Request({"type": "http"}), await refusal_of(auth_on()))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert json.loads(bytes(answer.body)) == {"detail": {"code": "credentials_missing"}}
    assert int(answer.headers["content-length"]) == len(answer.body)


async def refusal_of(auth: CognitoAuth) -> Refused:
    connection = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    with pytest.raises(Refused) as caught:
        await auth.requires().dependency(connection)
    return caught.value


def orders_app() -> tuple[FastAPI, CognitoAuth]:
    auth = auth_on()
    app = FastAPI(**auth.docs())
    staff = APIRouter(prefix="/staff", dependencies=[auth.requires(InGroup("staff"))])

    @app.get("/orders")
    def orders(who: Annotated[Principal, auth.requires(HasScope("orders/read") & InGroup("staff"))]) -> str | None:
        return who.username

    @app.get("/maybe")
    async def maybe(who: Annotated[Principal | None, auth.optional()]) -> str | None:
        return who and who.username

    @staff.get("/desk")
    def desk(request: Request) -> str | None:
        who: Principal = request.scope[PRINCIPAL]
        return who.username

    @app.websocket("/feed")
    async def feed(websocket: WebSocket, who: Annotated[Principal, auth.requires(HasScope("orders/read"))]) -> None:
        await websocket.accept()
        await websocket.send_text(str(who.username))
        await websocket.close()

    app.include_router(staff)
    return app, auth


def test_routers_and_route_dependencies_protect_what_is_below() -> None:
    """A router's demand holds for its routes; the endpoint finds the Principal in the scope."""
    web = TestClient(orders_app()[0])
    assert web.get("/staff/desk").status_code == 401
    assert web.get("/staff/desk", headers=bearer()).status_code == 403
    assert web.get("/staff/desk", headers=bearer(groups=["staff"])).json() == "jane"


def test_websockets() -> None:
    """Good: accepted. Refused before it is accepted: with the whole answer where the server can carry it, otherwise by a close."""
    app, _ = orders_app()
    with TestClient(app).websocket_connect("/feed", headers=bearer(scopes=["orders/read"])) as socket:
        assert socket.receive_text() == "jane"
    for headers, status, code in (({}, 401, "credentials_missing"), (bearer(), 403, "insufficient_scope")):
        with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/feed", headers=headers):
            pass
        denial: Any = caught.value
        if hasattr(denial, "status_code"):
            assert (denial.status_code, denial.json()["code"]) == (status, code)

    async def without_extension(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    with pytest.raises(WebSocketDisconnect) as closed, TestClient(without_extension).websocket_connect("/feed"):
        pass
    assert (closed.value.code, closed.value.reason) == (4401, "credentials_missing")


def test_overriding_auth_puts_somebody_in_the_holders_place_and_rules_still_count() -> None:
    """No token is sent; who lacks a right is denied as ever, on every kind of endpoint."""
    app, auth = orders_app()
    web = TestClient(app)
    app.dependency_overrides[auth] = as_user(username="eve", scopes=["orders/read"], groups=["staff"])
    assert web.get("/orders").json() == "eve"
    assert web.get("/maybe").json() == "eve"
    assert web.get("/staff/desk").json() == "eve"
    with web.websocket_connect("/feed") as socket:
        assert socket.receive_text() == "eve"
    app.dependency_overrides[auth] = as_user(username="eve", scopes=["orders/read"])
    answer = web.get("/orders")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    app.dependency_overrides.clear()
    assert web.get("/orders").status_code == 401


def test_a_stand_in_that_is_no_principal_lets_nobody_in() -> None:
    """A mistake in a test is an error, not a way in."""
    app, auth = orders_app()
    app.dependency_overrides[auth] = lambda: "jane"
    with pytest.raises(TypeError, match="no Principal"):
        TestClient(app).get("/orders")


def test_whoever_stands_in_may_be_given_by_any_callable_without_parameters() -> None:
    """Functions, coroutine functions, and objects with either as their call; where None is given, the token counts."""
    app, auth = orders_app()
    web = TestClient(app)
    eve = as_user(username="eve")

    async def given_later() -> Principal:
        return eve()

    class Given:
        async def __call__(self) -> Principal:
            return eve()

    for override in (eve, given_later, Given()):
        app.dependency_overrides[auth] = override
        assert web.get("/maybe").json() == "eve"
    app.dependency_overrides[auth] = lambda: None
    assert web.get("/maybe", headers=bearer()).json() == "jane"
    assert web.get("/orders").status_code == 401


def test_a_stand_in_counts_for_its_key_and_its_application_alone() -> None:
    """Mounted applications have overrides of their own, as ever in FastAPI; another CognitoAuth has its own holders."""
    outer, auth = orders_app()
    inner = FastAPI()

    @inner.get("/x")
    def x(who: Annotated[Principal, auth.requires()]) -> str | None:
        return who.username

    outer.mount("/inner", inner)
    web = TestClient(outer)
    outer.dependency_overrides[auth] = as_user(username="eve")
    assert web.get("/maybe").json() == "eve"
    assert web.get("/inner/x").status_code == 401
    outer.dependency_overrides, inner.dependency_overrides = {auth_on(): as_user()}, {auth: as_user(username="eve")}
    assert web.get("/maybe").json() is None
    assert web.get("/staff/desk").status_code == 401
    assert web.get("/inner/x").json() == "eve"


def test_auth_itself_is_no_dependency() -> None:
    """It would let everybody in: nobody gets through, and the error says what to write."""
    app, auth = orders_app()

    @app.get("/x", dependencies=[Depends(auth)])
    def x() -> None:
        raise AssertionError

    with pytest.raises(ConfigurationError, match="requires"):
        TestClient(app).get("/x", headers=bearer())


def test_one_demand_alone_can_be_overridden() -> None:
    """FastAPI's own way: by the dependency's callable."""
    auth = auth_on()
    staff = auth.requires(InGroup("staff"))
    app = FastAPI()

    @app.get("/x")
    def x(who: Annotated[Principal, staff]) -> str | None:
        return who.username

    app.dependency_overrides[staff.dependency] = as_user(username="eve")
    assert TestClient(app).get("/x").json() == "eve"


@dataclass
class DataclassUser:
    id: str
    email: str | None

    @classmethod
    def of(cls, who: Principal) -> "DataclassUser":
        return cls(who.subject, who.claims.get("email"))


class PydanticUser(BaseModel):
    id: str = Field(alias="sub")
    groups: list[str] = Field(alias="cognito:groups")


class MsgspecUser(msgspec.Struct):
    sub: str
    groups: list[str] = msgspec.field(name="cognito:groups")


def test_a_model_of_the_users_own() -> None:
    """Dataclass, pydantic or msgspec: the endpoint gets the user's own type, made from the Principal."""
    auth = auth_on()
    app = FastAPI()
    made: dict[str, Any] = {}

    @app.get("/dataclass")
    def one(who: Annotated[DataclassUser, auth.requires(model=DataclassUser.of)]) -> None:
        made["one"] = who

    @app.get("/pydantic")
    def two(who: Annotated[PydanticUser, auth.requires(model=lambda who: PydanticUser.model_validate(dict(who.claims)))]) -> None:
        made["two"] = who

    @app.get("/msgspec")
    async def three(who: Annotated[Any, auth.requires(model=lambda who: msgspec.convert(who.claims, MsgspecUser))]) -> None:
        made["three"] = who

    @app.get("/maybe")
    async def four(who: Annotated[DataclassUser | None, auth.optional(model=DataclassUser.of)]) -> None:
        made["four"] = who

    web = TestClient(app)
    for path in ("/dataclass", "/pydantic", "/msgspec"):
        assert web.get(path, headers=bearer(groups=["staff"], claims={"email": "j@example.com"})).status_code == 200
    assert web.get("/maybe").status_code == 200
    subject = as_user()().subject
    assert made["one"] == DataclassUser(subject, "j@example.com")
    assert (made["two"].id, made["two"].groups) == (subject, ["staff"])
    assert made["three"] == MsgspecUser(subject, ["staff"])
    assert made["four"] is None


def test_openapi_shows_the_scheme_and_the_scopes_under_each_padlock() -> None:
    """OAuth2 with the code flow at the managed login's addresses; group rules and optional ones have a padlock without scopes."""
    app, _ = orders_app()
    document = app.openapi()
    flow = {
        "authorizationUrl": f"{DOMAIN}/oauth2/authorize",
        "tokenUrl": f"{DOMAIN}/oauth2/token",
        "scopes": {"orders/read": ""},
    }
    assert document["components"]["securitySchemes"] == {"Cognito": {"type": "oauth2", "flows": {"authorizationCode": flow}}}
    paths = document["paths"]
    assert paths["/orders"]["get"]["security"] == [{"Cognito": ["orders/read"]}]
    assert paths["/maybe"]["get"]["security"] == [{"Cognito": []}]
    assert paths["/staff/desk"]["get"]["security"] == [{"Cognito": []}]
    assert [name for name in paths["/orders"]["get"] if name == "parameters"] == []


def test_docs_sign_in_with_pkce_and_ask_for_the_scopes_that_rules_name() -> None:
    """Also those of rules written after `docs()` was called."""
    page = TestClient(orders_app()[0]).get("/docs").text
    init = json.loads(page.partition("initOAuth(")[2].partition(")")[0])
    assert init == {"clientId": "webclient", "usePkceWithAuthorizationCodeGrant": True, "scopes": ["orders/read"]}


def test_without_managed_login_the_scheme_is_bearer() -> None:
    """`/docs` then asks for a token to be pasted."""
    auth = CognitoAuth(POOL.guard())
    app = FastAPI(**auth.docs())

    @app.get("/x", dependencies=[auth.requires(HasScope("a/b"))])
    def x() -> None: ...

    assert app.openapi()["components"]["securitySchemes"]["Cognito"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }


def test_mistakes_are_told_when_built_all_at_once() -> None:
    """Those of the front's settings included."""
    with pytest.raises(ConfigurationError) as caught:
        CognitoAuth("guard", domain="http://shop.example/", client="", realm='"')  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["domain", "client", "guard", "realm"]
    with pytest.raises(ConfigurationError, match="give both"):
        CognitoAuth(POOL.guard(), domain=DOMAIN)


async def test_the_decision_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """By code, as on every front."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    async with client(orders_app()[0]) as web:
        await web.get("/orders", headers=bearer())
    assert [record.getMessage().split(" ")[:2] for record in caplog.records] == [["denied", "insufficient_scope"]]


RESOURCE = ProtectedResource("https://api.example.com/v1", authorization_servers=[POOL.issuer], scopes=["orders/read"])


def test_the_resource_document_is_served_and_named() -> None:
    """RFC 9728: below every demand of the application, with its preflight, and in the challenges."""
    auth = auth_on(resource=RESOURCE)
    app = FastAPI(**auth.docs(), dependencies=[auth.requires()])

    @app.get("/x")
    def x() -> None: ...

    web = TestClient(app)
    for path in RESOURCE.paths:
        assert web.get(path).json()["scopes_supported"] == ["orders/read"]
        assert web.head(path).content == b""
        preflight = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "GET"}
        assert web.options(path, headers=preflight).headers["access-control-allow-origin"] == "*"
        assert web.options(path).status_code == web.post(path).status_code == 405
    assert f'resource_metadata="{RESOURCE.metadata_url}"' in web.get("/x").headers["www-authenticate"]
    assert not set(app.openapi()["paths"]) & RESOURCE.paths


def test_a_websockets_token_is_kept_from_the_endpoint() -> None:
    """Taken from the subprotocols or the query where that is named; neither is shown nor echoed."""
    auth = auth_on(credentials=[FromSubprotocol, FromQuery("token")])
    app = FastAPI(dependencies=[auth.requires(IsPerson())])  # both demands see the token, the endpoint does not

    @app.websocket("/feed")
    async def feed(websocket: WebSocket, who: Annotated[Principal, auth.requires()]) -> None:
        assert token not in str(websocket.scope)
        await websocket.accept(websocket.scope["subprotocols"][0] if websocket.scope["subprotocols"] else None)
        told = [who.username, str(websocket.url.query), websocket.headers.get("sec-websocket-protocol", "")]
        await websocket.send_json([*told, [value.decode() for _, value in websocket.headers.raw]])
        await websocket.close()

    token = POOL.access()
    web = TestClient(app)
    with web.websocket_connect("/feed", subprotocols=["cognito-guard.bearer", token, "chat"]) as socket:
        assert socket.accepted_subprotocol == "chat"
        told = socket.receive_json()
    assert (told[0], told[2]) == ("jane", "chat")
    assert token not in str(told)
    with web.websocket_connect(f"/feed?token={token}&page=2") as socket:
        told = socket.receive_json()
    assert told[:2] == ["jane", "page=2"]


async def test_a_token_that_is_known_meets_every_demand_anew() -> None:
    """The quick way: the second time a demand is met as the first, an optional one too, and a rule still refuses."""
    auth = auth_on()
    app = FastAPI(**auth.docs())
    headers = bearer(username="jane", scopes=["orders/read"])

    @app.get("/any")
    def any_token(who: Annotated[Principal, auth.requires()]) -> str:
        return str(who.username)

    @app.get("/maybe")
    def maybe(who: Annotated[Who, auth.optional()]) -> str:
        return str(who and who.username)

    @app.get("/staff")
    def staff(who: Annotated[Principal, auth.requires(InGroup("staff"))]) -> str:
        return str(who.username)

    async with client(app) as web:
        for _ in range(2):
            assert (await web.get("/any", headers=headers)).json() == "jane"
            assert (await web.get("/maybe", headers=headers)).json() == "jane"
            assert (await web.get("/staff", headers=headers)).status_code == 403
            assert (await web.get("/any")).status_code == 401
        app.dependency_overrides[auth] = as_user(username="eve")
        assert (await web.get("/any", headers=headers)).json() == "eve"
