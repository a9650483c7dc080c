"""Bad tokens by their spelling: what is not one JWS in compact form with one spelling only (THREATS A5, A6, A16, T28, T31)."""

from __future__ import annotations

import json
from collections.abc import Callable

from cognito_guard.errors import RejectionCode
from cognito_guard.testing.bad_headers import refresh_token
from cognito_guard.testing.forging import Row, padded, respelled, spare_bits, standard_alphabet
from cognito_guard.testing.mint import Mint


def _spelled(name: str, change: Callable[[list[str]], list[str]], why: str = "A6") -> Row:
    """The same octets in another spelling: a lenient decoder takes it."""
    return Row(name, "not_a_jwt", None, why, lambda pool: respelled(pool, change))


def _text(name: str, change: Callable[[str], str], why: str = "T31", code: RejectionCode = "not_a_jwt") -> Row:
    """A good token, with something done to its text."""
    return Row(name, code, None, why, lambda pool: change(pool.access()))


def _flattened(token: str) -> str:
    header, payload, signature = token.split(".")
    return json.dumps({"protected": header, "payload": payload, "signature": signature})


def _polyglot(token: str) -> str:
    header, payload, signature = token.split(".")
    return json.dumps({f"  {header}.e30.": "", "protected": header, "payload": payload, "signature": signature})


def _inserted(character: str) -> Callable[[str], str]:
    return lambda token: token[:-9] + character + token[-9:]


def _huge(pool: Mint) -> str:
    return pool.access(claims={"custom:notes": "x" * 1_000_000})


ROWS = (
    _spelled("padded_header", lambda parts: [padded(parts[0]), *parts[1:]]),
    _spelled("padded_payload", lambda parts: [parts[0], padded(parts[1]), parts[2]]),
    _spelled("padded_signature", lambda parts: [*parts[:2], padded(parts[2])]),
    _spelled("padded_too_much", lambda parts: [*parts[:2], parts[2] + "===="]),
    _spelled("spare_bits_header", lambda parts: [spare_bits(parts[0]), *parts[1:]]),
    _spelled("spare_bits_payload", lambda parts: [parts[0], spare_bits(parts[1]), parts[2]]),
    _spelled("spare_bits_signature", lambda parts: [*parts[:2], spare_bits(parts[2])]),
    _spelled("base64_header", lambda parts: [standard_alphabet(parts[0]), *parts[1:]], "A6: + and / for - and _"),
    _spelled("base64_payload", lambda parts: [parts[0], standard_alphabet(parts[1]), parts[2]], "A6: + and / for - and _"),
    _spelled("base64_signature", lambda parts: [*parts[:2], standard_alphabet(parts[2])], "A6: + and / for - and _"),
    _text("final_comma", lambda token: token + ",", "T31: njs takes it"),
    _text("final_space", lambda token: token + " "),
    _text("final_line_break", lambda token: token + "\n"),
    _text("final_nul", lambda token: token + "\0"),
    _text("final_dot", lambda token: token + "."),
    _text("first_space", lambda token: " " + token),
    _text("first_bom", lambda token: "\ufeff" + token),
    _text("with_scheme", lambda token: "Bearer " + token),
    _text("quoted", lambda token: f'"{token}"'),
    _text("inner_space", _inserted(" ")),
    _text("inner_line_break", _inserted("\r\n ")),
    _text("inner_percent", _inserted("%20")),
    _text("non_ascii", lambda token: token[:-1] + "é"),
    _text("full_width", lambda token: token[:-1] + "\uff21", "T31: NFKC makes a letter of it"),
    _text("full_width_dots", lambda token: token.replace(".", "\uff0e")),
    _text("lone_surrogate_text", lambda token: token + "\udc80", "what os.environ and sys.argv make of a stray octet"),
    _text("two_parts", lambda token: token.rpartition(".")[0]),
    _text("four_parts", lambda token: token + ".e30"),
    Row("refresh_token", "encrypted_token", None, "A12: five parts", lambda _: refresh_token()),
    Row("empty", "not_a_jwt", None, "A6", lambda _: ""),
    Row("dots_only", "header_malformed", None, "A6: three parts, each empty", lambda _: ".."),
    Row("opaque", "not_a_jwt", None, "a token of another kind of server", lambda _: "ya29.a0AfH6SMBx"),
    Row("many_dots", "not_a_jwt", None, "T28", lambda _: "." * 60_000),
    Row("too_many_dots", "token_too_large", None, "T28", lambda _: "." * 100_000),
    Row("too_large", "token_too_large", None, "T28: a megabyte, rightly signed", _huge),
    Row("just_too_large", "token_too_large", None, "65,537 characters", lambda _: "e" * 65_537),
    _text("json_serialisation", _flattened, "RFC 7515 §7.2.2"),
    _text("json_polyglot", _polyglot, "CVE-2022-39227: two parsers, two tokens"),
)
