"""Who calls the token and revocation endpoints: by HTTP Basic, by `client_secret` in the body, or, a public client, by its id alone.

Decides which app client it is (RFC 6749 section 2.3). What the client may do is the endpoints' business.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from hmac import compare_digest

from starlette.requests import Request

from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.parameters import Parameters
from cognito_guard.local_pool.settings import Settings


class Refused(Exception):
    """A refusal in OAuth's words: `error` is one of RFC 6749 section 5.2, the text may be shown."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


def authenticated(request: Request, form: Parameters, settings: Settings) -> Client:
    """The app client of the request. Raises `Refused`."""
    fields = request.headers.getlist("authorization")
    if len(fields) > 1:
        raise Refused("invalid_request", "the request has more than one Authorization field")
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if fields:
        named, given = _basic(fields[0])
        if secret is not None:
            raise Refused("invalid_request", "the client secret stands in the header and in the body; send it once")
        if client_id not in (None, named):
            raise Refused("invalid_client", "the header and the body name different clients")
        client_id, secret = named, given
    if client_id is None:
        raise Refused("invalid_request", "client_id is missing")
    client = settings.client(client_id)
    if client is None:
        raise Refused("invalid_client", "there is no such app client")
    if isinstance(client.secret, str):
        if secret is None:
            raise Refused("invalid_client", "this app client has a secret; send it by HTTP Basic or as client_secret")
        if not compare_digest(client.secret.encode(), secret.encode()):
            raise Refused("invalid_client", "the client secret is wrong")
    elif secret is not None:
        raise Refused("invalid_client", "this app client has no secret; send client_id alone")
    return client


def _basic(field: str) -> tuple[str, str | None]:
    """Id and secret. Ids and secrets hold nothing that would be percent-encoded."""
    scheme, _, coded = field.partition(" ")
    pair = ""
    if scheme.lower() == "basic":
        try:
            pair = b64decode(coded.strip(), validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
    name, colon, secret = pair.partition(":")
    if not colon or not name:
        raise Refused("invalid_request", "Authorization must be Basic, with client id and secret")
    return name, secret or None
