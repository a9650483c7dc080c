"""CognitoASGI around ASGI applications that nobody here wrote (issue 3)."""

# no `from __future__ import annotations`: Litestar could not read annotations that name a test's local variables

from typing import Any

import httpx2
import pytest
from datasette.app import Datasette
from litestar import Litestar, Request, get

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.asgi import PRINCIPAL, CognitoASGI
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Identify, Protect, Public

POOL = LocalUserPool()


@pytest.fixture
def anyio_backend() -> str:
    """datasette runs on asyncio."""
    return "asyncio"


def bearer(**keywords: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {POOL.access(**keywords)}"}


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")


async def test_datasette() -> None:
    """Its pages, its JSON and its SQL behind scopes; its style sheet open; nothing else without a token."""
    routes = [Public("/-/static/*"), Protect("/-/*", InGroup("staff")), Protect("/*", HasScope("orders/read"))]
    app = CognitoASGI(Datasette(memory=True).app(), POOL.guard(), routes=routes)
    reader = bearer(scopes=["orders/read"])
    async with client(app) as web:
        assert (await web.get("/-/static/app.css")).status_code == 200
        for path in (
            "/",
            "/_memory",
            "/_memory.json?sql=select+1",
            "/-/versions.json",
            "/-/static/../versions.json",
            "/-/static",
        ):
            answer = await web.get(path)
            assert answer.status_code == 401
            assert b"datasette" not in answer.content.lower()
        assert (await web.get("/_memory.json?sql=select+42+as+n&_shape=array", headers=reader)).json() == [{"n": 42}]
        assert (await web.get("/-/versions.json", headers=reader)).status_code == 403
        assert "datasette" in (await web.get("/-/versions.json", headers=bearer(groups=["staff"]))).json()
        assert (
            await web.get("/_memory", headers={"Authorization": f"Bearer {POOL.bad('attacker_signature')}"})
        ).status_code == 401


async def test_a_plugin_of_datasette_reads_the_principal() -> None:
    """The scope that datasette hands to its `actor_from_request` holds it."""
    from datasette import hookimpl
    from datasette.plugins import pm

    class Actor:
        __name__ = "cognito_actor"

        @hookimpl
        def actor_from_request(self, datasette: Any, request: Any) -> Any:
            who = request.scope[PRINCIPAL]
            return {"id": who.username}

    plugin = Actor()
    pm.register(plugin, name="cognito_actor")
    try:
        async with client(CognitoASGI(Datasette(memory=True).app(), POOL.guard())) as web:
            assert (await web.get("/-/actor.json", headers=bearer())).json() == {"actor": {"id": "jane"}}
    finally:
        pm.unregister(plugin)


async def test_a_litestar_application() -> None:
    """As it is, with its own OpenAPI pages; `request.user` is filled for it."""

    @get("/orders")
    async def orders(request: Request[Any, Any, Any]) -> str:
        return str(request.user.identity == request.scope[PRINCIPAL].subject)

    @get("/maybe")
    async def maybe(request: Request[Any, Any, Any]) -> str:
        return str(request.user.is_authenticated)

    app = CognitoASGI(Litestar([orders, maybe], logging_config=None), POOL.guard(), routes=[Identify("/maybe")])
    async with client(app) as web:
        assert (await web.get("/orders")).status_code == 401
        assert (await web.get("/schema/openapi.json")).status_code == 401
        assert (await web.get("/orders", headers=bearer())).text == "True"
        assert (await web.get("/maybe")).text == "False"
        assert "/orders" in (await web.get("/schema/openapi.json", headers=bearer())).json()["paths"]
