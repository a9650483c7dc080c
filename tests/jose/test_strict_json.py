"""One reading or none: UTF-8, unique names, no constants, bounded depth and numbers (RFC 8259; RFC 7519 §7.2; THREATS A7, A16)."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_guard.jose.strict_json import MAX_DEPTH, fast_parser, parse_object, parse_object_slowly

PLENTY = settings(max_examples=200, deadline=None, database=None)
parse_fast = fast_parser()


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An object whose member nests, `depth` levels in all."""
    return b'{"a":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


GOOD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "empty": (b"{}", {}),
    "cognito": (rb'{"iss":"https:\/\/x\/y","n":1}', {"iss": "https://x/y", "n": 1}),
    "plain solidus": (b'{"iss":"https://x"}', {"iss": "https://x"}),
    "both spellings of a solidus": (rb'{"a":"\/","b":"/"}', {"a": "/", "b": "/"}),
    "backslash before a solidus": (rb'{"a":"\\/"}', {"a": "\\/"}),
    "two backslashes before a solidus": (rb'{"a":"\\\/","b":"\\\\/"}', {"a": "\\/", "b": "\\\\/"}),
    "white space": (b' { "a" : [ 1 , 2 ] }\r\n\t', {"a": [1, 2]}),
    "escapes": (b'{"\\u0061":"\\b\\f\\n\\r\\t\\"\\\\\\u00e9"}', {"a": '\b\f\n\r\t"\\é'}),
    "surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "escaped text of a surrogate": (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
    "UTF-8": ('{"é":"😀"}'.encode(), {"é": "😀"}),
    "NUL, DEL, noncharacters": (b'{"a":"\\u0000\x7f\xef\xbf\xbf\xc2\x85"}', {"a": "\x00\x7f\uffff\x85"}),
    "BOM inside a string": (b'{"a":"\xef\xbb\xbf"}', {"a": "\ufeff"}),
    "numbers": (b'{"a":-0,"b":-0.0,"c":1e3,"d":1.5E-2,"e":1e-400}', {"a": 0, "b": -0.0, "c": 1000.0, "d": 0.015, "e": 0.0}),
    "100 digits": (b'{"a":' + b"9" * 100 + b"}", {"a": 10**100 - 1}),
    "literals": (b'{"a":true,"b":false,"c":null}', {"a": True, "b": False, "c": None}),
    "same name at two levels": (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
    "the empty name": (b'{"":1}', {"": 1}),
    "brackets in strings": (b'{"a":"' + b"[{" * 500 + b'"}', {"a": "[{" * 500}),
    "many brackets, flat": (b'{"a":[' + b",".join([b"[]"] * 500) + b"]}", {"a": [[]] * 500}),
}

