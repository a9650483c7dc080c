"""The applications that `fronts.py` serves: each once unprotected and once protected, alike otherwise."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi_cognito import CognitoAuth as FastAPICognito
from fastapi_cognito import CognitoSettings, CognitoToken
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cognito_guard import Guard, HasScope, Principal, UserPool
from cognito_guard.adapters.asgi import CognitoASGI
from cognito_guard.adapters.fastapi import CognitoAuth
from cognito_guard.adapters.wsgi import CognitoWSGI
from cognito_guard.web import Protect, Public

pool = UserPool(os.environ["POOL"], jwks=os.environ["JWKS"])
client = os.environ["CLIENT"]
guard = Guard(pool.access_tokens(client=client))
rule = HasScope("orders/read")
routes = [Public("/health"), Protect("/orders/*", rule)]


async def order(request: Request) -> JSONResponse:
    return JSONResponse({"order": request.path_params["number"]})


starlette_open = Starlette(routes=[Route("/orders/{number}", order)])
starlette_guarded = CognitoASGI(starlette_open, guard, routes=routes)

fastapi_open = FastAPI()


@fastapi_open.get("/orders/{number}")
async def open_order(number: str) -> dict[str, str]:
    return {"order": number}


auth = CognitoAuth(guard, domain="https://shop.auth.eu-west-1.amazoncognito.com", client=client)
fastapi_guarded = FastAPI(**auth.docs())


@fastapi_guarded.get("/orders/{number}")
async def guarded_order(number: str, who: Annotated[Principal, auth.requires(rule)]) -> dict[str, str]:
    return {"order": number}


keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(Path(os.environ["JWKS"]).read_text())["keys"]}


async def pyjwt_claims(authorization: Annotated[str, Header()]) -> dict[str, object]:
    """What is usually written by hand; complete, so that the comparison is fair."""
    token = authorization.removeprefix("Bearer ")
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key, algorithms=["RS256"], issuer=os.environ["ISSUER"], options={"verify_aud": False, "require": ["exp"]}
        )
    except (jwt.PyJWTError, KeyError) as error:
        raise HTTPException(401) from error
    if (
        claims.get("client_id") != client
        or claims.get("token_use") != "access"
        or "orders/read" not in claims["scope"].split(" ")
    ):
        raise HTTPException(403)
    return claims


fastapi_pyjwt = FastAPI()


@fastapi_pyjwt.get("/orders/{number}")
async def pyjwt_order(number: str, claims: Annotated[dict[str, object], Depends(pyjwt_claims)]) -> dict[str, str]:
    return {"order": number}


theirs = FastAPICognito(
    CognitoSettings(
        check_expiration=True,
        jwt_header_name="Authorization",
        jwt_header_prefix="Bearer",
        userpools={
            "shop": {
                "region": pool.id.partition("_")[0],
                "userpool_id": pool.id,
                "app_client_id": client,
                "jwks_url": os.environ["JWKS"],  # it reads a file too, once
            }
        },
    )
)


async def their_token(token: Annotated[CognitoToken, Depends(theirs.auth_required)]) -> CognitoToken:
    """The package as its README shows it, and the scope by hand, since it has no rules; unlike the others it compares no issuer."""
    if "orders/read" not in token.scope.split(" "):
        raise HTTPException(403)
    return token


fastapi_cognito = FastAPI()


@fastapi_cognito.get("/orders/{number}")
async def their_order(number: str, token: Annotated[CognitoToken, Depends(their_token)]) -> dict[str, str]:
    return {"order": number}


flask_open = Flask("open")


@flask_open.get("/orders/<number>")
def flask_order(number: str) -> dict[str, str]:
    return {"order": number}


flask_guarded = CognitoWSGI(flask_open, guard, routes=routes)
