"""Claims as header fields (THREATS A20, A23, T2)."""

from __future__ import annotations

import gc
import json
import weakref
from base64 import urlsafe_b64decode
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.identity import DEFAULT_IDENTITY, ClaimHeader, IdentityHeaders, NotSendable, header_problem
from cognito_guard.token.principal import Principal

CONTROLS = [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def one(claim, **how):
    """The value that the claim `c` gets."""
    headers = IdentityHeaders({"X-C": ClaimHeader("c", **how)})
    [(name, value)] = headers.pairs(Principal({"c": claim}, "access"))
    assert name == b"x-c"
    return value


def test_a_person(jane, make):
    """The default fields of a person's access token, each once, in order, in lower case."""
    assert IdentityHeaders().pairs(make(email="jane@example.com")) == [
        (b"x-cognito-subject", b"6a1c2d3e-0000-4000-8000-0123456789ab"),
        (b"x-cognito-client", b"3n4b5urk1ft4fl3mg5e62d9ado"),
        (b"x-cognito-username", b"jane"),
        (b"x-cognito-groups", b"staff,admin"),
        (b"x-cognito-scopes", b"openid orders/read"),
        (b"x-cognito-email", b"jane@example.com"),
    ]
    assert dict(IdentityHeaders().pairs(jane))[b"x-cognito-email"] == b""


def test_a_machine(make):
    """T2: a machine without sub, username and groups: its subject is the client, and every other field is there, empty."""
    machine = make(sub=None, username=None, cognito__groups=None, scope="orders/write")
    assert [value for _, value in IdentityHeaders().pairs(machine)] == [b"3n4b5urk1ft4fl3mg5e62d9ado"] * 2 + [
        b"",
        b"",
        b"orders/write",
        b"",
    ]


def test_an_id_token(make):
    """client_id and username fit ID tokens too; a custom claim `scope` or `username` in one is neither a scope nor the user name."""
    holder = make("id", aud="client-of-aud", client_id="forged", username="forged", cognito__username="jane", scope="admin")
    told = dict(IdentityHeaders().pairs(holder))
    assert told[b"x-cognito-client"] == b"client-of-aud"
    assert told[b"x-cognito-username"] == b"jane"
    assert told[b"x-cognito-scopes"] == b""


def test_nobody():
    """Without a Principal every managed field is there, once and empty."""
    assert IdentityHeaders().pairs(None) == [(name.lower().encode(), b"") for name in DEFAULT_IDENTITY]
    assert IdentityHeaders({}).pairs(None) == []


def test_names_with_marks(make):
    """`:` and `.` in a claim's name are part of it: there are no paths."""
    who = make(**{"custom__tenant": "t1", "https__//a.b/c": "x"}, a={"b": "no"})
    headers = IdentityHeaders({"X-Tenant": "custom:tenant", "X-Url": "https://a.b/c", "X-Path": "a.b"})
    assert [value for _, value in headers.pairs(who)] == [b"t1", b"x", b""]


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("", b""),
        (None, b""),
        ([], b""),
        ("jane", b"jane"),
        ("Jane Doe", b"Jane Doe"),
        (" Jane ", b"%20Jane%20"),
        ("  ", b"%20%20"),
        ("100%", b"100%25"),
        ("%41", b"%2541"),
        ("a,b", b"a,b"),
        ("José", b"Jos%C3%A9"),
        ("日本", b"%E6%97%A5%E6%9C%AC"),
        ("😀", b"%F0%9F%98%80"),
        ("\u2028", b"%E2%80%A8"),
        ("\u00ad", b"%C2%AD"),
        (["a", "b"], b"a,b"),
        (["a,b", "c"], b"a%2Cb,c"),
        (["a%2Cb"], b"a%252Cb"),
        (["", ""], b","),
        ([" a ", "b c"], b"%20a%20,b c"),
        (5, b"5"),
        (1.5, b"1.5"),
        (True, b"true"),
        (False, b"false"),
        (0, b"0"),
        ([1, True, None, "x"], b"1,true,null,x"),
        ({"a": [1, "é,%"]}, b'{"a":[1,"\\u00e9,%25"]}'),
        ([{"a": 1, "b": 2}], b'{"a":1%2C"b":2}'),
        ([["a", "b"]], b'["a"%2C"b"]'),
    ],
)
def test_plain(claim, value):
    """A23: what "plain" makes of each kind of claim."""
    assert one(claim) == value


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"{ord(control):02x}")
def test_control_characters_are_refused(control):
    """T2: CR, LF, NUL and every other control character under "plain" is refused, in a string and in an array; the value is not told."""
    for claim in (f"a{control}secret", control, f"{control}é", ["x", f"secret{control}"]):
        with pytest.raises(NotSendable) as refused:
            one(claim)
        assert (refused.value.header, refused.value.claim) == ("X-C", "c")
        assert "secret" not in str(refused.value)
        assert refused.value.__context__ is None


def test_a_lone_surrogate_is_refused():
    """The verifier refuses such tokens; should one come, it is no error that carries the text."""
    for how in ("plain", "base64url"):
        with pytest.raises(NotSendable) as refused:
            one("\ud800", encoding=how)
        assert refused.value.__context__ is None


