"""The report of every check on one token, for a person who wants to know why it is refused.

Decides how a verdict is told, never the verdict: that is the Guard's own. What is shown of a token are claim names and the values
that select a profile; never its signature, and nothing that names a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from cognito_guard.errors import Code, CognitoGuardError, TokenRejected, Unavailable
from cognito_guard.jose import base64url, strict_json
from cognito_guard.pool import Profile
from cognito_guard.token.acceptance import CLIENT_CLAIM
from cognito_guard.token.claims import CHECKS, MAX_DATE
from cognito_guard.token.principal import Principal
from cognito_guard.value import Value

Status = Literal["passed", "failed", "not reached"]

_SHOWN = 160  # characters of a value; it is the caller's own token, but a terminal is not


class Check(Value):
    """One check: its name, how it ended, what was expected, and what the token says (None where it says nothing that may be shown).

    Until the check "signature" has passed, what was found is only what the token claims.
    """

    __slots__ = ("name", "status", "expected", "found")
    name: str
    status: Status
    expected: str
    found: str | None

    def __init__(self, name: str, status: Status, expected: str, found: str | None) -> None:
        self._set(name=name, status=status, expected=expected, found=found)


class Report(Value):
    """Every check in the order in which it is made.

    `principal` is the verified party, or None, and then `code` and `message` say why. `closest` is the profile that the token came
    closest to; `expires_in` is seconds to `exp` (negative: since), or None where it has no such date.
    """

    __slots__ = ("checks", "principal", "code", "message", "closest", "expires_in")
    checks: tuple[Check, ...]
    principal: Principal | None
    code: Code | None
    message: str | None
    closest: Profile | None
    expires_in: float | None

    def __init__(
        self,
        *,
        checks: tuple[Check, ...],
        principal: Principal | None,
        error: CognitoGuardError | None,
        closest: Profile | None,
        expires_in: float | None,
    ) -> None:
        self._set(
            checks=checks,
            principal=principal,
            code=error.code if error else None,
            message=str(error) if error else None,
            closest=closest,
            expires_in=expires_in,
        )

    def __bool__(self) -> bool:
        return self.principal is not None


_OWN: dict[str, tuple[Code, ...]] = {
    "aud": ("resource_refused",),
    "exp": ("expired",),
    "nbf": ("not_yet_valid",),
    "iat": ("issued_in_future",),
}
# (name, the codes with which it fails); a `claim_...` code belongs to the check that looks at the claim it names
_CHECKS: tuple[tuple[str, tuple[Code, ...], tuple[str, ...]], ...] = (
    ("size", ("token_too_large",), ()),
    ("compact form", ("not_a_jwt", "encrypted_token"), ()),
    ("JOSE header", ("header_malformed",), ()),
    ("algorithm", ("algorithm_refused",), ("alg",)),
    ("header parameters", ("header_parameter_refused",), ()),
    ("key identifier", ("kid_refused",), ("kid",)),
    ("payload", ("payload_malformed",), ()),
    ("issuer", ("issuer_unknown", "resolve_unavailable"), ("iss",)),
    ("key", ("key_unknown", "key_refused", "keys_unavailable"), ()),
    ("signature", ("signature_invalid",), ()),
    ("token use", ("token_use_refused",), ("token_use",)),
    ("type", ("type_refused",), ("typ",)),
    ("app client", ("client_refused",), ("client_id", "aud")),
    *((name, _OWN.get(claim, ()), (claim,)) for name, claim in CHECKS),
    ("revocation", ("revoked", "revocation_unavailable"), ()),
)


class Facts(Value):
    """What the Guard was told, for the report to say what was expected."""

    __slots__ = ("profiles", "max_token_size", "asks_revocation", "now")
    profiles: tuple[Profile, ...]
    max_token_size: int
    asks_revocation: bool
    now: float

    def __init__(self, *, profiles: tuple[Profile, ...], max_token_size: int, asks_revocation: bool, now: float) -> None:
        self._set(profiles=profiles, max_token_size=max_token_size, asks_revocation=asks_revocation, now=now)


def explain(token: str, verify: Callable[[str], Principal], facts: Facts) -> Report:
    """The Report of `token`, whose verdict is `verify`'s; `Guard.explain` says what it promises."""
    principal: Principal | None = None
    error: TokenRejected | Unavailable | None = None
    try:
        principal = verify(token)
    except (TokenRejected, Unavailable) as refused:
        error = refused
    header, claims = (_peek(token, part) if len(token) <= facts.max_token_size else {} for part in (0, 1))
    closest = max(facts.profiles, key=lambda profile: _closeness(profile, claims), default=None)
    expected = _expectations(facts, closest)
    failed = None if error is None else _failed_check(error)
    checks: list[Check] = []
    for name, _, looked_at in _CHECKS:
        status: Status = "failed" if name == failed else "not reached" if failed in [check.name for check in checks] else "passed"
        part = header if name in _OF_HEADER else claims
        found = [f"{claim} = {_show(part[claim])}" for claim in looked_at if claim in part]
        checks.append(Check(name, status, expected[name], ", ".join(found) if found and name in _SHOWABLE else None))
    return Report(
        checks=tuple(checks),
        principal=principal,
        error=error,
        closest=closest,
        expires_in=_seconds_to(claims.get("exp"), facts.now),
    )


