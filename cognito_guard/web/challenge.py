"""Challenges: the answers that stand in for the application's, as RFC 6750 §3 and RFC 9470 §3 word them.

Decides status, header fields and body for each reason not to forward. Says nothing of the token but our own constant texts, and of
the rule only what its Denied marks as tellable: lacking scopes, and the sign-in that would do.
"""

from __future__ import annotations

import math
import re

from cognito_guard.errors import REJECTIONS, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.policy import Denied, StepUp
from cognito_guard.web.paths import TwoFaced
from cognito_guard.web.problem import Challenge, HeaderPairs, problem

__all__ = ["Challenge", "HeaderPairs", "Refusal", "challenge", "realm_problem"]

Refusal = TokenRejected | CredentialsRefused | Unavailable | Denied | TwoFaced | None
"""What stands in the way of a request; None is the absence of Bearer credentials."""


def challenge(refusal: Refusal, *, realm: str, resource_metadata: str = "") -> Challenge:
    """The answer to a request that is not forwarded, by what stood in its way (None: it carries no Bearer credentials).

    `realm` has passed `realm_problem`; `resource_metadata` is the address of a `ProtectedResource`'s document (RFC 9728 §5.1), which then
    stands in every Bearer challenge. Never raises; any exception is a bug.
    """
    common = {"realm": realm, "resource_metadata": resource_metadata}
    match refusal:
        case None | CredentialsRefused(code="credentials_missing"):
            # RFC 6750 §3.1: a request without credentials gets no error code in its challenge
            text = "this resource needs a Bearer token"
            return problem(401, "unauthorized", "credentials_missing", text, _bearer(common))
        case CredentialsRefused(code=code):
            text = "send one token, and once: 'Bearer', a space and the token in one Authorization field"
            return _refused(400, "invalid_request", code, text, common)
        case TokenRejected(code=code):
            return _refused(401, "invalid_token", code, REJECTIONS[code], common)
        case Unavailable(code=code, retry_after=wait):
            text = "the token cannot be judged at the moment; try again later"
            seconds = max(1, math.ceil(wait)) if math.isfinite(wait) else 60
            return problem(503, "temporarily_unavailable", code, text, (b"retry-after", b"%d" % seconds))
        case Denied(step_up=StepUp(acr_values=levels, max_age=most)):
            error, text = "insufficient_user_authentication", "this resource asks for a stronger or a more recent sign-in"
            age = "" if most is None else str(most)
            return _refused(401, error, error, text, common, acr_values=" ".join(levels), max_age=age)
        case Denied(scopes=scopes):
            text = "the token does not carry the rights that this resource asks for"
            return _refused(403, "insufficient_scope", "insufficient_scope", text, common, scope=" ".join(scopes))
        case TwoFaced(reason=reason):
            text = f"the target of the request has two readings: {reason}"
            return problem(400, "invalid_request", "target_ambiguous", text)
        case _:
            raise TypeError("a result outside the family, which never becomes an answer")


def realm_problem(realm: object) -> str | None:
    """What is wrong with a realm: it must be fit for a quoted-string (RFC 9110 §5.6.4) without escapes."""
    if isinstance(realm, str) and re.fullmatch(r"[ !#-\[\]-~]{1,128}", realm):
        return None
    return "realm: give 1 to 128 printable ASCII characters without '\"' and '\\'"


def _refused(status: int, error: str, code: str, text: str, common: dict[str, str], **more: str) -> Challenge:
    return problem(status, error, code, text, _bearer({**common, "error": error, "error_description": text, **more}))


def _bearer(parameters: dict[str, str]) -> tuple[bytes, bytes]:
    """A challenge with the parameters that hold anything. What comes here is free of quotation marks and backslashes: the realm and the
    address were vetted, scopes and levels were by their rules, and the texts are our own."""
    listed = ", ".join(f'{name}="{text}"' for name, text in parameters.items() if text)
    return b"www-authenticate", f"Bearer {listed}".encode("ascii")
