"""The pool that is there when nobody says what it should hold: three users and a federated one, three clients, one API.

Decides names only. Passwords and secrets are made up at the start.
"""

from __future__ import annotations

from cognito_guard.local_pool.clients import Client, ResourceServer
from cognito_guard.local_pool.people import User

_ORIGINS = ("http://localhost:3000", "http://localhost:5173", "http://localhost:8000", "http://localhost:8080")
_CALLBACKS = (*(f"{origin}/callback" for origin in _ORIGINS), *(f"{origin}/" for origin in _ORIGINS))
_SWAGGER = ("http://localhost:8000/docs/oauth2-redirect", "http://127.0.0.1:8000/docs/oauth2-redirect")

USERS = (
    User("reader", attributes={"email": "reader@example.com", "name": "Rea Reader"}),
    User("staff", groups=["staff"], attributes={"email": "staff@example.com", "name": "Sam Staff", "custom:team": "7"}),
    User("admin", groups=["staff", "admin"], attributes={"email": "admin@example.com", "name": "Ada Admin"}),
    User("jane", provider="Google", attributes={"email": "jane@example.com", "name": "Jane Elsewhere", "email_verified": False}),
)
RESOURCE_SERVERS = (ResourceServer("orders", scopes=["read", "write"]),)


def clients(web: str = "web") -> tuple[Client, ...]:
    """A public client for browsers and apps, a confidential one for servers, and a machine. `web` is the public one's id."""
    return (
        Client(web, callbacks=[*_CALLBACKS, *_SWAGGER], sign_outs=[f"{origin}/" for origin in _ORIGINS]),
        Client("server", secret=True, callbacks=_CALLBACKS, sign_outs=[f"{origin}/" for origin in _ORIGINS]),
        Client("machine", secret=True, grants=["client_credentials"]),
    )
