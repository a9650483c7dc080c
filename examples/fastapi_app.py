"""A FastAPI application behind Cognito. `python examples/fastapi_app.py` serves it and prints a command to try; no AWS account needed.

In production: `uvicorn examples.fastapi_app:app`.
"""

import os
import socket
from typing import Annotated

import uvicorn
from fastapi import FastAPI

from cognito_guard import HasScope, InGroup, Principal
from cognito_guard.adapters.fastapi import CognitoAuth
from cognito_guard.testing import LocalUserPool

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

# so that Authorize in /docs signs in through your managed login, give its address and an app client without a secret:
# auth = CognitoAuth(guard, domain="https://shop.auth.eu-west-1.amazoncognito.com", client="3n4b5urk1ft4fl3mg5e62d9ado")
auth = CognitoAuth(guard)
app = FastAPI(**auth.docs())


@app.get("/health")
def health():
    return "hello stranger"


@app.get("/orders")
def orders(who: Annotated[Principal, auth.requires(HasScope("orders/read"))]):
    return f"hello {who.username}"


@app.get("/staff/{rest:path}")
async def staff(rest: str, who: Annotated[Principal, auth.requires(InGroup("staff"))]):
    return f"hello {who.username}, here is {rest}"


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    token = pool.access(username="jane", scopes=["orders/read"])
    print(f"curl -i http://127.0.0.1:{listening.getsockname()[1]}/orders -H 'Authorization: Bearer {token}'", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listening])
