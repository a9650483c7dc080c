"""Settings from a TOML text and flags, with every mistake of both at once, each under its key or flag.

Decides how tables become values. Opens no file. Keys are those of the values' arguments: `[[user]]`, `[[group]]`, `[[client]]`,
`[[resource_server]]`, and on top `pool`, `host`, `port`, `keys`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

from cognito_guard.errors import ConfigurationError
from cognito_guard.local_pool import built_in
from cognito_guard.local_pool.clients import Client, ResourceServer
from cognito_guard.local_pool.judging import Judge
from cognito_guard.local_pool.people import Group, User
from cognito_guard.local_pool.settings import Settings

SUBJECT: Final = "local-pool"
_TABLES: Final = {"user": User, "group": Group, "client": Client, "resource_server": ResourceServer}
_TOP: Final = ("pool", "host", "port", "keys")
_PLURALS: Final = {"users": "user", "groups": "group", "clients": "client", "resource_servers": "resource_server"}


class FileSettings(NamedTuple):
    """What a file and flags said: the settings, and the directory of the keys, if any."""

    settings: Settings
    keys: str | None


def read_settings(
    text: str = "",
    *,
    name: str = "",
    host: str | None = None,
    port: int | None = None,
    pool: str | None = None,
    keys: str | None = None,
    users: Iterable[User] = (),
    callbacks: Iterable[str] = (),
    sign_outs: Iterable[str] = (),
    problems: Iterable[str] = (),
) -> FileSettings:
    """The settings of a TOML text, called `name` in mistakes; what is given beside it wins over it.

    `users` stand in the place of those of the text; `callbacks` and `sign_outs` are added to each client that signs people in. Tables
    that the text lacks are the built-in ones. Raises `ConfigurationError` with every mistake, `problems` among these; correct them.
    Any other exception is a bug.
    """
    wrong = list(problems)
    within = _Reading(name, wrong)
    tree = within.parsed(text)
    flags = {"pool": pool, "host": host, "port": port, "keys": keys}
    given = {key for key, value in flags.items() if value is not None}
    top: dict[str, Any] = {key: flags[key] if key in given else tree[key] for key in _TOP if key in given or key in tree}
    directory: Any = top.pop("keys", None)
    if directory is not None and (not isinstance(directory, str) or not directory or "\x00" in directory):
        within.wrong("keys: write the path of a directory", flags=given)
    made = {plural: within.values(tree, table) for plural, table in _PLURALS.items()}
    chosen: dict[str, Any] = {
        plural: values if _PLURALS[plural] in tree else _DEFAULTS[plural] for plural, values in made.items()
    }
    chosen["users"] = tuple(users) or chosen["users"]
    extra = {"callbacks": _flag_urls("--callback", callbacks, wrong), "sign_outs": _flag_urls("--sign-out", sign_outs, wrong)}
    chosen["clients"] = tuple(_with_urls(client, extra) for client in chosen["clients"])
    settings = None
    try:
        settings = Settings(**{_ARGUMENTS.get(key, key): value for key, value in top.items()}, **chosen)
    except ConfigurationError as error:
        for problem in error.problems:
            # of lists from which a refused table is missing nothing can be said that would be true
            if problem.partition(":")[0] in ("pool_id", "host", "port") or not within.refused:
                within.wrong(_called(problem), flags=given)
    if settings is None or wrong:
        raise ConfigurationError(SUBJECT, list(dict.fromkeys(wrong)))
    return FileSettings(settings, directory)


class _Reading:
    """One text in the reading, and where its mistakes go."""

    def __init__(self, name: str, problems: list[str]) -> None:
        self._before = f"{name}: " if name else ""
        self._problems = problems
        self.refused = False

    def wrong(self, problem: str, *, flags: Container[str] = ()) -> None:
        """A mistake of the file, or, where what it names was given beside it, of the flag of that name."""
        by_flag = problem.partition(":")[0] in flags
        self._problems.append(f"{'--' if by_flag else self._before}{problem}")

    def parsed(self, text: str) -> Mapping[str, Any]:
        said = ""
        try:
            tree = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            said = str(error) or "too deeply nested"
        if said:
            self.wrong(f"this is not TOML: {said[:200]}")
            return {}
        for key in tree:
            if key not in _TOP and key not in _TABLES:
                listed = ", ".join([*_TOP, *(f"[[{table}]]" for table in _TABLES)])
                self.wrong(f"{_shown(key)}: there is no such key; there are {listed}")
        return tree

    def values(self, tree: Mapping[str, Any], kind: str) -> tuple[Any, ...]:
        """The values of all tables of one kind; what was refused is left out, since it has been told."""
        tables = tree.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.wrong(f"{kind}: write [[{kind}]], in two brackets, above each")
            self.refused = True
            return ()
        made = [self._value(f"{kind}[{at}]", _TABLES[kind], table) for at, table in enumerate(tables)]
        return tuple(value for value in made if value is not None)

    def _value(self, place: str, kind: Any, table: dict[str, Any]) -> Any:
        names = kind._names  # noqa: SLF001 - a Value's own names, which are its constructor's arguments
        unknown = [key for key in table if key not in names]
        for key in unknown:
            self.wrong(f"{place}.{_shown(key)}: there is no such key; there are {', '.join(names)}")
        required = [key for key in _REQUIRED[kind] if key not in table]
        for key in required:
            self.wrong(f"{place}.{key}: it is missing")
        problems: tuple[str, ...] = ()
        try:
            value = kind(**dict.fromkeys(required, ""), **{key: each for key, each in table.items() if key in names})
        except ConfigurationError as error:
            problems = error.problems
        for problem in problems:
            if problem.partition(":")[0] not in required:
                self.wrong(f"{place}.{problem}")
        if problems or required:
            self.refused = True
            return None
        return value


def _flag_urls(flag: str, urls: Iterable[str], problems: list[str]) -> tuple[str, ...]:
    judge = Judge()
    judged = judge.urls(urls, flag)
    problems += judge.problems
    return () if judge.problems else judged


def _with_urls(client: Client, extra: Mapping[str, tuple[str, ...]]) -> Client:
    """The client with the flags' URLs among its own."""
    if "code" not in client.grants:
        return client
    fields = {name: getattr(client, name) for name in client._names}  # noqa: SLF001 - as above
    return Client(**{**fields, **{name: (*fields[name], *urls) for name, urls in extra.items()}})


def _called(problem: str) -> str:
    """A mistake of `Settings` under the file's names for its arguments."""
    for argument, key in (*_PLURALS.items(), ("pool_id", "pool")):
        problem = re.sub(rf"^{argument}(?=[\[:])", key, problem)
    return problem


def _shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else "a key"


_ARGUMENTS: Final = {"pool": "pool_id"}
_DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "users": built_in.USERS,
    "groups": (),
    "clients": built_in.clients(),
    "resource_servers": built_in.RESOURCE_SERVERS,
}
_REQUIRED: Final[Mapping[type, tuple[str, ...]]] = {
    User: ("name",),
    Group: ("name", "role"),
    Client: ("id",),
    ResourceServer: ("id", "scopes"),
}
