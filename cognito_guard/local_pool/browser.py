"""The browser's side of managed login: its two cookies, the proof that a form came from our own page, and where it is sent.

Decides whether a form is ours. Knows no password.
"""

from __future__ import annotations

import re
from hmac import compare_digest, digest
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cognito_guard.local_pool.settings import Settings
from cognito_guard.local_pool.store import SESSION_SECONDS


class Browsers:
    """Names carry the port, since cookies do not know ports. `secret` is this process' own."""

    def __init__(self, settings: Settings, port: int, secret: bytes) -> None:
        self._session = f"{settings.pool_id}_{port}_session"
        self._form = f"{settings.pool_id}_{port}_form"
        self._secret = secret

    def session_name(self, request: Request) -> str | None:
        """The name of the browser's session."""
        return request.cookies.get(self._session)

    def form_name(self, request: Request) -> str | None:
        """What the browser's forms are bound to, if it is a name that we could have given."""
        name = request.cookies.get(self._form, "")
        return name if _NAME.fullmatch(name) else None

    def proof(self, form_name: str) -> str:
        """The hidden field of a form that belongs to the cookie `form_name`."""
        return digest(self._secret, form_name.encode(), "sha256").hex()

    def is_ours(self, request: Request, proof: str) -> bool:
        """Whether a POST comes from a form that this browser was given: by cookie and field, and by `Origin` where there is one."""
        origins = request.headers.getlist("origin")
        if any(origin != f"http://{request.headers.get('host', '')}" for origin in origins):
            return False
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        name = self.form_name(request)
        return name is not None and compare_digest(self.proof(name).encode(), proof.encode())

    def remember_form(self, answer: Response, form_name: str) -> None:
        _set(answer, self._form, form_name, SESSION_SECONDS)

    def remember_session(self, answer: Response, session_name: str) -> None:
        _set(answer, self._session, session_name, SESSION_SECONDS)

    def forget_session(self, answer: Response) -> None:
        _set(answer, self._session, "", 0)


_NAME = re.compile(r"[A-Za-z0-9_-]{43}")


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    # not Secure: clients other than browsers would not send it back over plain http, which is all there is on loopback
    answer.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax")


def sent_to(url: str, told: dict[str, str | None], status: int = 302) -> Response:
    """A redirect to a URL of the settings, with what is told added to its query."""
    query = urlencode({name: value for name, value in told.items() if value is not None})
    joined = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
    # the Location is written as it stands: Starlette's own quoting would change what was compared letter by letter
    answer = RedirectResponse("/", status, {"Cache-Control": "no-store"})
    answer.headers["location"] = joined
    return answer
