"""JWS compact serialisation, strictly and before any library (RFC 7515 §4, §7.1; THREATS A1, A3-A6, A16, T22, T28, T31)."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_guard.errors import TokenRejected
from cognito_guard.jose.compact import CompactJws, CompactParser
from cognito_guard.jose.jwk import VerificationKey, parse_jwk_set

Compact = Callable[..., str]
Encode = Callable[[bytes], str]

HEADER = {"kid": "abc+/=", "alg": "RS256"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def parser(max_size: int = 65536) -> CompactParser:
    return CompactParser(frozenset({"RS256"}), max_size)


def code_of(token: str, by: CompactParser | None = None) -> tuple[str, str | None]:
    with pytest.raises(TokenRejected) as caught:
        (by or parser()).parse(token)
    assert caught.value.__context__ is None, "a decoder's error may show a part of the token"
    return caught.value.code, caught.value.claim


@pytest.fixture(scope="module")
def key(jwk: Callable[..., dict[str, Any]], rsa_key: Callable[[int], RSAPrivateKey]) -> VerificationKey:
    document = {"keys": [jwk(rsa_key(0).public_key().public_numbers().n, kid=HEADER["kid"])]}
    return parse_jwk_set(json.dumps(document).encode(), ["RS256"]).keys[HEADER["kid"]]


def test_a_good_token(compact: Compact, key: VerificationKey) -> None:
    """Header, payload octets and the signature's verdict come out; claims do not exist here."""
    jws = parser().parse(compact(HEADER, b'{"sub":"jane"}'))
    assert (jws.header.alg, jws.header.kid, jws.header.typ) == ("RS256", "abc+/=", None)
    assert jws.payload == b'{"sub":"jane"}'
    assert jws.is_signed_by(key)
    assert not hasattr(jws, "claims")


@pytest.mark.parametrize(
    "alg",
    [
        "none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS384", "RS512", "rs256", "Rs256", "RS256 ", " RS256", "RS256\x00", "RS256\n", "PS256", "ES256", "EdDSA",
        "RSA-OAEP", "dir", "ＲＳ256", None, True, 0, 256, 1.5, [], ["RS256"], {}, {"RS256": 1}, [["RS256"]],
    ],
)  # fmt: skip
def test_a1_algorithm_is_an_exact_member_of_the_allow_list(alg: object, compact: Compact) -> None:
    """Anything but the exact string is refused, before kid and every other parameter (A1, A2, T22)."""
    assert code_of(compact({"alg": alg, "crit": ["b64"]})) == ("algorithm_refused", "alg")


def test_a1_algorithm_absent(compact: Compact) -> None:
    """No alg, or alg in another case of the name, is no algorithm."""
    assert code_of(compact({"kid": "k"})) == ("algorithm_refused", "alg")
    assert code_of(compact({"kid": "k", "ALG": "RS256", "Alg": "RS256"})) == ("algorithm_refused", "alg")


def test_a1_nothing_allowed_refuses_everything(compact: Compact) -> None:
    """An empty allow-list lets nothing through."""
    assert code_of(compact(HEADER), CompactParser(frozenset(), 65536)) == ("algorithm_refused", "alg")


@pytest.mark.parametrize("name", ["crit", "b64", "zip", "enc", "cty"])
@pytest.mark.parametrize("value", [None, False, True, "", "JWT", "DEF", [], ["b64"], ["exp"], {}, 0])
def test_a5_parameters_that_change_the_meaning_are_refused(name: str, value: object, compact: Compact) -> None:
    """Their presence is enough, whatever the value (RFC 7515 §4.1.11, RFC 7797, RFC 7516; T28)."""
    assert code_of(compact({**HEADER, name: value})) == ("header_parameter_refused", name)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "p2c", "iss", "signer", "CRIT", "unknown"])
def test_a3_parameters_that_name_keys_are_ignored(name: str, compact: Compact, key: VerificationKey) -> None:
    """They reach nothing: the header has alg, kid and typ only (A3, T27)."""
    jws = parser().parse(compact({**HEADER, name: {"kty": "oct", "k": ""}}))
    assert jws.is_signed_by(key)
    assert set(jws.header.__slots__) == {"alg", "kid", "typ"}


