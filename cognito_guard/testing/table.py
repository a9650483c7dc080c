"""The behaviour table: requests and answers that are the same on every front (RFC 6750 §3, RFC 9470 §3).

Decides which requests every front must agree on, and mounts the routes that they meet. Runs nothing: a front's test sends each case
its own way and asks `Case.check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cognito_guard.testing.bad_catalogue import BadToken, bad_token, bad_tokens
from cognito_guard.testing.case import Case
from cognito_guard.testing.claims import subject_of
from cognito_guard.testing.local_user_pool import LocalUserPool
from cognito_guard.testing.octets import payload_of

if TYPE_CHECKING:
    from cognito_guard.web.routes import Identify, Protect, Public


class SampleRoute(NamedTuple):
    """A route that the cases count on; `rule` as the policy's text."""

    path: str
    kind: Literal["public", "identify", "protect"]
    rule: str | None = None


LEVEL: Final = "urn:cognito:loa:3"
SAMPLE_ROUTES: Final = (
    SampleRoute("/open/*", "public"),
    SampleRoute("/maybe", "identify"),
    SampleRoute("/orders", "protect", "scope:orders/read"),
    SampleRoute("/staff", "protect", "group:staff"),
    SampleRoute("/both", "protect", "scope:orders/read and group:staff"),
    SampleRoute("/either", "protect", "scope:orders/read or group:staff"),
    SampleRoute("/recent", "protect", "authenticated-within:3600"),
    SampleRoute("/strong", "protect", f"acr>={LEVEL}"),
    SampleRoute("/staff-recent", "protect", "group:staff and authenticated-within:3600"),
)
"""What no route names is protected without a rule; the cases use `/private`."""


def sample_routes() -> tuple[Public | Identify | Protect, ...]:
    """`SAMPLE_ROUTES` as the route values that the adapters take."""
    from cognito_guard.policy import parse_rule
    from cognito_guard.web.routes import Identify, Protect, Public

    made: list[Public | Identify | Protect] = []
    for path, kind, rule in SAMPLE_ROUTES:
        if kind == "public":
            made.append(Public(path))
        elif kind == "identify":
            made.append(Identify(path))
        else:
            made.append(Protect(path, None if rule is None else parse_rule(rule)))
    return tuple(made)


def behaviour(pool: LocalUserPool) -> tuple[Case, ...]:
    """Every case, with tokens minted now and good for an hour (about 0.2 s). The front under test: `sample_routes()`, `pool.guard()`."""
    return (*_credentials(pool), *_open_routes(pool), *_rules(pool), *_keys_unavailable(pool), *_bad_tokens(pool))


JANE = subject_of("jane")
_MISSING = ("credentials_missing",)
_MALFORMED = ("credentials_malformed",)
# WSGI servers join the two fields with a comma, so that a front there sees one malformed value
_TWICE = ("credentials_ambiguous", "credentials_malformed")


def _bearer(token: str) -> tuple[tuple[str, str]]:
    return (("Authorization", f"Bearer {token}"),)


def _passes(name: str, target: str, headers: Iterable[tuple[str, str]] = (), subject: str = JANE, method: str = "GET") -> Case:
    return Case(name, target, headers, status=200, subject=subject, method=method)


def _missing(name: str, target: str = "/private", headers: Iterable[tuple[str, str]] = (), method: str = "GET") -> Case:
    return Case(name, target, headers, status=401, codes=_MISSING, challenge={}, method=method)


def _malformed(name: str, *values: str, target: str = "/private", codes: Iterable[str] = _MALFORMED) -> Case:
    headers = [("Authorization", value) for value in values]
    return Case(name, target, headers, status=400, codes=codes, challenge={"error": "invalid_request"})


def _invalid(name: str, bad: BadToken, target: str = "/private") -> Case:
    return Case(name, target, _bearer(bad.token), status=401, codes=[bad.code], challenge={"error": "invalid_token"})


def _lacks(name: str, target: str, token: str, scope: str | None = None) -> Case:
    challenge = {"error": "insufficient_scope"} | ({"scope": scope} if scope else {})
    return Case(name, target, _bearer(token), status=403, codes=["insufficient_scope"], challenge=challenge)


def _too_weak(name: str, target: str, token: str, **needed: str) -> Case:
    error = "insufficient_user_authentication"
    return Case(name, target, _bearer(token), status=401, codes=[error], challenge={"error": error, **needed})


