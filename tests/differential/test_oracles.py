"""Several hundred mutated tokens judged by us, by PyJWT and by aws-jwt-verify (THREATS sections 1 and 5.3).

What both of them refuse we must refuse. Every other difference needs a row in RULES that names its reason; a row that explains nothing
any more is a failure too.
"""

from __future__ import annotations

import json
import runpy
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jwt
import pytest

from cognito_guard import Guard, TokenRejected, UserPool

corpus = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("corpus.py"))))
POOL, CLIENT, KID, NOW, ISSUERS, FAMILIES = corpus.POOL, corpus.CLIENT, corpus.KID, corpus.NOW, corpus.ISSUERS, corpus.FAMILIES


# --- the three judges, whose clocks all stand at NOW: no verdict depends on how long the tests take


class Standing(datetime):
    """The clock that PyJWT looks at."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.fromtimestamp(NOW, tz)


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jwt.api_jwt.datetime", Standing)


class Case(NamedTuple):
    """A token, and what each judge says: our code, the others' reasons, None where it is accepted."""

    text: str
    ours: str | None
    pyjwt: str | None
    aws: str | None = None


@cache
def guard() -> Guard:
    pool = UserPool(POOL, jwks=corpus.jwks())
    return Guard(pool.access_tokens(client=CLIENT), pool.id_tokens(client=CLIENT), cache_tokens=0, clock=lambda: NOW)


def our_code(given: str) -> str | None:
    try:
        guard().authenticate(given)
    except TokenRejected as error:
        return error.code
    return None


@cache
def pyjwt_key() -> jwt.PyJWK:
    return jwt.PyJWK(corpus.jwks()["keys"][0])


def pyjwt_reason(given: str) -> str | None:
    """As careful users write it: key by kid, one algorithm, both issuers, exp required, the client by token use."""
    try:
        if jwt.get_unverified_header(given)["kid"] != KID:
            return "another kid"
        options: Any = {"require": ["exp"], "verify_aud": False}
        claims = jwt.decode(given, pyjwt_key(), algorithms=["RS256"], issuer=ISSUERS, options=options)
        if claims["token_use"] == "id":
            claims = jwt.decode(
                given, pyjwt_key(), algorithms=["RS256"], issuer=ISSUERS, audience=CLIENT, options={"require": ["exp"]}
            )
            return None
        return None if claims["token_use"] == "access" and claims["client_id"] == CLIENT else "another token use or client"
    except Exception as error:  # noqa: BLE001 - whatever it raises, the token is refused
        return f"{type(error).__name__}: {error}"


@cache
def cases(family: Callable[[], Iterator[str]]) -> tuple[Case, ...]:
    return tuple(Case(given, our_code(given), pyjwt_reason(given)) for given in dict.fromkeys(family()))


# --- the explanations


class Parts:
    """A token read as leniently as anybody reads it, so that a rule can say what is strange about it."""

    def __init__(self, given: str) -> None:
        self.segments = given.split(".")
        self.raw = [self._octets(part) for part in self.segments[:2]] + [b"", b""]
        self.header, self.claims = (self._object(raw) for raw in self.raw[:2])

    @staticmethod
    def _octets(part: str) -> bytes:
        try:
            return urlsafe_b64decode(part.rstrip("=").encode("ascii", "ignore") + b"=" * (-len(part.rstrip("=")) % 4))
        except ValueError:
            return b""

    @staticmethod
    def _object(raw: bytes) -> dict[str, Any]:
        for decoded in (
            lambda: json.loads(raw),
            lambda: json.loads(raw.decode("utf-8", "replace"), parse_int=lambda digits: int(digits[:4000])),
        ):
            try:
                document = decoded()
            except (ValueError, RecursionError):
                continue
            return document if isinstance(document, dict) else {}
        return {}

    def strange_text(self) -> bool:
        """Either document is JSON to a lenient parser, but not strictly: names, constants, surrogates, encoding, depth, digits."""
        return any(raw and self._strange(raw) for raw in self.raw[:2])

    @staticmethod
    def _strange(raw: bytes) -> bool:
        def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
            if len(dict(members)) < len(members):
                raise ValueError("a name stands twice")
            return dict(members)

        def number(digits: str) -> float:
            if abs(float(digits)) == float("inf"):
                raise ValueError("out of range")
            return float(digits)

        def constant(name: str) -> None:
            raise ValueError(name)

        try:
            decoded = raw.decode("utf-8")
            document = json.loads(decoded, object_pairs_hook=unique, parse_float=number, parse_constant=constant)
            json.dumps(document, ensure_ascii=False).encode("utf-8")
        except ValueError:
            return True
        return decoded.count("[") + decoded.count("{") > 128


