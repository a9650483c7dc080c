"""CognitoASGI's websockets behind a real uvicorn, with a real client (THREATS A26, A27)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from cognito_guard.adapters.asgi import PRINCIPAL, CognitoASGI
from cognito_guard.testing import LocalUserPool, sample_settings, settings_routes

POOL = LocalUserPool()
GOOD = POOL.access()


async def chat(scope: Any, receive: Any, send: Any) -> None:
    """Accepts, and says who is there, what was offered and what was asked."""
    assert (await receive())["type"] == "websocket.connect"
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
    principal = scope[PRINCIPAL]
    fields = [value.decode() for name, value in scope["headers"] if name == b"sec-websocket-protocol"]
    told = [principal and principal.username, offered, fields, scope["query_string"].decode()]
    await send({"type": "websocket.send", "text": json.dumps(told)})
    await send({"type": "websocket.close", "code": 1000})


@pytest.fixture(scope="module", params=["websockets-sansio", "wsproto"])
def url(request: Any) -> Iterator[str]:
    """A server for each implementation of websockets that uvicorn knows."""
    app = CognitoASGI(chat, POOL.guard(), routes=settings_routes(), **sample_settings())
    server = uvicorn.Server(uvicorn.Config(app, ws=request.param, http="h11", lifespan="off", log_config=None))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    host, port = listening.getsockname()
    yield f"ws://{host}:{port}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def told(url: str, headers: dict[str, str] | None = None, **more: Any) -> tuple[str | None, list[Any]]:
    """The subprotocol that was chosen, and what the application saw."""
    with connect(url, additional_headers=headers, proxy=None, **more) as connection:
        return connection.subprotocol, json.loads(connection.recv(timeout=10))


def test_tokens_from_every_source(url: str) -> None:
    """Header, subprotocol, query and cookie; what carried the token in the handshake's query or subprotocols is out of sight."""
    marker: Any = "cognito-guard.bearer"
    assert told(f"{url}/private?a=b", {"Authorization": f"Bearer {GOOD}"}) == (None, ["jane", [], [], "a=b"])
    assert told(f"{url}/private", subprotocols=[marker, GOOD, "chat"]) == ("chat", ["jane", ["chat"], ["chat"], ""])
    assert told(f"{url}/private?ticket={GOOD}&a=b") == (None, ["jane", [], [], "a=b"])
    assert told(f"{url}/private", {"Cookie": f"session={GOOD}"}, origin=url.replace("ws", "http")) == (None, ["jane", [], [], ""])
    assert told(f"{url}/open/x") == (None, [None, [], [], ""])


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/private", {}, 401, "credentials_missing"),
        ("/private", {"Authorization": f"Bearer {POOL.bad('expired')}"}, 401, "expired"),
        ("/private", {"Authorization": "Bearer a b"}, 400, "credentials_malformed"),
        ("/orders", {"Authorization": f"Bearer {GOOD}"}, 403, "insufficient_scope"),
        ("/private", {"Cookie": f"session={GOOD}", "Origin": "https://attacker.example"}, 401, "credentials_missing"),
        ("/open/..;/private", {}, 400, "target_ambiguous"),
    ],
)
def test_a_refusal_is_a_whole_answer(url: str, path: str, headers: dict[str, str], status: int, code: str) -> None:
    """uvicorn has the denial response extension: status, challenge and problem document arrive before any acceptance."""
    with pytest.raises(InvalidStatus) as refused, connect(f"{url}{path}", additional_headers=headers, proxy=None):
        pass
    answer = refused.value.response
    assert answer.status_code == status
    assert json.loads(answer.body or b"")["code"] == code
    assert ("WWW-Authenticate" in answer.headers) == (code != "target_ambiguous")
    assert answer.headers["Cache-Control"] == "no-store"
