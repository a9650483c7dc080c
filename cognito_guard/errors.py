"""Every error that leaves this package: one family, each with a stable `code` from a closed set.

Decides nothing and knows no HTTP. No message holds token text or a claim's value: a message names the check, the setting or the
claim's *name*.
"""

from __future__ import annotations

from typing import Any, Literal

RejectionCode = Literal[
    "token_too_large",
    "not_a_jwt",
    "encrypted_token",
    "header_malformed",
    "header_parameter_refused",
    "algorithm_refused",
    "kid_refused",
    "payload_malformed",
    "issuer_unknown",
    "key_unknown",
    "key_refused",
    "signature_invalid",
    "type_refused",
    "token_use_refused",
    "client_refused",
    "resource_refused",
    "claim_missing",
    "claim_invalid",
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "revoked",
]
UnavailableCode = Literal["keys_unavailable", "revocation_unavailable", "resolve_unavailable"]
CredentialsCode = Literal["credentials_missing", "credentials_ambiguous", "credentials_malformed"]
ConfigurationCode = Literal["configuration", "rule_syntax"]
Code = RejectionCode | UnavailableCode | CredentialsCode | ConfigurationCode

REJECTIONS: dict[RejectionCode, str] = {
    "token_too_large": "the token is longer than this verifier accepts",
    "not_a_jwt": "the credentials are not a JWT in compact form (three unpadded base64url parts)",
    "encrypted_token": "the token is encrypted (five parts), as Cognito's refresh tokens are; send an access or ID token",
    "header_malformed": "the JOSE header is not a strict JSON object",
    "header_parameter_refused": "the JOSE header holds a parameter that this verifier refuses",
    "algorithm_refused": "the JOSE header's algorithm is not one that this verifier allows",
    "kid_refused": "the JOSE header's kid is missing, empty, too long or not a string",
    "payload_malformed": "the payload is not a strict JSON object",
    "issuer_unknown": "the token's issuer is not one that this verifier trusts",
    "key_unknown": "the issuer publishes no key under the token's kid",
    "key_refused": "the key under the token's kid cannot be used: it is ambiguous, malformed, or made for another algorithm",
    "signature_invalid": "the signature does not verify",
    "type_refused": "the JOSE header's typ does not fit this kind of token",
    "token_use_refused": "the token_use claim is not one that this verifier accepts",
    "client_refused": "the token was issued to an app client that this verifier does not accept",
    "resource_refused": "the token is not bound to a resource that this verifier serves",
    "claim_missing": "a claim that every such token carries is missing",
    "claim_invalid": "a claim is not of the form that Cognito gives it",
    "expired": "the token has expired",
    "not_yet_valid": "the token is not valid yet",
    "issued_in_future": "the token says that it was issued in the future",
    "revoked": "the token has been revoked",
}


class CognitoGuardError(Exception):
    """The base of every error of this package. `code` is stable: branch on it, log it, count it."""

    code: Code

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.args, self.__dict__)


def _unpickle(kind: type[CognitoGuardError], args: tuple[Any, ...], state: dict[str, Any]) -> CognitoGuardError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(CognitoGuardError):
    """A setting cannot be used. `problems` holds every mistake of the constructor at once, each naming its argument and the way out."""

    def __init__(self, subject: str, problems: list[str], *, code: ConfigurationCode = "configuration") -> None:
        self.subject = subject
        self.problems = tuple(problems)
        listed = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(code, f"{subject}: {listed}")


class RuleSyntaxError(ConfigurationError):
    """A rule's text cannot be read. `position` counts characters from 0; the message shows the line with a mark under that place."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        self.text = text
        self.position = position
        start = text.rfind("\n", 0, position) + 1
        column = position - start
        line = text[start:].partition("\n")[0]
        cut = max(0, column - 60)
        shown = "".join(character if character.isprintable() else " " for character in line[cut : column + 30])
        place = (
            f"character {column + 1}"
            if "\n" not in text
            else f"line {text.count(chr(10), 0, position) + 1}, character {column + 1}"
        )
        super().__init__("rule", [f"{place}: {problem}\n    {shown}\n    {' ' * (column - cut)}^"], code="rule_syntax")


class TokenRejected(CognitoGuardError):
    """The token is bad: the caller answers 401 `invalid_token` and the client needs a new token.

    `claim` names the claim or header parameter at fault, where there is one; its value is never held.
    """

    code: RejectionCode

    def __init__(self, code: RejectionCode, claim: str | None = None) -> None:
        self.claim = claim
        super().__init__(code, REJECTIONS[code] if claim is None else f"{REJECTIONS[code]} ({claim})")


class CredentialsRefused(CognitoGuardError):
    """What the request carried is not one Bearer token: `credentials_missing` asks for 401, the two others for 400."""

    code: CredentialsCode

    def __init__(self, code: CredentialsCode, message: str) -> None:
        super().__init__(code, message)


class Unavailable(CognitoGuardError):
    """Something we need to judge the token cannot be had: 503, never the caller's 401. Try again after `retry_after` seconds."""

    code: UnavailableCode

    def __init__(self, code: UnavailableCode, message: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(code, message)
