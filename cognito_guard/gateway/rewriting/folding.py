"""Names that upstreams take for one another: `X_Cognito_Subject` and `x.cognito.subject` are `X-Cognito-Subject` to many frameworks.

Decides which spellings count as one name (THREATS A20, T1; CVE-2025-64484 of oauth2-proxy, CVE-2026-88011 of Traefik). Knows no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cognito_guard.gateway.rewriting.memo import Memo
from cognito_guard.web.request import HeaderPair

_FOLD = bytes(octet if chr(octet) in "abcdefghijklmnopqrstuvwxyz0123456789" else ord("-") for octet in bytes(range(256)).lower())
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}[A-Za-z0-9]")

MAX_REMEMBERED = 64  # octets of a name; longer ones are judged each time, so that names of clients' own making stay cheap to keep


def folded(name: bytes) -> bytes:
    """The name in lower case with every octet other than an ASCII letter or digit as `-`."""
    return name.translate(_FOLD)


def trimmed_fold(name: bytes) -> bytes:
    """`folded`, without `-` at either end: blanks and dots there vanish in some servers, so they must not hide a name."""
    return name.translate(_FOLD).strip(b"-")


def name_problem(name: object) -> str | None:
    """Why a name cannot be one that we send; None if it can."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return None
    return "write 2 to 64 letters, digits and '-' (no '_' or '.': proxies drop or confuse them), such as X-Cognito-Subject"


class Managed:
    """The header names that only we may send. In any spelling that folds to one of them, a client's field is dropped.

    `names` in any case, as `name_problem` wants them. Answers are remembered for short names, within bounds.
    """

    __slots__ = ("_folds", "_memo", "names")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(name.lower().encode("ascii") for name in names)
        self._folds = frozenset(map(trimmed_fold, self.names))
        self._memo: Memo[bytes, bool] = Memo(2048)

    def drops(self, name: bytes) -> bool:
        """Whether a field of this name, as it was sent, must not pass."""
        memo = self._memo
        answer = memo.recall(name)
        if answer is None:
            answer = memo.recover(name)
        if answer is None:
            answer = trimmed_fold(name) in self._folds
            if len(name) <= MAX_REMEMBERED:
                memo.keep(name, answer)
        return answer

    def without(self, headers: Iterable[HeaderPair]) -> list[HeaderPair]:
        """The pairs that may pass, in order."""
        drops = self.drops
        return [pair for pair in headers if not drops(pair[0])]

    def aliases(self, headers: Iterable[HeaderPair]) -> list[bytes]:
        """The names among `headers` that only look like ours, lower-cased, each once: for proxies that must be told what to remove."""
        found = dict.fromkeys(name.lower() for name, _ in headers if self.drops(name))
        return [name for name in found if name not in self.names]
