"""Interleaved rounds: every contender runs in every round, so that a noisy neighbour meets all of them; medians and ratios are printed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

Contender = Callable[[], int]


def interleave(contenders: Mapping[str, Contender], *, rounds: int = 15) -> dict[str, float]:
    """Median microseconds per operation by contender. Each runs once unmeasured; a contender answers how many operations it made."""
    for run in contenders.values():
        run()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name, run in contenders.items():
            started = time.perf_counter()
            operations = run()
            samples[name].append((time.perf_counter() - started) / operations * 1e6)
    gc.unfreeze()
    return {name: statistics.median(of) for name, of in samples.items()}


def show(title: str, medians: Mapping[str, float], *, unit: str = "µs", against: str) -> None:
    """A table of medians and of their ratios to `against`."""
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {median:10.2f} {unit}  {median / medians[against]:7.3f} x  {name}")
