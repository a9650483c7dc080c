"""What the demo consists of: the pool's users and clients, the gateway's settings, and what is said of each route.

Decides names only. Passwords are made up at each start.
"""

from __future__ import annotations

from string import Template
from typing import Final, NamedTuple

from cognito_guard.local_pool import Client, Settings, built_in

WEB: Final = "web"
MACHINE: Final = "machine"
SCOPES: Final = ("openid", "profile", "email", "orders/read", "orders/write")


class DemoRoute(NamedTuple):
    """A route of the sample application, and what the gateway demands for it, in words."""

    method: str
    path: str
    demands: str


ROUTES: Final = (
    DemoRoute("GET", "/health", "nothing: public"),
    DemoRoute("GET", "/hello", "nothing, but a token that is sent must be good"),
    DemoRoute("GET", "/me", "any good token"),
    DemoRoute("GET", "/orders", "scope orders/read"),
    DemoRoute("DELETE", "/orders/7", "scope orders/write, and group staff"),
    DemoRoute("GET", "/admin", "group admin"),
)


def pool_settings(origins: tuple[str, ...]) -> Settings:
    """The pool on a free port: the local pool's people (reader, staff, admin), the client of the page at `origins`, and a machine."""
    places = [f"{origin}/" for origin in origins]
    return Settings(
        port=0,
        users=[user for user in built_in.USERS if user.provider is None],
        clients=[
            Client(WEB, callbacks=places, sign_outs=places),
            Client(MACHINE, secret=True, grants=["client_credentials"], scopes=["orders/read"]),
        ],
        resource_servers=built_in.RESOURCE_SERVERS,
    )


def gateway_settings(*, pool: str, issuer: str, bind: str, admin: str, upstream: str) -> str:
    """The gateway's settings as a file would hold them."""
    told = {"pool": pool, "issuer": issuer, "bind": bind, "admin": admin, "upstream": upstream, "web": WEB, "machine": MACHINE}
    return _GATEWAY.substitute(told)


_GATEWAY = Template("""\
realm = "demo"

[[pool]]
id = "$pool"
issuer = "$issuer"
clients = ["$web", "$machine"]

[server]
bind = "$bind"
admin = "$admin"
drain = 1

[log]
access = false
level = "warning"

[[upstream]]
url = "$upstream"

[[route]]                       # this page
path = "/"
access = "public"

[[route]]                       # and what it is made of
path = "/demo/*"
access = "public"

[[route]]
path = "/health"
access = "public"

[[route]]
path = "/hello"
access = "identify"

[[route]]
methods = ["DELETE"]
path = "/orders/*"
require = "scope:orders/write and group:staff"

[[route]]
path = "/orders/*"
require = "scope:orders/read"

[[route]]
path = "/admin/*"
require = "group:admin"

# what no route names, such as /me, needs a good token
""")
