"""CognitoStarlette: decorators on Starlette's endpoints, in process (the behaviour table; issue 3)."""

from __future__ import annotations

import functools
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlettes_requires
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from cognito_guard import HasScope, InGroup, IsPerson, parse_rule
from cognito_guard.adapters.starlette import PRINCIPAL, CognitoStarlette
from cognito_guard.errors import ConfigurationError
from cognito_guard.testing import SAMPLE_ROUTES, Case, LocalUserPool, behaviour
from cognito_guard.web import FromSubprotocol, ProtectedResource

POOL = LocalUserPool()
CASES = behaviour(POOL)
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]


def bearer(**keywords: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {POOL.access(**keywords)}"}


class Table:
    """The sample routes as endpoints of one kind, each with the decorator that says the same."""

    def __init__(self, kind: str) -> None:
        self.reached: list[str] = []
        cognito = CognitoStarlette(POOL.guard())
        routes = []
        for path, demand, rule in SAMPLE_ROUTES:
            if demand == "public":
                routes.append(self._route(path.replace("*", "{rest:path}"), lambda endpoint: endpoint, kind))
            elif demand == "identify":
                routes.append(self._route(path, cognito.optional(), kind))
            else:
                routes.append(self._route(path, cognito.requires(parse_rule(str(rule))), kind))
        routes.append(self._route("/{rest:path}", cognito.requires(), kind))
        self.app = Starlette(routes=routes)

    def _route(self, path: str, decorator: Any, kind: str) -> Route:
        def answer(request: Request) -> Response:
            self.reached.append(path)
            who = request.scope.get(PRINCIPAL)
            return PlainTextResponse("" if who is None or request.method == "HEAD" else who.subject)

        async def answer_async(request: Request) -> Response:
            return answer(request)

        @decorator
        class Guarded(HTTPEndpoint):
            async def get(self, request: Request) -> Response:
                return answer(request)

            head = post = options = get

        class WithGuardedMethods(HTTPEndpoint):
            @decorator
            def get(self, request: Request) -> Response:
                return answer(request)

            head = post = options = get

        endpoint = {
            "sync": decorator(answer),
            "async": decorator(answer_async),
            "class": Guarded,
            "methods": WithGuardedMethods,
        }[kind]
        return Route(path, endpoint, methods=METHODS)

    async def check(self, case: Case) -> list[str]:
        self.reached.clear()
        if case.keys_unavailable:
            POOL.outage()
        try:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://test") as web:
                headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]
                answer = await web.request(case.method, case.target, headers=headers)
        finally:
            POOL.recover()
        return case.check(answer.status_code, answer.headers.raw, answer.content, reached=bool(self.reached))


# the client resolves dot segments before it sends, and a decorator never sees the path: the framework chose it by its own reading
SENDABLE = [case for case in CASES if "/../" not in case.target]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table("async")


