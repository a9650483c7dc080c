"""The admin listener's `/explain`: a form for a token, and the Guard's report on it, as pages.

Decides looks and words. The token is in the body of a form and nowhere else: not on the page, in no URL, in no log. What is shown of
it is what the Report shows, escaped. Judges nothing, and does not decide who may ask.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import parse_qs

from cognito_guard.guard.report import Check, Report
from cognito_guard.pool import Profile
from cognito_guard.reasons import REASONS
from cognito_guard.web.problem import Challenge

LONGEST_FORM: Final = 1024 * 1024
"""Octets of a form that are read."""

LOOK: Final = """
:root{color-scheme:light dark;--ground:#f4f5f8;--card:#fff;--ink:#181b24;--soft:#5c6373;--line:#d9dce4;--edge:#858da0;--key:#3049d1;--on-key:#fff;
--note:#8a4b00;--note-ground:#fff4e0;--bad:#b3261e;--bad-ground:#fdecea;--good:#17683a;--good-ground:#e4f5ea}
@media (prefers-color-scheme:dark){:root{--ground:#10131a;--card:#191d27;--ink:#eceef4;--soft:#9aa3b5;--line:#303747;--edge:#6d778e;--key:#8fa2ff;
--on-key:#10131a;--note:#ffcf8a;--note-ground:#2c2316;--bad:#ffb4ab;--bad-ground:#3a1a18;--good:#8fdcae;--good-ground:#15301f}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%}
.note{background:var(--note-ground);color:var(--note);text-align:center;padding:.5rem 1rem;font-size:.875rem}
main{margin:0 auto;padding:2rem 1rem 3rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.25rem;box-shadow:0 1px 2px #0000000d,0 8px 24px #0000000f}
@media (min-width:40rem){.card{padding:1.75rem}}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.015em}
h2{font-size:1.125rem;line-height:1.3;margin:0 0 .25rem;letter-spacing:-.005em}
p{margin:0 0 1rem}.soft{color:var(--soft)}.small{font-size:.875rem}
a{color:var(--key)}
label{font-weight:600;font-size:.875rem}
code,textarea,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
textarea{display:block;width:100%;min-height:7rem;margin:.375rem 0 0;color:inherit;background:transparent;border:1px solid var(--edge);
border-radius:8px;padding:.625rem .75rem;resize:vertical}
button,a.button{display:inline-block;padding:.5625rem 1rem;border-radius:8px;border:1px solid transparent;font:inherit;font-weight:600;
text-align:center;text-decoration:none;cursor:pointer;background:var(--key);color:var(--on-key)}
button.plain{background:transparent;color:inherit;border-color:var(--edge)}
button.little{padding:.25rem .625rem;font-size:.875rem}
button:hover{filter:brightness(1.07)}button.plain:hover{border-color:var(--key);filter:none}button:disabled{opacity:.55;cursor:default;filter:none}
:focus-visible{outline:2px solid var(--key);outline-offset:2px}
.pill{display:inline-block;padding:.0625rem .625rem;border-radius:999px;font-size:.875rem;font-weight:600;white-space:nowrap;
background:var(--line);color:var(--ink)}
.pill.good,.verdict.good{background:var(--good-ground);color:var(--good)}
.pill.bad,.verdict.bad{background:var(--bad-ground);color:var(--bad)}
.verdict{border-radius:10px;padding:.75rem 1rem;margin:0 0 1rem;font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0;font-size:.9375rem}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
"""
"""What this page and the demo's look like: colours for light and dark, text, forms."""

_STYLE: Final = (
    LOOK
    + """
main{max-width:52rem;display:grid;gap:1.25rem}
form button{margin-top:1rem}
ol{list-style:none;margin:1.25rem 0 0;padding:0;border-top:1px solid var(--line)}
li{display:grid;grid-template-columns:6.5rem 1fr;gap:0 1rem;padding:.5rem 0;border-bottom:1px solid var(--line);font-size:.9375rem}
li>div{min-width:0;overflow-wrap:anywhere}
li b{font-weight:600}li.not b,li.not .pill{color:var(--soft);font-weight:400}li.not .pill{background:none;padding:0}
@media (min-width:40rem){li{grid-template-columns:7rem 11rem 1fr}}
@media (max-width:40rem){li .told{grid-column:2}}
dl{margin-top:1.25rem;grid-template-columns:1fr}dt{font-weight:600;color:inherit}dd{margin-bottom:.5rem}
"""
)

_HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'sha256-%b'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        % b64encode(sha256(_STYLE.encode()).digest()),
    ),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    # not no-referrer: a form's Origin would then be "null", and it is by its Origin that an older browser's form is known
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def form_page(wrong: str = "", *, status: int = 200) -> Challenge:
    """The form alone; above it `wrong`, if something was."""
    said = f'<p class="verdict bad" role="alert">{escape(wrong)}</p>\n' if wrong else ""
    return _page("Explain a token", said + _FORM.replace(" required", " required autofocus"), status)


def report_page(report: Report) -> Challenge:
    """The report, and the form below it for the next token. Status 200, whatever the verdict."""
    if report:
        verdict = f"The token is good.{_lifetime(report.expires_in)}"
    else:
        verdict = (
            f"Refused: <code>{escape(str(report.code))}</code>. {escape(_sentence(report.message))}{_lifetime(report.expires_in)}"
        )
    closest = (
        "" if report.closest is None else f'<p class="soft small">Closest profile: {escape(_described(report.closest))}.</p>'
    )
    told = (
        f"<h1>{'A good token' if report else 'Why it is refused'}</h1>\n"
        f'<p class="verdict {"good" if report else "bad"}" role="status">{verdict}</p>\n{closest}{_advice(report.code)}'
        f"<ol>\n{''.join(map(_row, report.checks))}</ol>\n"
    )
    return _page("A good token" if report else f"Refused: {report.code}", f'<div class="card">{told}</div>\n{_FORM}', 200)


def token_of(form: bytes) -> str | None:
    """The token of a form's body, without what stands around one that was copied from a header or from JSON. None: there is no such field."""
    try:
        fields = parse_qs(form.decode("ascii"), errors="replace", max_num_fields=4)
    except ValueError:
        return None
    token = " ".join(fields.get("token", ())).strip()
    for before in ("authorization:", "bearer "):
        if token[: len(before)].lower() == before:
            token = token[len(before) :].lstrip()
    return token.strip("\"', \r\n") or None


def _page(title: str, inside: str, status: int) -> Challenge:
    body = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} - cognito-guard</title>\n<style>{_STYLE}</style>\n"
        f'<div class="note" role="note">The admin listener of cognito-guard. What you paste here is sent to this address only, and is kept nowhere.</div>\n'
        f"<main>\n{inside}\n</main>\n</html>\n"
    ).encode()
    return Challenge(status, "explain", (*_HEADERS, (b"content-length", b"%d" % len(body))), body)


