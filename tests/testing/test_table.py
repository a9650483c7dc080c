from __future__ import annotations

import re

import pytest

from cognito_guard.front import Front, Request
from cognito_guard.policy import format_rule
from cognito_guard.testing import (
    SAMPLE_ROUTES,
    Case,
    LocalUserPool,
    behaviour,
    sample_routes,
    sample_settings,
    settings_behaviour,
    settings_routes,
    websocket_behaviour,
)
from cognito_guard.web.challenge import Challenge

POOL = LocalUserPool()
CASES = behaviour(POOL)
FURTHER = (*settings_behaviour(POOL), *websocket_behaviour(POOL))


@pytest.fixture(scope="module")
def front():
    return Front(POOL.guard(), sample_routes())


def pairs(case):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case.headers]


def mismatches(case, outcome):
    """What the case finds wrong with an outcome; the sample application stands here as one line."""
    if isinstance(outcome, Challenge):
        return case.check(outcome.status, outcome.headers, outcome.body, reached=False)
    body = b"" if outcome.principal is None else outcome.principal.subject.encode()
    return case.check(200, [], body if case.method != "HEAD" else b"", reached=True)


def judged(front, case):
    path, _, query = case.target.partition("?")
    request = Request(case.method, path, pairs(case), kind=case.kind, query=query.encode())
    if not case.keys_unavailable:
        return front.judge(request)
    with POOL.outage("refused"):
        return Front(POOL.guard(), settings_routes(), **sample_settings()).judge(request)


def test_the_table_can_be_met(front):
    """DESIGN 3.4: the front itself, without any framework, answers every case as written; `tests/test_front.py` runs them one by one."""
    wrong = {case.name: mismatches(case, judged(front, case)) for case in CASES}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_further_tables_can_be_met():
    """Cookies, other fields, RFC 9728, preflights and websockets, of a front with the settings that they count on."""
    rich = Front(POOL.guard(), settings_routes(), **sample_settings())
    wrong = {case.name: mismatches(case, judged(rich, case)) for case in (*CASES, *FURTHER)}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_websockets_are_asked_all_that_gets_are():
    """Each GET of the table has its handshake, and every handshake its close code."""
    handshakes = {case.name: case for case in websocket_behaviour(POOL)}
    assert {f"websocket_{case.name}" for case in CASES if case.method == "GET"} < set(handshakes)
    assert all((case.kind, case.method) == ("websocket", "GET") for case in handshakes.values())
    codes = {(case.status, case.close_code) for case in handshakes.values()}
    assert codes == {(200, None), (400, 4400), (401, 4401), (403, 4403), (503, 4503)}


def test_the_table_covers_every_row_of_the_design():
    """Every situation of DESIGN 3.4 has a case: status and error of each row occur."""
    rows = {(case.status, dict(case.challenge).get("error") if case.challenge is not None else None) for case in CASES}
    assert rows == {
        (200, None),
        (400, None),
        (400, "invalid_request"),
        (401, None),
        (401, "invalid_token"),
        (401, "insufficient_user_authentication"),
        (403, "insufficient_scope"),
        (503, None),
    }
    assert {"scope"} < {name for case in CASES if case.status == 403 for name, _ in case.challenge}


def test_names_are_unique():
    """A failing case can be found by its name."""
    assert len({case.name for case in (*CASES, *FURTHER)}) == len(CASES) + len(FURTHER) > 500


def test_a_request_reaches_the_application_only_with_200():
    """Whatever does not pass leaves the application alone."""
    assert all(case.reaches_app == (case.status == 200) for case in (*CASES, *FURTHER) if not case.name.startswith("resource"))
    assert not any(case.reaches_app for case in FURTHER if case.name.startswith("resource"))


def test_every_header_can_be_sent():
    """Field values hold no control character but the tab, no outer blanks, and only Latin-1 (RFC 9110 §5.5)."""
    for case in (*CASES, *FURTHER):
        for name, value in case.headers:
            assert re.fullmatch("[A-Za-z-]+", name)
            assert re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]+", value)
            assert value == value.strip(" \t")


def test_most_cases_fit_any_server():
    """Cases with large headers say so, so that a front behind a real server can leave them out."""
    large = [case.name for case in CASES if case.large]
    assert set(large) >= {"bad_too_large", "bad_many_dots", "bad_just_too_large"}
    assert len(large) < 8


def test_the_sample_routes_are_what_the_cases_ask_for():
    """The plain data and the route values agree, in order."""
    assert [route.pattern for route in sample_routes()] == [row.path for row in SAMPLE_ROUTES]
    assert [type(route).__name__.lower() for route in sample_routes()] == [row.kind for row in SAMPLE_ROUTES]
    rules = [getattr(route, "rule", None) for route in sample_routes()]
    assert [rule if rule is None else format_rule(rule) for rule in rules] == [row.rule for row in SAMPLE_ROUTES]


def test_a_case_shows_no_token():
    """A failing test prints the case's name, not its credentials."""
    assert repr(Case("x", "/", [("Authorization", "Bearer abc")], status=401)) == "Case('x', GET -> 401)"
