"""Every kind of bad token by name, each with the verdict that it must get.

Decides the verdicts: those of a Guard built as `pool.guard()`, whose keys are at hand. The rows stand in `bad_headers.py`,
`bad_payloads.py` and `bad_encodings.py`, next to how each is made.
"""

from __future__ import annotations

from cognito_guard.errors import ConfigurationError, RejectionCode
from cognito_guard.testing import bad_encodings, bad_headers, bad_payloads
from cognito_guard.testing.mint import Mint
from cognito_guard.value import Value

_ROWS = {row.name: row for row in (*bad_headers.ROWS, *bad_payloads.ROWS, *bad_encodings.ROWS)}

BAD_TOKEN_NAMES: tuple[str, ...] = tuple(_ROWS)


class BadToken(Value):
    """A token that must be rejected: with `code`, naming `claim` if not None. `why` cites the threat or the RFC."""

    __slots__ = ("name", "token", "code", "claim", "why")
    name: str
    token: str
    code: RejectionCode
    claim: str | None
    why: str

    def __init__(self, name: str, token: str, code: RejectionCode, claim: str | None, why: str) -> None:
        self._set(name=name, token=token, code=code, claim=claim, why=why)

    def __repr__(self) -> str:
        return f"BadToken({self.name!r}, {self.code!r})"


def bad_token(pool: Mint, name: str) -> BadToken:
    """The bad token of that name (one of `BAD_TOKEN_NAMES`), minted now. An unknown name raises `ConfigurationError`."""
    row = _ROWS.get(name)
    if row is None:
        raise ConfigurationError("bad_token", [f"name: there is no bad token {name!r}; see BAD_TOKEN_NAMES"])
    return BadToken(name, row.make(pool), row.code, row.claim, row.why)


def bad_tokens(pool: Mint) -> tuple[BadToken, ...]:
    """Every bad token, minted now (about 0.1 s). For one test each, parametrize over `BAD_TOKEN_NAMES` and use `bad_token`."""
    return tuple(bad_token(pool, name) for name in _ROWS)
