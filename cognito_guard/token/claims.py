"""The rules that verified claims must meet, in the order in which they are judged.

Decides whether a claim has Cognito's form and fits the profile. Knows no clock: `now` is an argument. Every comparison is written so
that a NaN refuses. Sources: RFC 7519 §4.1; "Verifying JSON web tokens" in the Amazon Cognito developer guide; RFC 8707 §2.
"""

from __future__ import annotations

from typing import Any

from cognito_guard.errors import RejectionCode, TokenRejected
from cognito_guard.jose import strict_json
from cognito_guard.pool import Profile

MAX_DATE = 253402300799  # 9999-12-31T23:59:59Z: a NumericDate in milliseconds lies far beyond
ISSUED_AHEAD = 60  # seconds that `iat` may lie ahead, whatever the leeway: clocks differ, and it protects nobody

Claims = dict[str, Any]
Fault = tuple[RejectionCode, str]

CHECKS: tuple[tuple[str, str], ...] = (
    ("subject", "sub"),
    ("username", "username"),
    ("token identifier", "jti"),
    ("scopes", "scope"),
    ("groups", "cognito:groups"),
    ("resource", "aud"),
    ("expiry", "exp"),
    ("not before", "nbf"),
    ("issued at", "iat"),
)
"""What `first_fault` looks at, in its order: a name for people, and the claim."""


def first_fault(claims: Claims, profile: Profile, now: float, leeway: float) -> Fault | None:
    """The first rule that the claims break, as a code and the claim's name, or None. `now` and `leeway` are in seconds.

    The profile is the one that `token_use` and the app client chose. Absent claims are fine but for `exp`, and for `sub` unless
    it is an access token without `username`. `auth_time`, `acr` and all others are not judged here: rules do.
    """
    # one flat function, since it runs for every token; exact types, since JSON yields no others and a bool is an int elsewhere
    get = claims.get
    username = get("username")
    if "sub" in claims or username is not None or profile.token_use != "access":
        fault = missing_text(claims, "sub")
        if fault is not None:
            return fault
    if username is not None and type(username) is not str:
        return "claim_invalid", "username"
    if type(get("jti", "")) is not str:
        return "claim_invalid", "jti"
    if type(get("scope", "")) is not str:
        return "claim_invalid", "scope"
    if "cognito:groups" in claims and not _is_list_of_text(claims["cognito:groups"]):
        return "claim_invalid", "cognito:groups"
    if profile.resources is not None and not _names_one_of(profile.resources, get("aud")):
        return "resource_refused", "aud"
    exp: Any = get("exp")
    if not _is_date(exp):
        return "claim_invalid" if "exp" in claims else "claim_missing", "exp"
    if not now < exp + leeway:
        return "expired", "exp"
    if "nbf" in claims:
        nbf = claims["nbf"]
        if not _is_date(nbf):
            return "claim_invalid", "nbf"
        if not nbf <= now + leeway:
            return "not_yet_valid", "nbf"
    if "iat" in claims:
        iat = claims["iat"]
        if not _is_date(iat) or not iat < exp:
            return "claim_invalid", "iat"
        if not iat <= now + max(leeway, ISSUED_AHEAD):
            return "issued_in_future", "iat"
    return None


def read_claims(payload: bytes) -> Claims:
    """The claims of a payload that the fast parser left to the strict one. Raises `TokenRejected("payload_malformed")`."""
    claims: Claims | None = None
    try:
        claims = strict_json.parse_object_slowly(payload)
    except ValueError:
        pass
    if claims is None:  # outside the handler, so that no parser's error travels along
        raise TokenRejected("payload_malformed")
    return claims


def missing_text(claims: Claims, name: str) -> Fault | None:
    """The fault of a claim that must be there as a string that is not empty."""
    claim = claims.get(name)
    if type(claim) is str and claim:
        return None
    return "claim_invalid" if name in claims else "claim_missing", name


def valid_from(claims: Claims, leeway: float) -> float:
    """The first second at which these (judged) claims hold: before it, `nbf` or `iat` would refuse."""
    start: float = max(claims.get("nbf", 0) - leeway, claims.get("iat", 0) - max(leeway, ISSUED_AHEAD))
    return start


def valid_until(claims: Claims, leeway: float) -> float:
    """The second at which these (judged) claims end."""
    end: float = claims["exp"] + leeway
    return end


def _names_one_of(resources: frozenset[str], aud: Any) -> bool:
    """RFC 8707 and RFC 7519 §4.1.3: `aud` is one of them, or a list of strings that holds one."""
    if type(aud) is str:
        return aud in resources
    return _is_list_of_text(aud) and not resources.isdisjoint(aud)


def _is_list_of_text(claim: Any) -> bool:
    return type(claim) is list and set(map(type, claim)) <= {str}


def _is_date(claim: Any) -> bool:
    return (type(claim) is int or type(claim) is float) and 0 <= claim <= MAX_DATE
