"""Tokens as Cognito mints them: a person's access token, an ID token, a machine's token, and whatever is made by hand.

Decides what a token carries when the test does not say. Knows neither where keys are published nor who verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import TokenUse, UserPool
from cognito_guard.testing import claims as made
from cognito_guard.testing.octets import compact, header_json, payload_json
from cognito_guard.testing.publishing import Publication
from cognito_guard.testing.signing_keys import SigningKey

TokenIssuer = Literal["original", "updated"]


class Mint:
    """The minting half of `LocalUserPool`."""

    client: str
    clock: Callable[[], float]
    user_pool: UserPool
    _form: TokenIssuer
    _publication: Publication

    @property
    def issuer(self) -> str:
        """The original issuer (or the one given)."""
        return self.user_pool.issuers[0].url

    @property
    def updated_issuer(self) -> str:
        """The updated issuer; raises `ConfigurationError` where this pool has none."""
        if len(self.user_pool.issuers) < 2:
            raise ConfigurationError("LocalUserPool", ["updated_issuer: this pool has one issuer"])
        return self.user_pool.issuers[1].url

    def key(self, use: TokenUse = "access") -> SigningKey:
        """The key that signs `use` tokens now. Kept, it signs as before after a rotation: `pool.sign(claims, key=old)`."""
        return self._publication.key(use)

    def access(
        self,
        *,
        username: str = "jane",
        subject: str | None = None,
        scopes: Iterable[str] = ("openid", "profile", "email"),
        groups: Iterable[str] = (),
        client: str | None = None,
        resource: str | None = None,
        issued_at: float | None = None,
        expires_in: float = 3600,
        auth_time: float | None = None,
        acr: str | None = None,
        amr: Iterable[str] = (),
        actor: Mapping[str, Any] | None = None,
        issuer_form: TokenIssuer | None = None,
        claims: Mapping[str, Any] | None = None,
        without: Iterable[str] = (),
    ) -> str:
        """A person's access token. `issued_at` is the clock's second, `auth_time` the same, `subject` derived from the username.

        `resource` becomes `aud` (RFC 8707), `actor` becomes `act` (RFC 8693). `claims` overrides and adds, `without` leaves out; what
        they make is not judged, so they serve for nonsense.
        """
        draft = self._draft("access", issued_at, expires_in, auth_time)
        draft.texts({"username": username, "subject": subject, "client": client, "resource": resource, "acr": acr})
        draft.json_object(actor, "actor")
        return self._signed(
            draft,
            {
                "sub": subject or made.subject_of(str(username)),
                "cognito:groups": draft.names(groups, "groups"),
                "iss": self._issuer(issuer_form),
                "version": 2,
                "client_id": client or self.client,
                "aud": resource,
                "origin_jti": made.identifier(),
                "event_id": made.identifier(),
                "token_use": "access",
                "scope": draft.scope(scopes),
                "auth_time": draft.auth_time,
                "acr": acr,
                "amr": draft.names(amr, "amr"),
                "act": actor,
                "exp": draft.expires_at,
                "iat": draft.issued_at,
                "jti": made.identifier(),
                "username": username,
            },
            claims,
            without,
        )

    def id(
        self,
        *,
        username: str = "jane",
        subject: str | None = None,
        email: str | None = "jane@example.com",
        groups: Iterable[str] = (),
        client: str | None = None,
        nonce: str | None = None,
        access_token: str | None = None,
        issued_at: float | None = None,
        expires_in: float = 3600,
        auth_time: float | None = None,
        acr: str | None = None,
        amr: Iterable[str] = (),
        issuer_form: TokenIssuer | None = None,
        claims: Mapping[str, Any] | None = None,
        without: Iterable[str] = (),
    ) -> str:
        """An ID token, signed with the ID key. `access_token` puts its `at_hash` in; `email=None` leaves the address out."""
        draft = self._draft("id", issued_at, expires_in, auth_time)
        texts = {"username": username, "subject": subject, "client": client, "email": email, "nonce": nonce, "acr": acr}
        draft.texts({**texts, "access_token": access_token})
        return self._signed(
            draft,
            {
                "at_hash": made.access_token_hash(access_token) if access_token else None,
                "sub": subject or made.subject_of(str(username)),
                "cognito:groups": draft.names(groups, "groups"),
                "email_verified": True if email else None,
                "iss": self._issuer(issuer_form),
                "cognito:username": username,
                "nonce": nonce,
                "origin_jti": made.identifier(),
                "aud": client or self.client,
                "event_id": made.identifier(),
                "token_use": "id",
                "auth_time": draft.auth_time,
                "acr": acr,
                "amr": draft.names(amr, "amr"),
                "exp": draft.expires_at,
                "iat": draft.issued_at,
                "jti": made.identifier(),
                "email": email,
            },
            claims,
            without,
            use="id",
        )

    def machine(
        self,
        *,
        scopes: Iterable[str] = ("orders/read",),
        client: str | None = None,
        issued_at: float | None = None,
        expires_in: float = 3600,
        issuer_form: TokenIssuer | None = None,
        claims: Mapping[str, Any] | None = None,
        without: Iterable[str] = (),
    ) -> str:
        """A machine's access token (client-credentials grant): no username, no groups, `sub` is the client."""
        draft = self._draft("machine", issued_at, expires_in, None)
        draft.texts({"client": client})
        return self._signed(
            draft,
            {
                "sub": client or self.client,
                "token_use": "access",
                "scope": draft.scope(scopes),
                "auth_time": draft.auth_time,
                "iss": self._issuer(issuer_form),
                "exp": draft.expires_at,
                "iat": draft.issued_at,
                "version": 2,
                "jti": made.identifier(),
                "client_id": client or self.client,
            },
            claims,
            without,
        )

    def header(self, *, key: SigningKey | None = None, **more: Any) -> dict[str, Any]:
        """The JOSE header that Cognito writes, of the access key unless told otherwise; `more` overrides and adds."""
        return {"kid": (key or self.key()).kid, "alg": "RS256"} | more

    def sign(
        self,
        payload: bytes | Mapping[str, Any],
        header: bytes | Mapping[str, Any] | None = None,
        *,
        key: SigningKey | None = None,
    ) -> str:
        """A token made by hand, RS256 with the access key unless told otherwise. Bytes are taken as they are; nothing is judged.

        `header` is the whole header, `pool.header()` if not given.
        """
        key = key or self.key()
        header = self.header(key=key) if header is None else header
        return compact(
            header if isinstance(header, bytes) else header_json(header),
            payload if isinstance(payload, bytes) else payload_json(payload),
            key.sign,
        )

    def bad(self, name: str) -> str:
        """The bad token of that name; `bad_tokens(pool)` lists them all."""
        from cognito_guard.testing.bad_catalogue import bad_token

        return bad_token(self, name).token

    def _draft(self, kind: str, issued_at: float | None, expires_in: float, auth_time: float | None) -> made.Draft:
        return made.Draft(f"LocalUserPool.{kind}", int(self.clock()) if issued_at is None else issued_at, expires_in, auth_time)

    def _issuer(self, form: str | None) -> str:
        if form not in (None, "original", "updated"):
            raise ConfigurationError("LocalUserPool", ["issuer_form: a token names one; give 'original' or 'updated'"])
        return self.updated_issuer if (form or self._form) == "updated" else self.issuer

    def _signed(
        self,
        draft: made.Draft,
        claims: Mapping[str, Any],
        overrides: Mapping[str, Any] | None,
        without: Iterable[str],
        use: TokenUse = "access",
    ) -> str:
        return self.sign(draft.claims(claims, overrides or {}, without), key=self.key(use))
