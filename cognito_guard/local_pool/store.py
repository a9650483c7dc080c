"""What the pool remembers: sign-ins, codes, refresh tokens, sessions, half-finished sign-ins. In memory, bounded, the oldest go first.

Decides what is still good. Time and entropy are arguments; one event loop uses it, so nothing is locked.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final, Literal, TypeVar
from uuid import UUID

from cognito_guard.value import Value

MAX_KEPT: Final = 10_000  # of each kind
CODE_SECONDS: Final = 300
SESSION_SECONDS: Final = 3600
PENDING_SECONDS: Final = 180

Kept = TypeVar("Kept")
RefreshFault = Literal["unknown", "expired", "revoked", "reused"]


class SignIn(Value):
    """One sign-in at one app client: what all its tokens have in common. `origin_jti` names its family of tokens."""

    __slots__ = ("username", "client_id", "scopes", "auth_time", "acr", "amr", "resource", "origin_jti", "event_id", "api")
    username: str
    client_id: str
    scopes: tuple[str, ...]
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    resource: str | None
    origin_jti: str
    event_id: str
    api: bool

    def __init__(
        self,
        *,
        username: str,
        client_id: str,
        scopes: tuple[str, ...],
        auth_time: int,
        acr: str | None,
        amr: tuple[str, ...],
        origin_jti: str,
        event_id: str,
        resource: str | None = None,
        api: bool = False,
    ) -> None:
        self._set(username=username, client_id=client_id, scopes=scopes, auth_time=auth_time, acr=acr, amr=amr)
        self._set(resource=resource, origin_jti=origin_jti, event_id=event_id, api=api)


class Code(Value):
    """An authorization code's other half."""

    __slots__ = ("sign_in", "redirect_uri", "challenge", "nonce", "expires_at")
    sign_in: SignIn
    redirect_uri: str
    challenge: str | None
    nonce: str | None
    expires_at: float

    def __init__(
        self, sign_in: SignIn, *, redirect_uri: str, challenge: str | None, nonce: str | None, expires_at: float
    ) -> None:
        self._set(sign_in=sign_in, redirect_uri=redirect_uri, challenge=challenge, nonce=nonce, expires_at=expires_at)


class Session(Value):
    """A browser that has signed in: who, when and how. Managed login keeps it for an hour, whatever the tokens' lifetimes."""

    __slots__ = ("username", "auth_time", "acr", "amr", "expires_at")
    username: str
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    expires_at: float

    def __init__(self, username: str, *, auth_time: int, acr: str | None, amr: tuple[str, ...], expires_at: float) -> None:
        self._set(username=username, auth_time=auth_time, acr=acr, amr=amr, expires_at=expires_at)


class _Refresh:
    """A refresh token's state."""

    __slots__ = ("expires_at", "replaced_at", "sign_in")

    def __init__(self, sign_in: SignIn, expires_at: float) -> None:
        self.sign_in = sign_in
        self.expires_at = expires_at
        self.replaced_at: float | None = None


class _Bounded(dict[str, Kept]):
    """The last `MAX_KEPT` of a kind."""

    def keep(self, name: str, kept: Kept) -> None:
        self[name] = kept
        while len(self) > MAX_KEPT:
            del self[next(iter(self))]


