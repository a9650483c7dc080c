"""A Starlette application behind Cognito. `python examples/starlette_app.py` serves it and prints a command to try; no AWS account needed.

In production: `uvicorn examples.starlette_app:app`.
"""

import os
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.starlette import CognitoStarlette
from cognito_guard.testing import LocalUserPool

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

cognito = CognitoStarlette(guard)


def health(_request):
    return PlainTextResponse("hello stranger\n")


@cognito.requires(HasScope("orders/read"))
async def orders(request):
    return PlainTextResponse(f"hello {request.user.principal.username}\n")


@cognito.requires(InGroup("staff"))
def staff(request):
    return PlainTextResponse(f"hello {request.user.principal.username}, here is {request.path_params['rest']}\n")


app = Starlette(routes=[Route("/health", health), Route("/orders", orders), Route("/staff/{rest:path}", staff)])


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    token = pool.access(username="jane", scopes=["orders/read"])
    print(f"curl -i http://127.0.0.1:{listening.getsockname()[1]}/orders -H 'Authorization: Bearer {token}'", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listening])
