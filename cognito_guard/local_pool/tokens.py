"""A sign-in's tokens: which claims each carries, as "Using the ID token" and "Using the access token" of the developer guide list them.

Decides claims by user, client and scopes; minting and signing are `testing`'s. Knows no request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.people import User
from cognito_guard.local_pool.settings import Settings
from cognito_guard.local_pool.store import SignIn
from cognito_guard.testing import LocalUserPool

_JOINED: Final = "1704067200000"  # when every federated user came to be, in milliseconds: the same at each start
_OF_EMAIL: Final = frozenset({"email", "email_verified"})
_OF_PHONE: Final = frozenset({"phone_number", "phone_number_verified"})
_PROVIDER_TYPES: Final = ("Google", "Facebook", "LoginWithAmazon", "SignInWithApple")


class ServedUserPool(LocalUserPool):
    """A local pool under the issuer at which it is served: same keys, rotations and outages; its `guard()` fetches over HTTP."""

    def __init__(self, pool: LocalUserPool, issuer: str) -> None:
        super().__init__(pool.user_pool.id, client=pool.client, clock=pool.clock, issuer=issuer)
        self._publication = pool._publication  # noqa: SLF001 - the half that both share, as in serve_jwks()
        self._over_http = True
        self._publication.serve(issuer)


def access_token(
    mint: LocalUserPool, settings: Settings, client: Client, user: User, sign_in: SignIn, scopes: Iterable[str]
) -> str:
    """The access token of a person. What the Cognito API signs in carries no `version`."""
    return mint.access(
        username=user.username,
        scopes=scopes,
        groups=groups_of(settings, user),
        client=client.id,
        resource=sign_in.resource,
        expires_in=client.access_seconds,
        auth_time=sign_in.auth_time,
        acr=sign_in.acr,
        amr=sign_in.amr,
        claims={"origin_jti": sign_in.origin_jti, "event_id": sign_in.event_id},
        without=("version",) if sign_in.api else (),
    )


def id_token(
    mint: LocalUserPool,
    settings: Settings,
    client: Client,
    user: User,
    sign_in: SignIn,
    *,
    access: str | None,
    nonce: str | None = None,
) -> str:
    """The ID token beside it. `access` puts its `at_hash` in, as the token endpoint does."""
    return mint.id(
        username=user.username,
        email=None,
        groups=groups_of(settings, user),
        client=client.id,
        nonce=nonce,
        access_token=access,
        expires_in=client.id_seconds,
        auth_time=sign_in.auth_time,
        acr=sign_in.acr,
        amr=sign_in.amr,
        claims={
            "origin_jti": sign_in.origin_jti,
            "event_id": sign_in.event_id,
            **_roles(settings, user),
            **_readable(user, sign_in.scopes),
            **({"identities": identities(user)} if user.provider else {}),
        },
    )


def groups_of(settings: Settings, user: User) -> tuple[str, ...]:
    """A user's groups; Cognito puts federated users into one of their provider's."""
    return (f"{settings.pool_id}_{user.provider}", *user.groups) if user.provider else user.groups


def identities(user: User) -> list[dict[str, Any]]:
    """The `identities` claim of a federated user: `primary` and `dateCreated` are strings there."""
    provider = str(user.provider)
    return [
        {
            "userId": user.name,
            "providerName": provider,
            "providerType": provider if provider in _PROVIDER_TYPES else "OIDC",
            "issuer": None,
            "primary": "true",
            "dateCreated": _JOINED,
        }
    ]


def attributes_as_text(user: User, scopes: Iterable[str]) -> dict[str, str]:
    """A user's attributes as userInfo and GetUser answer them: everything is a string, booleans and `identities` too."""
    attributes = {
        name: value if isinstance(value, str) else ("true" if value else "false")
        for name, value in _readable(user, scopes).items()
    }
    return attributes | ({"identities": json.dumps(identities(user), separators=(",", ":"))} if user.provider else {})


def _readable(user: User, scopes: Iterable[str]) -> dict[str, str | bool]:
    """The attributes that the scopes open. `openid` alone opens all of them, and so does the API's own sign-in."""
    wanted = set(scopes) & {"profile", "email", "phone"}
    return {name: value for name, value in user.attributes if not wanted or _scope_of(name) in wanted}


def _scope_of(attribute: str) -> str:
    return "email" if attribute in _OF_EMAIL else "phone" if attribute in _OF_PHONE else "profile"


def _roles(settings: Settings, user: User) -> dict[str, Any]:
    groups = sorted((group for group in settings.groups if group.name in user.groups), key=lambda group: group.precedence)
    if not groups:
        return {}
    return {"cognito:roles": [group.role for group in groups], "cognito:preferred_role": groups[0].role}