@given(TEXT)
def test_plain_text_reads_back(text):
    """Percent-decoding gives the string; the value is a field value that no server trims."""
    value = one(text)
    assert unquote(value.decode("ascii"), errors="strict") == text
    assert value == value.strip()
    assert all(0x20 <= octet < 0x7F for octet in value)


@given(
    st.lists(TEXT, min_size=1, max_size=6).filter(lambda texts: texts != [""]), st.sampled_from(",;|:/ \\\"'".replace(" ", ""))
)
def test_plain_arrays_read_back(texts, delimiter):
    """Split at the delimiter, then percent-decode each: the array, whatever its elements hold."""
    value = one(texts, delimiter=delimiter)
    assert [unquote(part, errors="strict") for part in value.decode("ascii").split(delimiter)] == texts
    assert all(0x20 <= octet < 0x7F for octet in value)


@given(ANY_JSON)
def test_json_reads_back(claim):
    """Compact JSON in visible ASCII; an absent claim and null are empty."""
    value = one(claim, encoding="json")
    assert (None if value == b"" else json.loads(value)) == claim
    assert all(0x20 <= octet < 0x7F for octet in value)


@given(ANY_JSON)
def test_base64url_reads_back(claim):
    """A string's own octets, anything else's JSON; no padding."""
    value = one(claim, encoding="base64url")
    assert b"=" not in value
    octets = urlsafe_b64decode(value + b"=" * (-len(value) % 4))
    if isinstance(claim, str):
        assert octets.decode() == claim
    else:
        assert (None if value == b"" else json.loads(octets)) == claim


@given(ANY_JSON, st.sampled_from(["plain", "json", "base64url"]))
def test_nothing_splits_a_field(claim, encoding):
    """A23: any claim under any encoding gives a value of visible ASCII and spaces, or is refused."""
    try:
        value = one(claim, encoding=encoding)
    except NotSendable:
        assert encoding == "plain"
    else:
        assert all(0x20 <= octet < 0x7F for octet in value)


def test_many_spaces_are_quick():
    """A16: a claim of spaces is encoded in linear time."""
    text = "a" + " " * 60_000 + "é" + " " * 60_000
    assert unquote(one(text).decode()) == text


def test_remembered_by_identity(make):
    """The pairs are worked out once for each Principal, and never given to another, equal or not."""
    headers = IdentityHeaders()
    jane, twin, bob = make(), make(), make(username="bob")
    first = headers.pairs(jane)
    assert headers.pairs(jane) is first
    assert headers.pairs(twin) == first
    assert headers.pairs(twin) is not first
    assert dict(headers.pairs(bob))[b"x-cognito-username"] == b"bob"
    assert headers.pairs(jane) is first


def test_a_reused_id_is_another_principal(make):
    """T49: thousands of short-lived Principals, whose `id`s Python uses again, never swap."""
    headers = IdentityHeaders()
    for number in range(6000):
        assert dict(headers.pairs(make(username=f"u{number}")))[b"x-cognito-username"] == b"u%d" % number
    assert len(headers._memo) <= 4096


def test_principals_are_not_kept_alive(make):
    """The Guard's cache bounds how many Principals live; this memo holds none, and no value of more than 8 KiB."""
    headers = IdentityHeaders()
    who = make()
    headers.pairs(who)
    alive = weakref.ref(who)
    del who
    gc.collect()
    assert alive() is None
    large = make(username="x" * 9000)
    assert headers.pairs(large) is not headers.pairs(large)


def test_mistakes_come_together():
    """Every mistake of the settings at once, each naming its header."""
    with pytest.raises(ConfigurationError) as refused:
        IdentityHeaders(
            {
                "X_User": "sub",
                "Authorization": "sub",
                "X-Forwarded-User": "sub",
                "X-User": "sub",
                "x-user": "email",
                "X-Empty": "",
                "X-Five": 5,
            }
        )
    problems = refused.value.problems
    assert [problem.partition("]")[0] for problem in problems] == [
        f"headers['{name}'" for name in ("X_User", "Authorization", "X-Forwarded-User", "x-user", "X-Empty", "X-Five")
    ]
    with pytest.raises(ConfigurationError) as refused:
        ClaimHeader("", encoding="hex", delimiter="%")
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["claim", "encoding", "delimiter"]


@pytest.mark.parametrize("delimiter", ["", "a", "0", "%", " ", "\t", ",,", "é", "\n", None])
def test_delimiters_that_cannot_be_read_back(delimiter):
    """A delimiter is one visible octet that percent-encoding itself does not use."""
    with pytest.raises(ConfigurationError):
        ClaimHeader("c", delimiter=delimiter)


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "cookie",
        "Connection",
        "TE",
        "Content-Length",
        "X-Real-IP",
        "X-Envoy-User",
        "Sec-Fetch-Site",
        "X-Cognito-Guard-Secret",
    ],
)
def test_names_with_a_meaning_of_their_own(name):
    """A managed header cannot be one that HTTP or proxies give a meaning to."""
    assert header_problem(name)


def test_values_compare():
    """A ClaimHeader is a value."""
    assert ClaimHeader("a") == ClaimHeader("a", encoding="plain", delimiter=",")
    assert ClaimHeader("a") != ClaimHeader("a", encoding="json")