@pytest.mark.parametrize("kid", [None, "", "k" * 257, 0, 1, True, [], ["k"], {}, {"k": 1}])
def test_a4_kid_of_a_wrong_form_is_refused(kid: object, compact: Compact) -> None:
    """A string of 1 to 256 characters, or nothing is looked up (A4)."""
    assert code_of(compact({"alg": "RS256", "kid": kid})) == ("kid_refused", "kid")


def test_a4_kid_absent(compact: Compact) -> None:
    """A token without kid is refused: no key is tried by chance."""
    assert code_of(compact({"alg": "RS256"})) == ("kid_refused", "kid")


@pytest.mark.parametrize("kid", ["k", "k" * 256, "../../etc/passwd", "' OR 1=1 --", "\x00", "a\r\nb", "😀" * 256, "abc+/=="])
def test_a4_kid_of_any_alphabet_is_kept_as_it_is(kid: str, compact: Compact) -> None:
    """It is compared, never interpreted."""
    assert parser().parse(compact({"alg": "RS256", "kid": kid})).header.kid == kid


@pytest.mark.parametrize(
    ("typ", "seen"),
    [
        ("JWT", "jwt"), ("jwt", "jwt"), ("at+jwt", "at+jwt"), ("AT+JWT", "at+jwt"), ("application/at+jwt", "at+jwt"), ("Application/AT+JWT", "at+jwt"), ("JWS", "jws"),
        ("application/application/jwt", "application/jwt"), (" JWT", " jwt"), ("JWT ", "jwt "), ("", ""), (None, ""), (0, ""), (["JWT"], ""), ({}, ""), (True, ""),
        ("\u212awt", ""), ("ＪＷＴ", ""), ("JWT\x00", "jwt\x00"),
    ],
)  # fmt: skip
def test_typ_is_folded_once(typ: object, seen: str, compact: Compact) -> None:
    """Lower case, without one `application/`; what is no media type becomes "", which no profile lists. Absence alone is None."""
    assert parser().parse(compact({**HEADER, "typ": typ})).header.typ == seen


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b'"RS256"', b'{"alg":"RS256","kid":"k"}x', b'{"alg":"RS256","kid":"k","kid":"l"}', b'{"alg":"none","alg":"RS256","kid":"k"}',
        b'{"alg":"RS256","\\u0061lg":"none","kid":"k"}', b'\xef\xbb\xbf{"alg":"RS256","kid":"k"}', '{"alg":"RS256","kid":"k"}'.encode("utf-16"),
        b'{"alg":"RS256","kid":"\\ud800"}', b'{"alg":"RS256","kid":"\xff"}', b'{"alg":"RS256","kid":"k","x":NaN}', b'{"alg":"RS256","kid":"k","x":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"alg":"RS256","kid":"k","x":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a7_header_is_strict_json(raw: bytes, compact: Compact) -> None:
    """One JSON object of unique names in UTF-8, or header_malformed (RFC 7515 §4; A7, T25)."""
    assert code_of(compact(raw)) == ("header_malformed", None)


def test_a6_one_spelling(compact: Compact, key: VerificationKey) -> None:
    """Every change of one character that could decode alike is refused or does not verify (A6, T31)."""
    good = compact(HEADER)
    head, body, tail = good.split(".")
    others = [
        f"{good}=", f"{good}==", f"{head}=.{body}.{tail}", f"{head}.{body}=.{tail}", f"{good}\n", f"\n{good}", f" {good}", f"{good} ", f"{good}\x00", f"{good}.", f".{good}",
        f"{head}.{body}.{tail},", f"{head}.{body}\n.{tail}", f"{head}..{tail}", f"{good}é", f"{good}\ud800", good.replace("-", "+"), good.replace("_", "/"),
        f"{head}.{body}.{tail}A", f"{head}.{body}.{tail[:-1]}", f"Bearer {good}", f'"{good}"',
    ]  # fmt: skip
    spare = (f"{good[:-1]}{last}" for last in LETTERS)
    for other in (*others, *spare):
        if other == good:
            continue
        with suppress(TokenRejected):
            assert not parser().parse(other).is_signed_by(key), ascii(other[-20:])


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 6, 100, 60_000])
def test_dots(count: int) -> None:
    """Three parts are a JWS; five are an encrypted token, as Cognito's refresh tokens are; any other number is no JWT (T28)."""
    assert code_of("." * count) == ("encrypted_token" if count == 4 else "not_a_jwt", None)


