"""The numbers of a key ring."""

from __future__ import annotations

from math import inf, nan

import pytest

from cognito_guard import errors
from cognito_guard.keys import KeyTimes


def test_defaults_are_those_of_the_design() -> None:
    """5 minutes to 1 hour fresh, 24 hours usable, 60 s for a foreign form, three fetches at once and one every 10 s."""
    times = KeyTimes()
    assert (times.fresh_min, times.fresh_max, times.usable, times.foreign) == (300, 3600, 86400, 60)
    assert (times.refill, times.burst, times.backoff_min, times.backoff_max) == (10, 3, 1, 60)


@pytest.mark.parametrize("wrong", [0, -1, nan, inf, -inf, True, None, "300", 10**12])
@pytest.mark.parametrize(
    "name", ["fresh_min", "fresh_max", "usable", "foreign", "refill", "backoff_min", "backoff_max", "deadline", "burst"]
)
def test_each_number_is_judged(name: str, wrong: object) -> None:
    """A number that cannot work is refused, by name."""
    with pytest.raises(errors.ConfigurationError) as caught:
        KeyTimes(**{name: wrong})  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [name]


def test_all_mistakes_at_once_and_order_of_limits() -> None:
    """Every mistake is named in one error; fresh comes before usable."""
    with pytest.raises(errors.ConfigurationError) as caught:
        KeyTimes(usable=nan, burst=0, refill=-1)
    assert len(caught.value.problems) == 3
    with pytest.raises(errors.ConfigurationError, match="fresh_max: it is above usable"):
        KeyTimes(usable=60, fresh_min=1)
    with pytest.raises(errors.ConfigurationError, match="burst"):
        KeyTimes(burst=1.0)  # type: ignore[arg-type]
