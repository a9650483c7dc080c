"""The numbers of a key ring, judged when they are given. Pure; what they do is `ring`'s business."""

from __future__ import annotations

from cognito_guard.errors import ConfigurationError
from cognito_guard.value import Value

_YEAR = 366 * 86400.0


class KeyTimes(Value):
    """For how long keys are trusted and how often they are asked for. Seconds, except `burst`.

    - `fresh_min`, `fresh_max`: a set's `Cache-Control: max-age` is moved between these; past it the set is renewed in the background.
    - `usable`: past it, counted from the fetch, keys are trusted no longer, and an outage becomes 503.
    - `foreign`: how long a 403 or 404 from one issuer form is remembered while the other form holds keys.
    - `refill`, `burst`: fetches that unknown kids may cause: `burst` at once, then one every `refill`. A real rotation is noticed within one `refill`.
    - `backoff_min`, `backoff_max`: the pause after a failed fetch; it doubles from one failure to the next, and half of it is random.
    - `deadline`: how long anybody waits for a fetch; then it counts as failed. A good answer that comes later still counts.

    Raises `ConfigurationError` with every mistake; correct the call.
    """

    __slots__ = ("fresh_min", "fresh_max", "usable", "foreign", "refill", "burst", "backoff_min", "backoff_max", "deadline")
    fresh_min: float
    fresh_max: float
    usable: float
    foreign: float
    refill: float
    burst: int
    backoff_min: float
    backoff_max: float
    deadline: float

    def __init__(
        self,
        *,
        fresh_min: float = 300,
        fresh_max: float = 3600,
        usable: float = 86400,
        foreign: float = 60,
        refill: float = 10,
        burst: int = 3,
        backoff_min: float = 1,
        backoff_max: float = 60,
        deadline: float = 10,
    ) -> None:
        problems: list[str] = []
        seconds = {
            "fresh_min": fresh_min,
            "fresh_max": fresh_max,
            "usable": usable,
            "foreign": foreign,
            "refill": refill,
            "backoff_min": backoff_min,
            "backoff_max": backoff_max,
            "deadline": deadline,
        }
        for name, given in seconds.items():
            if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= _YEAR:
                problems.append(f"{name}: give seconds, above 0 and at most a year")
        if type(burst) is not int or not 1 <= burst <= 1000:
            problems.append("burst: give a whole number of fetches, from 1 to 1000")
        if not problems:
            for small, large in (("fresh_min", "fresh_max"), ("fresh_max", "usable"), ("backoff_min", "backoff_max")):
                if seconds[small] > seconds[large]:
                    problems.append(f"{small}: it is above {large}; lower it, or raise {large}")
        if problems:
            raise ConfigurationError("KeyTimes", problems)
        self._set(burst=burst, **seconds)
