"""User pools: from an id to issuers, key sources and profiles; every wrong setting named when it is built (COGNITO 1.4, THREATS A10)."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import AnyClient, Issuer, JwksDocument, JwksFile, JwksUrl, Profile, UserPool
from cognito_guard.urls import InsecureHttp

ID = "eu-west-1_AbC123xyz"
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"


def problems(make: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        make(*args, **kwargs)
    return caught.value.problems


def urls(pool: UserPool) -> list[str]:
    return [issuer.url for issuer in pool.issuers]


# --- issuers


@pytest.mark.parametrize(
    ("pool_id", "issuers"),
    [
        (ID, [f"https://cognito-idp.eu-west-1.amazonaws.com/{ID}", f"https://issuer-cognito-idp.eu-west-1.amazonaws.com/{ID}"]),
        ("ap-southeast-2_1", ["https://cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_1", "https://issuer-cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_1"]),
        ("mx-central-1_a", ["https://cognito-idp.mx-central-1.amazonaws.com/mx-central-1_a", "https://issuer-cognito-idp.mx-central-1.amazonaws.com/mx-central-1_a"]),
        ("us-gov-west-1_a", ["https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_a"]),
        ("us-gov-east-1_a", ["https://cognito-idp.us-gov-east-1.amazonaws.com/us-gov-east-1_a"]),
        ("eusc-de-east-1_a", ["https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_a"]),
        ("us-iso-east-1_a", ["https://cognito-idp.us-iso-east-1.c2s.ic.gov/us-iso-east-1_a"]),
        ("us-isob-east-1_a", ["https://cognito-idp.us-isob-east-1.sc2s.sgov.gov/us-isob-east-1_a"]),
        ("eu-isoe-west-1_a", ["https://cognito-idp.eu-isoe-west-1.cloud.adc-e.uk/eu-isoe-west-1_a"]),
        ("us-isof-south-1_a", ["https://cognito-idp.us-isof-south-1.csp.hci.ic.gov/us-isof-south-1_a"]),
    ],
)  # fmt: skip
def test_issuers_follow_the_region(pool_id: str, issuers: list[str]) -> None:
    """Both forms in `aws`, one elsewhere; keys are published under each issuer itself, and bound to it (A10)."""
    pool = UserPool(pool_id)
    assert urls(pool) == issuers
    assert [issuer.keys for issuer in pool.issuers] == [JwksUrl(f"{issuer}/.well-known/jwks.json") for issuer in issuers]


@pytest.mark.parametrize(
    "pool_id",
    [
        "", "x", "eu-west-1", "eu-west-1_", "_AbC", "eu-west-1_AbC-1", "eu-west-1_AbC 1", " eu-west-1_AbC", "eu-west-1_AbC\n", "eu-west-1_é", "eu-west-1_AbC/..", "eu-west-1.evil.com/_a",
        "eu-west-1_" + "a" * 46, "eu-west-1_a_b", "EU-WEST-1_a", "eu_west_1_a", "euwest1_a", "europe-west-1_a", "e-west-1_a", "eu-west_a", "eu-west-_a", "eu-west-111_a", "eu--1_a", "-1_a",
        "local_1", "cn-north-1_a", "cn-northwest-1_a", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_a",
        None, 1, b"eu-west-1_AbC", ["eu-west-1_AbC"], ID.encode(),
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_pool_ids(pool_id: Any) -> None:
    """Refused when built, by the argument's name and with the way out."""
    [problem] = problems(UserPool, pool_id)
    assert problem.startswith("pool_id: ")
    assert "'eu-west-1" in problem or "issuer=" in problem


def test_china_is_told_apart() -> None:
    """The China regions have no user pools, which is another mistake than a wrong id."""
    assert "China" in problems(UserPool, "cn-north-1_a")[0]
    assert urls(UserPool("cn-north-1_a", issuer="http://localhost:9229/cn-north-1_a")) == ["http://localhost:9229/cn-north-1_a"]


def test_the_longest_id() -> None:
    """55 characters, as the service model says; one more is refused above."""
    assert len(UserPool("eu-west-1_" + "a" * 45).id) == 55


