"""Tokens for the benchmarks: many distinct ones, since a loop over a single token flatters every cache there is."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from cognito_guard.testing import LocalUserPool


def access_tokens(pool: LocalUserPool, count: int) -> list[str]:
    """Access tokens of about 1,100 characters, as a person's sign-in yields them."""
    return [
        pool.access(
            username=str(uuid.uuid4()),
            subject=str(uuid.uuid4()),
            groups=["staff", "admin"],
            scopes=["openid", "orders/read", "orders/write"],
        )
        for _ in range(count)
    ]


def id_tokens(pool: LocalUserPool, count: int) -> list[str]:
    """ID tokens with the usual attributes."""
    return [pool.id(username=str(uuid.uuid4()), email=f"user{at}@example.com") for at in range(count)]


def large_tokens(pool: LocalUserPool, count: int) -> list[str]:
    """Access tokens of about 20,000 characters: 100 groups with long names."""
    groups = [f"{at:03}-{'group-with-a-long-name-' * 6}" for at in range(100)]
    return [pool.access(username=str(uuid.uuid4()), groups=groups, scopes=["orders/read"]) for _ in range(count)]


def forged(tokens: list[str]) -> list[str]:
    """The same tokens, each with the signature of its neighbour."""
    return [
        f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}"
        for token, other in zip(tokens, tokens[1:] + tokens[:1], strict=True)
    ]


def over(tokens: list[str], judge: Callable[[str], object]) -> Callable[[], int]:
    """A contender that judges each token once."""

    def run() -> int:
        for token in tokens:
            judge(token)
        return len(tokens)

    return run
