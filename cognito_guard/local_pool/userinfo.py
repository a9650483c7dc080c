"""The userInfo endpoint: a user's attributes for an access token with `openid`; every value is a string, booleans too.

Decides by the token alone: it must verify, be of a live sign-in, and carry the scope; so this also tells whether it was revoked.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cognito_guard.errors import CredentialsRefused
from cognito_guard.local_pool.state import NoHolder, PoolState
from cognito_guard.local_pool.token_endpoint import NOT_STORED
from cognito_guard.local_pool.tokens import attributes_as_text
from cognito_guard.testing.claims import subject_of
from cognito_guard.web.credentials import bearer_token


class UserInfo:
    """GET and POST `/oauth2/userInfo`."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    async def answer(self, request: Request) -> Response:
        """The attributes; 400 for what are no credentials, 401 for a token that opens nothing here."""
        try:
            token = bearer_token(request.headers.raw)
        except CredentialsRefused:
            return _refused(400, "invalid_request", "the request must carry one Bearer token, in one Authorization field")
        if token is None:
            return _refused(401, "invalid_token", "Access token is missing")
        try:
            user, scopes = await self._pool.holder(token, "openid")
        except NoHolder as error:
            return _refused(401, "invalid_token", str(error))
        told = {"sub": subject_of(user.username), **attributes_as_text(user, scopes), "username": user.username}
        return JSONResponse(told, headers=NOT_STORED)


def _refused(status: int, error: str, text: str) -> Response:
    challenge = {"WWW-Authenticate": f'Bearer error="{error}", error_description="{text}"'}
    return JSONResponse({"error": error, "error_description": text}, status, {**NOT_STORED, **challenge})
