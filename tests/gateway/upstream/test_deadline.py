"""A deadline on a loop that is a list of timers."""

from __future__ import annotations

from math import inf

import pytest

from cognito_guard.gateway.upstream.deadline import Deadline


class Timer:
    def __init__(self, at, callback):
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self):
        self.cancelled = True


class Loop:
    """Time that stands until `run` moves it; counts the timers that were set."""

    def __init__(self):
        self.now, self.timers, self.count = 0.0, [], 0

    def time(self):
        return self.now

    def call_at(self, at, callback):
        self.count += 1
        self.timers.append(Timer(at, callback))
        return self.timers[-1]

    def run(self, until):
        self.now = until
        due = [timer for timer in self.timers if timer.at <= until]
        self.timers = [timer for timer in self.timers if timer.at > until]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def passed():
    return []


@pytest.fixture
def deadline(loop, passed):
    return Deadline(loop, lambda: passed.append(loop.now))


def test_it_fires_at_its_time(loop, passed, deadline):
    """Once, and not before."""
    deadline.set(5)
    for now in (1, 4.9, 5, 6):
        loop.run(now)
    assert passed == [5]


def test_a_later_one_waits_for_the_earlier_timer(loop, passed, deadline):
    """Moving it ahead a thousand times sets no new timer; it then fires at the last time set."""
    for step in range(1000):
        deadline.set(5 + step / 1000)
    assert loop.count == 1
    loop.run(5)
    assert (passed, loop.count) == ([], 2)
    loop.run(6)
    assert passed == [6]


def test_an_earlier_one_counts(loop, passed, deadline):
    """Brought forward, it fires at the earlier time, and not again."""
    deadline.set(60)
    deadline.set(4)
    loop.run(4)
    loop.run(60)
    assert passed == [4]


@pytest.mark.parametrize("how", ["inf", "cancel"])
def test_no_deadline(loop, passed, deadline, how):
    """Neither `inf` nor a cancelled one fires; a new one does."""
    deadline.set(5)
    if how == "inf":
        deadline.set(inf)
    else:
        deadline.cancel()
        assert deadline.at == inf
    loop.run(100)
    assert passed == []
    deadline.set(101)
    loop.run(101)
    assert passed == [101]
