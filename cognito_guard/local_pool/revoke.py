"""The revocation endpoint (RFC 7009): a refresh token, and with it every access and ID token of its family.

Decides whose token it is. What is revoked still verifies locally until it expires; userInfo and the Cognito API refuse it.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from cognito_guard.local_pool.client_authentication import Refused, authenticated
from cognito_guard.local_pool.form import read_form
from cognito_guard.local_pool.state import PoolState
from cognito_guard.local_pool.token_endpoint import NOT_STORED, refusal, single


class Revocation:
    """POST `/oauth2/revoke`."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    async def answer(self, request: Request) -> Response:
        """200 also for what is revoked already, and for what never was a token."""
        try:
            form = single(await read_form(request))
            client = authenticated(request, form, self._pool.settings)
            revoke(self._pool, client.id, form.get("token"))
        except Refused as refused:
            return refusal(refused)
        return Response(headers=NOT_STORED)


def revoke(pool: PoolState, client_id: str, token: str | None) -> None:
    """Revoke the family of a refresh token. Raises `Refused` for an access or ID token, and for another client's."""
    if token is None:
        raise Refused("invalid_request", "token is missing")
    if token.count(".") == 2:
        raise Refused("unsupported_token_type", "only refresh tokens are revoked; access and ID tokens fall with theirs")
    sign_in = pool.store.refresh_family(token)
    if sign_in is not None and sign_in.client_id != client_id:
        raise Refused("unauthorized_client", "the token was issued to another app client")
    if sign_in is not None:
        pool.store.revoke(sign_in.origin_jti)
