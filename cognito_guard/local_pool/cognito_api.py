"""The part of the Cognito JSON API that signs people in, refreshes, revokes and reads: POST `/` with `X-Amz-Target`.

Decides in Cognito's words: its operations, exceptions and member names (service model of `cognito-idp`). AWS signatures are not
looked at: these operations take none.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from hmac import compare_digest, digest
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from cognito_guard.jose.strict_json import parse_object
from cognito_guard.local_pool.client_authentication import Refused
from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.form import read_body
from cognito_guard.local_pool.login import PASSWORD_ONLY, WITH_TOTP, password_fits
from cognito_guard.local_pool.people import User
from cognito_guard.local_pool.revoke import revoke
from cognito_guard.local_pool.settings import API_SCOPE
from cognito_guard.local_pool.state import NoHolder, PoolState
from cognito_guard.local_pool.tokens import attributes_as_text
from cognito_guard.testing.claims import subject_of

Asked = dict[str, Any]
_PREFIX: Final = "AWSCognitoIdentityProviderService."
_TOTP: Final = "SOFTWARE_TOKEN_MFA"


class _ApiError(Exception):
    """An exception of the service model, by its name there."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class CognitoApi:
    """The operations by name."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool
        self._operations: dict[str, Callable[[Asked], Awaitable[Asked]]] = {
            "InitiateAuth": self._initiate_auth,
            "RespondToAuthChallenge": self._respond_to_auth_challenge,
            "GetTokensFromRefreshToken": self._get_tokens_from_refresh_token,
            "RevokeToken": self._revoke_token,
            "GlobalSignOut": self._global_sign_out,
            "GetUser": self._get_user,
        }

    async def answer(self, request: Request) -> Response:
        """The operation's answer, or an exception as the SDKs read it: status 400, `__type`, `message`."""
        try:
            operation = self._operation(request)
            return _written(200, await operation(_object(await read_body(request))))
        except NoHolder as error:
            return _exception(_ApiError("NotAuthorizedException", str(error)))
        except _ApiError as error:
            return _exception(error)

    def _operation(self, request: Request) -> Callable[[Asked], Awaitable[Asked]]:
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(_PREFIX)
        if name == target or name not in self._operations:
            raise _ApiError("UnknownOperationException", f"The local pool knows {', '.join(self._operations)}.")
        return self._operations[name]

    async def _initiate_auth(self, asked: Asked) -> Asked:
        client = self._client(asked)
        flow, given = _text(asked, "AuthFlow"), _texts(asked, "AuthParameters")
        if flow == "USER_PASSWORD_AUTH":
            return self._by_password(client, given)
        if flow in ("REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"):
            if client.rotation_grace is not None:
                raise _ApiError("InvalidParameterException", "Refresh token rotation is enabled; use GetTokensFromRefreshToken.")
            return {
                "AuthenticationResult": self._by_refresh_token(client, _text(given, "REFRESH_TOKEN"), given.get("SECRET_HASH"))
            }
        raise _ApiError("InvalidParameterException", "The local pool knows USER_PASSWORD_AUTH and REFRESH_TOKEN_AUTH.")

    def _by_password(self, client: Client, given: dict[str, str]) -> Asked:
        if "password" not in client.grants:
            raise _ApiError("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client")
        username = _text(given, "USERNAME")
        _check_hash(client, given.get("SECRET_HASH"), username)
        user = self._pool.settings.user(username)
        if not password_fits(user, _text(given, "PASSWORD")) or user is None:
            raise _ApiError("NotAuthorizedException", "Incorrect username or password.")
        if user.mfa:
            session = self._pool.store.make_pending(user.username, client.id)
            return {"ChallengeName": _TOTP, "Session": session, "ChallengeParameters": {"USER_ID_FOR_SRP": user.username}}
        return self._signed_in(client, user, *PASSWORD_ONLY)

    async def _respond_to_auth_challenge(self, asked: Asked) -> Asked:
        client = self._client(asked)
        given = _texts(asked, "ChallengeResponses")
        if asked.get("ChallengeName") != _TOTP:
            raise _ApiError("InvalidParameterException", f"The local pool knows the challenge {_TOTP}.")
        username = _text(given, "USERNAME")
        _check_hash(client, given.get("SECRET_HASH"), username)
        session = _text(asked, "Session")
        user = self._pool.settings.user(self._pool.store.pending(session, client.id) or "")
        if user is None or user.username != username:
            raise _ApiError("NotAuthorizedException", "Invalid session for the user, session is expired.")
        if not compare_digest(user.totp.encode(), _text(given, "SOFTWARE_TOKEN_MFA_CODE").encode()):
            raise _ApiError("CodeMismatchException", "Invalid code received for user")
        self._pool.store.end_pending(session)
        return self._signed_in(client, user, *WITH_TOTP)

    def _signed_in(self, client: Client, user: User, acr: str | None, amr: tuple[str, ...]) -> Asked:
        sign_in = self._pool.sign_in(user, client, scopes=(API_SCOPE,), acr=acr, amr=amr, api=True)
        self._pool.store.begin(sign_in)
        refresh = self._pool.store.make_refresh(sign_in, client.refresh_seconds)
        return {"AuthenticationResult": _result(self._pool.issue(client, sign_in), refresh), "ChallengeParameters": {}}

    async def _get_tokens_from_refresh_token(self, asked: Asked) -> Asked:
        client = self._client(asked)
        _check_secret(client, asked.get("ClientSecret"))
        return {"AuthenticationResult": self._by_refresh_token(client, _text(asked, "RefreshToken"), None, hashed=False)}

    def _by_refresh_token(self, client: Client, token: str, secret_hash: object, *, hashed: bool = True) -> Asked:
        found = self._pool.store.refresh_family(token)
        if hashed:
            _check_hash(client, secret_hash, *((found.username, subject_of(found.username)) if found else ("",)))
        refreshed = self._pool.store.refreshed(token, client.id, client.rotation_grace)
        if refreshed == "reused":
            raise _ApiError("RefreshTokenReuseException", "Refresh token has been used before.")
        if isinstance(refreshed, str):
            said = {"expired": "Refresh Token has expired", "revoked": "Refresh Token has been revoked"}
            raise _ApiError("NotAuthorizedException", said.get(refreshed, "Invalid Refresh Token"))
        sign_in, replacement = refreshed
        return _result(self._pool.issue(client, sign_in), replacement)

    async def _revoke_token(self, asked: Asked) -> Asked:
        client = self._client(asked)
        _check_secret(client, asked.get("ClientSecret"))
        try:
            revoke(self._pool, client.id, _text(asked, "Token"))
        except Refused as refused:
            unsupported = refused.error == "unsupported_token_type"
            kind = "UnsupportedTokenTypeException" if unsupported else "UnauthorizedException"
            raise _ApiError(kind, refused.text) from None
        return {}

    async def _global_sign_out(self, asked: Asked) -> Asked:
        user, _ = await self._pool.holder(_text(asked, "AccessToken"), API_SCOPE)
        self._pool.store.sign_out_everywhere(user.username)
        return {}

    async def _get_user(self, asked: Asked) -> Asked:
        user, _ = await self._pool.holder(_text(asked, "AccessToken"), API_SCOPE)
        attributes = {"sub": subject_of(user.username), **attributes_as_text(user, (API_SCOPE,))}
        told: Asked = {
            "Username": user.username,
            "UserAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        }
        return told | ({"PreferredMfaSetting": _TOTP, "UserMFASettingList": [_TOTP]} if user.mfa else {})

    def _client(self, asked: Asked) -> Client:
        client = self._pool.settings.client(_text(asked, "ClientId"))
        if client is None:
            raise _ApiError("ResourceNotFoundException", "User pool client does not exist.")
        return client


def _result(issued: dict[str, Any], refresh_token: str | None) -> Asked:
    told = {
        "AccessToken": issued["access_token"],
        "ExpiresIn": issued["expires_in"],
        "TokenType": "Bearer",
        **({"IdToken": issued["id_token"]} if "id_token" in issued else {}),
    }
    return told if refresh_token is None else {**told, "RefreshToken": refresh_token}


def _check_hash(client: Client, given: object, *usernames: str) -> None:
    """SECRET_HASH: Base64 of HMAC-SHA256 of username and client id, keyed with the client's secret."""
    if not isinstance(client.secret, str):
        return
    if not isinstance(given, str):
        raise _ApiError("NotAuthorizedException", "Client is configured with secret but SECRET_HASH was not received")
    key = client.secret.encode()
    fitting = [b64encode(digest(key, (username + client.id).encode(), "sha256")) for username in usernames]
    if not any(compare_digest(each, given.encode()) for each in fitting):
        raise _ApiError("NotAuthorizedException", "SecretHash does not match for the client")


def _check_secret(client: Client, given: object) -> None:
    if not isinstance(client.secret, str):
        return
    if not isinstance(given, str) or not compare_digest(client.secret.encode(), given.encode()):
        raise _ApiError("NotAuthorizedException", "Invalid client secret")


def _object(body: bytes | None) -> Asked:
    asked: Asked | None = None
    if body is not None:
        try:
            asked = parse_object(body)
        except ValueError:
            asked = None
    if asked is None:
        raise _ApiError("SerializationException", "The body is not one JSON object of at most 64 KiB.")
    return asked


def _text(asked: Asked, name: str) -> str:
    given = asked.get(name)
    if not isinstance(given, str) or not given:
        raise _ApiError("InvalidParameterException", f"Missing required parameter {name}")
    return given


def _texts(asked: Asked, name: str) -> dict[str, str]:
    given = asked.get(name)
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise _ApiError("InvalidParameterException", f"Missing required parameter {name}")
    return given


def _written(status: int, told: Asked, more: dict[str, str] | None = None) -> Response:
    import json

    headers = {"Cache-Control": "no-store", **(more or {})}
    return Response(json.dumps(told), status, headers, "application/x-amz-json-1.1")


def _exception(error: _ApiError) -> Response:
    return _written(400, {"__type": error.kind, "message": error.text}, {"x-amzn-ErrorType": f"{error.kind}:"})