def _credentials(pool: LocalUserPool) -> Iterator[Case]:
    good = pool.access()
    yield _missing("none")
    yield _missing("none_head", method="HEAD")
    yield _missing("none_post", method="POST")
    yield _missing("none_options", method="OPTIONS")  # exempting OPTIONS is an authentication bypass
    yield _missing("basic", headers=[("Authorization", "Basic amFuZTpzZWNyZXQ=")])
    yield _missing("dpop", headers=[("Authorization", f"DPoP {good}")])
    yield _missing("scheme_with_suffix", headers=[("Authorization", f"BearerToken {good}")])
    yield _missing("bare_token", headers=[("Authorization", good)])
    yield _missing("token_in_query", target=f"/private?access_token={good}")
    yield _missing("token_in_cookie", headers=[("Cookie", f"access_token={good}")])
    yield _missing("token_in_other_field", headers=[("X-Authorization", f"Bearer {good}")])
    yield _malformed("bearer_alone", "Bearer")
    yield _malformed("bearer_two_values", "Bearer a b")
    yield _malformed("bearer_token_and_more", f"Bearer {good} {good}")
    yield _malformed("bearer_list", f"Bearer {good}, Bearer {good}")
    yield _malformed("bearer_tab", f"Bearer\t{good}")
    yield _malformed("bearer_space_tab", f"Bearer \t{good}")
    yield _malformed("bearer_no_break_space", f"Bearer\xa0{good}")
    yield _malformed("bearer_quoted", f'Bearer "{good}"')
    yield _malformed("bearer_parameter", f"Bearer token={good}")
    yield _malformed("bearer_padding_alone", "Bearer =")
    yield _malformed("authorization_twice", f"Bearer {good}", f"Bearer {good}", codes=_TWICE)
    yield _malformed("authorization_twice_second_bad", f"Bearer {good}", "Bearer a", codes=_TWICE)
    yield _passes("good", "/private", _bearer(good))
    yield _passes("good_head", "/private", _bearer(good), method="HEAD")
    yield _passes("good_post", "/private", _bearer(good), method="POST")
    yield _passes("good_with_query", "/private?open=1", _bearer(good))
    yield _passes("scheme_lower_case", "/private", [("Authorization", f"bearer {good}")])
    yield _passes("scheme_upper_case", "/private", [("Authorization", f"BEARER {good}")])
    yield _passes("several_spaces", "/private", [("Authorization", f"Bearer   {good}")])
    yield _passes("field_name_lower_case", "/private", [("authorization", f"Bearer {good}")])
    yield _passes("machine", "/private", _bearer(pool.machine()), pool.client)
    yield _passes("typ_jwt", "/private", _bearer(pool.sign(payload_of(good), pool.header(typ="JWT"))))
    yield _passes("typ_at_jwt", "/private", _bearer(pool.sign(payload_of(good), pool.header(typ="application/at+JWT"))))


def _open_routes(pool: LocalUserPool) -> Iterator[Case]:
    good, expired, forged = pool.access(), bad_token(pool, "expired"), bad_token(pool, "attacker_signature")
    yield _passes("public_without", "/open/x", subject="")
    yield _passes("public_deep", "/open/x/y", subject="")
    yield _passes("public_bad_token", "/open/x", _bearer(expired.token), subject="")
    yield _passes("public_malformed", "/open/x", [("Authorization", "Bearer a b")], subject="")
    yield _missing("public_other_case", target="/Open/x")
    yield _missing("public_parent", target="/open")
    yield _missing("public_look_alike", target="/opening/x")
    yield _missing("public_in_query", target="/private?/open/x")
    yield Case("public_dot_segments", "/open/../private", status=400, codes=["target_ambiguous"])
    yield _passes("identify_without", "/maybe", subject="")
    yield _passes("identify_basic", "/maybe", [("Authorization", "Basic amFuZTpzZWNyZXQ=")], subject="")
    yield _passes("identify_good", "/maybe", _bearer(good))
    yield _invalid("identify_expired", expired, "/maybe")
    yield _invalid("identify_forged", forged, "/maybe")
    yield _invalid("identify_not_a_jwt", bad_token(pool, "opaque"), "/maybe")
    yield _malformed("identify_malformed", "Bearer a b", target="/maybe")


