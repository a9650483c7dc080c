"""A Guard with a cache and one without, under time, rotations, withdrawals and outages: always the same verdict, never a wrong Principal."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from cognito_guard import KeyTimes, TokenRejected, Unavailable
from cognito_guard.testing import LocalUserPool

# any step of time ends the pause after a failed fetch, so that the pause's random part decides nothing
TIMES = KeyTimes(backoff_min=1, backoff_max=2, usable=7200)
STEPS = (3, 11, 61, 301, 3599, 3601, 7201)


def landed() -> None:
    for thread in threading.enumerate():
        if thread.name == "cognito-guard-keys":
            thread.join(30)


class CacheChangesNothing(RuleBasedStateMachine):
    """Two Guards of one pool are asked the same in the same order."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = 1_790_000_000.0
        self.monotonic = 0.0
        self.pool = LocalUserPool("eu-west-1_Machine01", clock=lambda: self.wall, issuer_form="both")
        settings = {"key_times": TIMES, "monotonic": lambda: self.monotonic}
        self.cached = self.pool.guard(cache_tokens=8, **settings)
        self.plain = self.pool.guard(cache_tokens=0, **settings)
        self.tokens: list[tuple[str, str]] = []
        self.generations = 0
        self.rotated = False

    @rule(
        life=st.sampled_from((2, 60, 3600, 20_000)),
        starts=st.sampled_from((None, 0, 10)),
        form=st.sampled_from(("original", "updated")),
    )
    def mint(self, life: int, starts: int | None, form: str) -> None:
        name = f"user-{len(self.tokens)}"
        claims = {} if starts is None else {"nbf": int(self.wall) + starts}
        self.tokens.append((name, self.pool.access(username=name, expires_in=life, issuer_form=form, claims=claims)))

    @rule(step=st.sampled_from(STEPS))
    def advance(self, step: int) -> None:
        self.wall += step
        self.monotonic += step

    @rule(step=st.sampled_from((-61, -3, 3)))
    def set_the_wall_clock(self, step: int) -> None:
        self.wall += step

    @precondition(lambda self: self.generations < 3)
    @rule()
    def rotate(self) -> None:
        self.pool.rotate()
        self.generations += 1
        self.rotated = True

    @precondition(lambda self: self.generations < 3)
    @rule()
    def replace(self) -> None:
        self.pool.replace()
        self.generations += 1

    @precondition(lambda self: self.rotated)
    @rule()
    def withdraw(self) -> None:
        self.pool.withdraw()
        self.rotated = False

    @rule(kind=st.sampled_from(("refused", "status_403", "status_500", "html")))
    def break_down(self, kind: str) -> None:
        self.pool.outage(kind)

    @rule()
    def recover(self) -> None:
        self.pool.recover()

    @precondition(lambda self: self.tokens)
    @rule(chosen=st.randoms(use_true_random=False), times=st.integers(1, 4))
    def authenticate(self, chosen, times: int) -> None:
        for _ in range(times):
            name, token = chosen.choice(self.tokens)
            verdicts = [self.verdict(guard, name, token) for guard in (self.cached, self.plain)]
            assert verdicts[0] == verdicts[1]
            assert len(self.cached._cache) <= 8

    def verdict(self, guard, name: str, token: str) -> str:
        try:
            principal = guard.authenticate(token)
        except (TokenRejected, Unavailable) as error:
            return error.code
        finally:
            landed()
        assert principal.username == name
        assert principal.expires_at > self.wall
        return "accepted"


CacheChangesNothing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCacheChangesNothing = CacheChangesNothing.TestCase
