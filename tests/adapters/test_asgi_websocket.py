"""CognitoASGI and websockets: judged before they are accepted, tokens taken out of sight (THREATS A26, A27), in process."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import pytest

from cognito_guard.adapters.asgi import PRINCIPAL, CognitoASGI
from cognito_guard.testing import Case, LocalUserPool, sample_settings, settings_routes, websocket_behaviour
from cognito_guard.web import FromSubprotocol, Public, ReportOnly

POOL = LocalUserPool()
GOOD = POOL.access()
GUARD = POOL.guard()
CASES = websocket_behaviour(POOL)


class Chat:
    """An application that accepts whatever reaches it and says who is there."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        offered = scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
        principal = scope[PRINCIPAL]
        await send({"type": "websocket.send", "text": "" if principal is None else principal.subject})


async def connect(app: Any, scope: dict[str, Any], first: str = "websocket.connect") -> list[dict[str, Any]]:
    """What the application sends to a client that connects and says nothing more."""
    incoming = iter([{"type": first}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def handshake(case: Case | None = None, *headers: tuple[bytes, bytes], target: str = "/x", **more: Any) -> dict[str, Any]:
    """A scope as uvicorn builds it."""
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in case.headers] if case else list(headers)
    raw, _, query = (case.target if case else target).partition("?")
    offered = b",".join(value for name, value in pairs if name == b"sec-websocket-protocol").decode("latin-1")
    return {
        "type": "websocket",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": pairs,
        "subprotocols": [name.strip() for name in offered.split(",") if name.strip()],
        **more,
    }


@asynccontextmanager
async def guarded(case: Case) -> AsyncIterator[tuple[CognitoASGI, Chat]]:
    chat = Chat()
    if case.keys_unavailable:
        with POOL.outage():
            yield CognitoASGI(chat, POOL.guard(), routes=settings_routes(), **sample_settings()), chat
    else:
        yield CognitoASGI(chat, GUARD, routes=settings_routes(), **sample_settings()), chat


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_behaviour_table(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Every row, with the denial response extension and without; the application sees no token but in `Authorization` and cookies."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    for extensions in ({"websocket.http.response": {}}, {}, None):
        async with guarded(case) as (app, chat):
            sent = await connect(app, handshake(case, extensions=extensions))
        types = [message["type"] for message in sent]
        if case.reaches_app:
            assert types == ["websocket.accept", "websocket.send"]
            assert case.check(200, [], sent[1]["text"].encode(), reached=bool(chat.scopes)) == []
            assert sent[0]["subprotocol"] in (None, "chat")
            (scope,) = chat.scopes
            shown = [
                scope["query_string"],
                scope["subprotocols"],
                [value for name, value in scope["headers"] if b"protocol" in name],
            ]
            assert not re.search(r"cognito-guard|eyJ", repr(shown)) or case.name == "websocket_token_in_query"
        elif extensions:
            assert types == ["websocket.http.response.start", "websocket.http.response.body"]
            answer = (sent[0]["status"], sent[0]["headers"], sent[1]["body"])
            assert case.check(*answer, reached=bool(chat.scopes)) == []
        else:
            assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", case.close_code)]
            assert sent[0]["reason"] in case.codes
            assert chat.scopes == []
    parts = [part for part in re.split(r"[ .,;=&?]", repr(case.headers) + case.target) if len(part) >= 20]
    assert [part for part in parts if part in caplog.text] == []


def test_close_codes() -> None:
    """4000 and the status, in the range that RFC 6455 §7.4.2 leaves to applications."""
    assert {case.close_code for case in CASES} == {None, 4400, 4401, 4403, 4503}


async def test_what_is_taken_out_and_what_stays() -> None:
    """Marker and token go from the list, the header and the query; order, case and octets of the rest stay; the server's scope too."""
    chat = Chat()
    app = CognitoASGI(chat, GUARD, **sample_settings())
    headers = [
        (b"Host", b"h"),
        (b"Sec-WebSocket-Protocol", b"cognito-guard.bearer, " + GOOD.encode() + b", chat"),
        (b"sec-websocket-protocol", b"chat.v2"),
        (b"X", b"\xff"),
    ]
    scope = handshake(
        None, *headers, target=f"/x?a=%20&ticket={GOOD}&b", subprotocols=["cognito-guard.bearer", GOOD, "chat", "chat.v2"]
    )
    before = {name: list(member) if isinstance(member, list) else member for name, member in scope.items()}
    sent = await connect(app, scope)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert scope == before
    (seen,) = chat.scopes
    assert seen["subprotocols"] == ["chat", "chat.v2"]
    assert seen["headers"] == [headers[0], headers[3], (b"sec-websocket-protocol", b"chat, chat.v2")]
    assert seen["query_string"] == b"a=%20&b"
    assert GOOD.split(".")[1] not in repr(seen)


async def test_a_server_may_keep_the_header_to_itself() -> None:
    """uvicorn with wsproto tells `subprotocols` only: what they hold counts all the same, and is taken out."""
    chat = Chat()
    app = CognitoASGI(chat, GUARD, credentials=[FromSubprotocol])
    await connect(app, handshake(subprotocols=["cognito-guard.bearer", GOOD, "chat"]))
    assert (chat.scopes[0]["subprotocols"], chat.scopes[0][PRINCIPAL].username) == (["chat"], "jane")
    assert GOOD not in repr(chat.scopes[0]["headers"])


async def test_without_the_setting_nothing_is_touched() -> None:
    """A subprotocol that is not ours to read is the application's."""
    chat = Chat()
    app = CognitoASGI(chat, GUARD, routes=[Public("/*")])
    scope = handshake(None, (b"sec-websocket-protocol", b"a,b"), target="/x?ticket=t")
    await connect(app, scope)
    assert {name: chat.scopes[0][name] for name in scope} == scope


async def test_who_has_gone_is_not_answered() -> None:
    """A client that disconnects before its refusal is sent nothing, and a refusal is sent only after `websocket.connect`."""
    chat = Chat()
    app = CognitoASGI(chat, GUARD)
    assert await connect(app, handshake(), first="websocket.disconnect") == []
    assert [message["type"] for message in await connect(app, handshake())] == ["websocket.close"]
    assert chat.scopes == []


async def test_report_only_for_websockets() -> None:
    """It lets pass, and still takes the token out."""
    chat = Chat()
    app = CognitoASGI(chat, GUARD, mode=ReportOnly, credentials=[FromSubprotocol])
    await connect(app, handshake(None, (b"sec-websocket-protocol", b"cognito-guard.bearer, " + POOL.bad("expired").encode())))
    assert (chat.scopes[0][PRINCIPAL], chat.scopes[0]["subprotocols"], chat.scopes[0]["headers"]) == (None, [], [])


async def test_starlettes_test_client_sees_the_close_code() -> None:
    """The client that most tests of websockets use."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.testclient import TestClient, WebSocketDenialResponse
    from starlette.websockets import WebSocket

    async def hello(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
        await websocket.send_text(websocket.user.display_name)
        await websocket.close()

    app = CognitoASGI(Starlette(routes=[WebSocketRoute("/x", hello)]), GUARD, credentials=[FromSubprotocol])
    with TestClient(app) as client:
        with client.websocket_connect("/x", subprotocols=["cognito-guard.bearer", GOOD, "chat"]) as session:
            assert (session.accepted_subprotocol, session.receive_text()) == ("chat", "jane")
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/x"):
            pass
    assert (denied.value.status_code, denied.value.json()["code"]) == (401, "credentials_missing")
