"""What a protected resource tells its clients (RFC 9728): whom to ask for tokens, and for which scopes.

Decides the document and where it lies. Knows no token: the document is public, and says what is wanted, not who may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from cognito_guard.errors import ConfigurationError
from cognito_guard.value import Value
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.origin import is_preflight
from cognito_guard.web.request import Request

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class ProtectedResource(Value):
    """The metadata of a resource: served to everyone at `/.well-known/oauth-protected-resource`, and named in every Bearer challenge.

    - `resource`: its identifier, the URL that clients call, such as `"https://api.example.com"` or `"https://example.com/mcp"`. With a
      path, the document also lies at `/.well-known/oauth-protected-resource/mcp`, the form that RFC 9728 §3.1 asks for.
    - `authorization_servers`: issuers to get tokens from; for a user pool `UserPool(...).issuers[0].url`.
    - `scopes`: what clients should ask for (`scopes_supported`). Cognito refuses scopes that the app client lacks, and MCP clients
      without this list ask for none or for all: give it.
    - `name`, `documentation`, `policy`, `terms`: for people (RFC 9728 §2); the last three are URLs.

    URLs are `https://`, or `http://` on loopback. Wrong arguments raise `ConfigurationError` with every mistake; correct the call.
    """

    __slots__ = ("metadata_url", "paths", "document")
    metadata_url: str
    paths: frozenset[str]
    document: str

    def __init__(
        self,
        resource: str,
        *,
        authorization_servers: Iterable[str],
        scopes: Iterable[str] = (),
        name: str | None = None,
        documentation: str | None = None,
        policy: str | None = None,
        terms: str | None = None,
    ) -> None:
        problems: list[str] = []
        origin, path = _origin_and_path("resource", resource, problems)
        servers = _listed("authorization_servers", authorization_servers, problems)
        if not servers:
            problems.append("authorization_servers: name at least one; without it no client knows where tokens come from")
        for server in servers:
            _origin_and_path("authorization_servers", server, problems)
        asked = _listed("scopes", scopes, problems)
        if not all(isinstance(scope, str) and re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in asked):
            problems.append("scopes: each is a string of printable ASCII without space, '\"' and '\\' (RFC 6749 §3.3)")
        if name is not None and not isinstance(name, str):
            problems.append("name: give a string")
        links = {"documentation": documentation, "policy": policy, "terms": terms}
        for argument, url in links.items():
            if url is not None:
                _origin_and_path(argument, url, problems)
        if problems:
            raise ConfigurationError("ProtectedResource", problems)
        members = {
            "resource": resource,
            "authorization_servers": servers,
            "scopes_supported": asked,
            "bearer_methods_supported": ["header"],
            "resource_name": name,
            "resource_documentation": documentation,
            "resource_policy_uri": policy,
            "resource_tos_uri": terms,
        }
        suffix = "" if path == "/" else path
        self._set(
            metadata_url=origin + WELL_KNOWN + suffix,
            paths=frozenset({WELL_KNOWN, WELL_KNOWN + suffix}),
            document=json.dumps({member: told for member, told in members.items() if told}),
        )

    def answer(self, request: Request) -> Challenge | None:
        """The document, if the request asks for it, or for leave to (a preflight); None for every other request.

        It may be read from any origin: it holds no secret, and clients in browsers need it.
        """
        if request.path not in self.paths and request.path.removeprefix(request.root_path) not in self.paths:
            return None
        if request.method in ("GET", "HEAD") and request.kind == "http":
            body = self.document.encode()
            headers = (
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"public, max-age=3600"),
                _ANY_ORIGIN,
            )
            return Challenge(200, "resource_metadata", headers, body)
        if request.kind == "http" and is_preflight(request.method, request.headers):
            leave = ((b"access-control-allow-methods", b"GET, HEAD"), (b"access-control-allow-headers", b"*"), _ANY_ORIGIN)
            return Challenge(204, "resource_metadata", leave, b"")
        return None


def _origin_and_path(argument: str, url: object, problems: list[str]) -> tuple[str, str]:
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        problems.append(
            f"{argument}: give an absolute https:// URL without user info, query, fragment and '%' (http:// on loopback only)"
        )
        return "", ""
    return found["origin"], found["path"] or ""


def _listed(argument: str, given: object, problems: list[str]) -> list[str]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        problems.append(f"{argument}: give a list of strings; a bare string would be read letter by letter")
        return []
    return list(given)


_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_URL = re.compile(
    r"""(?P<origin>(?:https://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])|http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]))(?::[0-9]{1,5})?)
    (?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)?""",
    re.VERBOSE,
)
