from __future__ import annotations

import json
from hashlib import sha256

import jwt
import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.jose import base64url
from cognito_guard.testing import LocalUserPool
from cognito_guard.testing.octets import decode, payload_json, payload_of

NOW = 1_800_000_000


def verified(pool, token, **options):
    """The claims as PyJWT reads them with the published keys: an oracle that is not ours."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(pool.jwks()).keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False} | options)


def claims_of(token):
    return json.loads(payload_of(token))


@pytest.mark.parametrize("kind", ["access", "id", "machine"])
def test_pyjwt_verifies_every_kind_of_token(pool, kind):
    """Tokens are real: another library verifies them with the published keys."""
    claims = verified(pool, getattr(pool, kind)())
    assert claims["iss"] == pool.issuer
    assert claims["token_use"] == ("id" if kind == "id" else "access")


def test_id_and_access_tokens_are_signed_by_different_keys(pool):
    """The two tokens of one sign-in have different kids, both published."""
    kids = [jwt.get_unverified_header(token)["kid"] for token in (pool.access(), pool.id(), pool.machine())]
    assert kids[0] != kids[1]
    assert kids[0] == kids[2]
    assert set(kids) == {key["kid"] for key in pool.jwks()["keys"]}


def test_the_header_is_cognitos_octet_by_octet(pool):
    """`kid`, then `alg`, compact, `/` plain, and nothing else."""
    head = pool.access().split(".")[0]
    assert base64url.decode(head) == b'{"kid":"' + pool.key().kid.encode() + b'","alg":"RS256"}'


def test_the_access_payload_is_cognitos_octet_by_octet(still_pool):
    r"""Compact, in the order of AWS's sample, `/` written `\/`."""
    token = still_pool.access(
        subject="s-1",
        scopes=["openid", "orders/read"],
        groups=["a/b", "staff"],
        resource="https://api.example.com",
        claims={"jti": "j", "origin_jti": "o", "event_id": "e"},
    )
    assert payload_of(token) == (
        rb'{"sub":"s-1","cognito:groups":["a\/b","staff"],'
        rb'"iss":"https:\/\/cognito-idp.eu-west-1.amazonaws.com\/eu-west-1_Local0001","version":2,'
        rb'"client_id":"1h57kf5cpq17m0eml12example","aud":"https:\/\/api.example.com","origin_jti":"o","event_id":"e",'
        rb'"token_use":"access","scope":"openid orders\/read","auth_time":1800000000,"exp":1800003600,"iat":1800000000,'
        rb'"jti":"j","username":"jane"}'
    )


def test_the_id_payload_is_cognitos_octet_by_octet(still_pool):
    r"""Compact, in the order of AWS's sample, `/` written `\/`; booleans are booleans."""
    token = still_pool.id(subject="s-1", nonce="n", claims={"jti": "j", "origin_jti": "o", "event_id": "e"})
    assert payload_of(token) == (
        rb'{"sub":"s-1","email_verified":true,"iss":"https:\/\/cognito-idp.eu-west-1.amazonaws.com\/eu-west-1_Local0001",'
        rb'"cognito:username":"jane","nonce":"n","origin_jti":"o","aud":"1h57kf5cpq17m0eml12example","event_id":"e",'
        rb'"token_use":"id","auth_time":1800000000,"exp":1800003600,"iat":1800000000,"jti":"j","email":"jane@example.com"}'
    )


def test_the_machine_payload_is_cognitos_octet_by_octet(still_pool):
    """No username, no groups, no origin_jti; `sub` is the client."""
    assert payload_of(still_pool.machine(claims={"jti": "j"})) == (
        rb'{"sub":"1h57kf5cpq17m0eml12example","token_use":"access","scope":"orders\/read","auth_time":1800000000,'
        rb'"iss":"https:\/\/cognito-idp.eu-west-1.amazonaws.com\/eu-west-1_Local0001","exp":1800003600,"iat":1800000000,'
        rb'"version":2,"jti":"j","client_id":"1h57kf5cpq17m0eml12example"}'
    )


