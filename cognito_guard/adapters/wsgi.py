"""WSGI (PEP 3333): a middleware around any application. Translation only: the front decides."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Unpack

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, FrontSettings
from cognito_guard.web.challenge import Challenge
from cognito_guard.web.environ import from_environ
from cognito_guard.web.routes import Route

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cognito_guard.guard import Guard

PRINCIPAL = "cognito_guard.principal"
_REMEMBERED = 1024
_LONGEST_REMEMBERED = 1024  # letters of a target


class CognitoWSGI:
    """Lets through to `app` what `routes` and the Guard allow, and answers the rest itself, without reading any of the body.

    `CognitoWSGI(app, guard, routes=[Public("/health"), Protect("/admin/*", InGroup("admin"))])`; without routes, everything needs a
    valid token. A framework's application is wrapped from outside, or in place: `app.wsgi_app = CognitoWSGI(app.wsgi_app, guard)`.
    The application finds the Principal in `environ["cognito_guard.principal"]`: None on a public route, and for anonymous requests
    under `Identify`. No client can write that key. `settings` are those of `FrontSettings`.

    Routes see PATH_INFO. Where the server tells the target as it was sent (gunicorn, waitress, werkzeug, mod_wsgi, uWSGI), an encoded
    slash and a `#` in it are seen too; granian hides both, wsgiref the slash, from the application as well. Mind your server: mod_wsgi
    hands on `Authorization` only with `WSGIPassAuthorization On`; waitress, and gunicorn for `Expect: 100-continue`, ask for the body
    before anybody judges. Cookies as credentials of unsafe methods need an `Origin` that equals the host, since in WSGI
    `Sec-Fetch-Site` could be the client's own `Sec_Fetch_Site`; so a proxy in front must keep `Host`.

    A bug in the Guard raises, and the server answers 500. Wrong arguments raise `ConfigurationError`; correct the call. Any other
    exception is a bug, or the application's own.
    """

    def __init__(
        self, app: WSGIApplication, guard: Guard, *, routes: Iterable[Route] = (), **settings: Unpack[FrontSettings]
    ) -> None:
        if not callable(app):
            raise ConfigurationError("CognitoWSGI", ["app: give a WSGI application"])
        self._app = app
        self._front = Front(guard, routes, **settings)
        # by what the server tells of a target, the facts that were read from it before
        self._targets: dict[tuple[str, ...], tuple[str, str, bytes | None, str]] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told = _told(environ)
        facts = self._targets.get(told)
        principal = None
        if facts is not None and "HTTP_AUTHORIZATION" in environ:
            authorization = environ["HTTP_AUTHORIZATION"].encode("latin-1", "replace")
            principal = self._front.granted_before(*facts, [(b"authorization", authorization)])
        if principal is None:
            request = from_environ(environ)
            outcome = self._front.judge(request)
            if isinstance(outcome, Challenge):
                return _answer(outcome, start_response, head=environ["REQUEST_METHOD"] == "HEAD")
            principal = outcome.principal
            if sum(map(len, told)) <= _LONGEST_REMEMBERED:
                if len(self._targets) >= _REMEMBERED:
                    self._targets.clear()
                self._targets[told] = (request.method, request.path, request.raw_path, request.root_path)
        environ[PRINCIPAL] = principal
        return self._app(environ, start_response)  # as it is, for the server to close


def _told(environ: WSGIEnvironment) -> tuple[str, ...]:
    """All that `from_environ` reads method and target from, but for the query."""
    sent = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    return (environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME") or "", environ.get("PATH_INFO") or "", sent.partition("?")[0])


def _answer(answer: Challenge, start_response: StartResponse, *, head: bool) -> Iterable[bytes]:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [] if head else [answer.body]
