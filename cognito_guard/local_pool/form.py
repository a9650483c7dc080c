"""A request's body: read to a bound, and taken apart where it is a form.

Decides sizes and types. What fields mean is the endpoints' business.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from cognito_guard.local_pool.parameters import Parameters, read_parameters

MAX_BODY: Final = 64 * 1024


async def read_body(request: Request) -> bytes | None:
    """The body, or None for one that is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return body


async def read_form(request: Request) -> Parameters | None:
    """The fields of a form, or None for what is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = await read_body(request)
    return None if body is None else read_parameters(body)
