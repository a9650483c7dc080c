"""A request as a CGI-style environment tells it (PEP 3333): WSGI's `environ`, Django's `META`.

Decides which of its entries are facts. In it, `X_Name` and `X-Name` are one field, and fields of one name are joined by commas. So
`Sec-Fetch-Site: same-origin`, which browsers vouch for because no page can write that name, proves nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from cognito_guard.web.request import HeaderPair, Request


def from_environ(environ: Mapping[str, Any]) -> Request:
    """The facts of a WSGI request. `path` is SCRIPT_NAME and PATH_INFO, `root_path` is SCRIPT_NAME.

    PATH_INFO is taken as the octets that it stands for; what of it is not UTF-8 comes as lone surrogates, which `read_path` refuses.
    """
    script_name, path_info = (_text(environ.get(name) or "") for name in ("SCRIPT_NAME", "PATH_INFO"))
    root_path = script_name.rstrip("/")
    return Request(
        environ["REQUEST_METHOD"],
        root_path + path_info or "/",
        header_pairs(environ),
        told_raw_path(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "", path_info, root_path),
        root_path,
        query=_octets(environ.get("QUERY_STRING") or ""),
    )


def header_pairs(environ: Mapping[str, Any]) -> list[HeaderPair]:
    """The header fields, names in lower case, each once.

    `Sec-Fetch-Site` is left out where it says `same-origin`: some servers let a page's own `Sec_Fetch_Site` stand in its place.
    None of `Authorization`, `Cookie`, `Origin` and `Host` can be written by another name, since they hold no hyphen.
    """
    return [
        (_octets(key[5:].replace("_", "-").lower()), _octets(value))
        for key, value in environ.items()
        if key[:5] == "HTTP_" and not (key == "HTTP_SEC_FETCH_SITE" and value == "same-origin")
    ]


def told_raw_path(target: str, path: str, root_path: str) -> bytes | None:
    """The path within a request target, as it was sent; None where `path` was not decoded from it, with or without `root_path`.

    `target` is what the server tells beside the environment's own keys (gunicorn's RAW_URI; REQUEST_URI of waitress, werkzeug, mod_wsgi
    and uWSGI). Rewriting in between leaves it behind, so it counts only where it agrees. With a `#` it always counts: servers cut
    that off the path, and what stands in front of it has two readings.
    """
    raw = _octets(_ABSOLUTE_FORM.sub("", target, count=1).partition("?")[0])
    if b"#" in raw:
        return raw
    decoded = unquote_to_bytes(raw)
    sent = path.encode("utf-8", "surrogateescape")
    return raw if raw and decoded in (sent, root_path.encode("utf-8", "surrogateescape") + sent) else None


_ABSOLUTE_FORM = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def _octets(text: str) -> bytes:
    return text.encode("latin-1", "replace")  # what no server sends becomes a question mark, which no token holds


def _text(text: str) -> str:
    return _octets(text).decode("utf-8", "surrogateescape")
