"""The Cognito JSON API: through boto3, which nobody here wrote, and by hand where a client would not send such a thing."""

from __future__ import annotations

import json
from base64 import b64encode
from hmac import digest

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cognito_guard import Guard, UserPool


@pytest.fixture(scope="module")
def cognito(served):
    client = boto3.client(
        "cognito-idp",
        region_name="eu-west-1",
        endpoint_url=served.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )
    yield client
    client.close()


def secret_hash(username, client="hashed"):
    return b64encode(digest(f"{client}0secret0000000000000".encode(), f"{username}{client}".encode(), "sha256")).decode()


def sign_in(cognito, client="api", username="ada", **more):
    parameters = {"USERNAME": username, "PASSWORD": f"{username}-password"} | more
    answer = cognito.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
    return answer.get("AuthenticationResult") or answer


def code(call, **arguments):
    """The exception's name, as boto3 reads it."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return raised.value.response["Error"]["Code"]


def test_boto3_signs_in(cognito, served, clock, claims_of):
    """USER_PASSWORD_AUTH: both tokens verify; only the API's own scope, no `version`, no `at_hash`, as the SDKs get them."""
    result = sign_in(cognito)
    assert set(result) == {"AccessToken", "IdToken", "RefreshToken", "ExpiresIn", "TokenType"}
    pool = UserPool("local_1", issuer=served.issuer)
    principal = Guard(pool.access_tokens(client="api"), clock=clock).authenticate(result["AccessToken"])
    assert (principal.username, principal.scopes) == ("ada", {"aws.cognito.signin.user.admin"})
    access, identity = claims_of(result["AccessToken"]), claims_of(result["IdToken"])
    assert "version" not in access
    assert not {"at_hash", "nonce"} & set(identity)
    assert (identity["aud"], identity["email"], identity["origin_jti"]) == ("api", "ada@example.com", access["origin_jti"])


def test_user_info_is_not_for_these_tokens(cognito, person):
    """Tokens of the SDKs carry no `openid`."""
    assert person.user_info(sign_in(cognito)["AccessToken"]).status_code == 401


def test_boto3_refreshes(cognito, claims_of):
    """REFRESH_TOKEN_AUTH and GetTokensFromRefreshToken: new tokens of the same sign-in, without rotation no new refresh token."""
    first = sign_in(cognito)
    second = cognito.initiate_auth(
        ClientId="api", AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": first["RefreshToken"]}
    )["AuthenticationResult"]
    third = cognito.get_tokens_from_refresh_token(ClientId="api", RefreshToken=first["RefreshToken"])["AuthenticationResult"]
    assert "RefreshToken" not in second
    assert "RefreshToken" not in third
    assert len({claims_of(each["AccessToken"])["origin_jti"] for each in (first, second, third)}) == 1
    assert len({claims_of(each["AccessToken"])["jti"] for each in (first, second, third)}) == 3


def test_boto3_and_rotation(cognito, clock):
    """With rotation only GetTokensFromRefreshToken works; after the grace a replaced token has its own exception."""
    first = sign_in(cognito, "hashed", SECRET_HASH=secret_hash("ada"))["RefreshToken"]
    parameters = {"REFRESH_TOKEN": first, "SECRET_HASH": secret_hash("ada")}
    refused = code(cognito.initiate_auth, ClientId="hashed", AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=parameters)
    assert refused == "InvalidParameterException"
    given = {"ClientId": "hashed", "ClientSecret": "hashed0secret0000000000000"}
    second = cognito.get_tokens_from_refresh_token(RefreshToken=first, **given)["AuthenticationResult"]["RefreshToken"]
    clock.now += 30
    assert code(cognito.get_tokens_from_refresh_token, RefreshToken=first, **given) == "RefreshTokenReuseException"
    assert code(cognito.get_tokens_from_refresh_token, RefreshToken=second, **given) == "NotAuthorizedException"


