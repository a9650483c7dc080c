"""Credentials: exactly one Bearer token, none, or refused (THREATS A18, T5, T15)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import CredentialsRefused
from cognito_guard.web.credentials import MAX_SCANNED, bearer_token, malformed, unscanned_bearer

TOKEN = "eyJ.e30.c2ln"
TOKENS = [
    b"Bearer eyJ.e30.c2ln",
    b"bearer eyJ.e30.c2ln",
    b"BEARER eyJ.e30.c2ln",
    b"bEaReR    eyJ.e30.c2ln",
]
ABSENT = [
    b"",
    b" ",
    b"\t",
    b"Basic dXNlcjpwdw==",
    b"DPoP eyJ.e30.c2ln",
    b"BearerToken eyJ.e30.c2ln",
    b"BearerToken=x",
    b"Bearer-x y",
    b"Bearerx",
    b"bear eyJ.e30.c2ln",
    b"eyJ.e30.c2ln",
    b"Token Bearer eyJ.e30.c2ln",
    b"\xa0Bearer eyJ.e30.c2ln",
]
MALFORMED = [
    b"Bearer",
    b"Bearer ",
    b"Bearer    ",
    b"Bearer\teyJ.e30.c2ln",
    b"Bearer \teyJ.e30.c2ln",
    b"Bearer\xa0eyJ.e30.c2ln",
    b"Bearer \xa0eyJ.e30.c2ln",
    b"Bearer\x85eyJ.e30.c2ln",
    b"Bearer\x1ceyJ.e30.c2ln",
    b"Bearer\x00eyJ.e30.c2ln",
    b"Bearer eyJ.e30.c2ln ",
    b"Bearer eyJ.e30.c2ln\t",
    b"Bearer eyJ.e30.c2ln\r\n",
    b"Bearer eyJ.e30.c2ln\n",
    b"Bearer eyJ.e30.c2ln x",
    b"Bearer eyJ.e30.c2ln, Bearer eyJ.e30.c2ln",
    b"Bearer eyJ.e30.c2ln,Basic x",
    b"Bearer,Basic x",
    b"Bearer=x",
    b"Bearer:x",
    b'Bearer "eyJ.e30.c2ln"',
    b"Bearer =",
    b"Bearer ===",
    b"Bearer a=b",
    b"Bearer token=x",
    b"Bearer {}",
    b"Bearer \xc3\xa9",
    b" Bearer eyJ.e30.c2ln",
    b"\t bearer eyJ.e30.c2ln",
    b" Bearer",
]


@pytest.mark.parametrize("field", TOKENS)
@pytest.mark.parametrize("name", [b"authorization", b"Authorization", b"AUTHORIZATION", b"aUTHORIZATIOn"])
def test_one_bearer_token_is_read_whatever_the_case(name: bytes, field: bytes) -> None:
    """Header names (ASGI) and schemes (RFC 9110 §11.1) come in any case; one or more spaces divide."""
    assert bearer_token([(b"host", b"h"), (name, field), (b"accept", b"*/*")]) == TOKEN


@pytest.mark.parametrize("token", ["a", "a=", "a==", "A-._~+/9", "not.a.jwt", "x" * 100_000])
def test_any_b64token_goes_to_the_guard(token: str) -> None:
    """RFC 6750 §2.1: a non-JWT is the Guard's to reject (401), not ours to refuse (400)."""
    assert bearer_token([(b"authorization", b"Bearer " + token.encode())]) == token


@pytest.mark.parametrize("field", ABSENT)
def test_another_scheme_is_no_bearer_credentials(field: bytes) -> None:
    """No field and another scheme ask for the same bare 401; nothing is guessed into a token (T15)."""
    assert bearer_token([(b"authorization", field)]) is None


def test_no_field_is_no_credentials() -> None:
    """Fields that look like it are not it."""
    assert bearer_token([]) is None
    assert (
        bearer_token([(b"x-authorization", TOKENS[0]), (b"authorization ", TOKENS[0]), (b"proxy-authorization", TOKENS[0])])
        is None
    )


