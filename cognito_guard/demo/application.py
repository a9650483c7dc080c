"""The sample application: a page for people, the documents that the page reads, and a few routes that say whom the gateway let in.

It knows nothing of tokens: who asks stands in the `X-Cognito-*` fields, which only the gateway can write. Decides nothing.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cognito_guard.demo.settings import ROUTES, SCOPES, WEB
from cognito_guard.gateway.observing.explain_page import LOOK
from cognito_guard.local_pool import Served
from cognito_guard.reasons import REASONS
from cognito_guard.testing import BadToken, bad_tokens


class Told(NamedTuple):
    """What the page is told beside the pool: the addresses, and the gateway's settings as text."""

    gateway: str
    admin: str
    application: str
    settings: str


def sample_application(served: Served, told: Told) -> Starlette:
    """The application as it stands behind the gateway."""
    page = files("cognito_guard.demo") / "page"
    html, icon, style, script = (page.joinpath(f"page.{kind}").read_bytes() for kind in ("html", "svg", "css", "js"))
    headers = _HEADERS | {"Content-Security-Policy": _POLICY.format(pool=served.url)}
    about = _about(served, told)

    # minting all of them takes a fifth of a second; those of a minute ago are as bad as they were
    minted = lru_cache(maxsize=1)(lambda _minute: _catalogue(served))

    async def catalogue(_request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(minted, int(time.monotonic() // 60)), headers=_FRESH)

    def document(path: str, body: bytes, kind: str, headers: dict[str, str] = _HEADERS) -> Route:
        async def answer(_request: Request) -> Response:
            return Response(body, headers=headers, media_type=kind)

        return Route(path, answer)

    async def told_about(_request: Request) -> Response:
        return JSONResponse(about, headers=_FRESH)

    return Starlette(
        routes=[
            document("/", html, "text/html", headers),
            document("/demo/page.css", LOOK.encode() + style, "text/css"),
            document("/demo/page.js", script, "text/javascript"),
            document("/demo/icon.svg", icon, "image/svg+xml"),
            Route("/demo/about.json", told_about),
            Route("/demo/bad-tokens.json", catalogue),
            Route("/health", _health),
            Route("/hello", _hello),
            Route("/me", _me),
            Route("/orders", _orders),
            Route("/orders/{number:int}", _order, methods=["DELETE"]),
            Route("/admin", _admin),
        ],
        # by a name that was made to point here, a page of somebody else's could read passwords
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


# the routes


async def _health(_request: Request) -> Response:
    return _said(status="fine")


async def _hello(request: Request) -> Response:
    return _said(hello=_identity(request)["username"] or "stranger")


async def _me(request: Request) -> Response:
    return _said(**_identity(request))


async def _orders(request: Request) -> Response:
    return _said(orders=[{"number": 7, "of": "a teapot"}, {"number": 8, "of": "two cups"}], **_caller(request))


async def _order(request: Request) -> Response:
    return _said(deleted=request.path_params["number"], **_caller(request))


async def _admin(request: Request) -> Response:
    return _said(secret="the teapot is empty", **_caller(request))


def _said(**told: Any) -> Response:
    return JSONResponse(told, headers=_FRESH)


def _caller(request: Request) -> dict[str, str]:
    """Whom an answer names: a machine has no username."""
    identity = _identity(request)
    return {"for": identity["username"] or identity["client"]}


def _identity(request: Request) -> dict[str, Any]:
    """Who asks, as the gateway wrote it: "plain" fields are split first and percent-decoded then."""

    def field(name: str) -> str:
        return request.headers.get(f"x-cognito-{name}", "")

    told: dict[str, Any] = {name: unquote(field(name)) for name in ("username", "subject", "client")}
    groups = [unquote(group) for group in field("groups").split(",") if group]
    return told | {"groups": groups, "scopes": unquote(field("scopes")).split()}


# what the page reads


def _about(served: Served, told: Told) -> dict[str, Any]:
    settings = served.settings
    return {
        "pool": {"url": served.url, "issuer": served.issuer, "client": WEB, "scopes": SCOPES},
        **told._asdict(),
        "users": [{"name": user.name, "password": user.password, "groups": user.groups} for user in settings.users],
        "routes": [route._asdict() for route in ROUTES],
        "reasons": {
            code: {"meaning": reason.meaning, "why": reason.why, "advice": reason.advice} for code, reason in REASONS.items()
        },
    }


def _catalogue(served: Served) -> dict[str, Any]:
    """The test kit's bad tokens; those that a browser cannot send as one Bearer value, or not quickly, are only counted."""
    every = bad_tokens(served.pool)
    sent = [bad for bad in every if _SENDABLE.fullmatch(bad.token)]
    return {"tokens": [_row(bad) for bad in sent], "left_out": len(every) - len(sent)}


def _row(bad: BadToken) -> dict[str, str]:
    # rows name the threat by its number in a list that users do not have: what follows the colon is for them
    reference, _, words = bad.why.partition(": ")
    why = words or ("" if _NUMBER.fullmatch(reference) else reference)
    return {"name": bad.name, "token": bad.token, "code": bad.code, "why": why}


_SENDABLE: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
_NUMBER: Final = re.compile(r"[AT]\d+")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {pool}; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_FRESH: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_HEADERS: Final = _FRESH | {"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}
