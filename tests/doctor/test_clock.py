"""The clock against a Date field: what is certain, how bad it is, and what tokens suffer."""

from __future__ import annotations

import pytest

from cognito_guard.doctor import Answer
from cognito_guard.doctor.clock import clock_finding

NOW = 1767225600.0  # Thu, 01 Jan 2026 00:00:00 GMT
DATE = ("date", "Thu, 01 Jan 2026 00:00:00 GMT")


def found(ahead, took=0.1, fields=(DATE,)):
    """The finding for a clock that is `ahead` seconds, of an answer made half a second after the Date's second began."""
    middle = NOW + 0.5 + ahead
    return clock_finding("idp.example", Answer(200, fields=fields, began=middle - took / 2, ended=middle + took / 2))


@pytest.mark.parametrize(
    ("ahead", "status", "told"),
    [
        (0, "ok", "it agrees with idp.example"),
        (2.4, "ok", "it agrees with idp.example"),
        (-2.4, "ok", "it agrees with idp.example"),
        (3, "warning", "3.0 s ahead of idp.example: tokens are refused as expired 3.0 s early"),
        (-3, "warning", "3.0 s behind idp.example: tokens that have expired still pass for 3.0 s"),
        (59, "warning", "59 s ahead"),
        (90, "failed", "90 s ahead"),
        (7200, "failed", "2 hours ahead of idp.example: tokens are refused as expired 2 hours early"),
        (-90, "failed", "new tokens are refused as issued in the future, and old ones pass 90 s too long"),
        (-864000, "failed", "10 days behind"),
    ],
)
def test_how_far_and_what_it_does(ahead, status, told):
    """Above 2 s a warning, above 60 s a failure; ahead costs lifetime, behind refuses new tokens."""
    finding = found(ahead)
    assert (finding.name, finding.status) == ("clock", status)
    assert told in finding.found
    assert bool(finding.advice) == (status != "ok")


def test_a_slow_answer_is_no_wrong_clock():
    """Half the time that the answer took may have passed before the Date was written, or after."""
    assert found(4, took=4).status == "ok"
    assert found(4, took=0.2).status == "warning"


def test_a_cached_answer():
    """What a cache held it for is added."""
    assert found(600, fields=(DATE, ("age", "600"))).status == "ok"
    assert found(600, fields=(DATE, ("age", "x"))).status == "failed"


@pytest.mark.parametrize("answer", [None, Answer(200), Answer(200, fields=(("date", "soon"),))])
def test_no_date(answer):
    """Nothing to compare with: skipped, with another way."""
    finding = clock_finding("idp.example", answer)
    assert (finding.status, "chronyc" in finding.advice) == ("skipped", True)
