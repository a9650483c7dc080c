"""W3C Trace Context: what passes, and what is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.observing.trace import traced

ID, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-" + ID + b"-" + SPAN + b"-01"
HOST = (b"host", b"h")


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        b"00-" + ID + b"-" + SPAN + b"-00",
        b"cc-" + ID + b"-" + SPAN + b"-ff",
        GOOD.replace(b"00", b"01", 1) + b"-what.comes",
    ],
)
def test_good_ones_pass_unchanged(value: bytes) -> None:
    """Version 00, and later ones with what they may add (W3C 2.2.5, 4.3); the very same headers go on."""
    headers = [HOST, (b"traceparent", value), (b"tracestate", b"vendor=1,t@s=a b")]
    trace, passed = traced(headers)
    assert passed is headers
    assert trace is not None
    assert (trace.trace_id, trace.parent_id) == (ID.decode(), SPAN.decode())
    assert (trace.traceparent, trace.tracestate) == (value.decode(), "vendor=1,t@s=a b")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + b"-more",
        GOOD + b" ",
        GOOD + b"\n",
        b"ff" + GOOD[2:],
        b"01" + GOOD[2:] + b"more",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + ID + b"-" + b"0" * 16 + b"-01",
        GOOD.replace(b"-", b"_"),
        GOOD + b"\xff",
        b"01" + GOOD[2:] + b"-" + b"x" * 5000,
    ],
)
def test_malformed_ones_are_dropped_with_their_state(value: bytes) -> None:
    """W3C 3.2.2.3: a parent that cannot be read starts nothing, and a state without a parent means nothing."""
    assert traced([(b"traceparent", value), HOST, (b"tracestate", b"a=1")]) == (None, [HOST])


def test_two_parents_are_none() -> None:
    """Which one counts is nobody's to guess; a state alone is dropped too."""
    assert traced([(b"traceparent", GOOD), HOST, (b"traceparent", GOOD)]) == (None, [HOST])
    assert traced([(b"tracestate", b"a=1"), HOST]) == (None, [HOST])


@pytest.mark.parametrize(
    "state",
    [
        b"a", b"=1", b"a=", b"A=1", b"a=1,a=2", b"a=\x01", b"a=\xe9", b"a=b=c", b"a b=1", b"-a=1",
        b"a" * 257 + b"=1", b"a=" + b"x" * 257, b",".join(b"k%d=1" % number for number in range(33)), b"," * 100 + b"a=1",
    ],
)  # fmt: skip
def test_a_malformed_state_is_dropped_alone(state: bytes) -> None:
    """W3C 3.3.1: the parent stands without it."""
    trace, passed = traced([(b"traceparent", GOOD), (b"tracestate", state), HOST])
    assert passed == [(b"traceparent", GOOD), HOST]
    assert trace is not None
    assert trace.tracestate == ""


@pytest.mark.parametrize(
    "states",
    [
        [b"a=1"],
        [b""],
        [b"a=1", b"b=2"],
        [b"a=1, b=2 ,,\tc=3"],
        [b"1a/*-_@x=!~ ~"],
        [b"a=" + b"x" * 256],
        [b",".join(b"k%d=1" % number for number in range(32))],
    ],
)
def test_good_states_pass_unchanged(states: list[bytes]) -> None:
    """Several fields are one list; blanks and empty members may stand in it."""
    headers = [(b"traceparent", GOOD), *((b"tracestate", state) for state in states)]
    trace, passed = traced(headers)
    assert passed is headers
    assert trace is not None
    assert trace.tracestate == ",".join(state.decode() for state in states)


def test_without_a_trace_nothing_is_copied() -> None:
    """The common request."""
    headers = [HOST, (b"accept", b"*/*")]
    trace, passed = traced(headers)
    assert trace is None
    assert passed is headers


@given(
    st.lists(
        st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"x"]), st.binary(max_size=80) | st.just(GOOD)), max_size=5
    )
)
def test_any_octets_are_judged(headers: list[tuple[bytes, bytes]]) -> None:
    """Never raises; other headers keep their place; a trace id is 32 hexadecimal digits; what passed, passes again."""
    trace, passed = traced(headers)
    assert [pair for pair in passed if pair[0] == b"x"] == [pair for pair in headers if pair[0] == b"x"]
    assert traced(passed) == (trace, passed)
    if trace is not None:
        assert len(bytes.fromhex(trace.trace_id)) == 16