def test_emulator_issuer_replaces_both() -> None:
    """One issuer, its keys below it, over plain http on loopback; the id need not start with a region."""
    pool = UserPool("local_1", issuer="http://127.0.0.1:9229/local_1")
    assert urls(pool) == ["http://127.0.0.1:9229/local_1"]
    assert pool.issuers[0].keys == JwksUrl("http://127.0.0.1:9229/local_1/.well-known/jwks.json")
    assert urls(UserPool("local_1", issuer="https://emulator.test/x")) == ["https://emulator.test/x"]


def test_extra_issuers() -> None:
    """They come after the pool's own, each with its own keys."""
    pool = UserPool(ID, extra_issuers=["https://replica.example/x", InsecureHttp("http://replica.internal/x")])
    assert urls(pool)[2:] == ["https://replica.example/x", "http://replica.internal/x"]
    assert pool.issuers[2].keys == JwksUrl("https://replica.example/x/.well-known/jwks.json")
    assert urls(UserPool("l_1", issuer="https://a.test", extra_issuers=iter(["https://b.test"]))) == [
        "https://a.test",
        "https://b.test",
    ]


@pytest.mark.parametrize("extra", ["https://a.test", InsecureHttp("http://a.test"), None, 1])
def test_extra_issuers_not_a_list(extra: Any) -> None:
    """A bare string would be read letter by letter."""
    [problem] = problems(UserPool, ID, extra_issuers=extra)
    assert problem.startswith("extra_issuers: give a list")


def test_an_issuer_twice() -> None:
    """Named twice, or one that the pool has anyway: said once. Two URLs that are wrong are no twins."""
    [problem] = problems(UserPool, ID, extra_issuers=["https://a.test", "https://a.test"])
    assert "stands twice" in problem
    [problem] = problems(UserPool, ID, extra_issuers=[f"https://cognito-idp.eu-west-1.amazonaws.com/{ID}"])
    assert "stands twice" in problem
    assert [line.split(":")[0] for line in problems(UserPool, ID, extra_issuers=["", "x"])] == [
        "extra_issuers[0]",
        "extra_issuers[1]",
    ]


# --- URLs


GOOD_URLS = [
    "https://host", "https://host/path", "https://host:8443/a/b", "https://xn--bcher-kva.example/x", "https://[2001:db8::1]/x", "https://10.0.0.1/x", "https://HOST/x",
    "http://localhost/x", "http://localhost:9229/x", "http://LOCALHOST/x", "http://127.0.0.1/x", "http://127.0.0.1:9229/x", "http://127.8.9.10/x", "http://[::1]/x", "http://[::1]:9/x",
    "https://127.0.0.1.evil/x", "https://localhost.evil/x",
]  # fmt: skip
NOT_LOOPBACK = [
    "http://host/x", "http://127.0.0.1.evil/x", "http://localhost.evil/x", "http://localhost.:1/x", "http://evil.localhost/x", "http://127.1/x", "http://2130706433/x", "http://0x7f000001/x",
    "http://0.0.0.0/x", "http://[::]/x", "http://10.0.0.1/x", "http://192.168.1.1/x", "http://169.254.169.254/x", "http://[::1].evil/x", "http://127.0.0.1%2eevil/x", "http://0177.0.0.1/x",
    "http://localhost%00/x", "http://xn--localhost/x", "http://[::1]evil/x", "http://[::1].evil:80/x", "http://evil[::1]/x", "http://[::1%25eth0]/x",
]  # fmt: skip
BAD_URLS = [
    "", " ", "host", "host/path", "//host/path", "/path", "https:", "https:/", "https://", "https:///path", "https:host", "https:/host", "https://:443/x", "https://?x", "https://#x",
    "https://user@host/x", "https://user:pw@host/x", "https://@host/x", "https://host@evil/x", "https://host/a@b", "http://127.0.0.1@evil/x", "http://127.0.0.1:80@evil/x", "http://evil#@localhost/x",
    "http://evil?@localhost/x", "http://evil\\@localhost/x", "http://localhost\\.evil/x", "http:\\\\localhost\\x", "https://host/x?y", "https://host/x?", "https://host/x#y", "https://host/x#",
    "https://host/a b", " https://host/x", "https://host/x ", "https://ho st/x", "https://host/x\n", "\nhttps://host/x", "https://ho\nst/x", "https://host\t/x", "https://host/\x00", "https://host/\x7f",
    "https://bücher.example/x", "https://host/é", "https://host/\u200b", "https://ｈost/x", "https://host\u3002evil/x", "https://host:port/x", "https://host:99999/x", "https://host:-1/x", "https://host:/x", "https://ho%73t/x", "https://host:8 0/x", "https://host:+80/x", "https://[]/x", "https://host,evil/x", "https://[::1]]/x",
    "https://[::1/x", "https://::1]/x", "https://[nonsense]/x", "HTTPS://host/x", "HTTP://localhost/x", "ftp://host/x", "file:///etc/passwd", "file://localhost/etc/passwd",
    "data:application/json,{}", "javascript:alert(1)", "unix:/run/x", "ws://host/x", "https+unix://host/x", "gopher://127.0.0.1:6379/x", "https://\ud800/x",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD_URLS)
