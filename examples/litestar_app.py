"""A Litestar application behind Cognito. `python examples/litestar_app.py` serves it and prints a command to try; no AWS account needed.

In production: `uvicorn examples.litestar_app:app`.
"""

import os
import socket

import uvicorn
from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from cognito_guard import HasScope, InGroup, Principal
from cognito_guard.adapters.litestar import CognitoLitestar
from cognito_guard.testing import LocalUserPool

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

cognito = CognitoLitestar(guard)


@get("/health")
async def health() -> str:
    return "hello stranger\n"


@get("/orders", guards=[cognito.requires(HasScope("orders/read"))])
async def orders(principal: NamedDependency[Principal]) -> str:
    return f"hello {principal.username}\n"


@get("/staff/{rest:str}", guards=[cognito.requires(InGroup("staff"))])
async def staff(rest: FromPath[str], principal: NamedDependency[Principal]) -> str:
    return f"hello {principal.username}, here is {rest}\n"


app = Litestar([health, orders, staff], plugins=[cognito])


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    token = pool.access(username="jane", scopes=["orders/read"])
    print(f"curl -i http://127.0.0.1:{listening.getsockname()[1]}/orders -H 'Authorization: Bearer {token}'", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listening])
