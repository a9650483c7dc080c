"""One fact sheet, one line, no token."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.observing.lines import as_line, redacted
from cognito_guard.testing import LocalUserPool

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        ANY_TEXT | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_any_facts_are_one_line_of_ascii(facts: dict[str, Any]) -> None:
    """T54: whatever the facts hold, control characters and lone surrogates included, the line is one, printable, and reads back."""
    line = as_line(facts)
    assert line.endswith(b"\n")
    assert all(0x20 <= octet < 0x7F for octet in line[:-1])
    if b"[token]" not in line:
        assert json.loads(line) == facts


@pytest.mark.parametrize(
    "nasty", ["\r\n", "\x1b[2J", "\x7f", "\x85", "\x9b31m", "\u2028", "\u202e", '"', "\\", "\x00", "\udc80", "é"]
)
def test_nasty_characters_are_escaped(nasty: str) -> None:
    """T54: line breaks of ASCII and Unicode, terminal sequences (C1 ones too), quotation marks, direction marks."""
    line = as_line({"path": f"/a{nasty}b"})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert not any(octet < 0x20 or octet == 0x7F for octet in line[:-1])
    assert json.loads(line)["path"] == f"/a{nasty}b"


def test_what_is_no_json_is_told_all_the_same() -> None:
    """A fact of a foreign type, or a number above 64 bits, never makes a line fail."""
    assert json.loads(as_line({"a": float("inf"), "b": "é"})) == {"a": None, "b": "é"}
    assert json.loads(as_line({"a": 2**70, "b": {1}, "c": b"x"})) == {"a": 2**70, "b": "{1}", "c": "b'x'"}


def test_a_token_is_taken_out_wherever_it_stands() -> None:
    """T29: in a path, with encoded dots, in a message; what merely begins alike stays."""
    token = LocalUserPool().access()
    for text in (f"/x/{token}/y", f"token={token}&b=1", token.replace(".", "%2E"), f"bad: {token}"):
        line = as_line({"text": text})
        assert b"[token]" in line
        assert not any(part.encode() in line for part in token.split("."))
    assert as_line({"path": "/keyJar/v1.2"}) == b'{"path":"/keyJar/v1.2"}\n'
    assert as_line({"path": "/eyJhbGciOiJSUzI1NiIsImtpZCI"}) == b'{"path":"/eyJhbGciOiJSUzI1NiIsImtpZCI"}\n'


def test_redaction_is_linear() -> None:
    """A16: a path made for it costs time in proportion to its length."""
    began = time.process_time()
    redacted(b"eyJ" * 400_000)
    redacted(b"eyJ/" * 300_000)
    assert time.process_time() - began < 2