@pytest.mark.parametrize("text", ["/", "\\/", "\\", 'a"/"b', "Zoë/Ωμέγα", "\u2028/\x7f", "\U0001f600"])
def test_the_solidus_escape_changes_no_value(text):
    r"""`\/` is spelling only: every string comes back as it was, in raw UTF-8."""
    payload = payload_json({text: [text]})
    assert json.loads(payload) == {text: [text]}
    assert payload.count(b"/") == payload.count(b"\\/")
    assert json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/").encode() in payload


def test_every_segment_is_canonical_base64url(pool):
    """No padding, no spare bits: our own strict decoder takes all three parts."""
    for extra in ("", "x", "xx"):
        for part in pool.access(claims={"extra": extra}).split("."):
            assert base64url.decode(part) == decode(part)


def test_keywords_of_an_access_token(still_pool):
    """Each keyword reaches the claim that carries it."""
    claims = claims_of(
        still_pool.access(
            username="joe",
            subject="s",
            scopes=[],
            client="another1client2of3this4pool",
            issued_at=NOW - 100,
            expires_in=300,
            auth_time=NOW - 200,
            acr="urn:cognito:loa:3",
            amr=["pwd", "otp"],
            actor={"sub": "assistant"},
            issuer_form="updated",
            claims={"custom:plan": {"tier": 1}, "version": 3},
            without=["jti", "event_id", "origin_jti"],
        )
    )
    assert claims == {
        "sub": "s",
        "iss": "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Local0001",
        "version": 3,
        "client_id": "another1client2of3this4pool",
        "token_use": "access",
        "auth_time": NOW - 200,
        "acr": "urn:cognito:loa:3",
        "amr": ["pwd", "otp"],
        "act": {"sub": "assistant"},
        "exp": NOW + 200,
        "iat": NOW - 100,
        "username": "joe",
        "custom:plan": {"tier": 1},
    }


def test_keywords_of_an_id_token(still_pool):
    """`at_hash` is the left half of the access token's SHA-256 (OpenID Connect Core §3.1.3.6); no address, no verified flag."""
    access = still_pool.access()
    claims = claims_of(still_pool.id(email=None, groups=["staff"], access_token=access, acr="urn:cognito:loa:1", amr=["pwd"]))
    assert decode(claims["at_hash"]) == sha256(access.encode()).digest()[:16]
    assert claims["cognito:groups"] == ["staff"]
    assert (claims["acr"], claims["amr"]) == ("urn:cognito:loa:1", ["pwd"])
    assert not {"email", "email_verified", "client_id", "username", "scope"} & claims.keys()


def test_tokens_of_one_person_share_the_subject_and_no_identifier(pool):
    """The same username is the same person in every run; `jti` and its kin are fresh each time."""
    first, second, of_id, other = (claims_of(t) for t in (pool.access(), pool.access(), pool.id(), pool.access(username="joe")))
    assert first["sub"] == second["sub"] == of_id["sub"] == "0174c9f7-9502-5c94-a2d6-550d0c0d8746"
    assert other["sub"] != first["sub"]
    assert all(first[name] != second[name] for name in ("jti", "origin_jti", "event_id"))


@pytest.mark.parametrize(
    ("form", "expected"), [("original", "cognito-idp"), ("updated", "issuer-cognito-idp"), ("both", "cognito-idp")]
)
def test_the_issuer_form_decides_the_default_issuer(form, expected):
    """A pool that switched to the updated issuer mints tokens that name it."""
    claims = claims_of(LocalUserPool(issuer_form=form).access())
    assert claims["iss"] == f"https://{expected}.eu-west-1.amazonaws.com/eu-west-1_Local0001"


