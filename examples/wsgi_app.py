"""A plain WSGI application behind Cognito. `python examples/wsgi_app.py` serves it and prints a command to try; no AWS account needed.

In production: `gunicorn examples.wsgi_app:app`.
"""

import os
from wsgiref.simple_server import make_server

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.wsgi import CognitoWSGI
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Protect, Public

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))


def hello(environ, start_response):
    who = environ["cognito_guard.principal"]
    body = f"hello {who.username if who else 'stranger'}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


app = CognitoWSGI(
    hello,
    guard,
    routes=[Public("/health"), Protect("/orders", HasScope("orders/read")), Protect("/staff/*", InGroup("staff"))],
)


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), app) as server:
        token = pool.access(username="jane", scopes=["orders/read"])
        print(f"curl -i http://127.0.0.1:{server.server_port}/orders -H 'Authorization: Bearer {token}'", flush=True)
        server.serve_forever()
