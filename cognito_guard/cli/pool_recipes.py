"""Texts that create a user pool to go with cognito-guard: for the AWS CLI, CloudFormation, the CDK and Terraform.

Decides what is created: the same everywhere. An API with two scopes, managed login, and a public app client that signs in by the code
grant with PKCE: no secret, access tokens of 15 minutes that can be revoked, and no word on whether a user exists.
"""

from __future__ import annotations

from typing import Final

_CLI = """\
#!/bin/sh
# Creates a user pool with an API's scopes, managed login and a public app client. Needs the AWS CLI, signed in, with a region.
set -eu

NAME="my-app"
API="orders"                                  # scopes become orders/read and orders/write
CALLBACK="http://localhost:3000/callback"     # where managed login sends people back to; https:// beyond localhost
SIGN_OUT="http://localhost:3000/"
# unique within the region; without the words aws, amazon and cognito
DOMAIN="$NAME-$(aws sts get-caller-identity --query Account --output text)"

# people sign in by e-mail address; only administrators make accounts
POOL_ID=$(aws cognito-idp create-user-pool \\
  --pool-name "$NAME" \\
  --user-pool-tier ESSENTIALS \\
  --username-attributes email \\
  --auto-verified-attributes email \\
  --admin-create-user-config AllowAdminCreateUserOnly=true \\
  --deletion-protection ACTIVE \\
  --query UserPool.Id --output text)

aws cognito-idp create-resource-server \\
  --user-pool-id "$POOL_ID" \\
  --identifier "$API" \\
  --name "$API" \\
  --scopes ScopeName=read,ScopeDescription=Read ScopeName=write,ScopeDescription=Write \\
  --output text >/dev/null

aws cognito-idp create-user-pool-domain \\
  --user-pool-id "$POOL_ID" \\
  --domain "$DOMAIN" \\
  --managed-login-version 2 \\
  --output text >/dev/null

# no secret: browsers and apps cannot keep one, and PKCE stands in for it; the URLs stand in JSON, or the AWS CLI 1 would fetch them
CLIENT_ID=$(aws cognito-idp create-user-pool-client \\
  --user-pool-id "$POOL_ID" \\
  --client-name "$NAME" \\
  --no-generate-secret \\
  --allowed-o-auth-flows-user-pool-client \\
  --allowed-o-auth-flows code \\
  --allowed-o-auth-scopes openid email "$API/read" "$API/write" \\
  --supported-identity-providers COGNITO \\
  --callback-urls "[\\"$CALLBACK\\"]" \\
  --logout-urls "[\\"$SIGN_OUT\\"]" \\
  --explicit-auth-flows ALLOW_REFRESH_TOKEN_AUTH \\
  --prevent-user-existence-errors ENABLED \\
  --enable-token-revocation \\
  --access-token-validity 15 \\
  --id-token-validity 15 \\
  --refresh-token-validity 1 \\
  --token-validity-units AccessToken=minutes,IdToken=minutes,RefreshToken=days \\
  --query UserPoolClient.ClientId --output text)

# managed login shows no page without a style
aws cognito-idp create-managed-login-branding \\
  --user-pool-id "$POOL_ID" \\
  --client-id "$CLIENT_ID" \\
  --use-cognito-provided-values \\
  --output text >/dev/null

echo "cognito-guard init --pool $POOL_ID --client $CLIENT_ID --force"
echo "cognito-guard doctor --pool $POOL_ID --client $CLIENT_ID --redirect-uri $CALLBACK"
"""

_CLOUDFORMATION = """\
# aws cloudformation deploy --stack-name my-app-sign-in --template-file pool.yaml
AWSTemplateFormatVersion: "2010-09-09"
Description: A user pool with an API's scopes, managed login and a public app client

Parameters:
  Name: {Type: String, Default: my-app}
  Api: {Type: String, Default: orders, Description: scopes become orders/read and orders/write}
  Callback: {Type: String, Default: "http://localhost:3000/callback", Description: where managed login sends people back to}
  SignOut: {Type: String, Default: "http://localhost:3000/"}

Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      UserPoolName: !Ref Name
      UserPoolTier: ESSENTIALS
      UsernameAttributes: [email]
      AutoVerifiedAttributes: [email]
      AdminCreateUserConfig: {AllowAdminCreateUserOnly: true}
      DeletionProtection: ACTIVE

  ResourceServer:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties:
      UserPoolId: !Ref Pool
      Identifier: !Ref Api
      Name: !Ref Api
      Scopes:
        - {ScopeName: read, ScopeDescription: Read}
        - {ScopeName: write, ScopeDescription: Write}

  Domain:
    Type: AWS::Cognito::UserPoolDomain
    Properties:
      UserPoolId: !Ref Pool
      Domain: !Sub "${Name}-${AWS::AccountId}"   # unique within the region; without the words aws, amazon and cognito
      ManagedLoginVersion: 2

  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: ResourceServer   # whose scopes it names
    Properties:
      UserPoolId: !Ref Pool
      ClientName: !Ref Name
      GenerateSecret: false   # browsers and apps cannot keep one, and PKCE stands in for it
      AllowedOAuthFlowsUserPoolClient: true
      AllowedOAuthFlows: [code]
      AllowedOAuthScopes: [openid, email, !Sub "${Api}/read", !Sub "${Api}/write"]
      SupportedIdentityProviders: [COGNITO]
      CallbackURLs: [!Ref Callback]
      LogoutURLs: [!Ref SignOut]
      ExplicitAuthFlows: [ALLOW_REFRESH_TOKEN_AUTH]
      PreventUserExistenceErrors: ENABLED
      EnableTokenRevocation: true
      AccessTokenValidity: 15
      IdTokenValidity: 15
      RefreshTokenValidity: 1
      TokenValidityUnits: {AccessToken: minutes, IdToken: minutes, RefreshToken: days}

  Style:
    Type: AWS::Cognito::ManagedLoginBranding   # managed login shows no page without one
    Properties:
      UserPoolId: !Ref Pool
      ClientId: !Ref Client
      UseCognitoProvidedValues: true

Outputs:
  PoolId: {Value: !Ref Pool, Description: cognito-guard init --pool}
  ClientId: {Value: !Ref Client, Description: cognito-guard init --client}
"""

