"""`cognito-guard explain`: a token check by check, and codes."""

from __future__ import annotations

import json

import pytest

from cognito_guard.reasons import REASONS


@pytest.fixture
def explain(cli, call):
    return lambda *more, stdin=b"": cli("explain", *call[1:], *more, stdin=stdin)


def rows(out):
    return [line.split(None, 1) for line in out.split("\n\n")[0].splitlines()]


def test_a_good_token(explain, pool):
    """Every check passed, how long it lives, and status 0."""
    ran = explain(stdin=pool.access().encode())
    assert (ran.status, ran.err) == (0, "")
    assert {mark for mark, _ in rows(ran.out)} == {"ok"}
    assert "The token is good. It expires in " in ran.out
    assert "algorithm           alg = 'RS256'" in ran.out


def test_a_bad_token(explain, pool):
    """One check failed with expected and found; nothing after it was reached; why, and what to do."""
    ran = explain(stdin=pool.bad("client_other").encode())
    marks = [mark for mark, _ in rows(ran.out)]
    assert ran.status == 1
    at = marks.index("FAILED")
    assert set(marks[:at]) == {"ok"}
    assert set(marks[at + 1 :]) == {"-"}
    failed = next(line for line in ran.out.splitlines() if "FAILED" in line)
    assert f"expected client_id = {pool.client}; found client_id = '" in failed
    assert "Refused: client_refused." in ran.out
    assert "What to do: If that client may call this application" in ran.out


def test_an_expired_token_says_since_when(explain, pool):
    """In words, for a person."""
    assert "It expired 60 minutes ago." in explain(stdin=pool.bad("expired").encode()).out


@pytest.mark.parametrize("form", ["{}", "{}\n", "Bearer {}", "Authorization: Bearer {}", "authorization: bearer {}\r\n", '"{}",'])
def test_pasted_with_what_stood_around_it(explain, pool, form):
    """A header line, or a value out of JSON, is what people have at hand."""
    assert explain(stdin=form.format(pool.access()).encode()).status == 0


def test_as_json(explain, pool):
    """The same facts for scripts."""
    good = json.loads(explain("--json", stdin=pool.access().encode()).out)
    bad = json.loads(explain("--json", stdin=pool.bad("expired").encode()).out)
    assert (good["verdict"], good["code"], good["advice"]) == ("good", None, None)
    assert good["expires_in"] > 3500
    assert (bad["verdict"], bad["code"], bad["advice"]) == ("refused", "expired", REASONS["expired"].advice)
    assert [check["status"] for check in bad["checks"]].count("failed") == 1


def test_no_signature_and_no_name_is_shown(explain, pool):
    """T29: a report is pasted into tickets."""
    token = pool.access(username="jane.doe@example.com", subject="0f3c2b1a-secret")
    for ran in (explain(stdin=token.encode()), explain("--json", stdin=token.encode())):
        for secret in (*token.split("."), "jane.doe", "0f3c2b1a"):
            assert secret not in ran.out + ran.err


def test_an_emulators_issuer(cli, pool, jwks_file):
    """`--issuer` names it; with several pools it has no meaning, and that is said."""
    ran = cli(
        "explain", "--pool", "local_1", "--issuer", pool.issuer, "--client", pool.client, "--jwks", jwks_file, pool.access()
    )
    assert ran.status == 0
    ran = cli("explain", "--pool", "local_1", "--pool", "local_2", "--issuer", "nonsense", "--client", "abc", "x.y.z")
    assert ran.status == 2
    assert "--issuer: it is for one --pool" in ran.err
    assert "--issuer: give an absolute URL" in ran.err


@pytest.mark.parametrize("code", sorted(REASONS))
def test_codes(cli, code):
    """Each is explained without any other option."""
    ran = cli("explain", code)
    assert ran.status == 0
    assert ran.out.startswith(code + "\n")
    assert json.loads(cli("explain", "--json", code).out)["advice"] == REASONS[code].advice


def test_a_code_that_there_is_not(cli):
    """The near ones are named."""
    ran = cli("explain", "expird")
    assert (ran.status, ran.out) == (1, "")
    assert "There is no code 'expird'. Did you mean expired?" in ran.err


def test_every_mistake_at_once(cli, tmp_path):
    """Under the names that the user typed, and without the token."""
    ran = cli("explain", "--client", "a b", "--now", "soon", "--fast", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0.x")
    assert ran.status == 2
    for told in (
        "--fast: there is no such option",
        "--pool: it is missing",
        "--client: 'a b' is no app client id",
        "--now: write seconds",
    ):
        assert f"cognito-guard explain: {told}" in ran.err
    assert "eyJhbGci" not in ran.err
