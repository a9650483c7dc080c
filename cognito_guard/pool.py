"""What a user pool is: from its id to its issuers, where their keys are published, and the profiles of its tokens.

Decides which issuers, clients and resources a setting names. Knows no token, reads no file and opens no socket.
Facts: "Verifying JSON web tokens" and "User pool OIDC issuer" in the Amazon Cognito developer guide; RFC 8707 for `resource`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, runtime_checkable

from cognito_guard.errors import ConfigurationError
from cognito_guard.urls import InsecureHttp, issuer_url, vetted_url
from cognito_guard.value import Value

TokenUse = Literal["access", "id"]


@runtime_checkable
class FilePath(Protocol):
    """A file's path as `pathlib` and `os` know it."""

    def __fspath__(self) -> str: ...


class _AnyClient(Value):
    """The type of `AnyClient`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "AnyClient"


AnyClient: Final = _AnyClient()
"""Pass as `client=` to accept tokens of *every* app client of the pool, those of other teams and those made tomorrow included."""


class JwksUrl(Value):
    """Keys fetched from `url`, an `https://` address (plain http for loopback only, elsewhere `JwksUrl(InsecureHttp(...))`)."""

    __slots__ = ("url",)
    url: str

    def __init__(self, url: str | InsecureHttp) -> None:
        problems: list[str] = []
        self._set(url=vetted_url(url, "url", problems))
        _refuse("JwksUrl", problems)


class JwksFile(Value):
    """Keys bundled as a JWK Set file. The Guard reads it when it is built; nothing is fetched."""

    __slots__ = ("path",)
    path: str

    def __init__(self, path: str | FilePath) -> None:
        self._set(path=path if isinstance(path, str) else path.__fspath__())


class JwksDocument(Value):
    """Keys given as a JWK Set document, kept as its JSON text. Nothing is fetched."""

    __slots__ = ("text",)
    text: str

    def __init__(self, text: str) -> None:
        self._set(text=text)

    def __repr__(self) -> str:
        return f"JwksDocument({len(self.text)} characters)"


KeySource = JwksUrl | JwksFile | JwksDocument


class Issuer(Value):
    """One value of the `iss` claim, and where the keys bound to it come from."""

    __slots__ = ("url", "keys")
    url: str
    keys: KeySource

    def __init__(self, url: str, keys: KeySource) -> None:
        self._set(url=url, keys=keys)


class Profile(Value):
    """One kind of token that a Guard accepts: who issues it, for which clients and resources, signed and marked how.

    Made by `UserPool.access_tokens()` and `UserPool.id_tokens()`. `clients` is a frozen set or `AnyClient`; `resources` is None
    where `aud` is not judged; `types` are the JOSE header's `typ` values in lower case, without `application/`.
    """

    __slots__ = ("pool", "issuers", "token_use", "clients", "resources", "algorithms", "types")
    pool: str
    issuers: tuple[Issuer, ...]
    token_use: TokenUse
    clients: frozenset[str] | _AnyClient
    resources: frozenset[str] | None
    algorithms: tuple[str, ...]
    types: frozenset[str]

    def __init__(
        self,
        *,
        pool: str,
        issuers: tuple[Issuer, ...],
        token_use: TokenUse,
        clients: frozenset[str] | _AnyClient,
        resources: frozenset[str] | None,
        algorithms: tuple[str, ...],
        types: frozenset[str],
    ) -> None:
        self._set(
            pool=pool,
            issuers=issuers,
            token_use=token_use,
            clients=clients,
            resources=resources,
            algorithms=algorithms,
            types=types,
        )


class UserPool(Value):
    """An Amazon Cognito user pool, by its id.

    `pool_id` looks like `eu-west-1_AbC123xyz`; its region decides the issuers: the original form and, in the `aws` partition, the
    updated one (`issuer-cognito-idp`), since a pool may switch. Both are accepted, only the one that a token names is fetched.

    - `issuer=` replaces both for an emulator (`http://127.0.0.1:9229/local_1`); the id need not start with a region then.
    - `extra_issuers=` adds issuers, such as a replica's. Each publishes its own keys, and is trusted like the pool itself.
    - `jwks=` is where the keys come from instead: a path or a mapping (no network, never renewed), or `JwksUrl(...)`.

    Not checked: that the pool exists. A wrong argument raises `ConfigurationError` with every mistake; correct the call.
    Any other exception is a bug.
    """

    __slots__ = ("id", "issuers")
    id: str
    issuers: tuple[Issuer, ...]

    def __init__(
        self,
        pool_id: str,
        *,
        issuer: str | InsecureHttp | None = None,
        extra_issuers: Sequence[str | InsecureHttp] = (),
        jwks: str | FilePath | Mapping[str, Any] | JwksUrl | None = None,
    ) -> None:
        problems: list[str] = []
        urls: list[str] = []
        if not isinstance(pool_id, str) or not _POOL_ID.fullmatch(pool_id) or len(pool_id) > 55:
            problems.append("pool_id: write the pool's id as the console shows it, such as 'eu-west-1_AbC123xyz'")
        elif issuer is None:
            urls = _aws_issuers(pool_id, problems)
        if issuer is not None:
            urls = [issuer_url(issuer, "issuer", problems)]
        if isinstance(extra_issuers, str | InsecureHttp) or not isinstance(extra_issuers, Iterable):
            problems.append("extra_issuers: give a list of URLs; a bare string would be read letter by letter")
        else:
            urls += [issuer_url(extra, f"extra_issuers[{at}]", problems) for at, extra in enumerate(extra_issuers)]
        named = [url for url in urls if url]  # "" stands for one that was refused
        if len(set(named)) < len(named):
            problems.append("extra_issuers: an issuer stands twice; name each once, and none that the pool has anyway")
        source = _key_source(jwks, problems)
        _refuse("UserPool", problems)
        # a loopback or InsecureHttp issuer was vetted above: its key set lies under the same address
        issuers = tuple(Issuer(url, source or _published(url)) for url in urls)
        self._set(id=pool_id, issuers=issuers)

    def access_tokens(self, *, client: str | Iterable[str] | _AnyClient, resource: str | Iterable[str] | None = None) -> Profile:
        """Access tokens of people and machines, issued to `client`: an app client id, several, or `AnyClient`.

        `resource` (RFC 8707, "resource binding"): the token's `aud` must be one of these, or a list that holds one; a token without
        `aud` is then rejected. Not given, `aud` is not judged. `client_id` is judged in either case.
        Raises `ConfigurationError`: correct the call. Any other exception is a bug.
        """
        problems: list[str] = []
        clients = _clients(client, problems)
        resources = None
        if resource is not None:
            resources = _names(resource, "resource", problems)
            if any(not 0 < len(name) <= 256 for name in resources):
                problems.append("resource: each is a string of 1 to 256 characters")
        _refuse("UserPool.access_tokens", problems)
        return Profile(
            pool=self.id,
            issuers=self.issuers,
            token_use="access",
            clients=clients,
            resources=resources,
            algorithms=("RS256",),
            types=frozenset({"jwt", "at+jwt"}),
        )

    def id_tokens(self, *, client: str | Iterable[str] | _AnyClient) -> Profile:
        """ID tokens whose `aud` is `client`: an app client id, several, or `AnyClient`.

        An ID token says who signed in; it carries no scopes and authorizes no API call by itself.
        Raises `ConfigurationError`: correct the call. Any other exception is a bug.
        """
        problems: list[str] = []
        clients = _clients(client, problems)
        _refuse("UserPool.id_tokens", problems)
        return Profile(
            pool=self.id,
            issuers=self.issuers,
            token_use="id",
            clients=clients,
            resources=None,
            algorithms=("RS256",),
            types=frozenset({"jwt"}),
        )


_POOL_ID = re.compile(r"[A-Za-z0-9_-]+_[0-9A-Za-z]+")
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_+]{1,128}")

# (region prefix, issuer forms); the first row that fits decides. The suffixes past `us-gov-` are those of the AWS SDKs' partition
# data: no pool was seen there. A wrong guess refuses good tokens and accepts no bad ones; `issuer=` overrides it.
_PARTITIONS: Final = (
    ("us-gov-", ("https://cognito-idp.{region}.amazonaws.com/{pool}",)),
    ("eusc-", ("https://cognito-idp.{region}.amazonaws.eu/{pool}",)),
    ("us-iso-", ("https://cognito-idp.{region}.c2s.ic.gov/{pool}",)),
    ("us-isob-", ("https://cognito-idp.{region}.sc2s.sgov.gov/{pool}",)),
    ("eu-isoe-", ("https://cognito-idp.{region}.cloud.adc-e.uk/{pool}",)),
    ("us-isof-", ("https://cognito-idp.{region}.csp.hci.ic.gov/{pool}",)),
    (
        "",
        (
            "https://cognito-idp.{region}.amazonaws.com/{pool}",
            "https://issuer-cognito-idp.{region}.amazonaws.com/{pool}",
        ),
    ),
)


def _aws_issuers(pool_id: str, problems: list[str]) -> list[str]:
    region = pool_id.rpartition("_")[0]
    if region.startswith("cn-"):
        problems.append("pool_id: the China regions have no user pools; for an emulator give issuer=")
        return []
    if not _REGION.fullmatch(region):
        problems.append("pool_id: what stands before '_' is not an AWS region such as 'eu-west-1'; for an emulator give issuer=")
        return []
    forms = next(forms for prefix, forms in _PARTITIONS if region.startswith(prefix))
    return [form.format(region=region, pool=pool_id) for form in forms]


def _published(issuer: str) -> JwksUrl:
    url = f"{issuer}/.well-known/jwks.json"
    return JwksUrl(InsecureHttp(url) if issuer.startswith("http:") else url)


def _key_source(given: object, problems: list[str]) -> KeySource | None:
    if given is None or isinstance(given, JwksUrl):
        return given
    if isinstance(given, str | FilePath):
        if str(given).lower().startswith(("http://", "https://")):
            problems.append("jwks: a string is a file's path; write JwksUrl(url) for keys that are fetched")
            return None
        return JwksFile(given)
    if isinstance(given, Mapping):
        import json  # late, as urlsplit below

        try:
            return JwksDocument(json.dumps(dict(given), allow_nan=False))
        except (TypeError, ValueError):
            problems.append("jwks: the mapping is not a JSON document; give the JWK Set as it was published")
            return None
    problems.append("jwks: give a path, a mapping or JwksUrl(url)")
    return None


def _clients(given: object, problems: list[str]) -> frozenset[str] | _AnyClient:
    if isinstance(given, _AnyClient):
        return given
    clients = _names(given, "client", problems)
    wrong = [name for name in clients if not _CLIENT_ID.fullmatch(name)]
    if wrong:
        problems.append(
            f"client: {', '.join(repr(name[:24]) for name in sorted(wrong))} is no app client id (1 to 128 letters, digits, '_' and '+')"
        )
    return clients


def _names(given: object, argument: str, problems: list[str]) -> frozenset[str]:
    """A name, or several; an empty list is a mistake, since nobody means "accept nothing" by it."""
    if isinstance(given, str):
        return frozenset({given})
    if isinstance(given, Mapping | bytes | bytearray) or not isinstance(given, Iterable):
        problems.append(f"{argument}: give a string or a list of strings")
        return frozenset()
    names = list(given)
    if not names:
        problems.append(f"{argument}: the list is empty, which would accept nothing; name at least one")
    if not all(isinstance(name, str) for name in names):
        problems.append(f"{argument}: every member is a string")
        return frozenset()
    return frozenset(names)


def _refuse(subject: str, problems: list[str]) -> None:
    if problems:
        raise ConfigurationError(subject, problems)