def test_refresh_token_is_named(base64url_of: Encode) -> None:
    """A five-part token is told apart, so that its sender learns what to send."""
    head = base64url_of(b'{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}')
    assert code_of(f"{head}.a.b.c.d") == ("encrypted_token", None)
    assert code_of(f"{head}.a.b.c.d=") == ("encrypted_token", None)


def test_size_is_judged_first() -> None:
    """One character above the bound is refused whatever it holds; on the bound it is looked at."""
    assert code_of("." * 101, parser(100)) == ("token_too_large", None)
    assert code_of("." * 100, parser(100)) == ("not_a_jwt", None)


def test_a16_megabytes_cost_nothing() -> None:
    """10 MB of dots, and of one part, are refused in no time and without a copy (T28)."""
    for token in ("." * 10_000_000, "A" * 10_000_000):
        tracemalloc.start()
        began = time.process_time()
        assert code_of(token) == ("token_too_large", None)
        spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert spent < 0.1
        assert peak < 100_000


def test_header_is_remembered_only_when_told(compact: Compact) -> None:
    """Parsing alone leaves nothing behind: forged headers must not fill the memory. After `remember`, the same segment is not parsed again."""
    ours = parser()
    first = ours.parse(compact(HEADER, b"1"))
    assert ours._headers == {}
    ours.remember(first)
    assert ours.parse(compact(HEADER, b"2")).header is first.header
    assert ours.parse(compact({**HEADER, "x": 1})).header is not first.header
    assert len(ours._headers) == 1


def test_remembered_headers_are_bounded(base64url_of: Encode) -> None:
    """However many headers verify, a few hundred are kept."""
    ours = parser()
    for at in range(600):
        ours.remember(ours.parse(f"{base64url_of(json.dumps({**HEADER, 'x': at}).encode())}.."))
        assert 0 < len(ours._headers) <= 256


def test_a_remembered_header_saves_no_check_of_the_other_parts(compact: Compact, key: VerificationKey) -> None:
    """Payload and signature of the next token are decoded and verified anew."""
    ours = parser()
    good = compact(HEADER)
    ours.remember(ours.parse(good))
    head, body, tail = good.split(".")
    assert not ours.parse(f"{head}.{body[:16]}.{tail}").is_signed_by(key)
    assert code_of(f"{head}.{body}=.{tail}", ours) == ("not_a_jwt", None)


def test_signed_by_asks_the_key_for_its_own_algorithm(compact: Compact, key: VerificationKey) -> None:
    """A key made for another algorithm does not verify, even with the same material (RFC 8725bis: one algorithm a key)."""
    jws = parser().parse(compact(HEADER))
    other = VerificationKey(key.kid, "RS512", key.material, key.verify)
    assert jws.is_signed_by(key)
    assert not jws.is_signed_by(other)


def test_another_key(compact: Compact, rsa_key: Callable[[int], RSAPrivateKey], key: VerificationKey) -> None:
    """A token of another pool's key under our kid does not verify."""
    assert not parser().parse(compact(HEADER, key=rsa_key(1))).is_signed_by(key)


@settings(max_examples=400, deadline=None, database=None)
@given(st.text(alphabet="eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.=+/\n \x00é\ud800", max_size=120) | st.text(max_size=60))
def test_any_text(token: str) -> None:
    """Any text in: a CompactJws or TokenRejected out, and nothing of the text in the error."""
    rejected = None
    try:
        assert isinstance(parser().parse(token), CompactJws)
    except TokenRejected as error:
        rejected = error
    assert rejected is None or rejected.__context__ is None
