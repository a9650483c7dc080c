"""Bad tokens by their payload, all rightly signed: its JSON, its times, its issuer, whom it is for (THREATS A7, A9 to A14)."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from cognito_guard.errors import RejectionCode
from cognito_guard.testing.forging import Row, claimed, raw_payload
from cognito_guard.testing.mint import Mint

HOUR = 3600


def _json(name: str, respell: Callable[[bytes], bytes], why: str = "A7") -> Row:
    return Row(name, "payload_malformed", None, why, lambda pool: raw_payload(pool, respell))


def _member(name: str, member: bytes, why: str = "A7") -> Row:
    """One more member, put at the payload's end."""
    return _json(name, lambda payload: payload[:-1] + b"," + member + b"}", why)


def _claim(name: str, code: RejectionCode, claim: str, value: Any, why: str) -> Row:
    """One claim replaced: by a value, or by what a function makes of the pool."""
    return Row(name, code, claim, why, lambda pool: pool.access(claims={claim: value(pool) if callable(value) else value}))


def _missing(claim: str, why: str) -> Row:
    return Row(f"{claim}_missing", "claim_missing", claim, why, lambda pool: pool.access(without=[claim]))


def _now(pool: Mint) -> int:
    return int(pool.clock())


def _other_pool(pool: Mint) -> str:
    return pool.issuer[:-1] + ("0" if pool.issuer[-1] != "0" else "1")


PAYLOAD_JSON = (
    _member("claim_twice", b'"username":"root"', "A7: two readings"),
    _member("exp_twice", b'"exp":9999999999', "T25: two readings"),
    _member("name_twice_escaped", rb'"\u0065xp":9999999999', "A7: the same name, spelled with an escape"),
    _member("name_twice_nested", b'"address":{"a":1,"a":2}'),
    _member("nan", b'"x":NaN'),
    _member("infinity", b'"x":Infinity'),
    _member("minus_infinity", b'"x":-Infinity'),
    _member("number_overflow", b'"x":1e400', "T25: becomes infinite"),
    _member("lone_surrogate", rb'"x":"\ud800"'),
    _member("invalid_utf8", b'"x":"\xff"'),
    _member("surrogate_in_utf8", b'"x":"\xed\xa0\x80"'),
    _member("raw_line_break", b'"x":"a\nb"', "A23"),
    _member("too_deep", b'"x":' + b"[" * 128 + b"]" * 128, "A16: 129 levels"),
    _member("bottomless", b'"x":' + b"[" * 40_000, "A16: a parser that recurses runs out of stack"),
    _member("trailing_comma", b""),
    _json("payload_bom", lambda payload: codecs.BOM_UTF8 + payload),
    _json("payload_utf16", lambda payload: payload.decode().encode("utf-16")),
    _json("payload_utf32", lambda payload: payload.decode().encode("utf-32-be")),
    _json("payload_truncated", lambda payload: payload[:-1]),
    _json("payload_trailing_text", lambda payload: payload + b"{}"),
    _json("payload_array", lambda payload: b"[" + payload + b"]"),
    _json("payload_string", lambda _: b'"jane"'),
    _json("payload_number", lambda _: b"1"),
    _json("payload_null", lambda _: b"null"),
    _json("payload_not_json", lambda _: b"sub=jane"),
    _json("payload_single_quotes", lambda payload: payload.replace(b'"', b"'")),
    _json("payload_empty", lambda _: b""),
)

TIME = (
    Row("expired", "expired", "exp", "A9", lambda p: p.access(issued_at=_now(p) - 2 * HOUR, expires_in=HOUR)),
    Row("expires_this_second", "expired", "exp", "A9: at exp, not after it", lambda p: p.access(issued_at=_now(p) - HOUR)),
    _missing("exp", "T23"),
    _claim("exp_string", "claim_invalid", "exp", lambda p: str(_now(p) + HOUR), "T25"),
    _claim("exp_nan_string", "claim_invalid", "exp", "NaN", "T25"),
    _claim("exp_true", "claim_invalid", "exp", True, "T25"),
    _claim("exp_null", "claim_invalid", "exp", None, "T25"),
    _claim("exp_list", "claim_invalid", "exp", lambda p: [_now(p) + HOUR], "T25"),
    _claim("exp_huge", "claim_invalid", "exp", 1e300, "T25"),
    _claim("exp_negative", "claim_invalid", "exp", -1, "T25"),
    _claim("exp_milliseconds", "claim_invalid", "exp", lambda p: (_now(p) + HOUR) * 1000, "T25"),
    _claim("not_yet_valid", "not_yet_valid", "nbf", lambda p: _now(p) + HOUR - 60, "A9"),
    _claim("nbf_string", "claim_invalid", "nbf", "0", "A14"),
    _claim("nbf_null", "claim_invalid", "nbf", None, "A14"),
    _claim("nbf_true", "claim_invalid", "nbf", True, "A14"),
    # far beyond the 60 s that are allowed: on a real clock a token 61 s ahead is good a moment later
    _claim("issued_in_future", "issued_in_future", "iat", lambda p: _now(p) + HOUR - 60, "A9"),
    _claim("iat_at_exp", "claim_invalid", "iat", lambda p: _now(p) + HOUR, "A9: it never was valid"),
    _claim("iat_after_exp", "claim_invalid", "iat", lambda p: _now(p) + 2 * HOUR, "A9"),
    _claim("iat_string", "claim_invalid", "iat", "0", "A14"),
    _claim("iat_null", "claim_invalid", "iat", None, "A14"),
    _claim("iat_milliseconds", "claim_invalid", "iat", lambda p: _now(p) * 1000, "A14"),
)