class Rule(NamedTuple):
    """Why we differ: from whom, in which direction (`code`: ours, None where we accept), and where it applies."""

    name: str
    oracles: str
    codes: tuple[str | None, ...]
    applies: Callable[[Parts], bool]


def is_spelled_twice(part: str) -> bool:
    """Padding, or spare bits: another spelling of the same octets."""
    bare = part.rstrip("=")
    try:
        return part != bare or corpus.segment(urlsafe_b64decode(bare + "=" * (-len(bare) % 4))) != bare
    except ValueError:
        return False


def is_date(claim: Any) -> bool:
    return type(claim) in (int, float) and 0 <= claim <= 253402300799


def wrong_type(claims: dict[str, Any]) -> bool:
    groups = claims.get("cognito:groups", [])
    return (
        any(not isinstance(claims.get(name, ""), str) for name in ("sub", "jti", "scope"))
        or not isinstance(claims.get("username"), str | None)
        or not isinstance(groups, list)
        or not all(isinstance(group, str) for group in groups)
    )


RULES = (
    Rule("base64url has one spelling: no padding, no spare bits (A6)", "pyjwt aws", ("not_a_jwt",), lambda at: any(map(is_spelled_twice, at.segments))),
    Rule("JSON has one reading: unique names, UTF-8, no NaN, no lone surrogate, depth, digits (A7)", "pyjwt aws", ("header_malformed", "payload_malformed"), Parts.strange_text),
    Rule("crit, b64, zip, enc, cty are refused when present (A5)", "pyjwt aws", ("header_parameter_refused",), lambda at: bool(at.header.keys() & {"crit", "b64", "zip", "enc", "cty"})),
    Rule("typ is absent or listed (policy)", "pyjwt aws", ("type_refused",), lambda at: "typ" in at.header),
    Rule("exp is required (A9)", "aws", ("claim_missing",), lambda at: "exp" not in at.claims),
    Rule("a date is a number from 0 to the year 9999, no string and no boolean (A9)", "pyjwt aws", ("claim_invalid",), lambda at: any(name in at.claims and not is_date(at.claims[name]) for name in ("exp", "nbf", "iat"))),
    Rule("expired on the second itself (RFC 7519 §4.1.4)", "aws", ("expired",), lambda at: at.claims["exp"] == NOW),
    Rule("exp at or before iat (policy)", "aws", ("claim_invalid",), lambda at: at.claims.get("exp", 0) <= at.claims.get("iat", 0)),
    Rule("iat far ahead (A9)", "aws", ("issued_in_future",), lambda at: at.claims["iat"] > NOW + 60),
    Rule("iat up to 60 s ahead is a clock's matter (pycognito issue 225)", "pyjwt", (None,), lambda at: 0 < at.claims.get("iat", 0) - NOW <= 60),
    Rule("claims that are read must be of Cognito's types (A14)", "pyjwt aws", ("claim_invalid",), lambda at: wrong_type(at.claims)),
    Rule("sub is a string that is not empty, absent only without username (A14)", "pyjwt aws", ("claim_invalid", "claim_missing"), lambda at: not at.claims.get("sub")),
    Rule("the aud of an ID token is one string, no list (policy)", "pyjwt", ("claim_invalid",), lambda at: at.claims["token_use"] == "id" and isinstance(at.claims["aud"], list)),
    Rule("the aud of an access token is judged only where a resource is asked for (COGNITO 1.7)", "aws", (None,), lambda at: at.claims["token_use"] == "access" and "aud" in at.claims),
    Rule("64 KiB are enough (A16)", "pyjwt aws", ("token_too_large",), lambda at: len(".".join(at.segments)) > 65536),
)  # fmt: skip


