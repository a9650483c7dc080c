"""Health as a state machine, on a clock that is a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.upstream.health import COUNTED, Health


def _fail(health, times, now):
    for _ in range(times):
        health.failed("connect", now)


def test_failures_in_a_row_eject_for_a_growing_time():
    """Three in a row leave it out for 5 s; the next failure after that for 10, 20 ... up to the longest time."""
    health = Health(tolerated=3, shortest=5, longest=15)
    _fail(health, 2, 0)
    assert health.available(0)
    _fail(health, 1, 0)
    assert [health.available(now) for now in (0, 4.9, 5)] == [False, False, True]
    _fail(health, 1, 5)
    assert [health.available(now) for now in (14.9, 15)] == [False, True]
    _fail(health, 1, 15)
    assert [health.available(now) for now in (29.9, 30)] == [False, True]


def test_an_answer_forgives():
    """An answer in between ends the row, readmits at once, and the time starts from the shortest again."""
    health = Health()
    _fail(health, 2, 0)
    health.answered()
    _fail(health, 2, 0)
    assert health.available(0)
    _fail(health, 1, 0)
    assert not health.available(0)
    health.answered()
    assert health.available(0)
    assert not health.troubled
    _fail(health, 3, 1)
    assert health.available(6)


def test_exchanges_under_way_do_not_count_twice():
    """What fails while it is left out does not prolong the time: it was sent before."""
    health = Health()
    _fail(health, 50, 0)
    assert health.available(5)


def test_what_does_not_count():
    """A malformed answer, a long download and our own limits do not speak against an upstream."""
    health = Health(tolerated=1)
    for kind in ("malformed", "overloaded", "total_timeout"):
        health.failed(kind, 0)
    assert health.available(0)
    assert {"connect", "connect_timeout", "tls", "closed", "answer_timeout", "idle_timeout"} == COUNTED


def test_probes():
    """Two failed probes in a row leave it out, answers notwithstanding; one good probe brings it back, an ejection included."""
    health = Health()
    health.probed(well=False, now=0)
    assert health.available(0)
    health.probed(well=False, now=10)
    health.answered()
    assert not health.available(1e9)
    health.probed(well=True, now=20)
    assert health.available(20)
    _fail(health, 3, 21)
    health.probed(well=True, now=22)
    assert health.available(22)


@given(st.lists(st.tuples(st.sampled_from(["fail", "answer", "well", "ill"]), st.floats(0, 1000)), max_size=60))
def test_it_always_comes_back(steps):
    """Whatever happened: after one good probe it is available, and a passive ejection never lasts beyond the longest time."""
    health, now = Health(), 0.0
    for step, later in steps:
        now += later
        if step == "fail":
            health.failed("closed", now)
        elif step == "answer":
            health.answered()
        else:
            health.probed(well=step == "well", now=now)
    if not any(step == "ill" for step, _ in steps):
        assert health.available(now + 300)
    health.probed(well=True, now=now)
    assert health.available(now)
