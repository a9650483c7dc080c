"""The pages of a sign-in: name and password, the TOTP step, a simulated identity provider, and "continue as".

Decides words and forms, in English or German. Works without script; every word that came from a request is escaped.
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from cognito_guard.local_pool.authorization_request import AuthorizationRequest
from cognito_guard.local_pool.pages import page
from cognito_guard.local_pool.people import User


class LoginPages:
    """The pages for one request. `query` is the request's own, without the leading '?'; `form` is the form's secret."""

    def __init__(self, request: AuthorizationRequest, query: str, form: str) -> None:
        self._request = request
        self._query = query
        self._form = form
        self._lang = "de" if request.lang.lower().partition("-")[0] == "de" else "en"
        self._words = _WORDS[self._lang]

    def password(self, providers: tuple[str, ...], *, username: str = "", failed: bool = False) -> HTMLResponse:
        """Name and password, and the providers that are allowed beside them."""
        words = self._words
        inside = (
            self._failure("password_wrong" if failed else "")
            + self._field("username", username or self._request.login_hint, 'autocomplete="username" autocapitalize="none"')
            + self._field("password", "", 'type="password" autocomplete="current-password"')
            + f'<p class="hint">{words["where"]}</p><button>{words["sign_in"]}</button>'
        )
        others = "".join(self._provider_link(provider) for provider in providers)
        divider = f'<div class="or">{words["or"]}</div>' if others else ""
        return self._page(words["sign_in"], self._posting("password", inside) + divider + others, 401 if failed else 200)

    def totp(self, pending: str, *, failed: bool = False) -> HTMLResponse:
        """The six digits of an authenticator app, which are the user's `totp` setting."""
        words = self._words
        inside = (
            f'<input type="hidden" name="pending" value="{escape(pending)}">'
            + self._failure("code_wrong" if failed else "")
            + self._field("code", "", 'class="code" inputmode="numeric" autocomplete="one-time-code" maxlength="6"')
            + f'<p class="hint">{words["code_hint"]}</p><button>{words["confirm"]}</button>'
        )
        return self._page(words["second_step"], self._posting("totp", inside), 401 if failed else 200)

    def provider(self, provider: str, users: tuple[User, ...]) -> HTMLResponse:
        """The simulated provider: a button for each of its users."""
        buttons = "".join(
            f'<button class="plain" name="username" value="{escape(user.username)}">{escape(user.name)}</button>'
            for user in users
        )
        explained = f'<p class="soft small">{escape(self._words["simulated"].format(provider=provider))}</p>'
        return self._page(self._words["at"].format(provider=provider), explained + self._posting("provider", buttons))

    def carry_on(self, user: User) -> HTMLResponse:
        """Somebody has signed in before: as that user again, or as another."""
        words = self._words
        scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in self._request.scopes)
        asked = f'<p class="small soft">{words["wants"]}</p><ul class="small">{scopes}</ul>'
        button = f"<button>{escape(words['continue'].format(user=user.username))}</button>"
        other = f'<a class="button plain" href="{escape(self._link(prompt="login"))}">{words["another"]}</a>'
        return self._page(words["choose"], asked + self._posting("continue", button) + other)

    def _page(self, title: str, inside: str, status: int = 200) -> HTMLResponse:
        to = escape(self._words["to"].format(client=self._request.client.id))
        return page(title, f'<h1>{escape(title)}</h1>\n<p class="soft">{to}</p>\n{inside}', lang=self._lang, status=status)

    def _posting(self, step: str, inside: str) -> str:
        return (
            f'<form method="post" action="/login?{escape(self._query)}">'
            f'<input type="hidden" name="form" value="{escape(self._form)}"><input type="hidden" name="step" value="{step}">'
            f"{inside}</form>"
        )

    def _field(self, name: str, value: str, more: str) -> str:
        focus = " autofocus" if name != "password" else ""
        return (
            f'<label for="{name}">{self._words[name]}</label>'
            f'<input id="{name}" name="{name}" value="{escape(value)}" required spellcheck="false"{focus} {more}>'
        )

    def _failure(self, word: str) -> str:
        return f'<p class="bad" role="alert">{self._words[word]}</p>' if word else ""

    def _provider_link(self, provider: str) -> str:
        href = escape(self._link(identity_provider=provider))
        text = escape(self._words["with"].format(provider=provider))
        return f'<a class="button plain" href="{href}">{text}</a>'

    def _link(self, **changed: str) -> str:
        """The login page for the same request, with one parameter changed."""
        from urllib.parse import parse_qsl

        kept = [(name, value) for name, value in parse_qsl(self._query, keep_blank_values=True) if name not in changed]
        return f"/login?{urlencode([*kept, *changed.items()])}"


_WORDS: Final = {
    "en": {
        "sign_in": "Sign in",
        "to": "to continue to {client}",
        "username": "Username",
        "password": "Password",
        "password_wrong": "Incorrect username or password.",
        "where": "Users and passwords are printed where this pool was started.",
        "or": "or",
        "with": "Continue with {provider}",
        "at": "{provider}, simulated",
        "simulated": "Nobody is asked at {provider}. Choose who comes back from there:",
        "second_step": "One more step",
        "code": "Code of your authenticator app",
        "code_hint": "Simulated: the code is the user’s totp setting, 123456 unless it says otherwise.",
        "code_wrong": "That is not the code.",
        "confirm": "Confirm",
        "choose": "Choose an account",
        "wants": "The application asks for:",
        "continue": "Continue as {user}",
        "another": "Use another account",
    },
    "de": {
        "sign_in": "Anmelden",
        "to": "um mit {client} fortzufahren",
        "username": "Benutzername",
        "password": "Passwort",
        "password_wrong": "Benutzername oder Passwort ist falsch.",
        "where": "Benutzer und Passwörter stehen dort, wo dieser Pool gestartet wurde.",
        "or": "oder",
        "with": "Weiter mit {provider}",
        "at": "{provider}, simuliert",
        "simulated": "Bei {provider} wird niemand gefragt. Wählen Sie, wer von dort zurückkommt:",
        "second_step": "Noch ein Schritt",
        "code": "Code der Authentifizierungs-App",
        "code_hint": "Simuliert: Der Code ist die Einstellung totp des Benutzers, sonst 123456.",
        "code_wrong": "Das ist nicht der Code.",
        "confirm": "Bestätigen",
        "choose": "Konto wählen",
        "wants": "Die Anwendung bittet um:",
        "continue": "Weiter als {user}",
        "another": "Anderes Konto verwenden",
    },
}
