"""base64url has one spelling for each sequence of octets (RFC 4648 §3.5, §5; RFC 7515 §2; THREATS A6, T31)."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.jose.base64url import decode, decode_plain

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PLENTY = settings(max_examples=300, deadline=None, database=None)


def reference(segment: str) -> bytes | None:
    """RFC 4648 §5 bit by bit: None for what is not canonical base64url without padding."""
    bits = ""
    for character in segment:
        if character not in ALPHABET:
            return None
        bits += f"{ALPHABET.index(character):06b}"
    spare = len(bits) % 8
    if spare == 6 or "1" in bits[len(bits) - spare :]:
        return None
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - spare, 8))


def answer(segment: str) -> bytes | None:
    try:
        return decode(segment)
    except ValueError:
        return None


@PLENTY
@given(st.text(alphabet=ALPHABET + "+/=\n\r\t .\x00\x1c\xa0é\ud800\N{FULLWIDTH LATIN CAPITAL LETTER A}", max_size=40))
def test_decodes_what_the_rfc_decodes(segment: str) -> None:
    """Any text has the reference's answer: the same octets, or a refusal."""
    assert answer(segment) == reference(segment)


@PLENTY
@given(st.binary(max_size=200))
def test_round_trip(octets: bytes) -> None:
    """Whatever octets there are, their one spelling decodes to them, and any other last character is refused."""
    bits = "".join(f"{octet:08b}" for octet in octets)
    padded = bits + "0" * (-len(bits) % 6)
    spelling = "".join(ALPHABET[int(padded[at : at + 6], 2)] for at in range(0, len(padded), 6))
    assert decode(spelling) == decode_plain(spelling) == octets
    if len(octets) % 3:
        others = (spelling[:-1] + last for last in ALPHABET if last != spelling[-1])
        assert all(answer(other) != octets for other in others)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 11])
def test_every_character_at_every_place(length: int) -> None:
    """Each of the first 0x250 characters and a few beyond, anywhere in a segment: refused unless of the alphabet and canonical."""
    characters = [chr(code) for code in range(0x250)] + ["\u2028", "\uff21", "\ud800", "\U0001f600"]
    for at, character in product(range(length), characters):
        segment = "A" * at + character + "A" * (length - at - 1)
        assert answer(segment) == reference(segment), (length, at, ascii(character))


def test_every_segment_of_two_and_every_ending_of_three() -> None:
    """Spare bits decide: of 64 last characters, 4 are canonical after one octet and 16 after two (T31)."""
    assert sum(answer(first + last) is not None for first in ALPHABET for last in ALPHABET) == 64 * 4
    assert sum(answer("zz" + last) is not None for last in ALPHABET) == 16


@pytest.mark.parametrize(
    "segment",
    ["A", "AAAAA", "AA==", "AAA=", "AAAA====", "=", "AA=A", "+AAA", "/AAA", "AA+/", "AAA\n", "\nAAA", "AA AA", "AAAA\r\n", "AAAA.", "AB", "AAB"],
)  # fmt: skip
def test_refuses(segment: str) -> None:
    """Length 1 mod 4, padding, the other alphabet, white space, spare bits: ValueError."""
    with pytest.raises(ValueError):
        decode(segment)


@pytest.mark.parametrize(
    "segment", ["SECRETSECRET!", "SECRETSECRE\n", "SECRETé", "SECRET\ud800A", "SECRET=", "SECRETS+", "SECRETSEB"]
)
def test_errors_hold_nothing_of_the_segment(segment: str) -> None:
    """Neither the message nor an attribute nor a context of the error shows the text (A4, T29)."""
    with pytest.raises(ValueError) as caught:
        decode(segment)
    assert caught.value.__context__ is None
    assert "SECRE" not in repr(caught.value.args)
    assert not isinstance(caught.value, UnicodeError), "a UnicodeError carries the whole text"


def test_empty() -> None:
    """The empty segment is the empty sequence of octets (RFC 7515 §2)."""
    assert decode("") == b""
