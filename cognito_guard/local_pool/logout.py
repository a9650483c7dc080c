"""The logout endpoint: ends the browser's session, then sends it to a sign-out URL, or to sign in again.

Decides where a browser may be sent. Tokens stay good: whoever wants them gone revokes them.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cognito_guard.local_pool.authorization_request import AuthorizationRequest, Faulty, read_authorization_request
from cognito_guard.local_pool.browser import Browsers, sent_to
from cognito_guard.local_pool.pages import told
from cognito_guard.local_pool.parameters import Parameters, read_parameters
from cognito_guard.local_pool.state import PoolState

TITLE = "This sign-out cannot be done"


class Logout:
    """GET `/logout`: `client_id` and either `logout_uri`, or `redirect_uri` and what else an authorization request has."""

    def __init__(self, pool: PoolState, browsers: Browsers) -> None:
        self._pool = pool
        self._browsers = browsers

    async def answer(self, request: Request) -> Response:
        """A redirect without the session's cookie; a page, and the session as it was, for a request that names no place to go."""
        answer = self._place(read_parameters(request.scope["query_string"]), request)
        if answer.status_code == 302:
            self._pool.store.end_session(self._browsers.session_name(request))
            self._browsers.forget_session(answer)
        return answer

    def _place(self, parameters: Parameters | None, request: Request) -> Response:
        if parameters is None or parameters.doubled:
            return told(TITLE, "The request's parameters cannot be read, or one stands more than once.", 400)
        client = self._pool.settings.client(parameters.text("client_id"))
        if client is None:
            return told(TITLE, "client_id names no app client of this pool.", 400)
        url = parameters.get("logout_uri")
        if url is not None:
            if url not in client.sign_outs:
                return told(TITLE, "logout_uri is not one of the app client's sign-out URLs, compared letter by letter.", 400)
            return sent_to(url, {"state": parameters.get("state")})
        if parameters.get("redirect_uri") is None:
            return told(TITLE, "Send logout_uri, or redirect_uri and response_type to sign in again.", 400)
        asked = read_authorization_request(parameters, self._pool.settings)
        if isinstance(asked, AuthorizationRequest):
            query: bytes = request.scope["query_string"]
            answer = RedirectResponse("/", 302, {"Cache-Control": "no-store"})
            answer.headers["location"] = f"/login?{query.decode('ascii')}"
            return answer
        if isinstance(asked, Faulty):
            return sent_to(
                asked.redirect_uri,
                {"error": asked.error, "error_description": asked.text, "state": asked.state},
            )
        return told(TITLE, asked.text, 400)