def test_good_urls(url: str) -> None:
    """Kept as they are written: an issuer is compared as a string."""
    assert JwksUrl(url).url == url
    assert urls(UserPool("local_1", issuer=url)) == [url]


@pytest.mark.parametrize("url", NOT_LOOPBACK)
def test_plain_http_beyond_loopback(url: str) -> None:
    """Refused, or refused as no URL; nothing that only looks like loopback is. Named, it is taken on where it is a URL at all."""
    for make, argument in ((JwksUrl, "url"), (lambda given: UserPool("local_1", issuer=given), "issuer")):
        [problem] = problems(make, url)
        assert problem.startswith(f"{argument}: ")
        assert "InsecureHttp" in problem or "not a host name" in problem or "absolute URL" in problem


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
@pytest.mark.parametrize("insecure", [False, True])
def test_bad_urls(url: str, insecure: bool) -> None:  # noqa: FBT001
    """No absolute http(s) URL in plain ASCII without user info, query and fragment: refused, InsecureHttp or not."""
    given = InsecureHttp(url) if insecure else url
    [problem] = problems(JwksUrl, given)
    assert problem.startswith("url: ")
    [problem] = problems(UserPool, ID, extra_issuers=[given])
    assert problem.startswith("extra_issuers[0]: ")
    assert "pw" not in problem, "user info is a secret"


@pytest.mark.parametrize(
    "url",
    [None, 1, b"https://host/x", ["https://host/x"], Path("/x"), InsecureHttp(None), InsecureHttp(InsecureHttp("http://x"))],
    ids=repr,
)  # type: ignore[arg-type]
def test_urls_of_a_wrong_type(url: Any) -> None:
    """A URL is a string."""
    [problem] = problems(JwksUrl, url)
    assert problem.startswith("url: give a URL as a string")


def test_insecure_http() -> None:
    """Plain http beyond loopback by name, for issuer and keys alike."""
    assert JwksUrl(InsecureHttp("http://keys.internal/x")).url == "http://keys.internal/x"
    pool = UserPool("local_1", issuer=InsecureHttp("http://cognito.internal/local_1"))
    assert pool.issuers == (
        Issuer("http://cognito.internal/local_1", JwksUrl(InsecureHttp("http://cognito.internal/local_1/.well-known/jwks.json"))),
    )
    assert "InsecureHttp" in repr(InsecureHttp("http://x"))


def test_an_issuer_has_no_final_slash() -> None:
    """The tokens' iss has none, and strings are compared exactly (A10)."""
    [problem] = problems(UserPool, "local_1", issuer="http://127.0.0.1:9229/local_1/")
    assert problem == "issuer: write it without the final '/', as the tokens' iss claim does"


# --- keys


def test_keys_given() -> None:
    """A path, a mapping, or JwksUrl: every issuer's keys come from there, and the issuers stay."""
    for given, source in (
        ("keys.json", JwksFile("keys.json")),
        (Path("/x/keys.json"), JwksFile("/x/keys.json")),
        (JwksUrl("https://keys.internal/jwks.json"), JwksUrl("https://keys.internal/jwks.json")),
        ({"keys": []}, JwksDocument('{"keys": []}')),
        (MappingProxyType({"keys": []}), JwksDocument('{"keys": []}')),
    ):
        pool = UserPool(ID, jwks=given)
        assert urls(pool) == urls(UserPool(ID))
        assert {issuer.keys for issuer in pool.issuers} == {source}