def test_boto3_reads_the_user(cognito, claims_of):
    """GetUser: every attribute as a string."""
    result = sign_in(cognito)
    told = cognito.get_user(AccessToken=result["AccessToken"])
    assert told["Username"] == "ada"
    assert {each["Name"]: each["Value"] for each in told["UserAttributes"]} == {
        "sub": claims_of(result["AccessToken"])["sub"],
        "email": "ada@example.com",
        "email_verified": "true",
        "custom:team": "7",
    }


def test_get_user_asks_for_its_scope(cognito, person):
    """A token of managed login without the API's scope reads no user; an ID token never."""
    issued = person.ask(scope="openid").sign_in().tokens().json()
    assert code(cognito.get_user, AccessToken=issued["access_token"]) == "NotAuthorizedException"
    assert code(cognito.get_user, AccessToken=issued["id_token"]) == "NotAuthorizedException"


def test_boto3_revokes(cognito):
    """RevokeToken: the family is out; an access token cannot be revoked by itself."""
    result = sign_in(cognito)
    assert code(cognito.revoke_token, ClientId="api", Token=result["AccessToken"]) == "UnsupportedTokenTypeException"
    assert code(cognito.revoke_token, ClientId="web", Token=result["RefreshToken"]) == "UnauthorizedException"
    cognito.get_user(AccessToken=result["AccessToken"])
    cognito.revoke_token(ClientId="api", Token=result["RefreshToken"])
    assert code(cognito.get_user, AccessToken=result["AccessToken"]) == "NotAuthorizedException"
    refused = code(cognito.get_tokens_from_refresh_token, ClientId="api", RefreshToken=result["RefreshToken"])
    assert refused == "NotAuthorizedException"


def test_boto3_signs_out_everywhere(cognito, person):
    """GlobalSignOut: every family of that user, at whatever client; nobody else's."""
    first, second = sign_in(cognito), sign_in(cognito)
    web = person.ask().sign_in().tokens().json()
    other = sign_in(cognito, username='<b>"&', PASSWORD="odd-password")
    cognito.global_sign_out(AccessToken=first["AccessToken"])
    for token in (first["AccessToken"], second["AccessToken"]):
        assert code(cognito.get_user, AccessToken=token) == "NotAuthorizedException"
    assert person.user_info(web["access_token"]).status_code == 401
    assert person.refresh(web["refresh_token"]).json()["error"] == "invalid_grant"
    assert cognito.get_user(AccessToken=other["AccessToken"])["Username"] == '<b>"&'


def test_boto3_and_the_totp_challenge(cognito, claims_of, clock):
    """A user with `mfa` gets the challenge; the code makes tokens; a session is for its own client and user, for three minutes."""
    challenge = sign_in(cognito, username="max")
    assert challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    answer = {"USERNAME": "max", "SOFTWARE_TOKEN_MFA_CODE": "654321"}
    given = {"ClientId": "api", "ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": challenge["Session"]}
    respond = cognito.respond_to_auth_challenge
    wrong = answer | {"SOFTWARE_TOKEN_MFA_CODE": "123456"}
    assert code(respond, **given, ChallengeResponses=wrong) == "CodeMismatchException"
    assert code(respond, **given, ChallengeResponses=answer | {"USERNAME": "ada"}) == "NotAuthorizedException"
    assert code(respond, **{**given, "ClientId": "web"}, ChallengeResponses=answer) == "NotAuthorizedException"
    result = respond(**given, ChallengeResponses=answer)["AuthenticationResult"]
    assert claims_of(result["AccessToken"])["acr"] == "urn:cognito:loa:4"
    assert cognito.get_user(AccessToken=result["AccessToken"])["UserMFASettingList"] == ["SOFTWARE_TOKEN_MFA"]
    assert code(respond, **given, ChallengeResponses=answer) == "NotAuthorizedException"
    late = given | {"Session": sign_in(cognito, username="max")["Session"]}
    clock.now += 180
    assert code(respond, **late, ChallengeResponses=answer) == "NotAuthorizedException"


