"""How much, and for how long, one client may ask of a connection. Decides which numbers make sense; enforces none of them."""

from __future__ import annotations

import math

from cognito_guard.errors import ConfigurationError
from cognito_guard.value import Value


class Limits(Value):
    """What a connection may cost.

    `head` counts the octets of a request's head, `fields` its field lines, `body` the octets of a body (None: unlimited), `connections`
    those open at once in one worker; the next ones are answered 503. Seconds: `head_seconds` for a head to arrive once it began,
    `body_seconds` of silence while a body is due, `write_seconds` in which a client must read something of what waits for it,
    `keep_alive_seconds` between two requests.
    Raises `ConfigurationError`: correct the numbers.
    """

    __slots__ = (
        "head", "fields", "body", "connections", "head_seconds", "body_seconds", "write_seconds", "keep_alive_seconds",
    )  # fmt: skip
    head: int
    fields: int
    body: int | None
    connections: int
    head_seconds: float
    body_seconds: float
    write_seconds: float
    keep_alive_seconds: float

    def __init__(
        self,
        *,
        head: int = 65536,
        fields: int = 128,
        body: int | None = None,
        connections: int = 10_000,
        head_seconds: float = 10.0,
        body_seconds: float = 30.0,
        write_seconds: float = 30.0,
        keep_alive_seconds: float = 75.0,
    ) -> None:
        problems: list[str] = []
        _whole(head, "head", 256, 1 << 20, problems)
        _whole(fields, "fields", 1, 10_000, problems)
        if body is not None:
            _whole(body, "body", 0, 1 << 59, problems)
        _whole(connections, "connections", 1, 1 << 30, problems)
        _seconds(head_seconds, "head_seconds", problems)
        _seconds(body_seconds, "body_seconds", problems)
        _seconds(write_seconds, "write_seconds", problems)
        _seconds(keep_alive_seconds, "keep_alive_seconds", problems)
        if problems:
            raise ConfigurationError("Limits", problems)
        self._set(head=head, fields=fields, body=body, connections=connections, head_seconds=head_seconds)
        self._set(body_seconds=body_seconds, write_seconds=write_seconds, keep_alive_seconds=keep_alive_seconds)


def _whole(given: object, argument: str, least: int, most: int, problems: list[str]) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        problems.append(f"{argument}: give a whole number from {least} to {most}")


def _seconds(given: object, argument: str, problems: list[str]) -> None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not math.isfinite(given) or not 0 < given <= 86400:  # type: ignore[arg-type,operator]
        problems.append(f"{argument}: give seconds, more than 0 and at most 86400")
