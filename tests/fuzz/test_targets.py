"""The fuzzing targets under Hypothesis, for a moment: any octets in, a value or an error of the family out (design, section 5.6)."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = runpy.run_path(str(Path(__file__).with_name("targets.py")))["TARGETS"]
SHORT = settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_the_promises(name: str) -> None:
    """What the fuzzer starts from passes, so that it starts at all."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
@SHORT
@given(octets=st.binary(max_size=200))
def test_any_octets(name: str, octets: bytes) -> None:
    """Octets without any form."""
    TARGETS[name].run(octets)


@pytest.mark.parametrize("name", TARGETS)
@SHORT
@given(st.data())
def test_seeds_cut_and_joined(name: str, data: st.DataObject) -> None:
    """Good inputs with a few places cut, overwritten by words of the language, or repeated."""
    target = TARGETS[name]
    octets = data.draw(st.sampled_from(target.seeds()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(octets)))
        to = data.draw(st.integers(at, min(len(octets), at + 20)))
        between = data.draw(st.sampled_from([b"", *target.words]) | st.binary(max_size=3) | st.just(octets[at:to] * 2))
        octets = octets[:at] + between + octets[to:]
    target.run(octets)
