"""Requests that good and bad clients make, asked through the gateway over HTTP, with how they were answered.

Decides what is tried. The tokens are minted by the pool as its sign-in mints them; the answers are the gateway's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import NamedTuple

from cognito_guard.demo.settings import MACHINE, SCOPES
from cognito_guard.local_pool import Served


class Tokens(NamedTuple):
    """A user's access and ID token, good for an hour."""

    access: str
    id: str


class Tried(NamedTuple):
    """One request, what it carried in words, and the answer: its status, and the code that a refusal carries ("" for none)."""

    method: str
    path: str
    sent: str
    status: int
    code: str


def tokens_of(served: Served) -> dict[str, Tokens]:
    """For each user of the pool by name, the tokens that signing in on the page would bring."""
    return {
        user.name: Tokens(
            served.pool.access(username=user.name, scopes=SCOPES, groups=user.groups),
            served.pool.id(username=user.name, email=f"{user.name}@example.com", groups=user.groups),
        )
        for user in served.settings.users
    }


def tried(served: Served, port: int, tokens: dict[str, Tokens]) -> Iterator[Tried]:
    """Ask, one after the other. Raises `OSError` where the gateway does not answer."""
    pool = served.pool
    reader, staff, admin = (tokens[name] for name in ("reader", "staff", "admin"))
    narrow = pool.access(username="admin", scopes=["openid"], groups=["staff", "admin"])
    tries = (
        ("GET", "/health", "no token", None),
        ("GET", "/orders", "no token", None),
        ("GET", "/orders", "reader", reader.access),
        ("DELETE", "/orders/7", "reader, who is not in the group staff", reader.access),
        ("DELETE", "/orders/7", "staff", staff.access),
        ("GET", "/admin", "staff", staff.access),
        ("GET", "/admin", "admin", admin.access),
        ("GET", "/orders", "admin, without the scope orders/read", narrow),
        ("GET", "/orders", "a machine with that scope", pool.machine(scopes=["orders/read"], client=MACHINE)),
        ("GET", "/orders", "reader's ID token", reader.id),
        ("GET", "/orders", "an expired token", pool.bad("expired")),
        ("GET", "/orders", "a token for another app client", pool.bad("client_other")),
        ("GET", "/orders", "a token without a signature", pool.bad("alg_none")),
        ("GET", "/orders", "jane's signature under root's claims", pool.bad("payload_exchanged")),
    )
    for method, path, sent, token in tries:
        yield Tried(method, path, sent, *_answered(port, method, path, token))


def _answered(port: int, method: str, path: str, token: str | None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    return answer.status, told.get("code", "")