@pytest.mark.parametrize(
    "jwks",
    ["https://keys.internal/x", "http://localhost/x", "HTTPS://keys.internal/x", 1, b"{}", [], [{"kty": "RSA"}], ("x",), True],
)
def test_wrong_keys(jwks: Any) -> None:
    """A URL as a bare string is the likeliest slip: the answer says JwksUrl."""
    [problem] = problems(UserPool, ID, jwks=jwks)
    assert problem.startswith("jwks: ")
    assert "JwksUrl" in problem


@pytest.mark.parametrize(
    "jwks",
    [{"keys": {1, 2}}, {"keys": b"x"}, {"keys": float("nan")}, {"keys": object()}, {"keys": [MappingProxyType({})]}],
    ids=repr,
)
def test_a_mapping_that_is_not_json(jwks: Any) -> None:
    """Refused when built."""
    [problem] = problems(UserPool, ID, jwks=jwks)
    assert problem.startswith("jwks: the mapping is not a JSON document")


def test_a_mapping_is_copied() -> None:
    """Changed afterwards, it changes nothing."""
    document: dict[str, Any] = {"keys": [{"kid": "a"}]}
    pool = UserPool(ID, jwks=document)
    document["keys"].append({"kid": "evil"})
    source = pool.issuers[0].keys
    assert isinstance(source, JwksDocument)
    assert json.loads(source.text) == {"keys": [{"kid": "a"}]}


def test_a_document_does_not_print_itself() -> None:
    """A document may hold what should not have been published."""
    assert "secret" not in repr(UserPool(ID, jwks={"keys": [], "d": "secret"}))


