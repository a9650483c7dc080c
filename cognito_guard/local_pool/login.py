"""From an authorization request to a code: the authorize endpoint, and the login page with its steps.

Decides whether the browser's session is enough for a request, and which step comes next. What makes a request is
`authorization_request`'s business, how pages look is `login_page`'s.
"""

from __future__ import annotations

from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cognito_guard.local_pool.authorization_request import (
    LEVELS,
    AuthorizationRequest,
    Faulty,
    Misdirected,
    read_authorization_request,
)
from cognito_guard.local_pool.browser import Browsers, sent_to
from cognito_guard.local_pool.form import read_form
from cognito_guard.local_pool.login_page import LoginPages
from cognito_guard.local_pool.pages import told
from cognito_guard.local_pool.parameters import Parameters, read_parameters
from cognito_guard.local_pool.people import User
from cognito_guard.local_pool.state import PoolState
from cognito_guard.local_pool.store import Session

PASSWORD_ONLY = (LEVELS[0], ("pwd",))
WITH_TOTP = (LEVELS[3], ("pwd", "otp", "mfa"))
FEDERATED = (None, ("fed",))


class ManagedLogin:
    """GET `/oauth2/authorize`, GET and POST `/login`."""

    def __init__(self, pool: PoolState, browsers: Browsers) -> None:
        self._pool = pool
        self._browsers = browsers

    async def authorize(self, request: Request) -> Response:
        """A code at once where the session is enough, otherwise the login page with the same parameters."""
        asked = self._read(request)
        if isinstance(asked, Response):
            return asked
        session = self._pool.store.session(self._browsers.session_name(request))
        if session is not None and self._is_enough(session, asked):
            return self._with_code(asked, session)
        if "none" in asked.prompt:
            fault = Faulty(asked.redirect_uri, asked.state, "login_required", "nobody has signed in who would do")
            return _returned(fault)
        answer = RedirectResponse("/", 302, {"Cache-Control": "no-store"})
        answer.headers["location"] = f"/login?{_query(request)}"
        return answer

    async def login_page(self, request: Request) -> Response:
        """The first page of a sign-in."""
        asked = self._read(request)
        if isinstance(asked, Response):
            return asked
        form_name = self._browsers.form_name(request) or self._pool.store.secret()
        answer = self._first_page(request, asked, self._pages(request, asked, form_name))
        self._browsers.remember_form(answer, form_name)
        return answer

    async def step(self, request: Request) -> Response:
        """A form of the login page."""
        asked = self._read(request)
        if isinstance(asked, Response):
            return asked
        form = await read_form(request)
        if form is None or form.doubled:
            return told("This form cannot be read", "Go back to the application and sign in from there.", 400)
        form_name = self._browsers.form_name(request)
        if form_name is None or not self._browsers.is_ours(request, form.text("form")):
            return told(
                "This form is not from this browser",
                "Cookies may be switched off, or the page is an old one. Go back to the application and sign in from there.",
                403,
            )
        pages = self._pages(request, asked, form_name)
        steps = {"password": self._password, "totp": self._totp, "provider": self._provider, "continue": self._continue}
        chosen = steps.get(form.text("step"))
        if chosen is None:
            return told("This form cannot be read", "It names no step of a sign-in.", 400)
        return chosen(request, asked, form, pages, form_name)

    def _password(
        self, request: Request, asked: AuthorizationRequest, form: Parameters, pages: LoginPages, form_name: str
    ) -> Response:
        user = self._pool.settings.user(form.text("username"))
        if asked.provider not in (None, "COGNITO") or not password_fits(user, form.text("password")) or user is None:
            return pages.password(self._offered(asked), username=form.text("username"), failed=True)
        if user.mfa or asked.level > 1:
            return pages.totp(self._pool.store.make_pending(user.username, _bound_to(request, form_name)))
        return self._signed_in(request, asked, user, *PASSWORD_ONLY)

    def _totp(
        self, request: Request, asked: AuthorizationRequest, form: Parameters, pages: LoginPages, form_name: str
    ) -> Response:
        username = self._pool.store.pending(form.text("pending"), _bound_to(request, form_name))
        user = self._pool.settings.user(username or "")
        if user is None:
            return self._first_page(request, asked, pages)
        if not compare_digest(user.totp.encode(), form.text("code").strip().encode()):
            return pages.totp(form.text("pending"), failed=True)
        self._pool.store.end_pending(form.text("pending"))
        return self._signed_in(request, asked, user, *WITH_TOTP)

    def _provider(
        self, request: Request, asked: AuthorizationRequest, form: Parameters, pages: LoginPages, _form_name: str
    ) -> Response:
        user = self._pool.settings.user(form.text("username"))
        if user is None or user.provider is None or user.provider != asked.provider:
            return self._first_page(request, asked, pages)
        return self._signed_in(request, asked, user, *FEDERATED)

    def _continue(
        self, request: Request, asked: AuthorizationRequest, _form: Parameters, pages: LoginPages, form_name: str
    ) -> Response:
        session = self._pool.store.session(self._browsers.session_name(request))
        user = self._to_continue(session, asked)
        if session is None or user is None:
            return self._first_page(request, asked, pages)
        if user.provider is None and not _is_strong(session, asked):
            return pages.totp(self._pool.store.make_pending(user.username, _bound_to(request, form_name)))
        return self._with_code(asked, session, 303)

    def _read(self, request: Request) -> AuthorizationRequest | Response:
        asked = read_authorization_request(read_parameters(request.scope["query_string"]), self._pool.settings)
        if isinstance(asked, Misdirected):
            return told("This sign-in cannot begin", asked.text, 400)
        return _returned(asked) if isinstance(asked, Faulty) else asked

    def _pages(self, request: Request, asked: AuthorizationRequest, form_name: str) -> LoginPages:
        return LoginPages(asked, _query(request), self._browsers.proof(form_name))

    def _first_page(self, request: Request, asked: AuthorizationRequest, pages: LoginPages) -> Response:
        user = self._to_continue(self._pool.store.session(self._browsers.session_name(request)), asked)
        if user is not None:
            return pages.carry_on(user)
        if asked.provider not in (None, "COGNITO"):
            return pages.provider(
                asked.provider, tuple(user for user in self._pool.settings.users if user.provider == asked.provider)
            )
        return pages.password(self._offered(asked))

    def _offered(self, asked: AuthorizationRequest) -> tuple[str, ...]:
        return () if asked.provider else self._pool.settings.providers()

    def _to_continue(self, session: Session | None, asked: AuthorizationRequest) -> User | None:
        """The user of a session that may serve this request, perhaps after the TOTP step."""
        if session is None or "login" in asked.prompt or not self._is_recent(session, asked):
            return None
        user = self._pool.settings.user(session.username)
        fits = user is not None and asked.provider in (None, user.provider or "COGNITO")
        return user if fits else None

    def _is_enough(self, session: Session, asked: AuthorizationRequest) -> bool:
        """Whether no page is needed."""
        asks = asked.prompt & {"select_account", "consent"}
        return not asks and self._to_continue(session, asked) is not None and _is_strong(session, asked)

    def _is_recent(self, session: Session, asked: AuthorizationRequest) -> bool:
        return asked.max_age is None or self._pool.store.now() - session.auth_time <= asked.max_age

    def _signed_in(
        self, request: Request, asked: AuthorizationRequest, user: User, acr: str | None, amr: tuple[str, ...]
    ) -> Response:
        """A new session in the place of the old one, and the code."""
        store = self._pool.store
        store.end_session(self._browsers.session_name(request))
        name = store.make_session(user.username, acr=acr, amr=amr)
        session = store.session(name)
        if session is None:  # a clock that jumps
            return told("This sign-in has ended", "Go back to the application and sign in from there.", 400)
        answer = self._with_code(asked, session, 303)
        self._browsers.remember_session(answer, name)
        return answer

    def _with_code(self, asked: AuthorizationRequest, session: Session, status: int = 302) -> Response:
        user = self._pool.settings.user(session.username)
        if user is None:
            return told("This sign-in has ended", "Go back to the application and sign in from there.", 400)
        sign_in = self._pool.sign_in(
            user,
            asked.client,
            scopes=asked.scopes,
            resource=asked.resource,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
        )
        code = self._pool.store.make_code(sign_in, redirect_uri=asked.redirect_uri, challenge=asked.challenge, nonce=asked.nonce)
        return sent_to(asked.redirect_uri, {"code": code, "state": asked.state}, status)


def password_fits(user: User | None, password: str) -> bool:
    """Whether that is the user's password. Nobody's takes as long as somebody's."""
    held = (user.password if user is not None else None) or ""
    return compare_digest(held.encode(), password.encode()) and held != ""


def _is_strong(session: Session, asked: AuthorizationRequest) -> bool:
    return asked.level == 1 or (session.acr in LEVELS and LEVELS.index(str(session.acr)) + 1 >= asked.level)


def _returned(fault: Faulty) -> Response:
    return sent_to(fault.redirect_uri, {"error": fault.error, "error_description": fault.text, "state": fault.state})


def _bound_to(request: Request, form_name: str) -> str:
    """What a half-finished sign-in belongs to: this browser and this very request, so that no other request takes it up."""
    return f"{form_name} {_query(request)}"


def _query(request: Request) -> str:
    """The query as it came. It was read as ASCII, and an HTTP server leaves no line break in it."""
    query: bytes = request.scope["query_string"]
    return query.decode("ascii")
