"""The Principal: the authenticated party, read from verified claims.

Decides which claim answers which question, and what a claim of the wrong form is worth (None). It judges nothing: the claims were
verified before a Principal exists. Its parts are read on first use, since most requests look at two of them.
Facts: "Using the access token" and "Using the ID token" in the Amazon Cognito developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Never, Self

from cognito_guard.pool import TokenUse


class Principal:
    """Who a verified token speaks for: a person, or a machine.

    Shared between requests, so it is immutable in depth: JSON objects in `claims` are read-only mappings, arrays are tuples.
    Equal to another when their claims are. `repr` shows issuer, client and token use only.
    """

    _claims: dict[str, Any]
    token_use: TokenUse

    def __init__(self, claims: dict[str, Any], token_use: TokenUse) -> None:
        # straight into the instance's dictionary: this runs once a verified token, and __setattr__ refuses
        self.__dict__["_claims"] = claims
        self.__dict__["token_use"] = token_use

    @cached_property
    def subject(self) -> str:
        """`sub`, an opaque string; the client id where a machine token has none (RFC 9068 §2.2)."""
        subject: str = self._claims.get("sub") or self.client_id
        return subject

    @cached_property
    def client_id(self) -> str:
        """The app client that the token was issued to: `client_id` of an access token, `aud` of an ID token."""
        client: str = self._claims["client_id" if self.token_use == "access" else "aud"]
        return client

    @cached_property
    def username(self) -> str | None:
        """`username`, in ID tokens `cognito:username`; None in machine tokens."""
        return self._text("username" if self.token_use == "access" else "cognito:username")

    @cached_property
    def scopes(self) -> frozenset[str]:
        """The scopes that the token grants, split at U+0020 only. A Lambda trigger may have added or removed some."""
        scopes = self._claims.get("scope") if self.token_use == "access" else None
        return frozenset(scopes.split(" ")) - {""} if scopes else frozenset()

    @cached_property
    def groups(self) -> frozenset[str]:
        """`cognito:groups`; empty where the token names none. A Lambda trigger may have overridden them."""
        return frozenset(self._claims.get("cognito:groups") or ())

    @property
    def issuer(self) -> str:
        """`iss`, one of the issuers that the Guard was given."""
        issuer: str = self._claims["iss"]
        return issuer

    @property
    def issued_at(self) -> float | None:
        """`iat` in seconds since the epoch, if the token says."""
        return self._number("iat")

    @property
    def expires_at(self) -> float:
        """`exp` in seconds since the epoch."""
        expires: float = self._claims["exp"]
        return expires

    @property
    def auth_time(self) -> float | None:
        """When the person signed in, in seconds since the epoch; a refresh does not reset it."""
        return self._number("auth_time")

    @property
    def acr(self) -> str | None:
        """The assurance level that sign-in reached, under the pool's own name for it."""
        return self._text("acr")

    @property
    def amr(self) -> tuple[str, ...] | None:
        """How the person signed in (`pwd`, `otp`, `mfa`, ...)."""
        methods = self._claims.get("amr")
        return tuple(methods) if isinstance(methods, list) and all(isinstance(method, str) for method in methods) else None

    @property
    def jti(self) -> str | None:
        """This token's identifier; Cognito sets it where token revocation is on."""
        return self._text("jti")

    @property
    def origin_jti(self) -> str | None:
        """The identifier of the sign-in: shared by every token of one refresh-token family."""
        return self._text("origin_jti")

    @cached_property
    def actor(self) -> Mapping[str, Any] | None:
        """`act` (RFC 8693 §4.1): who acts for the subject, in a token from an exchange with an actor."""
        actor = self._claims.get("act")
        return freeze(actor) if isinstance(actor, dict) else None

    @property
    def is_machine(self) -> bool:
        """An access token without `username` whose `sub` is absent or the client itself: the client-credentials grant.

        AWS does not document this test; it is what such tokens were seen to carry.
        """
        if self.token_use != "access" or self._claims.get("username") is not None:
            return False
        return self.subject == self.client_id

    @property
    def is_person(self) -> bool:
        """An ID token, or an access token with a `username`. A token can be neither machine nor person; then both are False."""
        return self.token_use == "id" or self._claims.get("username") is not None

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        """Every claim of the token, as it was sent and read-only in depth; custom claims may be of any JSON type."""
        frozen: Mapping[str, Any] = freeze(self._claims)
        return frozen

    def _text(self, name: str) -> str | None:
        claim = self._claims.get(name)
        return claim if isinstance(claim, str) else None

    def _number(self, name: str) -> float | None:
        claim = self._claims.get(name)
        return claim if isinstance(claim, int | float) and not isinstance(claim, bool) else None

    def __setattr__(self, name: str, to: object) -> Never:
        raise AttributeError("Principal is immutable")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError("Principal is immutable")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._claims, self.token_use)  # without what was read so far: mapping proxies cannot be pickled

    def __eq__(self, other: object) -> bool:
        return self._claims == other._claims if isinstance(other, Principal) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.issuer, self.client_id, self.subject, self.expires_at, self.jti))

    def __repr__(self) -> str:
        return f"Principal(issuer={self.issuer!r}, client_id={self.client_id!r}, token_use={self.token_use!r})"


def freeze(document: Any) -> Any:
    """The same JSON document, read-only in depth: objects as mapping proxies, arrays as tuples."""
    if isinstance(document, dict):
        return MappingProxyType({name: freeze(member) for name, member in document.items()})
    if isinstance(document, list):
        return tuple(freeze(member) for member in document)
    return document
