"""The bounded memo: what stays, what goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.rewriting.memo import Memo


@given(st.lists(st.integers(0, 40), max_size=200))
def test_bounds_and_answers(keys):
    """It never holds more than its size, never answers for another key, and the latest key is always there."""
    memo: Memo[int, str] = Memo(10)
    for key in keys:
        answer = memo.recall(key) or memo.recover(key)
        assert answer in (None, str(key))
        memo.keep(key, str(key))
        assert memo.recall(key) == str(key)
        assert len(memo) <= 10


def test_what_is_used_survives():
    """A key that is asked for now and then outlives any flood of others; `recall`, bound once, stays good."""
    memo: Memo[int, str] = Memo(8)
    recall = memo.recall
    memo.keep(-1, "kept")
    for key in range(100):
        memo.keep(key, "flood")
        assert (recall(-1) or memo.recover(-1)) == "kept"
    assert memo.recall(0) is None
    assert memo.recover(0) is None
