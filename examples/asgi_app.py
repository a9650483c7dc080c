"""A plain ASGI application behind Cognito. `python examples/asgi_app.py` serves it and prints a command to try; no AWS account needed.

In production: `uvicorn examples.asgi_app:app`.
"""

import os
import socket

import uvicorn

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.asgi import CognitoASGI
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Protect, Public

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))


async def hello(scope, _receive, send):
    who = scope["cognito_guard.principal"]
    body = f"hello {who.username if who else 'stranger'}\n".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


app = CognitoASGI(
    hello,
    guard,
    routes=[Public("/health"), Protect("/orders", HasScope("orders/read")), Protect("/staff/*", InGroup("staff"))],
)


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    token = pool.access(username="jane", scopes=["orders/read"])
    print(f"curl -i http://127.0.0.1:{listening.getsockname()[1]}/orders -H 'Authorization: Bearer {token}'", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listening])
