"""Tokens of an issuer that nobody here wrote: boto3 signs a user in at moto's Cognito server, and the Guard judges what it gets.

moto signs for every pool with one *public* key under the kid `dummy`, and writes the issuer that AWS would write. So these tokens serve
twice: with moto's keys named they must be granted, and in a default configuration they are forgeries.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from cognito_guard import Fetched, Guard, HasScope, InGroup, JwksUrl, TokenRejected, UserPool
from cognito_guard.testing import LocalUserPool


def test_both_tokens_are_granted_over_http(signed_in):
    """The issuer is AWS's, the keys come from moto's endpoint by name: access and ID token verify, in threads and on a loop."""
    pool = UserPool(signed_in.pool_id, jwks=JwksUrl(signed_in.jwks_url))
    guard = Guard(pool.access_tokens(client=signed_in.client), pool.id_tokens(client=signed_in.client))
    principal = guard.authenticate(signed_in.access)
    assert (principal.subject, principal.username, principal.client_id) == (signed_in.subject, "ada", signed_in.client)
    assert principal.issuer == f"https://cognito-idp.eu-west-1.amazonaws.com/{signed_in.pool_id}"
    assert principal.token_use == "access"
    assert not principal.is_machine
    assert principal.groups == {"staff", "admin"}
    assert (HasScope("aws.cognito.signin.user.admin") & InGroup("staff")).judge(principal)

    identity = asyncio.run(guard.authenticate_async(signed_in.id))
    assert (identity.subject, identity.username, identity.client_id, identity.token_use) == (
        signed_in.subject,
        "ada",
        signed_in.client,
        "id",
    )
    assert identity.groups == {"staff", "admin"}
    [status] = guard.key_status()
    assert (status.url, status.source, status.keys, status.fetches) == (signed_in.jwks_url, "network", 1, 1)


@pytest.mark.parametrize(
    ("profile", "token", "code"),
    [
        (lambda pool, client: pool.access_tokens(client=client), "id", "token_use_refused"),
        (lambda pool, client: pool.id_tokens(client=client), "access", "token_use_refused"),
        (lambda pool, _: pool.access_tokens(client="another"), "access", "client_refused"),
        (lambda pool, _: pool.id_tokens(client="another"), "id", "client_refused"),
        (
            lambda pool, client: pool.access_tokens(client=client, resource="https://api.example.com"),
            "access",
            "resource_refused",
        ),
    ],
    ids=["id-at-access", "access-at-id", "access-other-client", "id-other-client", "access-unbound"],
)
def test_what_they_are_not_for(signed_in, profile, token, code):
    """A real issuer's real token is refused where it is not meant."""
    guard = Guard(profile(UserPool(signed_in.pool_id, jwks=JwksUrl(signed_in.jwks_url)), signed_in.client))
    with pytest.raises(TokenRejected) as rejected:
        guard.authenticate(getattr(signed_in, token))
    assert rejected.value.code == code


def test_another_pool_of_the_same_signer(signed_in):
    """Every pool of moto's shares one key: what tells them apart is the issuer."""
    guard = Guard(UserPool("eu-west-1_Another01", jwks=JwksUrl(signed_in.jwks_url)).access_tokens(client=signed_in.client))
    with pytest.raises(TokenRejected) as rejected:
        guard.authenticate(signed_in.access)
    assert rejected.value.code == "issuer_unknown"


@pytest.mark.parametrize("token", ["access", "id"])
def test_a_default_configuration_refuses_moto_s_public_key(signed_in, token):
    """A UserPool without `jwks=` asks AWS's address and no other, and what is signed with moto's key is then signed with no key at all."""
    real = LocalUserPool(signed_in.pool_id, client=signed_in.client)
    asked: list[str] = []

    def fetch(url: str) -> Fetched:
        asked.append(url)
        return real.fetch(url)

    pool = UserPool(signed_in.pool_id)
    guard = Guard(pool.access_tokens(client=signed_in.client), pool.id_tokens(client=signed_in.client), fetch=fetch)
    with pytest.raises(TokenRejected) as rejected:
        guard.authenticate(getattr(signed_in, token))
    assert (rejected.value.code, rejected.value.claim) == ("key_unknown", "kid")
    assert asked == [f"https://cognito-idp.eu-west-1.amazonaws.com/{signed_in.pool_id}/.well-known/jwks.json"]
    assert guard.authenticate(real.access()).client_id == signed_in.client  # the very Guard that grants the pool's own tokens


def test_its_kid_does_not_help(signed_in):
    """Were the pool to publish a key of its own under `dummy`, the signature would not verify."""
    jwks = LocalUserPool(signed_in.pool_id).jwks()
    jwks["keys"] = [jwks["keys"][1] | {"kid": "dummy"}]
    guard = Guard(
        UserPool(signed_in.pool_id).access_tokens(client=signed_in.client),
        fetch=lambda _: Fetched(200, json.dumps(jwks).encode()),
    )
    with pytest.raises(TokenRejected) as rejected:
        guard.authenticate(signed_in.access)
    assert rejected.value.code == "signature_invalid"
