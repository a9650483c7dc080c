"""The frame of every page: one look for light and dark, no script, and the word that this is for development.

Decides looks and the headers that go with a page. Whatever comes from a request is escaped by who puts it in (`html.escape`).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = """
:root{color-scheme:light dark;--ground:#f4f5f8;--card:#fff;--ink:#181b24;--soft:#5c6373;--line:#d9dce4;--edge:#858da0;--key:#3049d1;--on-key:#fff;
--note:#8a4b00;--note-ground:#fff4e0;--bad:#b3261e;--bad-ground:#fdecea}
@media (prefers-color-scheme:dark){:root{--ground:#10131a;--card:#191d27;--ink:#eceef4;--soft:#9aa3b5;--line:#303747;--edge:#6d778e;--key:#8fa2ff;
--on-key:#10131a;--note:#ffcf8a;--note-ground:#2c2316;--bad:#ffb4ab;--bad-ground:#3a1a18}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.note{background:var(--note-ground);color:var(--note);text-align:center;padding:.5rem 1rem;font-size:.875rem}
main{flex:1;display:grid;place-items:center;padding:2rem 1rem}
.card{width:100%;max-width:24rem;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:2rem;
box-shadow:0 1px 2px #0000000d,0 12px 32px #00000014}
.card.wide{max-width:46rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;letter-spacing:-.01em}
h2{font-size:1rem;margin:1.5rem 0 .25rem}
p{margin:0 0 1rem}.soft{color:var(--soft)}.small{font-size:.875rem}
label{display:block;font-weight:600;font-size:.875rem;margin:1rem 0 .375rem}
input{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--edge);border-radius:8px;padding:.625rem .75rem}
input:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--key);outline-offset:2px}
.code{letter-spacing:.35em;font-variant-numeric:tabular-nums}
button,a.button{display:block;width:100%;margin-top:1.25rem;padding:.6875rem 1rem;border-radius:8px;border:1px solid transparent;font:inherit;
font-weight:600;text-align:center;text-decoration:none;cursor:pointer;background:var(--key);color:var(--on-key)}
button.plain,a.button.plain{background:transparent;color:inherit;border-color:var(--edge);margin-top:.625rem}
button:hover,a.button:hover{filter:brightness(1.07)}
.hint{color:var(--soft);font-size:.875rem;margin:.625rem 0 0}
.or{display:flex;align-items:center;gap:.75rem;color:var(--soft);font-size:.875rem;margin:1.25rem 0 .625rem}
.or::before,.or::after{content:"";flex:1;border-top:1px solid var(--line)}
.bad{background:var(--bad-ground);color:var(--bad);border-radius:8px;padding:.625rem .75rem;margin:1rem 0 0;font-size:.9375rem}
a{color:var(--key)}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:.5rem 0;font-size:.9375rem}
dt{color:var(--soft)}dd{margin:0;min-width:0}
"""
# No form-action: Chromium holds it against every redirect that follows a form, and where an application goes from its callback
# is its own business. Referrer-Policy is not no-referrer, since a form's Origin would then be "null".
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NOTE: Final = {
    "en": "For development only. This user pool runs on this machine and protects nothing.",
    "de": "Nur für die Entwicklung. Dieser Benutzerpool läuft auf diesem Rechner und schützt nichts.",
}


def page(title: str, inside: str, *, lang: str = "en", status: int = 200, wide: bool = False) -> HTMLResponse:
    """A page around `inside`, which is HTML; `title` is text."""
    return HTMLResponse(
        f'<!doctype html>\n<html lang="{escape(lang)}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f'<style>{_STYLE}</style>\n<div class="note" role="note">{escape(NOTE[lang])}</div>\n'
        f'<main><div class="card{" wide" if wide else ""}">\n{inside}\n</div></main>\n</html>\n',
        status,
        _HEADERS,
    )


def told(title: str, text: str, status: int) -> HTMLResponse:
    """A page that says what went wrong, and nothing else."""
    return page(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>", status=status)
