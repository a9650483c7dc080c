"""People and groups of the local pool. Frozen values, judged when made; no password is printed with its user.

Decides which of them can be meant. Knows no client and no token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cognito_guard.local_pool.judging import Judge, table
from cognito_guard.value import Value


class User(Value):
    """Somebody who signs in: with a password here, or, where `provider` names one, at a simulated identity provider.

    - `password=None`: one is made up when the server starts, and shown there.
    - `attributes`: standard OpenID Connect attributes and `custom:` ones, strings; `email_verified` and `phone_number_verified` are
      booleans, true unless told otherwise.
    - `totp`: the six digits that stand for an authenticator app; `mfa=True` asks for them at every sign-in, otherwise they are asked
      for when a request's `acr_values` want more than a password.
    """

    __slots__ = ("name", "password", "groups", "attributes", "provider", "totp", "mfa")
    name: str
    password: str | None
    groups: tuple[str, ...]
    attributes: tuple[tuple[str, str | bool], ...]
    provider: str | None
    totp: str
    mfa: bool

    def __init__(
        self,
        name: str,
        password: str | None = None,
        *,
        groups: Iterable[str] = (),
        attributes: Mapping[str, str | bool] | None = None,
        provider: str | None = None,
        totp: str = "123456",
        mfa: bool = False,
    ) -> None:
        judge = Judge()
        if password is not None:
            judge.text(password, "password", _PASSWORD, "6 to 256 characters, or leave it out to have one made up")
        if provider is not None:
            judge.text(
                provider, "provider", _PROVIDER, "the provider's name: 1 to 32 letters, digits, '-', '_' or '.', not COGNITO"
            )
            if password is not None or mfa:
                judge.problems.append("provider: who signs in elsewhere has no password and no TOTP step here; leave those out")
        given = dict(table({} if attributes is None else attributes, "attributes", judge.problems))
        for attribute, value in given.items():
            if attribute in _VERIFIED:
                judge.flag(value, f"attributes.{attribute}")
            elif attribute not in _ATTRIBUTES and not _CUSTOM.fullmatch(attribute):
                judge.problems.append(f"attributes: {attribute[:40]!r} is neither a standard attribute nor custom:name")
            elif not isinstance(value, str) or not value:
                judge.problems.append(
                    f"attributes.{attribute}: write a string that is not empty; custom attributes are strings too"
                )
        for of, verified in (("email", "email_verified"), ("phone_number", "phone_number_verified")):
            if of in given:
                given.setdefault(verified, True)
        self._set(
            name=judge.text(name, "name", _NAME, "1 to 128 printable characters"),
            password=password,
            groups=judge.texts(groups, "groups", _NAME, "1 to 128 printable characters"),
            attributes=tuple(given.items()),
            provider=provider,
            totp=judge.text(totp, "totp", _TOTP, "six digits"),
            mfa=judge.flag(mfa, "mfa"),
        )
        judge.refuse("User")

    @property
    def username(self) -> str:
        """The name that tokens carry: Cognito puts the provider's in front of that of a federated user."""
        return f"{self.provider}_{self.name}" if self.provider else self.name

    def __repr__(self) -> str:
        return f"User({self.username!r})"


class Group(Value):
    """A group that has an IAM role. Groups without one need no table: naming them with a user is enough."""

    __slots__ = ("name", "role", "precedence")
    name: str
    role: str
    precedence: int

    def __init__(self, name: str, *, role: str, precedence: int = 0) -> None:
        judge = Judge()
        self._set(
            name=judge.text(name, "name", _NAME, "1 to 128 printable characters"),
            role=judge.text(role, "role", _ROLE, "the role's ARN, such as arn:aws:iam::123456789012:role/staff"),
            precedence=judge.seconds(precedence, "precedence", 0, 2**31 - 1),
        )
        judge.refuse("Group")


_NAME = re.compile(r"[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff](?:[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,127})")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{6,256}")
_PROVIDER = re.compile(r"(?!COGNITO\Z)[A-Za-z0-9._-]{1,32}")
_TOTP = re.compile(r"[0-9]{6}")
_ROLE = re.compile(r"arn:[!-~]{1,2000}")
_CUSTOM = re.compile(r"custom:[!-~]{1,20}")
_VERIFIED = ("email_verified", "phone_number_verified")
_ATTRIBUTES = (
    "birthdate", "email", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname", "phone_number", "picture",
    "preferred_username", "profile", "website", "zoneinfo",
)  # fmt: skip
