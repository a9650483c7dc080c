"""One row of the behaviour table: a request, and what its answer must be on every front.

Decides how an answer is compared. Knows no front and no framework: a request is a kind, a method, a target and header pairs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from cognito_guard.errors import ConfigurationError
from cognito_guard.value import Value

Pairs = Iterable[tuple[str | bytes, str | bytes]]
_CHALLENGE = re.compile(r'Bearer (?P<parameters>[a-z_]+="[^"\\]*"(?:, [a-z_]+="[^"\\]*")*)')
_PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')
_CARRIERS = {"authorization", "cookie", "sec-websocket-protocol", "x-access-token"}
_OWN_WORDS = {"realm", "error_description", "resource_metadata"}  # a front's own; the table does not fix their text


class Case(Value):
    """A request and its answer.

    The request: `kind` ("http", or "websocket" for a handshake), `method`, `target` (path, perhaps with a query) and `headers`, pairs of
    `str` that stand for Latin-1 octets, in order and with duplicates. `keys_unavailable`: send it while `pool.outage()` holds, to a Guard
    that never held keys. `large`: its header exceeds 8,000 octets, which some servers refuse before any front sees it.

    The answer: `status`; `codes`, the reason codes that are right (the body's `code`); `challenge`, the parameters of the one Bearer
    challenge without those of the front's own wording, or None where there must be no challenge; `subject`, what the application
    sees: the principal's subject, "" for nobody, or None where the request must not reach it. `document`: members that the body, a
    JSON object, must hold, where the answer is neither a refusal nor the application's.

    A websocket that must reach the application is one that is accepted, its first message taken as the body. One that is refused
    before it is accepted: as above where the server can send an answer, otherwise a close with `close_code`, or a bare 403.
    """

    __slots__ = (
        "name",
        "method",
        "target",
        "headers",
        "keys_unavailable",
        "status",
        "codes",
        "challenge",
        "subject",
        "kind",
        "document",
    )
    name: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    keys_unavailable: bool
    status: int
    codes: tuple[str, ...]
    challenge: tuple[tuple[str, str], ...] | None
    subject: str | None
    kind: Literal["http", "websocket"]
    document: tuple[tuple[str, str], ...]

    def __init__(
        self,
        name: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        status: int,
        codes: Iterable[str] = (),
        challenge: Mapping[str, str] | None = None,
        subject: str | None = None,
        method: str = "GET",
        keys_unavailable: bool = False,
        kind: Literal["http", "websocket"] = "http",
        document: Mapping[str, object] | None = None,
    ) -> None:
        if isinstance(codes, str):
            raise ConfigurationError("Case", ["codes: give a list of strings; a bare string would be read letter by letter"])
        self._set(
            name=name,
            method=method,
            target=target,
            headers=tuple(headers),
            keys_unavailable=keys_unavailable,
            status=status,
            codes=tuple(codes),
            challenge=None if challenge is None else tuple(sorted(challenge.items())),
            subject=subject,
            kind=kind,
            document=tuple((name, json.dumps(member)) for name, member in (document or {}).items()),
        )

    @property
    def reaches_app(self) -> bool:
        """Whether the application behind the front must see the request."""
        return self.subject is not None

    @property
    def close_code(self) -> int | None:
        """The code with which a refused websocket is closed before it is accepted; None for whatever is not one."""
        return 4000 + self.status if self.kind == "websocket" and not self.reaches_app else None

    @property
    def large(self) -> bool:
        """Whether the header is larger than common servers take."""
        return sum(len(name) + len(value) + 4 for name, value in self.headers) > 8000

    def check(self, status: int, headers: Pairs, body: bytes, *, reached: bool | None = None) -> list[str]:
        """Every way in which an answer differs from what it must be; empty if in none. No text of the token stands in it.

        `headers` are pairs of `str` or `bytes`, names in any case. `reached`: whether the application was called, where the test
        knows. The application under test answers 200, and as its body the principal's subject in UTF-8, nothing for nobody.
        """
        found = [(_text(name).lower(), _text(value)) for name, value in headers]
        wrong = [] if status == self.status else [f"status {status}, not {self.status}"]
        if reached is not None and reached != self.reaches_app:
            wrong.append("it reached the application" if reached else "it did not reach the application")
        wrong += self._check_challenge([value for name, value in found if name == "www-authenticate"])
        if self.status == 503 and not any(name == "retry-after" and re.fullmatch("[1-9][0-9]*", at) for name, at in found):
            wrong.append("no Retry-After in whole seconds")
        if self.method != "HEAD":
            wrong += self._check_body(body)
        if self.subject is None and self._shows_token([*(value for _, value in found), body.decode("latin-1")]):
            wrong.append("a part of the token stands in the answer")
        return wrong

    def _check_challenge(self, fields: list[str]) -> list[str]:
        if self.challenge is None:
            return ["a challenge where there must be none"] if fields else []
        if len(fields) != 1:
            return [f"{len(fields)} WWW-Authenticate fields, not one"]
        match = _CHALLENGE.fullmatch(fields[0])
        if match is None:
            return ["the challenge is not Bearer with quoted parameters"]
        pairs = _PARAMETER.findall(match["parameters"])
        given = {name: value for name, value in pairs if name not in _OWN_WORDS}
        wrong = [] if len(dict(pairs)) == len(pairs) else ["a parameter stands twice in the challenge"]
        if given != dict(self.challenge):
            wrong.append(f"challenge {given}, not {dict(self.challenge)}")
        return wrong

    def _check_body(self, body: bytes) -> list[str]:
        if self.subject is not None:
            return [] if body == self.subject.encode() else ["the application saw another subject"]
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        members = told if isinstance(told, dict) else {}
        wrong = [f"the body's {name} is not {text}" for name, text in self.document if json.dumps(members.get(name)) != text]
        if self.codes and members.get("code") not in self.codes:
            wrong.append(f"the body's code is {members.get('code')!r}, not {' or '.join(self.codes)}")
        return wrong

    def _shows_token(self, texts: list[str]) -> bool:
        fields = [value for name, value in self.headers if name.lower() in _CARRIERS]
        sent = " ".join([*fields, self.target.partition("?")[2]])
        parts = {part for part in re.split(r"[^A-Za-z0-9_-]+", sent) if len(part) >= 16}
        return any(part in text for part in parts for text in texts)

    def __repr__(self) -> str:
        return f"Case({self.name!r}, {self.method} -> {self.status})"


def _text(octets: str | bytes) -> str:
    return octets if isinstance(octets, str) else octets.decode("latin-1")