class Store:
    """Everything that lasts longer than a request. `clock` gives seconds since the epoch, `entropy(n)` n octets that nobody guesses."""

    def __init__(self, *, clock: Callable[[], float], entropy: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._entropy = entropy
        self._live: _Bounded[str] = _Bounded()  # families and their usernames
        self._codes: _Bounded[Code] = _Bounded()
        self._spent: _Bounded[str] = _Bounded()  # codes that were used, and the families that came of them
        self._refresh: _Bounded[_Refresh] = _Bounded()
        self._sessions: _Bounded[Session] = _Bounded()
        self._pending: _Bounded[tuple[str, str, float]] = _Bounded()

    def now(self) -> float:
        return self._clock()

    def secret(self, octets: int = 32) -> str:
        """A name that nobody guesses."""
        return urlsafe_b64encode(self._entropy(octets)).rstrip(b"=").decode()

    def identifier(self) -> str:
        """A fresh `origin_jti` or `event_id`."""
        return str(UUID(bytes=self._entropy(16), version=4))

    # --- families of tokens

    def begin(self, sign_in: SignIn) -> None:
        """From now on the family of this sign-in is live."""
        self._live.keep(sign_in.origin_jti, sign_in.username)

    def is_live(self, origin_jti: object) -> bool:
        """Whether a family was begun here and has not been revoked since."""
        return isinstance(origin_jti, str) and origin_jti in self._live

    def revoke(self, origin_jti: str) -> None:
        """No token of that family is good any more."""
        self._live.pop(origin_jti, None)

    def sign_out_everywhere(self, username: str) -> None:
        """Revoke every family of that user. Browsers' sessions stay, as at Cognito: `/logout` ends those."""
        for origin_jti in [family for family, holder in self._live.items() if holder == username]:
            self.revoke(origin_jti)

    # --- codes

    def make_code(self, sign_in: SignIn, *, redirect_uri: str, challenge: str | None, nonce: str | None) -> str:
        name = self.secret()
        expires_at = self.now() + CODE_SECONDS
        self._codes.keep(name, Code(sign_in, redirect_uri=redirect_uri, challenge=challenge, nonce=nonce, expires_at=expires_at))
        return name

    def spend_code(self, name: str, client_id: str) -> Code | None:
        """The code's other half, once and for its own client; None for anything else. A second try revokes what the first one got."""
        if name in self._spent:
            self.revoke(self._spent[name])
            return None
        code = self._codes.get(name)
        if code is None or code.sign_in.client_id != client_id:
            return None
        del self._codes[name]
        self._spent.keep(name, code.sign_in.origin_jti)
        return code if self.now() < code.expires_at else None

    # --- refresh tokens

    def make_refresh(self, sign_in: SignIn, seconds: float) -> str:
        """A refresh token for `seconds`: five parts that nobody else can read, as Cognito's are."""
        return self._kept_refresh(sign_in, self.now() + seconds)

    def _kept_refresh(self, sign_in: SignIn, expires_at: float) -> str:
        token = ".".join([_REFRESH_HEADER, *(self.secret(octets) for octets in (256, 12, 96, 16))])
        self._refresh.keep(token, _Refresh(sign_in, expires_at))
        return token

    def refreshed(self, token: str, client_id: str, rotation_grace: int | None) -> tuple[SignIn, str | None] | RefreshFault:
        """The sign-in behind a refresh token and, with rotation, the token that takes its place for the rest of its lifetime.

        Without rotation `rotation_grace` is None. A replaced token that comes after its grace revokes the family: nobody can tell who
        of two holders is the thief (RFC 9700 section 4.14.2). What Cognito does beyond refusing it is not documented.
        """
        held = self._refresh.get(token)
        if held is None or held.sign_in.client_id != client_id:
            return "unknown"
        now = self.now()
        if not self.is_live(held.sign_in.origin_jti):
            return "revoked"
        if held.replaced_at is not None and now >= held.replaced_at + (rotation_grace or 0):
            self.revoke(held.sign_in.origin_jti)
            return "reused"
        if now >= held.expires_at:
            return "expired"
        if rotation_grace is None:
            return held.sign_in, None
        if held.replaced_at is None:
            held.replaced_at = now
        return held.sign_in, self._kept_refresh(held.sign_in, held.expires_at)

    def refresh_family(self, token: str) -> SignIn | None:
        """The sign-in behind a refresh token, expired or not."""
        held = self._refresh.get(token)
        return None if held is None else held.sign_in

    # --- browsers

    def make_session(self, username: str, *, acr: str | None, amr: tuple[str, ...]) -> str:
        """A new session, under a new name: none outlives a sign-in."""
        now = self.now()
        name = self.secret()
        self._sessions.keep(name, Session(username, auth_time=int(now), acr=acr, amr=amr, expires_at=now + SESSION_SECONDS))
        return name

    def session(self, name: str | None) -> Session | None:
        found = self._sessions.get(name or "")
        return found if found is not None and self.now() < found.expires_at else None

    def end_session(self, name: str | None) -> None:
        self._sessions.pop(name or "", None)

    # --- sign-ins of which a step is missing

    def make_pending(self, username: str, bound_to: str) -> str:
        """A password was right and a code is still to come; `bound_to` is the browser's form or the client."""
        name = self.secret()
        self._pending.keep(name, (username, bound_to, self.now() + PENDING_SECONDS))
        return name

    def pending(self, name: str, bound_to: str) -> str | None:
        """The username of a half-finished sign-in."""
        username, bound, expires_at = self._pending.get(name, ("", "", 0.0))
        return username if username and bound == bound_to and self.now() < expires_at else None

    def end_pending(self, name: str) -> None:
        self._pending.pop(name, None)


# {"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}: by this a verifier tells a refresh token that came to the wrong door
_REFRESH_HEADER: Final = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ"