@pytest.mark.parametrize(
    ("client", "flow", "parameters", "expected"),
    [
        ("api", "USER_PASSWORD_AUTH", {"USERNAME": "ada", "PASSWORD": "wrong"}, "NotAuthorizedException"),
        ("api", "USER_PASSWORD_AUTH", {"USERNAME": "nobody", "PASSWORD": "wrong"}, "NotAuthorizedException"),
        ("api", "USER_PASSWORD_AUTH", {"USERNAME": "Google_jane", "PASSWORD": "None"}, "NotAuthorizedException"),
        ("api", "USER_PASSWORD_AUTH", {"USERNAME": "ada"}, "InvalidParameterException"),
        ("nobody", "USER_PASSWORD_AUTH", {"USERNAME": "ada", "PASSWORD": "ada-password"}, "ResourceNotFoundException"),
        ("machine", "USER_PASSWORD_AUTH", {"USERNAME": "ada", "PASSWORD": "ada-password"}, "InvalidParameterException"),
        ("hashed", "USER_PASSWORD_AUTH", {"USERNAME": "ada", "PASSWORD": "ada-password"}, "NotAuthorizedException"),
        (
            "hashed",
            "USER_PASSWORD_AUTH",
            {"USERNAME": "ada", "PASSWORD": "ada-password", "SECRET_HASH": secret_hash("max")},
            "NotAuthorizedException",
        ),
        ("api", "USER_SRP_AUTH", {"USERNAME": "ada", "SRP_A": "1"}, "InvalidParameterException"),
        ("api", "REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": "junk"}, "NotAuthorizedException"),
    ],
)
def test_sign_ins_that_fail(cognito, client, flow, parameters, expected):
    """In Cognito's words, which boto3 turns into its own exceptions."""
    assert code(cognito.initiate_auth, ClientId=client, AuthFlow=flow, AuthParameters=parameters) == expected


def test_a_client_secret_by_hand(cognito):
    """GetTokensFromRefreshToken and RevokeToken take the secret itself, and refuse a wrong or missing one."""
    token = sign_in(cognito, "hashed", SECRET_HASH=secret_hash("ada"))["RefreshToken"]
    for given in ({}, {"ClientSecret": "wrong0wrong0wrong0wrong0"}):
        refused = code(cognito.get_tokens_from_refresh_token, ClientId="hashed", RefreshToken=token, **given)
        assert refused == "NotAuthorizedException"
        assert code(cognito.revoke_token, ClientId="hashed", Token=token, **given) == "NotAuthorizedException"


@pytest.mark.parametrize(
    ("target", "content", "kind"),
    [
        ("AWSCognitoIdentityProviderService.InitiateAuth", b"", "SerializationException"),
        ("AWSCognitoIdentityProviderService.InitiateAuth", b"[]", "SerializationException"),
        ("AWSCognitoIdentityProviderService.InitiateAuth", b'{"ClientId":"api","ClientId":"web"}', "SerializationException"),
        ("AWSCognitoIdentityProviderService.InitiateAuth", b'{"ClientId":7}', "InvalidParameterException"),
        ("AWSCognitoIdentityProviderService.InitiateAuth", b'{"ClientId":"api","AuthFlow":"X"}', "InvalidParameterException"),
        ("AWSCognitoIdentityProviderService.GetUser", b'{"AccessToken":null}', "InvalidParameterException"),
        ("AWSCognitoIdentityProviderService.GetUser", b"x" * 70_000, "SerializationException"),
        ("AWSCognitoIdentityProviderService.SignUp", b"{}", "UnknownOperationException"),
        ("InitiateAuth", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
    ],
)
def test_what_no_sdk_sends(person, target, content, kind):
    """An exception in Cognito's form, and no crash."""
    answer = person.http.post("/", content=content, headers={"X-Amz-Target": target} if target else {})
    assert (answer.status_code, json.loads(answer.content)["__type"]) == (400, kind)
    assert answer.headers["x-amzn-errortype"] == f"{kind}:"
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
