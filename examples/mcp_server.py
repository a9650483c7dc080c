"""An MCP server behind Cognito. `python examples/mcp_server.py` serves it and prints a command to try; no AWS account needed.

In production: `uvicorn examples.mcp_server:app`.
"""

import os
import socket

import uvicorn
from mcp.server import MCPServer

from cognito_guard import InGroup
from cognito_guard.adapters.mcp import CognitoMCP, current_principal
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import ProtectedResource

pool = LocalUserPool()  # a user pool in this process. For your own, write in the place of these two lines:
guard = pool.guard()  # guard = Guard(UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"))

# the URL that clients are given. They read there where to sign in and for which scopes; Cognito registers no clients on request,
# so they also need the id of an app client
resource = ProtectedResource(
    os.environ.get("RESOURCE", "http://127.0.0.1:8000/mcp"),
    authorization_servers=[pool.issuer],  # UserPool(...).issuers[0].url
    scopes=["orders/read"],
)
server = MCPServer("orders")


@server.tool()
def orders() -> str:
    """Say hello."""
    who = current_principal()
    return f"hello {who.username}" + (", here is the desk" if InGroup("staff").judge(who) else "")


app = CognitoMCP(guard, resource=resource).wrap(server.streamable_http_app(stateless_http=True, json_response=True))


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    token = pool.access(username="jane", scopes=["orders/read"])
    call = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "orders", "arguments": {}}}'
    print(
        f"curl -i http://127.0.0.1:{listening.getsockname()[1]}/mcp -H 'Authorization: Bearer {token}'"
        f" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '{call}'",
        flush=True,
    )
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listening])
