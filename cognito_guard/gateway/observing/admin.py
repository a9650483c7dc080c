"""The admin listener's answers: alive, ready, metrics, explain. An ASGI application for a listener of its own, on loopback or a unix socket.

Decides who may ask (programs, never a browser's page: THREATS T52; of pages, only its own for `/explain`) and when this process is
ready. Judges no token: the Guard explains.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

import orjson

from cognito_guard.gateway.observing.explain_page import LONGEST_FORM, form_page, report_page, token_of
from cognito_guard.guard import Guard
from cognito_guard.keys import KeyStatus
from cognito_guard.pool import Issuer, JwksFile, JwksUrl, Profile
from cognito_guard.web.problem import Challenge, problem
from cognito_guard.web.request import HeaderPair

Message = MutableMapping[str, Any]


class Readiness:
    """Whether requests should be sent here: every pool has a source with keys that are trusted now, and nobody asked to drain.

    One issuer form of a pool is enough, as for `Guard.warm_up`. Before the first fetch no pool is ready: warm up when starting.
    `key_status` is the Guard's; set `draining` when the process is to end, and `profiles` and `key_status` when a reload changes them.
    """

    def __init__(self, profiles: Iterable[Profile], key_status: Callable[[], Iterable[KeyStatus]]) -> None:
        self.profiles = tuple(profiles)
        self.key_status = key_status
        self.draining = False

    def obstacles(self) -> list[str]:
        """What stands in the way; nothing when ready. Names pools, which are configuration, and nothing else."""
        usable = {status.url for status in self.key_status() if status.usable}
        pools: dict[str, bool] = {}
        for profile in self.profiles:
            ready = any(_source(issuer) in usable for issuer in profile.issuers)
            pools[profile.pool] = pools.get(profile.pool, True) and ready
        obstacles = ["draining"] if self.draining else []
        return obstacles + [f"no usable keys for {pool}" for pool, ready in pools.items() if not ready]


class Admin:
    """`/livez`, `/readyz` and `/metrics`, for GET and HEAD, and `/explain`; these paths as they are written, and no other.

    `exposition` is `Metrics.exposition`. A request that a browser's page could have made (an `Origin`, a `Sec-Fetch-Site` other than
    `none`), or whose `Host` is a name other than `localhost` (a name can be made to point here), gets 403: ask by address.

    `/explain` is for a person at a browser: GET shows a form, for those who typed the address or come from this page itself; POST
    takes the form from this page alone, and shows the report of the Guard that `guard` gives at that time. Without `guard` there is no
    such path. Only `http` scopes are answered: serve it with the lifespan protocol off.
    """

    def __init__(
        self,
        readiness: Readiness,
        exposition: Callable[[str], tuple[bytes, str]],
        guard: Callable[[], Guard] | None = None,
    ) -> None:
        self._readiness = readiness
        self._exposition = exposition
        self._guard = guard
        self._paths = (b"/livez", b"/readyz", b"/metrics", *(() if guard is None else (b"/explain",)))

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            raise NotImplementedError("the admin listener answers http only")
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
        if self._guard is not None and path == b"/explain" and _is_of_the_explain_page(scope["method"], headers):
            answer = await _explained(self._guard(), receive) if scope["method"] == "POST" else form_page()
        else:
            answer = self._answer(scope["method"], path, headers)
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def _answer(self, method: str, path: bytes, headers: Sequence[HeaderPair]) -> Challenge:
        if _is_from_a_page(headers):
            text = "the admin listener answers programs, which ask by address; it does not answer pages in a browser"
            return problem(403, "forbidden", "admin_caller_refused", text)
        if path not in self._paths:
            known = b", ".join(self._paths).decode("ascii")
            return problem(404, "not_found", "admin_path_unknown", f"there are {known}")
        if path == b"/explain" and method == "POST":
            text = "this takes the form of its own page in a browser; programs have 'cognito-guard explain'"
            return problem(403, "forbidden", "admin_caller_refused", text)
        if method not in ("GET", "HEAD"):
            return problem(405, "invalid_request", "method_refused", "this is for GET and HEAD", (b"allow", b"GET, HEAD"))
        if path == b"/metrics":
            body, media_type = self._exposition(b",".join(_values(headers, b"accept")).decode("latin-1"))
            return _told(200, body, media_type)
        if path == b"/livez":
            return _told(200, b'{"status":"alive"}', "application/json")
        obstacles = self._readiness.obstacles()
        if obstacles:
            return _told(503, orjson.dumps({"status": "not ready", "reasons": obstacles}), "application/json")
        return _told(200, b'{"status":"ready"}', "application/json")


async def _explained(guard: Guard, receive: Callable[[], Awaitable[Message]]) -> Challenge:
    """The report on the token of a form. It may wait for keys, so it is made in a thread."""
    form = b""
    more = True
    while more:
        message = await receive()
        form += message.get("body", b"")
        more = message.get("more_body", False)
        if len(form) > LONGEST_FORM:
            return form_page("That is too long to be a token.", status=413)
    token = token_of(form)
    if token is None:
        return form_page("There was no token in the form.", status=400)
    return report_page(await asyncio.to_thread(guard.explain, token))


def _told(status: int, body: bytes, media_type: str) -> Challenge:
    headers = (
        (b"content-type", media_type.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
    return Challenge(status, "told", headers, body)


def _is_from_a_page(headers: Sequence[HeaderPair]) -> bool:
    if _values(headers, b"origin") or any(site != b"none" for site in _values(headers, b"sec-fetch-site")):
        return True
    hosts = _values(headers, b"host")
    return len(hosts) != 1 or not _is_address(hosts[0])


def _is_of_the_explain_page(method: str, headers: Sequence[HeaderPair]) -> bool:
    """Whether somebody opened `/explain` by its address or from itself, or sent off its form. The Host is an address, so no other
    site's page has this origin."""
    hosts, origins, sites = (_values(headers, name) for name in (b"host", b"origin", b"sec-fetch-site"))
    if len(hosts) != 1 or not _is_address(hosts[0]) or any(mode != b"navigate" for mode in _values(headers, b"sec-fetch-mode")):
        return False
    if method in ("GET", "HEAD"):
        return not origins and all(site in (b"none", b"same-origin") for site in sites)
    if method != "POST" or any(origin != b"http://" + hosts[0] for origin in origins):
        return False
    return all(site == b"same-origin" for site in sites) and bool(sites or origins)


def _is_address(host: bytes) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = (found["v6"] or found["name"]).decode("ascii")
    if not found["v6"] and name.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.version == (6 if found["v6"] else 4)


def _values(headers: Sequence[HeaderPair], name: bytes) -> list[bytes]:
    return [value for own, value in headers if own == name]


def _source(issuer: Issuer) -> str:
    """The issuer's key source as `KeyStatus.url` names it."""
    keys = issuer.keys
    return keys.url if isinstance(keys, JwksUrl) else keys.path if isinstance(keys, JwksFile) else "jwks="


_HOST = re.compile(rb"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[0-9A-Za-z.]{1,15}))(?::[0-9]{1,5})?")
