"""CognitoLitestar: guards on Litestar's handlers, in process (the behaviour table; issue 3)."""

# no `from __future__ import annotations`: Litestar could not read annotations that name a test's local variables

import json
from typing import Any

import httpx2
import pytest
from litestar import Controller, HttpMethod, Litestar, Request, Response, WebSocket, get, route, websocket
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, WebSocketDisconnect
from litestar.testing import TestClient

from cognito_guard import HasScope, InGroup, IsPerson, Principal, parse_rule
from cognito_guard.adapters.litestar import PRINCIPAL, CognitoLitestar, Refused
from cognito_guard.errors import ConfigurationError
from cognito_guard.testing import SAMPLE_ROUTES, Case, LocalUserPool, behaviour
from cognito_guard.web import FromSubprotocol, ProtectedResource

POOL = LocalUserPool()
CASES = behaviour(POOL)


def bearer(**keywords: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {POOL.access(**keywords)}"}


def application(*handlers: Any, **more: Any) -> Litestar:
    return Litestar([*handlers], openapi_config=None, logging_config=None, **more)


class Table:
    """The sample routes as handlers, each with the guard that says the same."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        cognito = CognitoLitestar(POOL.guard())
        handlers = []
        for path, demand, rule in SAMPLE_ROUTES:
            if demand == "public":
                handlers.append(self._handler(path.replace("*", "{rest:path}")))
            elif demand == "identify":
                handlers.append(self._handler(path, cognito.optional()))
            else:
                handlers.append(self._handler(path, cognito.requires(parse_rule(str(rule)))))
        # "/open/{rest:path}" takes "/open" as well, unlike Public("/open/*")
        handlers += [self._handler(path, cognito.requires()) for path in ("/open", "/{rest:path}")]
        self.app = application(*handlers, plugins=[cognito])

    def _handler(self, path: str, *guards: Any) -> Any:
        methods = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST, HttpMethod.OPTIONS]

        @route(path, http_method=methods, guards=guards, status_code=200)
        async def handler(request: Request[Any, Any, Any]) -> Response[bytes]:
            self.reached.append(path)
            who = request.scope.get(PRINCIPAL)
            return Response(b"" if who is None or request.method == "HEAD" else who.subject.encode())

        return handler

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


# the client resolves dot segments before it sends, and a guard never sees the path: the framework chose it by its own reading
SENDABLE = [case for case in CASES if "/../" not in case.target]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


@pytest.mark.parametrize("case", SENDABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_behaviour_table(case: Case, table: Table) -> None:
    """Every row. A Guard that has keys cannot show an outage, so these rows get an application of their own."""
    assert await (Table() if case.keys_unavailable else table).check(case) == []


async def test_the_behaviour_table_under_trio(table: Table) -> None:
    """The rows about fronts again, on both event loops."""
    rows = [case for case in SENDABLE if not case.name.startswith("bad_") and not case.keys_unavailable]
    assert [(case.name, wrong) for case in rows for wrong in await table.check(case)] == []


def test_the_principal_is_a_dependency_and_the_user() -> None:
    """Also in synchronous handlers; where nobody signed in, None, and a user that is false."""
    cognito = CognitoLitestar(POOL.guard())

    @get("/orders", guards=[cognito.requires(HasScope("orders/read"))], sync_to_thread=True)
    def orders(principal: NamedDependency[Principal], request: Request[Any, Any, Any]) -> str:
        assert request.user.principal is principal
        assert (request.user.identity, request.auth.scopes) == (principal.subject, ["authenticated", "orders/read"])
        return str(principal.username)

    @get("/maybe", guards=[cognito.optional()])
    async def maybe(principal: NamedDependency[Principal | None], request: Request[Any, Any, Any]) -> str:
        assert request.user.principal is principal
        assert bool(request.user) is request.user.is_authenticated is (principal is not None)
        return str(principal and principal.username)

    with TestClient(application(orders, maybe, plugins=[cognito])) as web:
        assert web.get("/orders", headers=bearer(scopes=["orders/read"])).text == "jane"
        assert web.get("/maybe").text == "None"
        assert web.get("/maybe", headers=bearer()).text == "jane"


def test_guards_of_every_layer_count() -> None:
    """The application's and the controller's and the handler's: all must let the request through."""
    cognito = CognitoLitestar(POOL.guard())

    class Desk(Controller):
        path = "/desk"
        guards = [cognito.requires(InGroup("staff"))]  # noqa: RUF012

        @get("/", guards=[cognito.requires(HasScope("orders/read"))])
        async def look(self, principal: NamedDependency[Principal]) -> str:
            return str(principal.username)

    with TestClient(application(Desk, guards=[cognito.requires()], plugins=[cognito])) as web:
        assert web.get("/desk").status_code == 401
        assert web.options("/desk").status_code == 401
        assert web.get("/desk", headers=bearer(groups=["staff"])).status_code == 403
        assert web.get("/desk", headers=bearer(scopes=["orders/read"])).status_code == 403
        assert web.get("/desk", headers=bearer(groups=["staff"], scopes=["orders/read"])).text == "jane"


def test_a_refused_websocket_is_closed_before_it_is_accepted() -> None:
    """By a code that says which status it would have been, and the reason's code."""
    cognito = CognitoLitestar(POOL.guard())
    called: list[str] = []

    @websocket("/feed", guards=[cognito.requires(HasScope("orders/read"))])
    async def feed(socket: WebSocket[Any, Any, Any], principal: NamedDependency[Principal]) -> None:
        called.append("feed")
        await socket.accept()
        await socket.send_text(str(principal.username))
        await socket.close()

    with TestClient(application(feed, plugins=[cognito])) as web:
        with web.websocket_connect("/feed", headers=bearer(scopes=["orders/read"])) as socket:
            assert socket.receive_text() == "jane"
        for headers, code, reason in (({}, 4401, "credentials_missing"), (bearer(), 4403, "insufficient_scope")):
            with pytest.raises(WebSocketDisconnect) as closed, web.websocket_connect("/feed", headers=headers) as socket:
                socket.receive_text()
            assert (closed.value.code, closed.value.detail) == (code, reason)
    assert called == ["feed"]


def test_handlers_of_the_applications_own() -> None:
    """One for HTTPException does not change our answers; one for `Refused` does."""
    cognito = CognitoLitestar(POOL.guard(), realm="shop")

    @get("/x", guards=[cognito.requires()])
    async def x() -> None:
        raise AssertionError

    def mine(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        return Response({"mine": type(error).__name__}, status_code=error.status_code)

    with TestClient(application(x, plugins=[cognito], exception_handlers={HTTPException: mine})) as web:
        answer = web.get("/x")
        assert answer.json()["code"] == "credentials_missing"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="shop"'
    with TestClient(application(x, plugins=[cognito], exception_handlers={Refused: mine})) as web:
        assert web.get("/x").json() == {"mine": "Refused"}


def test_without_the_plugin_status_and_header_fields_remain() -> None:
    """Nobody comes in because a line was forgotten; the body is Litestar's, and holds the code."""
    cognito = CognitoLitestar(POOL.guard())

    @get("/x", guards=[cognito.requires()])
    async def x() -> None:
        raise AssertionError

    with TestClient(application(x)) as web:
        answer = web.get("/x")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert json.loads(answer.content)["extra"] == {"code": "credentials_missing"}


def test_mistakes_are_told_when_built() -> None:
    """Of the front and of the rule."""
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoLitestar("guard")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="rule: "):
        CognitoLitestar(POOL.guard()).requires("orders/read")  # type: ignore[arg-type]


RESOURCE = ProtectedResource("https://api.example.com/v1", authorization_servers=[POOL.issuer], scopes=["orders/read"])


def test_the_resource_document_is_served_and_named() -> None:
    """RFC 9728: by the plugin, below guards of the application, with its preflight, and in the challenges."""
    cognito = CognitoLitestar(POOL.guard(), resource=RESOURCE)
    with TestClient(application(guards=[cognito.requires()], plugins=[cognito])) as web:
        for path in RESOURCE.paths:
            assert web.get(path).json()["scopes_supported"] == ["orders/read"]
            assert web.head(path).content == b""
            preflight = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "GET"}
            assert web.options(path, headers=preflight).headers["access-control-allow-origin"] == "*"
            assert web.post(path, headers=bearer()).status_code == 405
            answer = web.post(path)
            assert answer.status_code == 401
            assert f'resource_metadata="{RESOURCE.metadata_url}"' in answer.headers["www-authenticate"]


def test_a_websockets_token_is_kept_from_the_handler() -> None:
    """Taken from the subprotocols where that is named; neither shown nor echoed."""
    cognito = CognitoLitestar(POOL.guard(), credentials=[FromSubprotocol])

    # both demands see the token, the handler does not
    @websocket("/feed", guards=[cognito.requires(), cognito.requires(IsPerson())])
    async def feed(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept(subprotocols=socket.scope["subprotocols"][0])
        await socket.send_json([value.decode() for _, value in socket.scope["headers"]] + list(socket.headers.values()))
        await socket.close()

    token = POOL.access()
    with (
        TestClient(application(feed, plugins=[cognito])) as web,
        web.websocket_connect("/feed", subprotocols=["cognito-guard.bearer", token, "chat"]) as socket,
    ):
        assert token not in str(socket.receive_json())
