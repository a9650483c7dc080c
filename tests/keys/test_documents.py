"""What an endpoint's answer means: Cache-Control, and which answers are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.keys import Fetched
from cognito_guard.keys.documents import MAX_BYTES, Failure, Good, max_age, read


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("max-age=600", 600),
        ("public, max-age=86400", 86400),
        ("PUBLIC,Max-Age=7 , must-revalidate", 7),
        ('max-age="600"', 600),
        ("max-age=600, max-age=5", 5),
        ("max-age=99999999999", 2**31),
        ("s-maxage=900", 0),
        ("max-age=600, no-store", 0),
        ("no-cache, max-age=600", 0),
        ('private="max-age=900", max-age=60', 60),
        ('private="x, max-age=900"', 0),
        ('no-cache="set-cookie", max-age=600', 0),
        ("max-age", 0),
        ("max-age=-1", 0),
        ("max-age=1.5", 0),
        ("max-age=6e2", 0),
        ("max-age= 600", 0),
        ("max-age=\u0666\u0660", 0),
        ("max-age=600,, public", 0),
        ("max-age=600; public", 0),
        ('max-age=600, x="', 0),
        ("max-age=" + "9" * 5000, 0),
        ("max-age=600\n", 0),
        ("", 0),
    ],
)
def test_max_age_is_read_strictly(field: str, seconds: int) -> None:
    """RFC 9111: quoted lists hide nothing, the smallest of several counts, whatever is malformed promises nothing."""
    assert max_age(field) == seconds


@given(st.text(alphabet='max-age=0123456789",\\ nostre;\t\n', max_size=80))
def test_max_age_of_anything_is_bounded(field: str) -> None:
    """Any field gives a number of seconds in bounds, and none raises."""
    assert 0 <= max_age(field) <= 2**31


def test_a_usable_set_is_good(jwks) -> None:
    """200 with one usable key is an answer."""
    outcome = read(Fetched(200, jwks(a=0), "max-age=60"), ("RS256",))
    assert isinstance(outcome, Good)
    assert set(outcome.jwks.keys) == {"a"}
    assert outcome.max_age == 60


@pytest.mark.parametrize(
    ("fetched", "code"),
    [
        (Fetched(403, b""), "denied"),
        (Fetched(404, b""), "denied"),
        (Fetched(429, b""), "status"),
        (Fetched(500, b""), "status"),
        (Fetched(204, b""), "status"),
        (Fetched(206, b"{}"), "status"),
        (Fetched(302, b""), "redirect"),
        (Fetched(200, b""), "document"),
        (Fetched(200, b"<!doctype html><title>Sign in</title>"), "document"),
        (Fetched(200, b'{"keys":[]}'), "document"),
        (Fetched(200, b'{"keys":{}}'), "document"),
        (Fetched(200, b'{"keys":[{"kty":"EC"}]}'), "document"),
        (Fetched(200, b"\xff\xfe"), "document"),
        (Fetched(200, b" " * (MAX_BYTES + 1)), "too_large"),
        (Fetched(True, b""), "fetch_answer"),
        (Fetched(200, "{}"), "fetch_answer"),  # type: ignore[arg-type]
        (Fetched(200, b"", None), "fetch_answer"),  # type: ignore[arg-type]
        (None, "fetch_answer"),
        (b"{}", "fetch_answer"),
        ((200, b"{}", ""), "fetch_answer"),
    ],
)
def test_everything_else_is_a_failure_with_a_code(fetched: object, code: str) -> None:
    """THREATS A17: only a 200 with a usable set is an answer; a wrong return value is a failure, too."""
    outcome = read(fetched, ("RS256",))
    assert isinstance(outcome, Failure)
    assert outcome.code == code


def test_a_failure_holds_nothing_of_the_body() -> None:
    """A page that a captive portal served does not travel into logs."""
    outcome = read(Fetched(200, b'{"keys": "hunter2"}'), ("RS256",))
    assert isinstance(outcome, Failure)
    assert "hunter2" not in repr(outcome)
    assert "hunter2" not in repr(Fetched(200, b"hunter2"))