def explanation(case: Case, oracle: str) -> Rule | None:
    parts = Parts(case.text)
    for rule in RULES:
        if oracle in rule.oracles and case.ours in rule.codes and _applies(rule, parts):
            return rule
    return None


def _applies(rule: Rule, parts: Parts) -> bool:
    try:
        return rule.applies(parts)
    except (TypeError, KeyError):
        return False


def differing(judged: tuple[Case, ...], oracle: str) -> list[Case]:
    return [case for case in judged if (case.ours is None) != (getattr(case, oracle) is None)]


def shown(case: Case) -> str:
    parts = Parts(case.text)
    return (
        f"ours={case.ours} pyjwt={case.pyjwt} aws={case.aws}\n  {parts.raw[0]!r}\n  {parts.raw[1][:400]!r}\n  {case.text[-20:]!a}"
    )


Judge = Callable[[dict[str, Any], list[str]], list[str | None]]


def judged_by_all(family: Callable[[], Iterator[str]], aws_jwt_verify: Judge) -> tuple[Case, ...]:
    known = cases(family)
    refusals = aws_jwt_verify({"now": NOW, "pool": POOL, "client": CLIENT, "jwks": corpus.jwks()}, [case.text for case in known])
    return tuple(case._replace(aws=refusal) for case, refusal in zip(known, refusals, strict=True))


# --- the tests


def test_the_corpus_is_large_and_mixed() -> None:
    """Several hundred tokens, of which many are good: a corpus that everybody refuses would prove nothing."""
    every = [case for family in FAMILIES for case in cases(family)]
    assert len(every) > 1000
    assert sum(case.ours is None for case in every) > 150
    assert len({case.ours for case in every}) > 15, "most codes are met"


def test_good_tokens_are_good_to_us() -> None:
    """Whatever Cognito mints, in every spelling of JSON, is accepted."""
    assert [shown(case) for case in cases(corpus.good) if case.ours is not None] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_differences_from_pyjwt_are_explained(family: Callable[[], Iterator[str]]) -> None:
    """Where PyJWT's verdict is another, a rule says why."""
    unexplained = [shown(case) for case in differing(cases(family), "pyjwt") if explanation(case, "pyjwt") is None]
    assert unexplained == [], "\n".join(unexplained)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_differences_from_aws_jwt_verify_are_explained(family: Callable[[], Iterator[str]], aws_jwt_verify: Judge) -> None:
    """Where aws-jwt-verify's verdict is another, a rule says why."""
    judged = judged_by_all(family, aws_jwt_verify)
    unexplained = [shown(case) for case in differing(judged, "aws") if explanation(case, "aws") is None]
    assert unexplained == [], "\n".join(unexplained)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_nothing_is_accepted_that_both_refuse(family: Callable[[], Iterator[str]], aws_jwt_verify: Judge) -> None:
    """No explanation excuses this."""
    wrong = [
        shown(case)
        for case in judged_by_all(family, aws_jwt_verify)
        if case.ours is None and case.pyjwt is not None and case.aws is not None
    ]
    assert wrong == [], "\n".join(wrong)


def test_every_rule_explains_something(aws_jwt_verify: Judge) -> None:
    """A row that no token needs is a row to delete: an oracle changed, or we did."""
    needed = {
        (rule.name, oracle)
        for family in FAMILIES
        for oracle in ("pyjwt", "aws")
        for case in differing(judged_by_all(family, aws_jwt_verify), oracle)
        if (rule := explanation(case, oracle)) is not None
    }
    assert {(rule.name, oracle) for rule in RULES for oracle in rule.oracles.split()} - needed == set()
