"""An authorization request (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1), read and judged.

Decides who hears of a mistake: nobody is sent anywhere before client and redirect URI are known to belong together.
"""

from __future__ import annotations

import re
from typing import Final

from cognito_guard.local_pool.clients import Client
from cognito_guard.local_pool.judging import is_callback
from cognito_guard.local_pool.parameters import Parameters
from cognito_guard.local_pool.settings import Settings
from cognito_guard.value import Value

LEVELS: Final = tuple(f"urn:cognito:loa:{level}" for level in (1, 2, 3, 4))
"""Cognito's names for how strongly somebody signed in, weakest first."""
PROMPTS: Final = ("none", "login", "select_account", "consent")


class AuthorizationRequest(Value):
    """A request that may be answered with a code. `level` counts from 1; more asks for the TOTP step. `provider` None: any."""

    __slots__ = (
        "client",
        "redirect_uri",
        "state",
        "nonce",
        "scopes",
        "challenge",
        "resource",
        "provider",
        "prompt",
        "level",
        "max_age",
        "lang",
        "login_hint",
    )
    client: Client
    redirect_uri: str
    state: str | None
    nonce: str | None
    scopes: tuple[str, ...]
    challenge: str | None
    resource: str | None
    provider: str | None
    prompt: frozenset[str]
    level: int
    max_age: int | None
    lang: str
    login_hint: str

    def __init__(self, client: Client, redirect_uri: str, parameters: Parameters, scopes: tuple[str, ...]) -> None:
        asked = parameters.get
        wanted = [LEVELS.index(name) + 1 for name in parameters.text("acr_values").split(" ") if name in LEVELS]
        max_age = asked("max_age")
        self._set(
            client=client,
            redirect_uri=redirect_uri,
            state=asked("state"),
            nonce=asked("nonce"),
            scopes=scopes,
            challenge=asked("code_challenge"),
            resource=asked("resource"),
            provider=asked("identity_provider"),
            prompt=frozenset(parameters.text("prompt").split()),
            level=wanted[0] if wanted else 1,  # in order of preference; Cognito's names are the only ones known here
            max_age=None if max_age is None else int(max_age),
            lang=parameters.text("lang"),
            login_hint=parameters.text("login_hint"),
        )


class Misdirected(Value):
    """A request whose sender is not known: it is answered on our own page, in these words, and nobody is sent anywhere."""

    __slots__ = ("text",)
    text: str

    def __init__(self, text: str) -> None:
        self._set(text=text)


class Faulty(Value):
    """A mistake that the application hears of, at its callback (RFC 6749 section 4.1.2.1)."""

    __slots__ = ("redirect_uri", "state", "error", "text")
    redirect_uri: str
    state: str | None
    error: str
    text: str

    def __init__(self, redirect_uri: str, state: str | None, error: str, text: str) -> None:
        self._set(redirect_uri=redirect_uri, state=state, error=error, text=text)


def read_authorization_request(parameters: Parameters | None, settings: Settings) -> AuthorizationRequest | Misdirected | Faulty:
    """The request that the parameters make, or what is wrong with it and who is told."""
    if parameters is None:
        return Misdirected("The request's parameters cannot be read: they are not UTF-8, too many, or one is too long.")
    if {"client_id", "redirect_uri"} & parameters.doubled:
        return Misdirected("client_id and redirect_uri must stand once each.")
    client = settings.client(parameters.text("client_id"))
    if client is None:
        return Misdirected("client_id names no app client of this pool.")
    redirect_uri = parameters.text("redirect_uri")
    if redirect_uri not in client.callbacks:
        return Misdirected(
            "redirect_uri is not one of the app client's callback URLs. They are compared letter by letter, with scheme, port and"
            " final slash."
        )
    fault = _fault(parameters, client, settings)
    if fault is not None:
        state = None if "state" in parameters.doubled else parameters.get("state")
        return Faulty(redirect_uri, state, *fault)
    return AuthorizationRequest(client, redirect_uri, parameters, _scopes(parameters, client, settings))


def _scopes(parameters: Parameters, client: Client, settings: Settings) -> tuple[str, ...]:
    """Those asked for, each once, or all that the client has."""
    return tuple(dict.fromkeys(filter(None, parameters.text("scope").split(" ")))) or settings.scopes_of(client)


def _fault(parameters: Parameters, client: Client, settings: Settings) -> tuple[str, str] | None:
    """The first mistake, as an error code and a sentence."""
    asked = parameters.get
    if parameters.doubled:
        return "invalid_request", "a parameter stands more than once"
    if asked("response_type") != "code":
        return "unsupported_response_type", "response_type must be code"
    if "code" not in client.grants:
        return "unauthorized_client", "this app client has no code grant"
    if set(_scopes(parameters, client, settings)) - set(settings.scopes_of(client)):
        return "invalid_scope", "a scope that was asked for is not one of this app client's"
    challenge, method = asked("code_challenge"), asked("code_challenge_method")
    if challenge is None and (client.pkce or method is not None):
        return "invalid_request", "code_challenge is missing; this app client needs PKCE"
    if challenge is not None and method != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    if challenge is not None and not _CHALLENGE.fullmatch(challenge):
        return "invalid_request", "code_challenge is not the base64url form of a SHA-256"
    resource = asked("resource")
    if resource is not None and not is_callback(resource):
        return "invalid_target", "resource must be an absolute URL without a fragment"
    provider = asked("identity_provider")
    if provider is not None and provider != "COGNITO" and provider not in settings.providers():
        return "invalid_request", "identity_provider is not one of this pool's"
    prompt = parameters.text("prompt").split()
    if not set(prompt) <= set(PROMPTS) or ("none" in prompt and len(prompt) > 1):
        return "invalid_request", f"prompt must be one of {', '.join(PROMPTS)}, none by itself"
    max_age = asked("max_age")
    if max_age is not None and not re.fullmatch(r"[0-9]{1,9}", max_age):
        return "invalid_request", "max_age must be seconds"
    return None


_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
