"""The whole pool: its users, groups, app clients and resource servers, and where it listens.

Decides what can be meant together, and makes up the passwords and secrets that nobody wrote. Opens nothing.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable
from hmac import digest
from typing import Any, Final

from cognito_guard.errors import ConfigurationError
from cognito_guard.local_pool.clients import Client, ResourceServer
from cognito_guard.local_pool.people import Group, User
from cognito_guard.pool import UserPool
from cognito_guard.urls import is_loopback
from cognito_guard.value import Value

API_SCOPE: Final = "aws.cognito.signin.user.admin"
OIDC_SCOPES: Final = ("openid", "profile", "email", "phone")
DEFAULT_PORT: Final = 9229


class Settings(Value):
    """The whole pool. `host` is a name or address of this machine itself; anything else is refused. `port=0` takes a free one.

    Raises `ConfigurationError` with every mistake; correct the call. Any other exception is a bug.
    """

    __slots__ = ("pool_id", "host", "port", "users", "groups", "clients", "resource_servers")
    pool_id: str
    host: str
    port: int
    users: tuple[User, ...]
    groups: tuple[Group, ...]
    clients: tuple[Client, ...]
    resource_servers: tuple[ResourceServer, ...]

    def __init__(
        self,
        *,
        pool_id: str = "local_1",
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        users: Iterable[User],
        groups: Iterable[Group] = (),
        clients: Iterable[Client],
        resource_servers: Iterable[ResourceServer] = (),
    ) -> None:
        problems: list[str] = []
        try:
            UserPool(pool_id, issuer="http://127.0.0.1")
        except ConfigurationError:
            problems.append("pool_id: write an id such as local_1: letters, digits, '-' and '_', with '_' before the last part")
        if not isinstance(host, str) or not is_loopback(host):
            problems.append("host: this server listens on this machine only; write 127.0.0.1, localhost or ::1")
        if type(port) is not int or not 0 <= port <= 65535:
            problems.append("port: write a port from 0 (a free one) to 65535")
        self._set(
            pool_id=pool_id,
            host=host,
            port=port,
            users=tuple(users),
            groups=tuple(groups),
            clients=tuple(clients),
            resource_servers=tuple(resource_servers),
        )
        for argument, kind in (("users", User), ("groups", Group), ("clients", Client), ("resource_servers", ResourceServer)):
            if not all(isinstance(each, kind) for each in getattr(self, argument)):
                raise ConfigurationError("Settings", [*problems, f"{argument}: give a list of {kind.__name__}(...)"])
        for argument, names in (
            ("users", [user.username for user in self.users]),
            ("groups", [group.name for group in self.groups]),
            ("clients", [client.id for client in self.clients]),
            ("resource_servers", [server.id for server in self.resource_servers]),
        ):
            problems += [f"{argument}[{at}]: its name stands twice" for at, name in enumerate(names) if name in names[:at]]
        if not self.clients:
            problems.append("clients: name at least one")
        for at, client in enumerate(self.clients):
            known = set(self.all_scopes(client))
            unknown = [number for number, scope in enumerate(client.scopes or ()) if scope not in known]
            problems += [f"clients[{at}].scopes[{number}]: this pool has no such scope for this client" for number in unknown]
        if problems:
            raise ConfigurationError("Settings", problems)

    def all_scopes(self, client: Client) -> tuple[str, ...]:
        """What the pool could grant that client: a machine custom scopes only."""
        custom = tuple(name for server in self.resource_servers for name in server.names)
        return custom if "client_credentials" in client.grants else (*OIDC_SCOPES, API_SCOPE, *custom)

    def scopes_of(self, client: Client) -> tuple[str, ...]:
        """What the client may ask for."""
        return self.all_scopes(client) if client.scopes is None else client.scopes

    def user(self, username: str) -> User | None:
        """The user of that username (`Google_jane` for a federated one)."""
        return next((user for user in self.users if user.username == username), None)

    def client(self, client_id: str) -> Client | None:
        """The app client of that id."""
        return next((client for client in self.clients if client.id == client_id), None)

    def providers(self) -> tuple[str, ...]:
        """The simulated identity providers."""
        return tuple(dict.fromkeys(user.provider for user in self.users if user.provider))

    def filled(self, seed: bytes) -> Settings:
        """The same with every missing password and secret made up: from `seed`, so that who keeps its keys keeps its passwords."""
        users = [
            _replaced(user, password=user.password or made_up(seed, "user", user.name)) if user.provider is None else user
            for user in self.users
        ]
        clients = [
            _replaced(client, secret=made_up(seed, "client", client.id, 32)) if client.secret is True else client
            for client in self.clients
        ]
        filled: Settings = _replaced(self, users=users, clients=clients)
        return filled


def made_up(seed: bytes, kind: str, name: str, length: int = 10) -> str:
    """A password or secret that nobody guesses who does not know the seed: five bits a letter."""
    return b32encode(digest(seed, f"{kind} {name}".encode(), "sha256")).decode().lower()[:length]


def _replaced(value: Any, **fields: Any) -> Any:
    """A copy with other fields, judged again."""
    given = {name: getattr(value, name) for name in value._names} | fields  # noqa: SLF001 - a Value's own names
    if isinstance(value, User):
        given["attributes"] = dict(given["attributes"])
    return type(value)(**given)