BAD: dict[str, bytes] = {
    "nothing": b"",
    "white space only": b" ",
    "array": b"[]",
    "null": b"null",
    "string": b'"a"',
    "number": b"1",
    "trailing data": b"{}{}",
    "trailing NUL": b"{}\x00",
    "leading NUL": b"\x00{}",
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1/**/}',
    "no-break space": b'{\xc2\xa0"a":1}',
    "vertical tab": b'{\x0b"a":1}',
    "line separator": b'{\xe2\x80\xa8"a":1}',
    "name twice": b'{"a":1,"a":1}',
    "name twice, escaped": b'{"a":1,"\\u0061":1}',
    "name twice, both escaped": b'{"\\u0061":1,"\\u0061":1}',
    "name twice, solidus": rb'{"a/b":1,"a\/b":1}',
    "name twice, both solidi escaped": rb'{"a\/b":1,"a\/b":1}',
    "name twice, deep": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "name twice, pair and raw": '{"😀":1,"\\ud83d\\ude00":2}'.encode(),
    "empty name twice": b'{"":1,"":2}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "1e400": b'{"a":1e400}',
    "-1e400": b'{"a":-1e400}',
    "1e400 without a sign of it": b'{"a":' + b"9" * 400 + b".0}",
    "huge exponent": b'{"a":1e' + b"9" * 1000 + b"}",
    "leading zero": b'{"a":01}',
    "leading plus": b'{"a":+1}',
    "bare fraction": b'{"a":.5}',
    "bare point": b'{"a":1.}',
    "hexadecimal": b'{"a":0x1}',
    "Arabic digits": '{"a":١}'.encode(),
    "underscore": b'{"a":1_0}',
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16-LE": '{"a":1}'.encode("utf-16-le"),
    "UTF-16-BE": '{"a":1}'.encode("utf-16-be"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "UTF-7": b"+AHsAIg-a+ACI-:1+AH0-",
    "Latin-1": b'{"a":"\xe9"}',
    "overlong": b'{"a":"\xc0\xaf"}',
    "overlong quote": b'{"a":\xc0\xa2}',
    "encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "encoded pair (CESU-8)": b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}',
    "beyond Unicode": b'{"a":"\xf4\x90\x80\x80"}',
    "truncated UTF-8": b'{"a":"\xf0\x9f\x98"}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\uDFFF"}',
    "surrogates swapped": b'{"a":"\\ude00\\ud83d"}',
    "high surrogate twice": b'{"a":"\\uD83D\\uD83D\\uDE00"}',
    "lone surrogate in a name": b'{"\\udbff":1}',
    "lone surrogate, deep": b'{"a":[[{"b":"\\uDc00"}]]}',
    "control character": b'{"a":"\x1f"}',
    "newline in a string": b'{"a":"\n"}',
    "NUL in a string": b'{"a":"\x00"}',
    "control character in a name": b'{"a\t":1}',
    "bad escape": b'{"a":"\\x41"}',
    "short escape": b'{"a":"\\u004"}',
    "escape with a sign": b'{"a":"\\u+041"}',
    "unclosed string": b'{"a":"',
    "unclosed object": b'{"a":1',
    "name is a number": b"{1:1}",
    "4,301 digits": b'{"a":' + b"9" * 4301 + b"}",
    "40,000 digits": b'{"a":' + b"9" * 40000 + b"}",
    "40,000 digits, negative": b'{"a":-' + b"9" * 40000 + b"}",
    "depth 129": nested(129),
    "depth 129 of objects": b'{"a":' * 129 + b"1" + b"}" * 129,
    "depth 100,000": nested(100_000),
    "depth 100,000, unclosed": b"[" * 100_000,
    "depth 100,000 of objects": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", GOOD)
def test_accepts(name: str) -> None:
    """What has one reading is accepted, with exactly that reading; the fast parser has it too, or no answer."""
    raw, meant = GOOD[name]
    assert repr(parse_object(raw)) == repr(parse_object_slowly(raw)) == repr(meant)
    assert repr(parse_fast(raw)) in (repr(meant), "None")


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    """What is not one strict JSON object is refused by ValueError, and the fast parser has no answer to it."""
    raw = BAD[name]
    assert parse_fast(raw) is None
    for parser in (parse_object, parse_object_slowly):
        with pytest.raises(ValueError) as caught:
            parser(raw)
        assert_silent(caught.value)


def assert_silent(error: BaseException) -> None:
    """No error in the chain may be of the kinds that carry their text."""
    at: BaseException | None = error
    while at is not None:
        assert not isinstance(at, UnicodeError | json.JSONDecodeError)
        assert "SECRET" not in repr(at.args)
        at = at.__cause__ or at.__context__


@pytest.mark.parametrize(
    "raw",
    [
        b'{"SECRET":1,"SECRET":2}', b'{"a":"SECRET', b'{"a":"SECRET\xff"}', b'{"a":"SECRET\\ud800"}', b'["SECRET"]', b'{"a":"SECRET"}x',
        b'{"SECRET":NaN}', b'{"SECRET":1e999}', b'{"SECRET":' + b"1" * 5000 + b"}", b'{"SECRET":' + b"[" * 999, b'"SECRET\n"',
    ],
)  # fmt: skip
def test_errors_hold_nothing_of_the_text(raw: bytes) -> None:
    """Neither args nor any context of the ValueError shows a part of the document (T29)."""
    for parser in (parse_object, parse_object_slowly):
        with pytest.raises(ValueError) as caught:
            parser(raw)
        assert_silent(caught.value)


@pytest.mark.parametrize("parser", [parse_object, parse_object_slowly])
def test_depth_is_128(parser: Any) -> None:
    """Depth 128 is read, 129 is not, for arrays, objects and a mixture."""
    assert parser(nested(MAX_DEPTH))
    assert parser(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    mixed = b'{"a":[' * (MAX_DEPTH // 2) + b"]}" * (MAX_DEPTH // 2)
    assert parser(mixed)
    with pytest.raises(ValueError):
        parser(b'{"a":[' + mixed + b"]}")


def test_digits_follow_the_interpreter() -> None:
    """4,300 digits are read and one more is not, by both parsers alike; a program that lowers the limit binds both."""
    at_limit, beyond = (b'{"a":' + b"9" * digits + b"}" for digits in (4300, 4301))
    assert parse_object(at_limit) == parse_object_slowly(at_limit)
    assert parse_fast(beyond) is None
    before = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(640)
        lowered = b'{"a":' + b"9" * 641 + b"}"
        assert parse_fast(lowered) is None
        with pytest.raises(ValueError):
            parse_object_slowly(lowered)
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 129 + b'"' + b'\\"' * 32_000,
        b'{"a":' + b"[" * 129 + b'"' + b"\\\\" * 32_000,
        b'"' * 65_000 + b"[" * 129,
        b"[" * 129 + b'""' * 32_000 + b'"',
        b'{"a":"' + b"\\ud800" * 10_000 + b'"}',
        b'{"a":"' + b"\\/" * 32_000 + b'"}',
        b"[" * 65_000,
        b"{" * 129 + b"\\" * 65_000,
        b'{"a":[' + (b"9" * 4300 + b",") * 14 + b"1]}",
        b"{" + b",".join(b'"%d":1' % at for at in range(6000)) + b',"0":1}',
    ],
)  # fmt: skip
def test_64_kib_are_judged_quickly(raw: bytes) -> None:
    """Whatever 64 KiB hold, their verdict takes no time to speak of: nothing here grows with the square of the size (A16, T28)."""
    began = time.process_time()
    with suppress(ValueError):
        parse_object(raw)
    assert time.process_time() - began < 0.5, "a linear scan takes some milliseconds"


def test_near_the_end_of_the_stack() -> None:
    """Called with little of the interpreter's stack left, a deep document is refused by ValueError, never by RecursionError."""
    raw = nested(MAX_DEPTH)

    def descend(left: int) -> str:
        if left:
            return descend(left - 1)
        try:
            parse_object_slowly(raw)
        except ValueError as error:
            assert_silent(error)
            return "refused"
        return "read"

    here, frame = 0, sys._getframe()
    while frame is not None:
        here, frame = here + 1, frame.f_back
    answers = {descend(sys.getrecursionlimit() - here - left) for left in range(60, 200, 7)}
    assert answers <= {"refused", "read"}


strings = st.text(alphabet=st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["a", "a/b", "\\/", "[", "{", '"', "\u2028", "iss"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(strings, inside, max_size=4),
    max_leaves=12,
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON objects as texts: compact as Cognito writes them, or in any other spelling."""
    document = draw(st.dictionaries(strings, values, max_size=5))
    if draw(st.booleans()):
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=draw(st.booleans()))
    else:
        text = json.dumps(document, indent=draw(st.sampled_from([None, 0, 2])), ensure_ascii=draw(st.booleans()))
    return (text.replace("/", "\\/") if draw(st.booleans()) else text).encode()


PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"/", b"\\/", b"\\\\/", b"\\u0061", b"\\ud800", b"\\u", b"0", b"1", b"-", b".", b"e9", b"e999", b" ", b"\n",
    b"\x00", b"\xff", b"\xc2\x85", b"\xed\xa0\x80", b'"a":1,', b'"a":', b"NaN", b"null", b"true", b"\xef\xbb\xbf", b'{"a":1,"a":1}',
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A document with a few cuts, insertions and repetitions."""
    raw = draw(documents())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        to = draw(st.integers(at, min(len(raw), at + 12)))
        kind = draw(st.sampled_from(["cut", "insert", "repeat"]))
        raw = (
            raw[:at]
            + {"cut": b"", "insert": draw(st.sampled_from(PIECES)) + raw[at:to], "repeat": raw[at:to] * 2}[kind]
            + raw[to:]
        )
    return raw


def lenient(raw: bytes) -> dict[str, Any] | None:
    """The standard parser with none of the strictness but the encoding's."""
    try:
        document = json.loads(raw.decode("utf-8"))
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


@PLENTY
@given(mutants())
@example(rb'{"a\/b":1,"a/b":2}')
@example(rb'{"a":"\\/"}')
def test_fast_answers_only_what_slow_answers(raw: bytes) -> None:
    """The fast parser answers as the slow one, values, types and order alike, or not at all; and nobody reads what json does not."""
    fast = parse_fast(raw)
    try:
        slow = parse_object_slowly(raw)
    except ValueError as error:
        assert_silent(error)
        slow = None
    if fast is not None:
        assert repr(fast) == repr(slow)
    if slow is not None:
        assert repr(slow) == repr(lenient(raw))
        assert repr(parse_object(raw)) == repr(slow)


@PLENTY
@given(documents())
def test_every_document_is_read(raw: bytes) -> None:
    """Strictness costs no good document: what has unique names, whole characters and finite numbers is accepted."""
    assert repr(parse_object(raw)) == repr(lenient(raw))


plain = st.text(alphabet="az09:/_-. @é😀", max_size=8)


@PLENTY
@given(st.dictionaries(plain, plain | st.integers(-(2**63), 2**63) | st.booleans() | st.lists(plain, max_size=3), max_size=8))
def test_the_common_form_takes_the_fast_way(document: dict[str, Any]) -> None:
    """Claims of text, lists of text, whole numbers and booleans, spelled as Cognito spells them, do not need the slow parser."""
    raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/").encode()
    assert parse_fast(raw) == document


@PLENTY
@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda octets: b'{"a":"' + octets + b'"}'))
def test_any_octets(raw: bytes) -> None:
    """Any octets in: an object or a silent ValueError out."""
    try:
        assert type(parse_object(raw)) is dict
    except ValueError as error:
        assert_silent(error)