@pytest.mark.parametrize("field", MALFORMED)
def test_a_bearer_value_that_is_not_one_b64token_is_refused(field: bytes) -> None:
    """400, also where only the white space is wrong: no other octet divides but the space, and nothing is stripped."""
    with pytest.raises(CredentialsRefused) as refused:
        bearer_token([(b"authorization", field)])
    assert refused.value.code == "credentials_malformed"


@pytest.mark.parametrize("second", [*TOKENS[:1], b"Basic x", b"", b"Bearer other"])
def test_two_fields_are_refused_whatever_they_hold(second: bytes) -> None:
    """T5: servers and frameworks differ in which one they read."""
    for pair in ([TOKENS[0], second], [second, TOKENS[0]]):
        with pytest.raises(CredentialsRefused) as refused:
            bearer_token(zip((b"authorization", b"Authorization"), pair, strict=True))
        assert refused.value.code == "credentials_ambiguous"


@pytest.mark.parametrize("letter", [b"a", b"\xff", b" ", b",", b"="])
def test_length_is_bounded_before_scanning(letter: bytes) -> None:
    """Past the bound the value goes on unseen: too long is a rejected token (401), whatever it is made of."""
    value = letter * MAX_SCANNED
    assert bearer_token([(b"authorization", b"Bearer " + value)]) == value.decode("latin-1")
    if letter != b"a":
        with pytest.raises(CredentialsRefused):
            bearer_token([(b"authorization", b"Bearer " + value[:-7])])


def test_no_credentials_stand_in_the_error() -> None:
    """What was sent is in no message."""
    with pytest.raises(CredentialsRefused) as refused:
        bearer_token([(b"authorization", b"Bearer s3cr3t s3cr3t")])
    assert "s3cr3t" not in repr(refused.value) + str(refused.value.__dict__)
    assert refused.value.__context__ is None


FIELDS = st.one_of(
    st.binary(max_size=40),
    st.builds(
        bytes.join, st.just(b""), st.lists(st.sampled_from([b"Bearer", b"bearer", b" ", b"\t", b"=", b",", b"a.b", b"\xa0"]))
    ),
)


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"Authorization", b"host", b""]), FIELDS), max_size=3))
def test_any_octets_give_a_token_none_or_a_refusal(pairs: list[tuple[bytes, bytes]]) -> None:
    """Against the grammar written as one expression: nothing else comes out, and a token comes out exactly where it fits."""
    fields = [field for name, field in pairs if name.lower() == b"authorization"]
    refusal, answer = None, None
    try:
        answer = bearer_token(pairs)
    except CredentialsRefused as refused:
        refusal = refused.code
    if refusal is not None:
        assert refusal == ("credentials_ambiguous" if len(fields) > 1 else "credentials_malformed")
        assert len(fields) > 1 or re.match(rb"(?i)[ \t]*bearer", fields[0])
        return
    assert len(fields) < 2
    fits = re.fullmatch(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)", fields[0]) if fields else None
    assert answer == (fits[1].decode() if fits else None)


@given(FIELDS)
def test_the_alphabet_may_be_judged_later(field: bytes) -> None:
    """For callers that ask the Guard first: nothing passes `unscanned_bearer` and `malformed` that `bearer_token` refuses, or otherwise."""

    def answer(read: Any) -> tuple[str | None, str | None]:
        try:
            return read([(b"authorization", field)]), None
        except CredentialsRefused as refused:
            return None, refused.code

    token, code = answer(unscanned_bearer)
    if token is not None and (late := malformed(token)) is not None:
        token, code = None, late.code
    assert answer(bearer_token) == (token, code)


@pytest.mark.parametrize("octet", range(256))
def test_no_octet_outside_the_alphabet_is_a_jwt(octet: int) -> None:
    """What `unscanned_bearer` leaves to the Guard: it takes no token that holds such an octet, wherever it stands (400 then)."""
    token = chr(octet)
    inside = re.fullmatch(r"[A-Za-z0-9._~+/-]", token) is not None
    assert (malformed(f"a{token}b") is None) == inside
    assert (malformed(token) is None) == inside
