"""A user whom moto's Cognito server signs in through boto3: a pool, an app client and tokens that nobody here made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

PASSWORD = "Correct-horse-7"


class SignedIn(NamedTuple):
    """What moto made: a pool, an app client, and the tokens of a user in two groups."""

    pool_id: str
    client: str
    access: str
    id: str
    subject: str
    jwks_url: str


@pytest.fixture(scope="module")
def signed_in() -> Iterator[SignedIn]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("NO_PROXY", "127.0.0.1")
            yield _sign_in(f"http://{host}:{port}")
    finally:
        server.stop()


def _sign_in(endpoint: str) -> SignedIn:
    cognito = boto3.client(
        "cognito-idp",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"max_attempts": 0}),
    )
    pool_id = cognito.create_user_pool(PoolName="interop")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"])
    client_id = client["UserPoolClient"]["ClientId"]
    user = cognito.admin_create_user(
        UserPoolId=pool_id, Username="ada", UserAttributes=[{"Name": "email", "Value": "ada@example.com"}]
    )["User"]
    cognito.admin_set_user_password(UserPoolId=pool_id, Username="ada", Password=PASSWORD, Permanent=True)
    for group in ("staff", "admin"):
        cognito.create_group(UserPoolId=pool_id, GroupName=group)
        cognito.admin_add_user_to_group(UserPoolId=pool_id, Username="ada", GroupName=group)
    tokens = cognito.initiate_auth(
        ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD}
    )["AuthenticationResult"]
    cognito.close()
    [subject] = [attribute["Value"] for attribute in user["Attributes"] if attribute["Name"] == "sub"]
    jwks_url = f"{endpoint}/{pool_id}/.well-known/jwks.json"
    return SignedIn(pool_id, client_id, tokens["AccessToken"], tokens["IdToken"], subject, jwks_url)