@pytest.mark.parametrize("case", SENDABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_behaviour_table(case: Case, table: Table) -> None:
    """Every row, on async functions. A Guard that has keys cannot show an outage, so these rows get an application of their own."""
    assert await (Table("async") if case.keys_unavailable else table).check(case) == []


@pytest.mark.parametrize("kind", ["sync", "async", "class", "methods"])
async def test_the_behaviour_table_on_every_kind_of_endpoint(kind: str) -> None:
    """The rows about fronts again, under asyncio and trio."""
    table = Table(kind)
    rows = [case for case in SENDABLE if not case.name.startswith("bad_") and not case.keys_unavailable]
    assert [(case.name, wrong) for case in rows for wrong in await table.check(case)] == []


@pytest.mark.parametrize("kind", ["sync", "class", "methods"])
async def test_an_outage_on_every_kind_of_endpoint(kind: str) -> None:
    """503, each on an application whose Guard never held keys."""
    rows = [case for case in SENDABLE if case.keys_unavailable]
    assert [(case.name, wrong) for case in rows for wrong in await Table(kind).check(case)] == []


def app_with(*routes: Any) -> TestClient:
    return TestClient(Starlette(routes=list(routes)))


def test_request_user_and_request_auth_are_starlettes_own() -> None:
    """Its `requires` and whatever else reads them work on; anonymous requests have its anonymous user."""
    cognito = CognitoStarlette(POOL.guard())

    @cognito.optional()
    async def who(request: Request) -> Response:
        user = request.user
        return PlainTextResponse(f"{user.is_authenticated} {user.display_name} {'orders/read' in request.auth.scopes}")

    @cognito.requires()
    @starlettes_requires("orders/read")
    async def orders(request: Request) -> Response:
        assert request.user.identity == request.user.principal.subject
        return PlainTextResponse("orders")

    web = app_with(Route("/who", who), Route("/orders", orders))
    assert web.get("/who").text == "False  False"
    assert web.get("/who", headers=bearer(scopes=["orders/read"])).text == "True jane True"
    assert web.get("/orders", headers=bearer(scopes=["orders/read"])).text == "orders"
    assert web.get("/orders", headers=bearer()).status_code == 403


def test_websocket_functions_and_classes() -> None:
    """Good: accepted. Refused: before it is accepted, and the endpoint is not called."""
    cognito = CognitoStarlette(POOL.guard())
    called: list[str] = []

    @cognito.requires(HasScope("orders/read"))
    async def feed(websocket: WebSocket) -> None:
        called.append("feed")
        await websocket.accept()
        await websocket.send_text(websocket.user.display_name)
        await websocket.close()

    @cognito.requires(HasScope("orders/read"))
    class Feed(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            called.append("Feed")
            await websocket.accept()
            await websocket.send_text(websocket.scope[PRINCIPAL].username)
            await websocket.close()

    web = app_with(WebSocketRoute("/function", feed), WebSocketRoute("/class", Feed))

    async def without_extension(scope: Any, receive: Any, send: Any) -> None:
        await web.app({**scope, "extensions": {}}, receive, send)

    for path in ("/function", "/class"):
        with web.websocket_connect(path, headers=bearer(scopes=["orders/read"])) as socket:
            assert socket.receive_text() == "jane"
        for headers, status, code in (({}, 401, "credentials_missing"), (bearer(), 403, "insufficient_scope")):
            with pytest.raises(WebSocketDisconnect) as denied, web.websocket_connect(path, headers=headers):
                pass
            answer: Any = denied.value
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            with (
                pytest.raises(WebSocketDisconnect) as closed,
                TestClient(without_extension).websocket_connect(path, headers=headers),
            ):
                pass
            assert (closed.value.code, closed.value.reason) == (4000 + status, code)
    assert called == ["feed", "Feed"]


def test_a_refusal_is_a_response_to_decorators_in_between() -> None:
    """They may look at it and add header fields, as to any other."""
    cognito = CognitoStarlette(POOL.guard(), realm="shop")

    def stamped(endpoint: Any) -> Any:
        @functools.wraps(endpoint)
        async def stamp(request: Request) -> Response:
            answer: Response = await endpoint(request)
            assert answer.status_code == 401
            assert b"credentials_missing" in bytes(answer.body)
            return answer

        return stamp

    @stamped
    @cognito.requires()
    async def x(request: Request) -> Response:
        raise AssertionError

    answer = app_with(Route("/", x)).get("/")
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="shop"'


def test_callable_objects_and_partials() -> None:
    """What is asynchronous stays so, however it is wrapped."""
    cognito = CognitoStarlette(POOL.guard())

    async def greet(request: Request, word: str) -> Response:
        return PlainTextResponse(word)

    partial = cognito.requires()(functools.partial(greet, word="hello"))
    web = app_with(Route("/", partial))
    assert web.get("/").status_code == 401
    assert web.get("/", headers=bearer()).text == "hello"


def test_the_decorated_keeps_its_name() -> None:
    """Routes are named by it, and documentation reads it."""
    cognito = CognitoStarlette(POOL.guard())

    @cognito.requires()
    async def orders(request: Request) -> None:
        """All orders."""

    @cognito.requires()
    class Orders(HTTPEndpoint):
        """All orders."""

    assert (orders.__name__, orders.__doc__) == ("orders", "All orders.")
    assert (Orders.__name__, Orders.__doc__, Orders.__module__) == ("Orders", "All orders.", __name__)
    assert issubclass(Orders, HTTPEndpoint)


def test_mistakes_are_told_when_decorating() -> None:
    """Forgotten parentheses, other classes, and settings that no front has."""
    cognito = CognitoStarlette(POOL.guard())
    with pytest.raises(ConfigurationError, match="rule: "):
        cognito.requires(lambda request: None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="HTTPEndpoint"):
        cognito.requires()(dict)
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoStarlette(InGroup("staff"))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no such setting"):
        CognitoStarlette(POOL.guard(), relm="x")  # type: ignore[call-arg]


async def test_an_endpoint_that_is_called_without_a_request_never_runs() -> None:
    """There is nothing to judge."""
    cognito = CognitoStarlette(POOL.guard())

    @cognito.requires()
    async def x(*args: object) -> None:
        raise AssertionError

    with pytest.raises(ConfigurationError, match="neither"):
        await x("jane")


RESOURCE = ProtectedResource("https://api.example.com/v1", authorization_servers=[POOL.issuer], scopes=["orders/read"])


def test_the_resource_document_is_served_and_named() -> None:
    """RFC 9728: by the routes that the application takes from us, with its preflight, and in the challenges."""
    cognito = CognitoStarlette(POOL.guard(), resource=RESOURCE)

    @cognito.requires()
    async def x(request: Request) -> Response:
        raise AssertionError

    web = app_with(Route("/x", x), *cognito.routes())
    for path in RESOURCE.paths:
        assert web.get(path).json()["scopes_supported"] == ["orders/read"]
        assert web.head(path).content == b""
        preflight = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "GET"}
        assert web.options(path, headers=preflight).headers["access-control-allow-origin"] == "*"
        assert web.options(path).status_code == web.post(path).status_code == 405
    assert f'resource_metadata="{RESOURCE.metadata_url}"' in web.get("/x").headers["www-authenticate"]
    assert CognitoStarlette(POOL.guard()).routes() == []


def test_a_websockets_token_is_kept_from_the_endpoint() -> None:
    """Taken from the subprotocols where that is named; neither shown nor echoed."""
    cognito = CognitoStarlette(POOL.guard(), credentials=[FromSubprotocol])

    @cognito.requires()
    @cognito.requires(IsPerson())  # both demands see the token, the endpoint does not
    async def feed(websocket: WebSocket) -> None:
        await websocket.accept(websocket.scope["subprotocols"][0])
        assert token not in str(websocket.scope)
        await websocket.send_json([value.decode() for _, value in websocket.headers.raw])
        await websocket.close()

    token = POOL.access()
    with app_with(WebSocketRoute("/", feed)).websocket_connect(
        "/", subprotocols=["cognito-guard.bearer", token, "chat"]
    ) as socket:
        assert socket.accepted_subprotocol == "chat"
        assert token not in str(socket.receive_json())
