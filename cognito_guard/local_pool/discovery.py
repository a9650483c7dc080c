"""The two documents under the issuer: the JWK Set and the OpenID configuration; and the front page, for people.

Decides their members, which are those that Cognito's has. The keys are the mint's.
"""

from __future__ import annotations

from html import escape
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cognito_guard.local_pool.pages import page
from cognito_guard.local_pool.settings import OIDC_SCOPES
from cognito_guard.local_pool.state import PoolState
from cognito_guard.testing.publishing import jwks_url


class Discovery:
    """GET `/{pool_id}/.well-known/jwks.json`, `/{pool_id}/.well-known/openid-configuration`, and `/`."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    async def jwks(self, _request: Request) -> Response:
        """The JWK Set, with whatever outage the pool was told to have."""
        try:
            answer = await run_in_threadpool(self._pool.mint.fetch, jwks_url(self._pool.mint.issuer))
        except OSError:
            return Response(status_code=503)  # an outage of the connection itself, as near as one comes from in here
        headers = {"Cache-Control": answer.cache_control} if answer.cache_control else None
        return Response(answer.body, answer.status, headers, "application/json")

    async def configuration(self, _request: Request) -> Response:
        """The members of Cognito's document. `response_types_supported` lacks `token`: there is no implicit grant here."""
        return JSONResponse(configuration(self._pool))

    async def front_page(self, _request: Request) -> Response:
        """Addresses and app clients; no password and no secret."""
        told = configuration(self._pool)
        endpoints = "".join(
            f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>"
            for name, value in told.items()
            if isinstance(value, str)
        )
        clients = "".join(
            f"<dt><code>{escape(client.id)}</code></dt><dd>{'confidential' if client.secret else 'public'}, "
            f"{escape(', '.join(client.grants))}</dd>"
            for client in self._pool.settings.clients
        )
        users = ", ".join(f"<code>{escape(user.username)}</code>" for user in self._pool.settings.users)
        inside = (
            f'<h1>User pool <code>{escape(self._pool.settings.pool_id)}</code></h1><p class="soft">Passwords and secrets were'
            f" printed where this server was started.</p><h2>Addresses</h2><dl>{endpoints}</dl>"
            f"<h2>App clients</h2><dl>{clients}</dl><h2>Users</h2><p>{users}</p>"
        )
        return page(f"User pool {self._pool.settings.pool_id}", inside, wide=True)


def configuration(pool: PoolState) -> dict[str, Any]:
    """The OpenID configuration."""
    return {
        "authorization_endpoint": f"{pool.base}/oauth2/authorize",
        "end_session_endpoint": f"{pool.base}/logout",
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": pool.mint.issuer,
        "jwks_uri": jwks_url(pool.mint.issuer),
        "response_types_supported": ["code"],
        "revocation_endpoint": f"{pool.base}/oauth2/revoke",
        "scopes_supported": [OIDC_SCOPES[0], "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": f"{pool.base}/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": f"{pool.base}/oauth2/userInfo",
    }