_FORM: Final = """<div class="card">
<h2>Explain a token</h2>
<p class="soft">Every check that this gateway makes, in order: passed, failed, or not reached.</p>
<form method="post" action="/explain" autocomplete="off">
<label for="token">Token</label>
<textarea id="token" name="token" required spellcheck="false" autocapitalize="none" autocomplete="off"></textarea>
<button>Explain</button>
</form>
</div>"""
_MARKS: Final = {"passed": ("good", "passed"), "failed": ("bad", "failed"), "not reached": ("", "not reached")}


def _row(check: Check) -> str:
    mark, word = _MARKS[check.status]
    told = ""
    if check.status == "passed":
        told = escape(check.found or check.expected)
    elif check.status == "failed":
        found = "" if check.found is None else f"; found <code>{escape(check.found)}</code>"
        told = f"expected {escape(check.expected)}{found}"
    return (
        f'<li class="{check.status.partition(" ")[0]}"><div><span class="pill {mark}">{word}</span></div>'
        f'<div><b>{escape(check.name)}</b></div><div class="told soft">{told}</div></li>\n'
    )


def _advice(code: str | None) -> str:
    if code is None:
        return ""
    reason = REASONS[code]
    told = (("What it means", reason.meaning), ("Why with Cognito", reason.why), ("What to do", reason.advice))
    return f"<dl>{''.join(f'<dt>{head}</dt><dd>{escape(_sentence(text))}</dd>' for head, text in told)}</dl>\n"


def _described(profile: Profile) -> str:
    clients = sorted(profile.clients) if isinstance(profile.clients, frozenset) else ["any client"]
    return f"{profile.token_use} tokens of {profile.pool} for {' or '.join(clients)}"


def _lifetime(expires_in: float | None) -> str:
    if expires_in is None:
        return ""
    span = f"{abs(expires_in):.0f} seconds"
    for unit, size in (("minutes", 60), ("hours", 3600), ("days", 86400)):
        if abs(expires_in) >= 2 * size:
            span = f"{abs(expires_in) / size:.0f} {unit}"
    return f" It expires in {span}." if expires_in > 0 else f" It expired {span} ago."


def _sentence(text: str | None) -> str:
    told = text or ""
    return told[:1].upper() + told[1:] + ("" if told.endswith(".") else ".")
