"""Django REST framework: an authentication class, and permissions that hold rules. Translation only: the front decides.

Configured by the setting `COGNITO_GUARD = Front(guard)`, as in `cognito_guard.adapters.django`; its routes are not looked at.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.conf import settings  # type: ignore[import-untyped]
from rest_framework.authentication import BaseAuthentication  # type: ignore[import-untyped]
from rest_framework.exceptions import APIException  # type: ignore[import-untyped]
from rest_framework.permissions import BasePermission  # type: ignore[import-untyped]

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front
from cognito_guard.policy import Rule
from cognito_guard.token.principal import Principal
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.environ import header_pairs
from cognito_guard.web.request import Request
from cognito_guard.web.routes import Identify, Protect


class TokenUser:
    """What `request.user` is: as much of Django's user as a token tells. Nothing of it is in a database.

    `pk` is the subject, `username` the Cognito user name (the client's id for a machine), `principal` all the rest.
    """

    is_authenticated = True
    is_active = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.pk = self.id = principal.subject
        self.username = principal.username or principal.client_id

    def get_username(self) -> str:
        return self.username

    def __str__(self) -> str:
        return self.username


class CognitoAuthentication(BaseAuthentication):  # type: ignore[misc]  # REST framework brings no types
    """For `authentication_classes`: a good token signs the request in, with the Principal in `request.auth`; a bad one is refused.

    Without credentials the request stays anonymous, for other authentication classes and for the permissions to judge. Override
    `user` to find a user of your own database.
    """

    def authenticate(self, request: Any) -> tuple[Any, Principal] | None:
        outcome = _front().judge_as(Identify("/*"), _facts(request))
        if isinstance(outcome, Challenge):
            raise _refused(outcome, request)
        return None if outcome.principal is None else (self.user(outcome.principal), outcome.principal)

    def authenticate_header(self, request: Any) -> str:
        """The challenge of a request that carries no token, for whoever else answers 401."""
        outcome = _front().judge_as(Protect("/*"), Request(request.method, request.path_info, ()))
        return _field(outcome, b"www-authenticate") or "Bearer"

    def user(self, principal: Principal) -> Any:
        """What `request.user` shall be."""
        return TokenUser(principal)


def requires(rule: Rule | None = None) -> type[Any]:
    """For `permission_classes`: a good token whose principal satisfies `rule`; without a rule, every good token.

    It answers by itself, so that the challenge can say what is lacking: join rules by `&` and `|` inside, not permissions outside.
    What is not a rule raises `ConfigurationError` at once; correct the call.
    """
    return type("CognitoPermission", (_Permission,), {"demand": Protect("/*", rule)})


class Refused(APIException):  # type: ignore[misc]
    """Answers with the front's own status, challenge and body. REST framework's exception handler renders it, so the media type is
    the one that the client and the view agree on, and an `error_page` that is not JSON leaves only the code."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__()
        self.status_code = challenge.status
        self.detail: dict[str, Any] = {"code": challenge.code}
        with suppress(ValueError):
            self.detail |= json.loads(challenge.body)
        self.auth_header = _field(challenge, b"www-authenticate")
        self.wait = int(_field(challenge, b"retry-after") or 0)


class _Permission(BasePermission):  # type: ignore[misc]
    demand: Protect

    def has_permission(self, request: Any, view: Any) -> bool:  # noqa: ARG002 - REST framework's signature
        outcome = _front().judge_as(self.demand, _facts(request))
        if isinstance(outcome, Challenge):
            raise _refused(outcome, request)
        return True


def _front() -> Front:
    front = getattr(settings, "COGNITO_GUARD", None)
    if not isinstance(front, Front):
        raise ConfigurationError("settings", ["COGNITO_GUARD: give Front(guard), from cognito_guard.front"])
    return front


def _refused(challenge: Challenge, request: Any) -> Refused:
    view = request.parser_context.get("view")
    if view is not None:
        view.headers["Cache-Control"] = "no-store"  # the exception handler sends no such field
    return Refused(challenge)


def _facts(request: Any) -> Request:
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    return Request(request.method, request.path_info, header_pairs(request.META), query=query)


def _field(challenge: Any, name: bytes) -> str | None:
    return next((value.decode("latin-1") for at, value in challenge.headers if at == name), None)
