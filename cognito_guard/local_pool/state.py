"""What the endpoints share: the settings, the mint, the store, and how tokens are put together from them.

Decides nothing about requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cognito_guard.errors import TokenRejected
from cognito_guard.local_pool import tokens
from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.people import User
from cognito_guard.local_pool.settings import Settings
from cognito_guard.local_pool.store import SignIn, Store
from cognito_guard.pool import AnyClient
from cognito_guard.testing import LocalUserPool


class PoolState:
    """One served pool. `base` is the address of its managed login, `mint.issuer` its issuer."""

    def __init__(self, settings: Settings, mint: LocalUserPool, store: Store, base: str) -> None:
        self.settings = settings
        self.mint = mint
        self.store = store
        self.base = base
        self._users = {user.username: user for user in settings.users}
        # its own keys, without HTTP; not cached, so that a rotation is seen at once
        self._guard = mint.guard(mint.user_pool.access_tokens(client=AnyClient), fetch=self._own_keys, cache_tokens=0)

    def _own_keys(self, _url: str) -> Any:
        import json

        from cognito_guard.keys import Fetched

        return Fetched(200, json.dumps(self.mint.jwks()).encode(), "max-age=300")

    def sign_in(self, user: User, client: Client, **told: Any) -> SignIn:
        """A sign-in that begins now; `told` are the fields that a request decides."""
        return SignIn(
            username=user.username,
            client_id=client.id,
            origin_jti=self.store.identifier(),
            event_id=self.store.identifier(),
            **{"auth_time": int(self.store.now()), **told},
        )

    def issue(
        self, client: Client, sign_in: SignIn, *, nonce: str | None = None, scopes: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """`access_token`, `expires_in`, and `id_token` where the scopes make one. `scopes` narrows the access token's."""
        user = self._users[sign_in.username]
        granted = tuple(sign_in.scopes if scopes is None else scopes)
        access = tokens.access_token(self.mint, self.settings, client, user, sign_in, granted)
        issued: dict[str, Any] = {"access_token": access, "expires_in": client.access_seconds}
        if sign_in.api or "openid" in granted:
            hashed = None if sign_in.api else access
            issued["id_token"] = tokens.id_token(self.mint, self.settings, client, user, sign_in, access=hashed, nonce=nonce)
        return issued

    async def holder(self, access_token: str, scope: str) -> tuple[User, frozenset[str]]:
        """Who holds one of our own live access tokens, and its scopes, of which `scope` is one. Otherwise raises `NoHolder`."""
        try:
            principal = await self._guard.authenticate_async(access_token)
        except TokenRejected as error:
            told = f"Access Token is not accepted: {error.code}"
        else:
            if not self.store.is_live(principal.origin_jti):
                told = "Access Token has been revoked"
            elif scope not in principal.scopes:
                told = f"Access Token does not contain {scope} scope"
            else:
                return self._users[str(principal.username)], principal.scopes
        raise NoHolder(told)


class NoHolder(Exception):
    """An access token that opens nothing here. Its text may be shown."""