def test_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building pools and profiles reads no file and opens no socket: the Guard does."""

    def opened(*args: object, **kwargs: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("io.open", opened)
    monkeypatch.setattr("socket.socket", opened)
    monkeypatch.setattr("socket.getaddrinfo", opened)
    for jwks in (None, str(tmp_path / "absent.json"), JwksUrl("https://keys.invalid/x"), {"keys": []}):
        UserPool(ID, jwks=jwks, extra_issuers=["https://replica.invalid/x"]).access_tokens(client=CLIENT)


# --- profiles


def test_access_profile() -> None:
    """RS256; typ jwt or at+jwt; aud not judged unless a resource is given."""
    pool = UserPool(ID)
    profile = pool.access_tokens(client=CLIENT)
    assert (profile.pool, profile.issuers, profile.token_use) == (ID, pool.issuers, "access")
    assert (profile.clients, profile.resources) == (frozenset({CLIENT}), None)
    assert (profile.algorithms, profile.types) == (("RS256",), frozenset({"jwt", "at+jwt"}))
    assert pool.access_tokens(client=CLIENT, resource="https://a").resources == {"https://a"}
    assert pool.access_tokens(client=CLIENT, resource=["https://a", "b"]).resources == {"https://a", "b"}


def test_id_profile() -> None:
    """RS256; typ jwt only; no resource."""
    profile = UserPool(ID).id_tokens(client=[CLIENT, "other"])
    assert (profile.token_use, profile.clients, profile.resources) == ("id", {CLIENT, "other"}, None)
    assert profile.types == {"jwt"}


@pytest.mark.parametrize("client", [[CLIENT], (CLIENT,), {CLIENT}, frozenset({CLIENT}), iter([CLIENT]), [CLIENT, CLIENT]])
def test_one_client_in_any_collection(client: Any) -> None:
    """A list of one is one; named twice is named once."""
    assert UserPool(ID).access_tokens(client=client).clients == {CLIENT}


def test_any_client_must_be_named() -> None:
    """There is no default, and neither None, "*" nor an empty list means any (section 2 of the design)."""
    pool = UserPool(ID)
    assert pool.access_tokens(client=AnyClient).clients is AnyClient
    assert repr(AnyClient) == "AnyClient"
    for make in (pool.access_tokens, pool.id_tokens):
        with pytest.raises(TypeError):
            make()  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            make(CLIENT)  # type: ignore[misc]


@pytest.mark.parametrize(
    "client",
    [
        None, "", "*", " ", [], (), set(), {}, {CLIENT: 1}, 1, True, b"client", bytearray(b"c"), [b"client"], [None], [CLIENT, None], [[CLIENT]], [CLIENT, ""], f"{CLIENT} ", f"{CLIENT}\n",
        f"{CLIENT},other", "a b", "a-b", "a.b", "é", "a" * 129, "https://api.example.com", [AnyClient], [CLIENT, AnyClient], type(AnyClient), object(),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["access_tokens", "id_tokens"])
def test_wrong_clients(kind: str, client: Any) -> None:
    """Empty, of another type, or no app client id: refused by name, for both kinds of token."""
    [problem] = problems(getattr(UserPool(ID), kind), client=client)
    assert problem.startswith("client: ")


@pytest.mark.parametrize("client", ["a", "a" * 128, "A_+9"])
def test_client_ids_of_the_service_model(client: str) -> None:
    """`[\\w+]+`, 1 to 128 characters."""
    assert UserPool(ID).access_tokens(client=client).clients == {client}


@pytest.mark.parametrize("resource", ["", [], {}, 1, True, b"x", [1], [None], ["https://a", ""], ["x" * 257], {"a": 1}], ids=repr)
def test_wrong_resources(resource: Any) -> None:
    """An empty list would accept nothing, and None means that aud is not judged."""
    [problem] = problems(UserPool(ID).access_tokens, client=CLIENT, resource=resource)
    assert problem.startswith("resource: ")


# --- all mistakes at once


def test_all_mistakes_of_a_constructor_at_once() -> None:
    """Each constructor says everything that is wrong with it, each line by its argument."""
    found = problems(
        UserPool, "nonsense", issuer="ftp://x", extra_issuers=["https://a.test/", 1, "http://b.test"], jwks="https://x"
    )
    assert [line.split(":")[0] for line in found] == [
        "pool_id",
        "issuer",
        "extra_issuers[0]",
        "extra_issuers[1]",
        "extra_issuers[2]",
        "jwks",
    ]
    found = problems(UserPool("eu-west-1_A").access_tokens, client=[], resource=[""])
    assert [line.split(":")[0] for line in found] == ["client", "resource"]


def test_the_subject_names_the_call() -> None:
    """A person sees at once which call to correct."""
    pool = UserPool(ID)
    for make, subject in (
        (lambda: UserPool(""), "UserPool"),
        (lambda: pool.access_tokens(client=""), "UserPool.access_tokens"),
        (lambda: pool.id_tokens(client=""), "UserPool.id_tokens"),
        (lambda: JwksUrl(""), "JwksUrl"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert caught.value.subject == subject
        assert caught.value.code == "configuration"


# --- values


@pytest.fixture
def values() -> Iterator[Any]:
    pool = UserPool(ID, extra_issuers=["https://a.test"], jwks={"keys": []})
    return iter(
        [
            pool,
            pool.access_tokens(client=CLIENT, resource="x"),
            pool.id_tokens(client=AnyClient),
            JwksUrl("https://x"),
            JwksFile("x"),
            AnyClient,
            InsecureHttp("x"),
        ]
    )


def test_pools_and_profiles_are_plain_values(values: Iterator[Any]) -> None:
    """Immutable, hashable, equal when made alike, and picklable, so that settings cross to worker processes."""
    for value in values:
        back = pickle.loads(pickle.dumps(value))
        assert back == value
        assert hash(back) == hash(value)
        with pytest.raises(AttributeError):
            value.url = "x"


def test_any_client_survives_a_pickle() -> None:
    """It is known by its type, not its identity."""
    profile: Profile = pickle.loads(pickle.dumps(UserPool(ID).access_tokens(client=AnyClient)))
    assert not isinstance(profile.clients, frozenset)
    assert UserPool(ID).access_tokens(client=profile.clients) == profile