_OF_HEADER = frozenset({"algorithm", "key identifier", "type"})
_SHOWABLE = _OF_HEADER | {"issuer", "token use", "app client", "resource", "scopes", "expiry", "not before", "issued at"}


def _failed_check(error: TokenRejected | Unavailable) -> str:
    claim = getattr(error, "claim", None)
    for name, codes, _ in _CHECKS:
        if error.code in codes:
            return name
    return next(name for name, _, looked_at in _CHECKS if claim in looked_at)


def _expectations(facts: Facts, closest: Profile | None) -> dict[str, str]:
    """By check, what it asks for. Without profiles (all of them resolved at run time) some say only that the profile decides."""
    profiles = facts.profiles
    texts = {
        "size": f"at most {facts.max_token_size} characters",
        "compact form": "three parts of base64url without padding, joined by dots",
        "JOSE header": "a JSON object with unique names",
        "algorithm": _either(name for profile in profiles for name in profile.algorithms),
        "header parameters": "none of crit, b64, zip, enc, cty",
        "key identifier": "a string of 1 to 256 characters",
        "payload": "a JSON object with unique names",
        "issuer": _either(issuer.url for profile in profiles for issuer in profile.issuers),
        "key": "a key that the issuer publishes under the token's kid",
        "signature": "made by that key over header and payload",
        "token use": _either(profile.token_use for profile in profiles),
        "type": "as the resolved profile says",
        "app client": "as the resolved profile says",
        "resource": "as the resolved profile says",
        "subject": "a string that is not empty",
        "username": "a string, or none",
        "token identifier": "a string, or none",
        "scopes": "one string, separated by spaces, or none",
        "groups": "an array of strings, or none",
        "expiry": "seconds since the epoch, in the future",
        "not before": "seconds since the epoch, not in the future, or none",
        "issued at": "seconds since the epoch, before exp and not in the future, or none",
        "revocation": "not revoked" if facts.asks_revocation else "not asked: no is_revoked hook",
    }
    if closest is not None:
        named = sorted(closest.clients) if isinstance(closest.clients, frozenset) else ["any client of the pool"]
        texts["type"] = f"absent, or {_either(sorted(closest.types))}"
        texts["app client"] = f"{CLIENT_CLAIM[closest.token_use]} = {_either(named)}"
        texts["resource"] = (
            f"aud = {_either(sorted(closest.resources))}" if closest.resources else "not asked: no resource= given"
        )
    return texts


def _either(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names)) or "as the resolved profile says"


def _closeness(profile: Profile, claims: dict[str, Any]) -> int:
    client = claims.get(CLIENT_CLAIM[profile.token_use])
    clients = profile.clients
    return (
        4 * any(claims.get("iss") == issuer.url for issuer in profile.issuers)
        + 2 * (claims.get("token_use") == profile.token_use)
        + (not isinstance(clients, frozenset) or (isinstance(client, str) and client in clients))
    )


def _peek(token: str, part: int) -> dict[str, Any]:
    """Header or payload for showing only; {} where it cannot be read."""
    try:
        return strict_json.parse_object(base64url.decode(token.split(".", 3)[part]))
    except (ValueError, IndexError):
        return {}


def _seconds_to(exp: Any, now: float) -> float | None:
    dated = type(exp) in (int, float) and 0 <= exp <= MAX_DATE  # beyond it, an int may not even fit a float
    return exp - now if dated else None


def _show(value: object) -> str:
    """A JSON value as printable ASCII, so that nothing in a token can move a cursor."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