_CDK = '''\
"""pip install aws-cdk-lib; then: cdk deploy --app "python3 pool.py" """

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito

NAME = "my-app"
API = "orders"  # scopes become orders/read and orders/write
CALLBACK = "http://localhost:3000/callback"  # where managed login sends people back to; https:// beyond localhost
SIGN_OUT = "http://localhost:3000/"

app = App()
stack = Stack(app, f"{NAME}-sign-in")

pool = cognito.UserPool(
    stack,
    "Pool",
    user_pool_name=NAME,
    feature_plan=cognito.FeaturePlan.ESSENTIALS,
    sign_in_aliases=cognito.SignInAliases(email=True),
    auto_verify=cognito.AutoVerifiedAttrs(email=True),
    self_sign_up_enabled=False,
    deletion_protection=True,
    removal_policy=RemovalPolicy.RETAIN,
)

read = cognito.ResourceServerScope(scope_name="read", scope_description="Read")
write = cognito.ResourceServerScope(scope_name="write", scope_description="Write")
api = pool.add_resource_server("Api", identifier=API, user_pool_resource_server_name=API, scopes=[read, write])

pool.add_domain(
    "Domain",
    # unique within the region; without the words aws, amazon and cognito
    cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"{NAME}-{stack.account}"),
    managed_login_version=cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN,
)

client = pool.add_client(
    "Client",
    user_pool_client_name=NAME,
    generate_secret=False,  # browsers and apps cannot keep one, and PKCE stands in for it
    o_auth=cognito.OAuthSettings(
        flows=cognito.OAuthFlows(authorization_code_grant=True),
        scopes=[
            cognito.OAuthScope.OPENID,
            cognito.OAuthScope.EMAIL,
            cognito.OAuthScope.resource_server(api, read),
            cognito.OAuthScope.resource_server(api, write),
        ],
        callback_urls=[CALLBACK],
        logout_urls=[SIGN_OUT],
    ),
    supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
    prevent_user_existence_errors=True,
    enable_token_revocation=True,
    access_token_validity=Duration.minutes(15),
    id_token_validity=Duration.minutes(15),
    refresh_token_validity=Duration.days(1),
)
client.node.default_child.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]  # and nothing beside managed login

cognito.CfnManagedLoginBranding(  # managed login shows no page without a style
    stack,
    "Style",
    user_pool_id=pool.user_pool_id,
    client_id=client.user_pool_client_id,
    use_cognito_provided_values=True,
)

CfnOutput(stack, "PoolId", value=pool.user_pool_id, description="cognito-guard init --pool")
CfnOutput(stack, "ClientId", value=client.user_pool_client_id, description="cognito-guard init --client")

app.synth()
'''

_TERRAFORM = """\
# terraform init && terraform apply
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.10"
    }
  }
}

locals {
  name     = "my-app"
  api      = "orders"                         # scopes become orders/read and orders/write
  callback = "http://localhost:3000/callback" # where managed login sends people back to; https:// beyond localhost
  sign_out = "http://localhost:3000/"
}

data "aws_caller_identity" "current" {}

resource "aws_cognito_user_pool" "pool" {
  name                     = local.name
  user_pool_tier           = "ESSENTIALS"
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  deletion_protection      = "ACTIVE"

  admin_create_user_config {
    allow_admin_create_user_only = true
  }
}

resource "aws_cognito_resource_server" "api" {
  user_pool_id = aws_cognito_user_pool.pool.id
  identifier   = local.api
  name         = local.api

  scope {
    scope_name        = "read"
    scope_description = "Read"
  }

  scope {
    scope_name        = "write"
    scope_description = "Write"
  }
}

resource "aws_cognito_user_pool_domain" "domain" {
  user_pool_id = aws_cognito_user_pool.pool.id
  # unique within the region; without the words aws, amazon and cognito
  domain                = "${local.name}-${data.aws_caller_identity.current.account_id}"
  managed_login_version = 2
}

resource "aws_cognito_user_pool_client" "client" {
  user_pool_id                         = aws_cognito_user_pool.pool.id
  name                                 = local.name
  generate_secret                      = false # browsers and apps cannot keep one, and PKCE stands in for it
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = concat(["openid", "email"], aws_cognito_resource_server.api.scope_identifiers)
  supported_identity_providers         = ["COGNITO"]
  callback_urls                        = [local.callback]
  logout_urls                          = [local.sign_out]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors        = "ENABLED"
  enable_token_revocation              = true
  access_token_validity                = 15
  id_token_validity                    = 15
  refresh_token_validity               = 1

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}

# managed login shows no page without a style
resource "aws_cognito_managed_login_branding" "style" {
  user_pool_id                = aws_cognito_user_pool.pool.id
  client_id                   = aws_cognito_user_pool_client.client.id
  use_cognito_provided_values = true
}

output "pool_id" {
  value       = aws_cognito_user_pool.pool.id
  description = "cognito-guard init --pool"
}

output "client_id" {
  value       = aws_cognito_user_pool_client.client.id
  description = "cognito-guard init --client"
}
"""

RECIPES: Final = {"cli": _CLI, "cloudformation": _CLOUDFORMATION, "cdk": _CDK, "terraform": _TERRAFORM}
"""By what `--create` calls them. Each is complete: saved as it is, it runs."""
