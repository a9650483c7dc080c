"""A Flask application behind Cognito. `python examples/flask_app.py` serves it and prints a command to try; no AWS account needed.

In production: `gunicorn examples.flask_app:app`.
"""

import os
from wsgiref.simple_server import make_server

from flask import Flask

from cognito_guard import HasScope, InGroup
from cognito_guard.adapters.flask import CognitoFlask, current_principal
from cognito_guard.testing import LocalUserPool

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

app = Flask(__name__)
cognito = CognitoFlask(app, guard)


@app.get("/health")
def health():
    return "hello stranger\n"


@app.get("/orders")
@cognito.requires(HasScope("orders/read"))
def orders():
    return f"hello {current_principal.username}\n"


@app.get("/staff/<path:rest>")
@cognito.requires(InGroup("staff"))
async def staff(rest):
    return f"hello {current_principal.username}, here is {rest}\n"


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), app) as server:
        token = pool.access(username="jane", scopes=["orders/read"])
        print(f"curl -i http://127.0.0.1:{server.server_port}/orders -H 'Authorization: Bearer {token}'", flush=True)
        server.serve_forever()
