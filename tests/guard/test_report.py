"""`Guard.explain`: one failed check, the right one; the verdict that `authenticate` gives; and nothing in it that names a person."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard import Guard, TokenRejected, Unavailable
from cognito_guard.testing import BAD_TOKEN_NAMES, LocalUserPool, bad_token
from cognito_guard.testing.octets import payload_of

CHECK_OF = {
    "token_too_large": "size",
    "not_a_jwt": "compact form",
    "encrypted_token": "compact form",
    "header_malformed": "JOSE header",
    "algorithm_refused": "algorithm",
    "header_parameter_refused": "header parameters",
    "kid_refused": "key identifier",
    "payload_malformed": "payload",
    "issuer_unknown": "issuer",
    "key_unknown": "key",
    "key_refused": "key",
    "keys_unavailable": "key",
    "signature_invalid": "signature",
    "token_use_refused": "token use",
    "type_refused": "type",
    "client_refused": "app client",
    "resource_refused": "resource",
    "expired": "expiry",
    "not_yet_valid": "not before",
    "issued_in_future": "issued at",
    "revoked": "revocation",
    "revocation_unavailable": "revocation",
    "resolve_unavailable": "issuer",
}
CHECK_OF_CLAIM = {
    "token_use": "token use",
    "client_id": "app client",
    "sub": "subject",
    "username": "username",
    "jti": "token identifier",
    "scope": "scopes",
    "cognito:groups": "groups",
    "exp": "expiry",
    "nbf": "not before",
    "iat": "issued at",
}
ORDER = [
    "size", "compact form", "JOSE header", "algorithm", "header parameters", "key identifier", "payload", "issuer", "key", "signature",
    "token use", "type", "app client", "subject", "username", "token identifier", "scopes", "groups", "resource", "expiry", "not before",
    "issued at", "revocation",
]  # fmt: skip


def judged(report) -> str | None:
    """The failed check: everything before it passed, everything after it was not reached."""
    assert [check.name for check in report.checks] == ORDER
    statuses = [check.status for check in report.checks]
    if "failed" not in statuses:
        assert set(statuses) == {"passed"}
        return None
    at = statuses.index("failed")
    assert statuses == ["passed"] * at + ["failed"] + ["not reached"] * (len(ORDER) - at - 1)
    return ORDER[at]


@pytest.fixture(scope="module")
def warm():
    """A pool, and its Guard, which holds keys."""
    pool = LocalUserPool()
    guard = pool.guard()
    guard.authenticate(pool.access())
    return pool, guard


@pytest.mark.parametrize("form", [str, lambda token: token.encode("utf-8", "surrogatepass")])
@pytest.mark.parametrize("name", BAD_TOKEN_NAMES)
def test_every_bad_token_fails_one_check(warm, name, form):
    """The check is that of the code, or of the claim at fault; code and message are those that `authenticate` raises."""
    pool, guard = warm
    bad = bad_token(pool, name)
    report = guard.explain(form(bad.token))
    expected = CHECK_OF_CLAIM[bad.claim] if bad.code.startswith("claim_") else CHECK_OF[bad.code]
    assert judged(report) == expected
    with pytest.raises(TokenRejected) as caught:
        guard.authenticate(form(bad.token))
    assert (report.code, report.message) == (bad.code, str(caught.value))
    assert report.principal is None
    assert not report


@pytest.mark.parametrize("kind", ["access", "id", "machine"])
def test_a_good_token_passes_every_check(kind):
    """The report of a good token holds the Principal, is true, and says for how long the token is good."""
    pool = LocalUserPool(clock=lambda: 1_790_000_000)
    guard = pool.guard(pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client))
    token = getattr(pool, kind)(expires_in=90)
    report = guard.explain(token)
    assert judged(report) is None
    assert report
    assert (report.principal, report.code, report.message) == (guard.authenticate(token), None, None)
    assert report.expires_in == 90
    assert report.closest.token_use == report.principal.token_use
    found = {check.name: check.found for check in report.checks}
    assert found["issuer"] == f"iss = '{pool.issuer}'"
    assert found["algorithm"] == "alg = 'RS256'"
    assert found["expiry"] == "exp = 1790000090"


PERSON = {"username": "jane-zq", "subject": "sub-zq"}
NAMED = {
    "email": "jane-zq@example.com",
    "cognito:groups": ["group-zq"],
    "custom:card": "card-zq",
    "jti": "jti-zq",
    "name": "Jane Zq",
}


def shown(report) -> str:
    """Everything that a report can be made to say."""
    parts = [(check.name, check.status, check.expected, check.found, repr(check)) for check in report.checks]
    return f"{report!r} {report} {report.message} {parts}"


def test_a_report_names_nobody(warm):
    """No name, `sub`, e-mail address, group, identifier or custom claim, whether the token is good, forged or expired."""
    pool, _ = warm
    guard = pool.guard(pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client))
    good = [pool.access(**PERSON, claims=NAMED), pool.id(**PERSON, claims=NAMED)]
    bad = [token[:-8] + "AAAAAAAA" for token in good]
    bad += [
        pool.access(**PERSON, claims=NAMED | change)
        for change in ({"exp": 1}, {"iss": "x"}, {"client_id": "x"}, {"token_use": "x"})
    ]
    assert [bool(guard.explain(token)) for token in good + bad] == [True] * 2 + [False] * 6
    for token in good + bad:
        text = shown(guard.explain(token))
        assert "-zq" not in text.lower()
        assert not any(part in text for part in token.split("."))


@pytest.mark.parametrize("name", BAD_TOKEN_NAMES)
def test_a_report_holds_no_part_of_a_bad_token(warm, name):
    """Neither header, payload nor signature of any bad token stands in its report."""
    pool, guard = warm
    token = bad_token(pool, name).token
    text = shown(guard.explain(token))
    assert not any(part in text for part in token.split(".") if len(part) > 8)


@pytest.mark.parametrize(
    "value", ["\x1b[2J\x1b[31mADMIN\x07", "a\r\nb", "\u202egpj", "\x9b31m", "\u2028", "x" * 5000, "\\", "'", '"', "ü"]
)
@pytest.mark.parametrize("where", ["kid", "typ", "iss", "client_id", "aud", "scope", "exp", "token_use"])
def test_values_are_shown_harmlessly(warm, where, value):
    """A23: what a token says reaches a terminal as printable ASCII, and not much of it."""
    pool, _ = warm
    guard = pool.guard(pool.user_pool.access_tokens(client=pool.client, resource="https://api.example"))
    if where in ("kid", "typ"):
        token = pool.sign(payload_of(pool.access()), pool.header(**{where: value}))
    else:
        token = pool.access(claims={where: value})
    report = guard.explain(token)
    assert not report
    for check in report.checks:
        text = check.found or ""
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 400


def test_what_the_header_says_of_claims_is_not_shown(warm):
    """Header parameters and claims of one name are not mixed: `iss` is the payload's, `kid` the header's."""
    pool, guard = warm
    claims = payload_of(pool.access(claims={"iss": "https://attacker.example", "alg": "none", "kid": "other", "typ": "x"}))
    report = guard.explain(pool.sign(claims, pool.header(iss=pool.issuer, client_id="admin", exp=9e9)))
    found = {check.name: check.found for check in report.checks}
    assert found["issuer"] == "iss = 'https://attacker.example'"
    assert found["algorithm"] == "alg = 'RS256'"
    assert found["key identifier"] == f"kid = {pool.key().kid!r}"
    assert found["type"] is None
    assert found["app client"] == f"client_id = {pool.client!r}"


@pytest.mark.parametrize("exp", [10**400, -(10**400), 1e308, -1, "soon", True, None, [1], {}, 253402300800])
def test_an_exp_that_is_no_date_has_no_countdown(warm, exp):
    """T25: numbers beyond every date, even beyond every float, make a report and not an error."""
    pool, guard = warm
    report = guard.explain(pool.access(claims={"exp": exp}))
    assert judged(report) == "expiry"
    assert report.expires_in is None


def test_the_countdown_is_negative_after_the_end():
    """An expired token tells since when."""
    pool = LocalUserPool(clock=lambda: 1_790_000_000)
    report = pool.guard().explain(pool.access(issued_at=1_789_990_000, expires_in=9_000))
    assert (report.code, report.expires_in) == ("expired", -1000)


@pytest.mark.parametrize(
    "token", ["", ".", "...", "\0", "\x1b[31m", "é.é.é", "\udc80", "a" * 2_000_000, "." * 100_000, b"\xff\xfe", b"e30.e30.e30"]
)
def test_odd_and_huge_tokens(warm, token):
    """T28: any text makes a report, quickly and with the code of `authenticate`."""
    _, guard = warm
    report = guard.explain(token)
    with pytest.raises(TokenRejected) as caught:
        guard.authenticate(token)
    assert judged(report) == CHECK_OF[caught.value.code]
    assert report.code == caught.value.code


_WARM = LocalUserPool()
_GUARD = _WARM.guard()
_HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "x"]), st.sampled_from(["RS256", "none", _WARM.key().kid, 1, None, []])
)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(), st.binary(), st.tuples(_HEADERS, st.binary(max_size=30)).map(lambda made: _WARM.sign(made[1], made[0])))
)
def test_any_text_makes_a_report(token):
    """Whatever comes in, the report agrees with `authenticate`."""
    report = _GUARD.explain(token)
    with pytest.raises(TokenRejected) as caught:
        _GUARD.authenticate(token)
    assert judged(report) is not None
    assert report.code == caught.value.code


@pytest.mark.parametrize(
    ("profile", "token", "closest"),
    [
        (0, {}, 0),
        (0, {"client": "another"}, 0),
        (1, {"client": "mobile"}, 1),
        (1, {"client": "mobile", "claims": {"iss": "https://attacker.example"}}, 1),
    ],
)
def test_the_closest_profile_is_named(warm, profile, token, closest):
    """Issuer, token use and client, in this order, choose the profile whose expectations are shown."""
    pool, _ = warm
    profiles = [
        pool.user_pool.access_tokens(client="web"),
        pool.user_pool.access_tokens(client="mobile", resource="https://api.example"),
    ]
    report = pool.guard(*profiles).explain(pool.access(**({"client": "web"} | token)))
    assert report.closest == profiles[closest]
    expected = {check.name: check.expected for check in report.checks}
    assert expected["app client"] == f"client_id = {['web', 'mobile'][profile]}"


@pytest.mark.parametrize(("answer", "code"), [(True, "revoked"), (None, "revocation_unavailable")])
def test_revocation_is_the_last_check(warm, answer, code):
    """A hook is asked by a report too, and nothing but it fails then."""
    pool, _ = warm
    guard = pool.guard(is_revoked=lambda _: answer)
    token = pool.access()
    report = guard.explain(token)
    assert (judged(report), report.code, report.principal) == ("revocation", code, None)
    with pytest.raises((TokenRejected, Unavailable)) as caught:
        guard.authenticate(token)
    assert caught.value.code == report.code
    assert judged(pool.guard(is_revoked=lambda _: False).explain(token)) is None


def test_without_a_hook_the_report_says_so(warm):
    """What was not asked is not told as if it had been."""
    pool, guard = warm
    assert guard.explain(pool.access()).checks[-1].expected == "not asked: no is_revoked hook"


def test_a_hook_that_must_be_awaited_leaves_the_verdict_open(warm):
    """With only the async hook a report ends at revocation and holds no Principal: it never says yes where it could not ask."""
    pool, _ = warm

    async def revoked(_: object) -> bool:
        return True

    guard = pool.guard(is_revoked_async=revoked)
    token = pool.access()
    report = guard.explain(token)
    assert (judged(report), report.code, report.principal) == ("revocation", "revocation_unavailable", None)
    assert not report
    with pytest.raises(TokenRejected, match="revoked"):
        asyncio.run(guard.authenticate_async(token))
    assert judged(guard.explain(pool.bad("expired"))) == "expiry"


def test_keys_that_cannot_be_had():
    """An outage fails the check "key", with the outage's code."""
    pool = LocalUserPool()
    with pool.outage("refused"):
        report = pool.guard().explain(pool.access())
    assert (judged(report), report.code) == ("key", "keys_unavailable")


def test_a_resolve_that_fails_fails_the_issuer():
    """Where the application cannot say whether it trusts the issuer, the check "issuer" fails."""
    pool = LocalUserPool()

    def resolve(_: str) -> None:
        raise LookupError

    report = Guard(resolve=resolve, fetch=pool.fetch).explain(pool.access())
    assert (judged(report), report.code) == ("issuer", "resolve_unavailable")
