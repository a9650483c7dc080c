"""The token endpoint: a code, a refresh token or a client's own credentials for tokens (RFC 6749 sections 4.1.3, 4.4, 6; RFC 7636).

Decides which grants are answered. Refresh tokens come with a code, and with rotation at each refresh, as Cognito has it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cognito_guard.local_pool.client_authentication import Refused, authenticated
from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.form import read_form
from cognito_guard.local_pool.parameters import Parameters
from cognito_guard.local_pool.state import PoolState

NOT_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenEndpoint:
    """POST `/oauth2/token`."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    async def answer(self, request: Request) -> Response:
        """Tokens, or an error of RFC 6749 section 5.2; every error is a 400, as Cognito's documentation shows."""
        try:
            return JSONResponse(self._answered(request, await read_form(request)), headers=NOT_STORED)
        except Refused as refused:
            return refusal(refused)

    def _answered(self, request: Request, form: Parameters | None) -> dict[str, Any]:
        form = single(form)
        client = authenticated(request, form, self._pool.settings)
        grant = form.get("grant_type")
        if grant is None:
            raise Refused("invalid_request", "grant_type is missing")
        grants = {
            "authorization_code": self._for_code,
            "refresh_token": self._for_refresh_token,
            "client_credentials": self._for_machine,
        }
        if grant not in grants:
            raise Refused("unsupported_grant_type", f"grant_type must be one of {', '.join(grants)}")
        return {**grants[grant](client, form), "token_type": "Bearer"}

    def _for_code(self, client: Client, form: Parameters) -> dict[str, Any]:
        if "code" not in client.grants:
            raise Refused("unauthorized_client", "this app client has no code grant")
        name = form.get("code")
        if name is None:
            raise Refused("invalid_request", "code is missing")
        code = self._pool.store.spend_code(name, client.id)
        if code is None:
            raise Refused("invalid_grant", "the code is unknown, expired, used before, or another client's")
        if form.get("redirect_uri") != code.redirect_uri:
            raise Refused("invalid_grant", "redirect_uri is not the one of the authorization request")
        verifier = form.get("code_verifier")
        if code.challenge is not None and (verifier is None or not _is_verified(verifier, code.challenge)):
            raise Refused("invalid_grant", "code_verifier is missing or does not fit the code_challenge")
        if code.challenge is None and verifier is not None:
            raise Refused("invalid_grant", "code_verifier came without a code_challenge in the authorization request")
        self._pool.store.begin(code.sign_in)
        issued = self._pool.issue(client, code.sign_in, nonce=code.nonce)
        return {**issued, "refresh_token": self._pool.store.make_refresh(code.sign_in, client.refresh_seconds)}

    def _for_refresh_token(self, client: Client, form: Parameters) -> dict[str, Any]:
        token = form.get("refresh_token")
        if token is None:
            raise Refused("invalid_request", "refresh_token is missing")
        found = self._pool.store.refresh_family(token)
        scopes = tuple(dict.fromkeys(filter(None, form.text("scope").split(" "))))
        if found is not None and set(scopes) - set(found.scopes):
            raise Refused("invalid_scope", "a scope was asked for that the sign-in does not have")
        refreshed = self._pool.store.refreshed(token, client.id, client.rotation_grace)
        if isinstance(refreshed, str):
            raise Refused("invalid_grant", f"the refresh token is {refreshed}")
        sign_in, replacement = refreshed
        issued = self._pool.issue(client, sign_in, scopes=scopes or None)
        return issued if replacement is None else {**issued, "refresh_token": replacement}

    def _for_machine(self, client: Client, form: Parameters) -> dict[str, Any]:
        if "client_credentials" not in client.grants:
            raise Refused("unauthorized_client", "this app client has no client_credentials grant")
        allowed = self._pool.settings.scopes_of(client)
        scopes = tuple(dict.fromkeys(filter(None, form.text("scope").split(" ")))) or allowed
        if set(scopes) - set(allowed):
            raise Refused("invalid_scope", "a scope was asked for that is not one of this app client's")
        token = self._pool.mint.machine(
            scopes=scopes,
            client=client.id,
            expires_in=client.access_seconds,
            claims={"event_id": self._pool.store.identifier()},
        )
        return {"access_token": token, "expires_in": client.access_seconds}


def single(form: Parameters | None) -> Parameters:
    """The form, if it is one whose fields stand once each. Raises `Refused`."""
    if form is None:
        raise Refused("invalid_request", "the body must be application/x-www-form-urlencoded, in UTF-8, of at most 64 KiB")
    if form.doubled:
        raise Refused("invalid_request", "a parameter stands more than once")
    return form


def refusal(refused: Refused) -> Response:
    """An error of RFC 6749 section 5.2."""
    return JSONResponse({"error": refused.error, "error_description": refused.text}, 400, NOT_STORED)


def _is_verified(verifier: str, challenge: str) -> bool:
    made = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
    return 43 <= len(verifier) <= 128 and compare_digest(made, challenge.encode())