def _rules(pool: LocalUserPool) -> Iterator[Case]:
    reader, staff, plain = pool.access(scopes=["openid", "orders/read"]), pool.access(groups=["staff"]), pool.access()
    long_ago = int(pool.clock()) - 7200
    yield _passes("scope_held", "/orders", _bearer(reader))
    yield _passes("scope_held_by_machine", "/orders", _bearer(pool.machine(scopes=["orders/read"])), pool.client)
    yield _missing("scope_without_token", target="/orders")
    yield _lacks("scope_lacking", "/orders", plain, "orders/read")
    yield _lacks("scope_claim_absent", "/orders", pool.access(scopes=[]), "orders/read")
    yield _lacks("scope_longer", "/orders", pool.access(scopes=["orders/reads"]), "orders/read")
    yield _lacks("scope_shorter", "/orders", pool.access(scopes=["orders/rea"]), "orders/read")
    yield _lacks("scope_other_case", "/orders", pool.access(scopes=["Orders/Read"]), "orders/read")
    yield _lacks("scope_split_by_tab", "/orders", pool.access(claims={"scope": "openid\torders/read"}), "orders/read")
    yield _lacks("scope_split_by_no_break_space", "/orders", pool.access(claims={"scope": "a\xa0orders/read"}), "orders/read")
    yield _passes("group_held", "/staff", _bearer(staff))
    yield _lacks("group_lacking", "/staff", plain)  # and no scope=: a group is nothing that a client can ask for
    yield _lacks("group_lacking_machine", "/staff", pool.machine())
    yield _lacks("group_longer", "/staff", pool.access(groups=["staff2", "not staff"]))
    yield _lacks("group_other_case", "/staff", pool.access(groups=["Staff"]))
    yield _passes("both_held", "/both", _bearer(pool.access(scopes=["orders/read"], groups=["staff"])))
    yield _lacks("both_scope_lacking", "/both", staff, "orders/read")
    yield _lacks("both_group_lacking", "/both", reader)
    yield _passes("either_scope", "/either", _bearer(reader))
    yield _passes("either_group", "/either", _bearer(staff))
    yield _lacks("either_lacking", "/either", plain, "orders/read")
    yield _passes("recent", "/recent", _bearer(plain))
    yield _too_weak("recent_stale", "/recent", pool.access(auth_time=long_ago), max_age="3600")
    yield _passes("strong", "/strong", _bearer(pool.access(acr="urn:cognito:loa:4")))
    yield _too_weak("strong_weaker", "/strong", pool.access(acr="urn:cognito:loa:1"), acr_values=LEVEL)
    yield _too_weak("strong_without_acr", "/strong", plain, acr_values=LEVEL)
    yield _passes("staff_recent", "/staff-recent", _bearer(staff))
    yield _too_weak("staff_recent_stale", "/staff-recent", pool.access(groups=["staff"], auth_time=long_ago), max_age="3600")
    yield _lacks("staff_recent_neither", "/staff-recent", pool.access(auth_time=long_ago))  # the lacking right wins


def _keys_unavailable(pool: LocalUserPool) -> Iterator[Case]:
    good = _bearer(pool.access())
    for name, target in (("protect", "/private"), ("identify", "/maybe"), ("rule", "/orders")):
        yield Case(f"keys_{name}", target, good, status=503, codes=["keys_unavailable"], keys_unavailable=True)
    yield Case("keys_public", "/open/x", good, status=200, subject="", keys_unavailable=True)
    yield Case("keys_none", "/private", status=401, codes=_MISSING, challenge={}, keys_unavailable=True)
    algorithm = bad_token(pool, "alg_none")
    yield Case(
        "keys_not_needed",  # what is refused without a key is the caller's fault even now
        "/private",
        _bearer(algorithm.token),
        status=401,
        codes=[algorithm.code],
        challenge={"error": "invalid_token"},
        keys_unavailable=True,
    )


_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_FIELD = re.compile(r"[\x21-\x7e\xa1-\xff](?:[\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa1-\xff])?")


def _bad_tokens(pool: LocalUserPool) -> Iterator[Case]:
    """Every bad token that a header field can carry (RFC 9110 §5.5): as 401 where it is one b64token, otherwise as 400."""
    for bad in bad_tokens(pool):
        if _B64TOKEN.fullmatch(bad.token):
            yield _invalid(f"bad_{bad.name}", bad)
        elif _FIELD.fullmatch(bad.token):
            yield _malformed(f"bad_{bad.name}", f"Bearer {bad.token}")
