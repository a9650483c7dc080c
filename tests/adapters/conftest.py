"""Real servers on loopback, and a stand-in for managed login with PKCE."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cognito_guard.testing import LocalUserPool

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def serve_asgi() -> Iterator[Serve]:
    """Starts uvicorn servers in threads: `serve_asgi(app)` gives the base URL. It ends them all at the end of the module."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: Any, listening: socket.socket | None = None, **settings: Any) -> str:
        listening = listening or socket.create_server(("127.0.0.1", 0))  # connections queue up from here on
        settings = {"log_config": None, "lifespan": "auto", "timeout_graceful_shutdown": 2} | settings
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(10)
        assert not thread.is_alive()


class ManagedLogin:
    """The two endpoints of a managed login, and the discovery document of its pool; signs jane in at a click.

    `requests` holds the parameters of every authorization request, `exchanges` those of every token request.
    """

    def __init__(self, base: str, client: str) -> None:
        self.base = base
        self.pool = LocalUserPool(issuer=f"{base}/local_1", pool_id="local_1", client=client)
        self.requests: list[dict[str, str]] = []
        self.exchanges: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        self.app = Starlette(
            routes=[
                Route("/oauth2/authorize", self._authorize),
                Route("/oauth2/signed-in", self._signed_in),
                Route("/oauth2/token", self._token, methods=["POST"]),
                Route("/local_1/.well-known/openid-configuration", self._configuration),
            ],
            middleware=[cors],
        )

    def _configuration(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.pool.issuer,
                "authorization_endpoint": f"{self.base}/oauth2/authorize",
                "token_endpoint": f"{self.base}/oauth2/token",
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "email", "phone", "profile"],
            }
        )

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.requests.append(asked)
        code = f"code{len(self.requests)}"
        self._codes[code] = asked
        return HTMLResponse(f'<a id="sign-in" href="/oauth2/signed-in?code={code}">Sign in as jane</a>')

    def _signed_in(self, request: Request) -> Response:
        code = request.query_params["code"]
        asked = self._codes[code]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.exchanges.append(form)
        asked = self._codes.pop(form.get("code", ""), None)
        fits = asked is not None and (
            form.get("grant_type") == "authorization_code"
            and asked.get("response_type") == "code"
            and asked.get("client_id") == form.get("client_id") == self.pool.client
            and asked.get("redirect_uri") == form.get("redirect_uri")
            and asked.get("code_challenge_method") == "S256"
            and asked.get("code_challenge") == _s256(form.get("code_verifier", ""))
        )
        if asked is None or not fits:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.pool.access(scopes=asked.get("scope", "").split())
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        return Response(json.dumps(answer), media_type="application/json", headers={"Cache-Control": "no-store"})


def _s256(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def managed_login(serve_asgi: Serve) -> ManagedLogin:
    """The stand-in, served; `managed_login.pool` mints its tokens, and its app client is `webclient`."""
    listening = socket.create_server(("127.0.0.1", 0))
    login = ManagedLogin(f"http://127.0.0.1:{listening.getsockname()[1]}", "webclient")
    serve_asgi(login.app, listening)
    return login
