"""A FastAPI application that knows of no gateway: events, a websocket, files in and out. Served by uvicorn in a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Request, WebSocket
from fastapi.responses import StreamingResponse

app = FastAPI()
BLOCK = bytes(range(256)) * 256


@app.get("/events")
async def events(count: int) -> StreamingResponse:
    async def told() -> AsyncIterator[str]:
        for number in range(count):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(told(), media_type="text/event-stream")


@app.websocket("/shout")
async def shout(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers.get("x-cognito-username", ""))
    async for message in websocket.iter_text():
        await websocket.send_text(message.upper())


@app.get("/files/{blocks}")
async def file(blocks: int) -> StreamingResponse:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(blocks):
            yield BLOCK

    return StreamingResponse(
        content(), media_type="application/octet-stream", headers={"Content-Length": str(blocks * len(BLOCK))}
    )


@app.put("/files/{name}")
async def keep(name: str, request: Request, x_cognito_username: Annotated[str, Header()]) -> dict[str, str | int]:
    digest, count = hashlib.sha256(), 0
    async for octets in request.stream():
        digest.update(octets)
        count += len(octets)
    return {"name": name, "by": x_cognito_username, "octets": count, "sha256": digest.hexdigest()}
