"""App clients and resource servers of the local pool. Frozen values, judged when made; no secret is printed with its client.

Decides which of them can be meant. Whether a client's scopes exist is the pool's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from cognito_guard.local_pool.judging import Judge
from cognito_guard.value import Value

Grant = Literal["code", "password", "client_credentials"]
GRANTS: Final = ("code", "password", "client_credentials")
_DAY: Final = 86400


class ResourceServer(Value):
    """An API and its custom scopes; tokens carry them as `id/scope`."""

    __slots__ = ("id", "scopes")
    id: str
    scopes: tuple[str, ...]

    def __init__(self, id: str, *, scopes: Iterable[str]) -> None:  # noqa: A002 - the word that Cognito uses
        judge = Judge()
        self._set(
            id=judge.text(id, "id", _RESOURCE, "1 to 256 printable ASCII characters, without space, '\"' and '\\'"),
            scopes=judge.texts(
                scopes, "scopes", _SCOPE, "1 to 256 printable ASCII characters, without space, '/', '\"' and '\\'"
            ),
        )
        judge.refuse("ResourceServer")

    @property
    def names(self) -> tuple[str, ...]:
        """The scopes as tokens carry them."""
        return tuple(f"{self.id}/{scope}" for scope in self.scopes)


class Client(Value):
    """An app client.

    - `secret`: the secret of a confidential client, True to have one made up at the start, None for a public client.
    - `grants`: `code` (managed login; refreshing included), `password` (InitiateAuth with a password), or `client_credentials` alone.
    - `callbacks`, `sign_outs`: the exact URLs to which a browser may be sent after signing in and out.
    - `scopes`: those that may be asked for; None stands for all that the pool knows.
    - `pkce`: whether a code needs it. A public client always does, a confidential one only where this is True; Cognito demands it of
      neither.
    - `rotation_grace`: seconds for which a refresh token still works after it was used; None leaves rotation off.
    """

    __slots__ = (
        "id",
        "secret",
        "grants",
        "callbacks",
        "sign_outs",
        "scopes",
        "pkce",
        "access_seconds",
        "id_seconds",
        "refresh_seconds",
        "rotation_grace",
    )
    id: str
    secret: str | bool | None
    grants: tuple[str, ...]
    callbacks: tuple[str, ...]
    sign_outs: tuple[str, ...]
    scopes: tuple[str, ...] | None
    pkce: bool
    access_seconds: int
    id_seconds: int
    refresh_seconds: int
    rotation_grace: int | None

    def __init__(
        self,
        id: str,  # noqa: A002 - the word that Cognito uses
        *,
        secret: str | bool | None = None,
        grants: Iterable[Grant] = ("code", "password"),
        callbacks: Iterable[str] = (),
        sign_outs: Iterable[str] = (),
        scopes: Iterable[str] | None = None,
        pkce: bool = False,
        access_seconds: int = 3600,
        id_seconds: int = 3600,
        refresh_seconds: int = 30 * _DAY,
        rotation_grace: int | None = None,
    ) -> None:
        judge = Judge()
        if secret is not None and secret is not True:
            judge.text(secret, "secret", _SECRET, "24 to 64 letters, digits, '_' or '+'; or true to have one made up")
        granted = judge.texts(grants, "grants", _GRANT, f"one of {', '.join(GRANTS)}")
        machine = "client_credentials" in granted
        if not granted:
            judge.problems.append(f"grants: name at least one of {', '.join(GRANTS)}")
        if machine and len(granted) > 1:
            judge.problems.append("grants: client_credentials stands alone; make another client for people")
        if machine and secret is None:
            judge.problems.append("secret: client_credentials needs one; write it, or true to have one made up")
        self._set(
            id=judge.text(id, "id", _CLIENT_ID, "1 to 128 letters, digits, '_' or '+'"),
            secret=secret,
            grants=granted,
            callbacks=judge.urls(callbacks, "callbacks"),
            sign_outs=judge.urls(sign_outs, "sign_outs"),
            scopes=None if scopes is None else judge.texts(scopes, "scopes", _ANY_SCOPE, "a scope, without a space"),
            pkce=judge.flag(pkce, "pkce") or secret is None,
            access_seconds=judge.seconds(access_seconds, "access_seconds", 300, _DAY),
            id_seconds=judge.seconds(id_seconds, "id_seconds", 300, _DAY),
            refresh_seconds=judge.seconds(refresh_seconds, "refresh_seconds", 3600, 3650 * _DAY),
            rotation_grace=None if rotation_grace is None else judge.seconds(rotation_grace, "rotation_grace", 0, 60),
        )
        if "code" in granted and not self.callbacks and not judge.problems:
            judge.problems.append("callbacks: name at least one URL to which the code goes, or leave 'code' out of grants")
        judge.refuse("Client")

    def __repr__(self) -> str:
        return f"Client({self.id!r}{'' if self.secret is None else ', confidential'})"


_RESOURCE = re.compile(r"[!#-\[\]-~]{1,256}")
_SCOPE = re.compile(r"[!#-.0-\[\]-~]{1,256}")
_ANY_SCOPE = re.compile(r"[!#-\[\]-~]{1,513}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_+]{1,128}")
_SECRET = re.compile(r"[A-Za-z0-9_+]{24,64}")  # the SDKs send no other
_GRANT = re.compile("|".join(GRANTS))
