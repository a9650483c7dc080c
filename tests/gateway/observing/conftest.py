"""Decisions as a Front makes them, and a log that is put back as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from cognito_guard import HasScope
from cognito_guard.decision import Decision
from cognito_guard.front import Front, Request
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Protect, Public

Decide = Callable[..., Decision]


@pytest.fixture(scope="session")
def pool() -> LocalUserPool:
    """A user pool whose keys are at hand."""
    return LocalUserPool()


@pytest.fixture(scope="session")
def decide(pool: LocalUserPool) -> Decide:
    """`decide(path, token)` gives the decision event of a real Front for a GET."""
    heard: list[Decision] = []
    routes = [Public("/open"), Protect("/orders/*", HasScope("orders/read")), Protect("/*")]
    front = Front(pool.guard(), routes, on_decision=heard.append)

    def made(path: str = "/orders/1", token: str | None = None) -> Decision:
        headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode("utf-8", "surrogatepass"))]
        front.judge(Request("GET", path, headers))
        return heard.pop()

    return made


@pytest.fixture
def logging_kept() -> Iterator[None]:
    """Whatever a test configures is undone."""
    names = ["", "cognito_guard", "cognito_guard.gateway", "uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(each.level, each.propagate, each.handlers[:], each.filters[:], each.disabled) for each in loggers]
    yield
    for each, (level, propagate, handlers, filters, disabled) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.propagate = propagate
        each.handlers[:], each.filters[:] = handlers, filters
        each.disabled = disabled