def _issuer(name: str, value: Any, why: str = "A10") -> Row:
    return _claim(f"issuer_{name}", "issuer_unknown", "iss", value, why)


ISSUERS = (
    _issuer("other_pool", _other_pool, "A10: another pool's name under this pool's signature"),
    _issuer("trailing_slash", lambda p: p.issuer + "/"),
    _issuer("upper_case", lambda p: p.issuer.upper()),
    _issuer("port", lambda p: p.issuer.replace(f"/{p.user_pool.id}", f":443/{p.user_pool.id}")),
    _issuer("look_alike", lambda p: f"https://cognito-idp.eu-west-1.amazonaws.com.attacker.example/{p.user_pool.id}"),
    _issuer("user_info", lambda p: p.issuer.replace("://", "://attacker.example@", 1)),
    _issuer("other_scheme", lambda p: p.issuer.replace("http", "ftp", 1)),
    _issuer("prefix", lambda p: p.issuer[:-1]),
    _issuer("suffix", lambda p: p.issuer + "0"),
    _issuer("space", lambda p: p.issuer + " "),
    _issuer("list", lambda p: [p.issuer], "A10, CVE-2024-53861"),
    _issuer("object", lambda p: {p.issuer: True}),
    _issuer("null", None),
    _issuer("attacker", "https://attacker.example", "A3: no socket is opened by a token"),
    Row("issuer_missing", "issuer_unknown", "iss", "A10", lambda pool: pool.access(without=["iss"])),
)

AUDIENCE = (
    Row("id_token", "token_use_refused", "token_use", "A12: a good ID token at an access door", lambda p: p.id()),
    _missing("token_use", "T23"),
    _claim("token_use_list", "claim_invalid", "token_use", ["access"], "A14"),
    _claim("token_use_null", "claim_invalid", "token_use", None, "A14"),
    _claim("token_use_upper_case", "token_use_refused", "token_use", "ACCESS", "A12"),
    _claim("token_use_refresh", "token_use_refused", "token_use", "refresh", "A12"),
    _claim("client_other", "client_refused", "client_id", "7othersclient0123456789abc", "A11"),
    _missing("client_id", "A11"),
    _claim("client_list", "claim_invalid", "client_id", lambda p: [p.client], "A11"),
    _claim("client_null", "claim_invalid", "client_id", None, "A11"),
    _claim("client_empty", "claim_invalid", "client_id", "", "A11"),
    _claim("client_prefix", "client_refused", "client_id", lambda p: p.client[:-1], "A11"),
    _claim("client_suffix", "client_refused", "client_id", lambda p: p.client + "0", "A11"),
    _claim("client_other_case", "client_refused", "client_id", lambda p: p.client.swapcase(), "A11"),
    Row(
        "client_in_aud_only",
        "client_refused",
        "client_id",
        "A11: aud is no client here",
        lambda p: claimed(p, client_id="7othersclient0123456789abc", aud=p.client),
    ),
)

TYPES = (
    _missing("sub", "A14: a person has one"),
    _claim("sub_empty", "claim_invalid", "sub", "", "A14"),
    _claim("sub_number", "claim_invalid", "sub", 1, "A14"),
    _claim("sub_null", "claim_invalid", "sub", None, "A14"),
    _claim("sub_list", "claim_invalid", "sub", ["jane"], "A14"),
    _claim("username_number", "claim_invalid", "username", 1, "A14"),
    _claim("username_list", "claim_invalid", "username", ["jane"], "A14"),
    _claim("jti_number", "claim_invalid", "jti", 1, "A14"),
    _claim("jti_null", "claim_invalid", "jti", None, "A14"),
    _claim("groups_string", "claim_invalid", "cognito:groups", "admin", "A13"),
    _claim("groups_null", "claim_invalid", "cognito:groups", None, "A13"),
    _claim("groups_object", "claim_invalid", "cognito:groups", {"admin": True}, "A13"),
    _claim("groups_with_number", "claim_invalid", "cognito:groups", ["admin", 1], "A13"),
    _claim("groups_nested", "claim_invalid", "cognito:groups", [["admin"]], "A13"),
    _claim("scope_list", "claim_invalid", "scope", ["openid"], "A13"),
    _claim("scope_number", "claim_invalid", "scope", 1, "A13"),
    _claim("scope_null", "claim_invalid", "scope", None, "A13"),
)

ROWS = PAYLOAD_JSON + TIME + ISSUERS + AUDIENCE + TYPES