@pytest.mark.parametrize(
    ("keywords", "argument"),
    [
        ({"scopes": "orders/read"}, "scopes"),
        ({"scopes": ["orders/read orders/write"]}, "scopes"),
        ({"scopes": [1]}, "scopes"),
        ({"scopes": None}, "scopes"),
        ({"groups": "staff"}, "groups"),
        ({"groups": b"staff"}, "groups"),
        ({"groups": {"staff": 1}}, "groups"),
        ({"groups": [""]}, "groups"),
        ({"amr": "pwd"}, "amr"),
        ({"without": "jti"}, "without"),
        ({"without": ["jit"]}, "without"),
        ({"expires_in": -1}, "expires_in"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": True}, "expires_in"),
        ({"expires_in": "3600"}, "expires_in"),
        ({"issued_at": -1}, "issued_at"),
        ({"issued_at": NOW * 1000}, "issued_at"),
        ({"auth_time": float("nan")}, "auth_time"),
        ({"username": ""}, "username"),
        ({"subject": 1}, "subject"),
        ({"client": ""}, "client"),
        ({"resource": ["https://api.example.com"]}, "resource"),
        ({"acr": 3}, "acr"),
        ({"actor": "assistant"}, "actor"),
        ({"issuer_form": "both"}, "issuer_form"),
    ],
)
def test_a_keyword_that_cannot_be_meant_is_refused(pool, keywords, argument):
    """A mistake in a test's keyword fails the test, instead of minting a token that proves nothing."""
    with pytest.raises(ConfigurationError) as caught:
        pool.access(**keywords)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{argument}: ")


def test_all_mistakes_of_a_call_are_told_at_once(pool):
    """One error names every keyword at fault."""
    with pytest.raises(ConfigurationError) as caught:
        pool.id(groups="staff", nonce="", email=1, access_token=b"", expires_in=-1, without=["nounce"])
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "expires_in",
        "email",
        "nonce",
        "access_token",
        "groups",
        "without",
    ]


def test_claims_override_in_place_and_judge_nothing(still_pool):
    """`claims` may hold any nonsense; what it overrides keeps its place, what it adds comes last."""
    payload = payload_of(still_pool.machine(claims={"exp": "soon", "x": float("inf")}, without=["jti"]))
    names = [name for name, _ in json.loads(payload, object_pairs_hook=list)]
    assert names == ["sub", "token_use", "scope", "auth_time", "iss", "exp", "iat", "version", "client_id", "x"]
    assert b'"exp":"soon"' in payload
    assert payload.endswith(b'"x":Infinity}')


def test_sign_takes_octets_as_they_are(pool):
    """Tokens by hand: octets are not touched, mappings are written in Cognito's spelling, the key may be chosen."""
    raw = pool.sign(b"no JSON", b"nor this")
    assert [decode(part) for part in raw.split(".")[:2]] == [b"nor this", b"no JSON"]
    header, payload, _ = pool.sign({"a": "/"}, key=pool.key("id")).split(".")
    assert json.loads(decode(header)) == {"kid": pool.key("id").kid, "alg": "RS256"}
    assert decode(payload) == rb'{"a":"\/"}'
    assert verified(pool, pool.sign({"a": 1}), require=[]) == {"a": 1}


@pytest.mark.parametrize(
    ("keywords", "argument"),
    [
        ({"pool_id": "nowhere"}, "pool_id"),
        ({"client": "no client"}, "client"),
        ({"issuer_form": "new"}, "issuer_form"),
        ({"issuer": "http://127.0.0.1:1/p", "issuer_form": "updated"}, "issuer_form"),
        ({"issuer": "http://example.com/p"}, "issuer"),
    ],
)
def test_a_pool_refuses_settings_that_cannot_be_meant(keywords, argument):
    """The pool itself is judged when it is built."""
    with pytest.raises(ConfigurationError, match=f"{argument}: "):
        LocalUserPool(**keywords)


def test_an_emulators_pool_has_one_issuer():
    """`issuer=` replaces both forms, and the updated one is then a mistake."""
    pool = LocalUserPool("local_1", issuer="http://127.0.0.1:9229/local_1")
    assert claims_of(pool.access())["iss"] == pool.issuer == "http://127.0.0.1:9229/local_1"
    with pytest.raises(ConfigurationError, match="updated_issuer"):
        pool.access(issuer_form="updated")
    assert repr(pool) == "LocalUserPool('local_1')"
