"""Where websocket frames end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.server.frames import Frames, close_frame


def frame(payload: bytes, *, masked: bool = False) -> bytes:
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        length = bytes([mask | len(payload)])
    elif len(payload) < 65536:
        length = bytes([mask | 126]) + len(payload).to_bytes(2, "big")
    else:
        length = bytes([mask | 127]) + len(payload).to_bytes(8, "big")
    return b"\x82" + length + (b"mask" if masked else b"") + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True])
def test_each_length_has_its_form(size: int, *, masked: bool) -> None:
    """RFC 6455 §5.2: seven bits, sixteen, sixty-four; with a mask, four octets more."""
    octets = frame(b"x" * size, masked=masked)
    frames = Frames()
    assert frames.between
    for cut in (1, 2, 3, len(octets) - 1):
        frames = Frames()
        frames.follow(octets[:cut])
        assert frames.between is (cut >= len(octets))
        frames.follow(octets[cut:])
        assert frames.between


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=6), st.lists(st.integers(0, 2000), max_size=6))
def test_segments_change_nothing(sizes: list[tuple[int, bool]], cuts: list[int]) -> None:
    """However the octets are cut, one is between two frames exactly where a frame ends."""
    octets, ends = b"", {0}
    for size, masked in sizes:
        octets += frame(b"x" * size, masked=masked)
        ends.add(len(octets))
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    frames = Frames()
    for start, end in pairwise(places):
        assert frames.follow(octets[start:end]) == end - start
        assert frames.between is (end in ends)


def test_the_first_place_between_two_frames() -> None:
    """With `first`, it stops where the frame under way ends; at once where none is."""
    frames = Frames()
    assert frames.follow(frame(b"abc"), first=True) == 0
    octets = frame(b"abcdef") + frame(b"g")
    frames.follow(octets[:3])
    assert frames.follow(octets[3:], first=True) == 5
    assert frames.between


def test_a_close_frame() -> None:
    """RFC 6455 §5.5.1: unmasked, the code in two octets, then the reason."""
    assert close_frame(1001, b"bye") == b"\x88\x05\x03\xe9bye"
