"""The admin listener's `/explain`: who may ask (THREATS T52), what the page shows, and what it keeps to itself. In a browser: tests/demo."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from base64 import b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from cognito_guard.gateway.observing.admin import Admin, Readiness
from cognito_guard.gateway.observing.explain_page import LONGEST_FORM, token_of
from cognito_guard.gateway.observing.metrics import Metrics
from cognito_guard.testing import LocalUserPool, bad_tokens

HOST = (b"host", b"127.0.0.1:9090")
OWN = (b"origin", b"http://127.0.0.1:9090")
SAME = (b"sec-fetch-site", b"same-origin")
NONE = (b"sec-fetch-site", b"none")
NAVIGATE = (b"sec-fetch-mode", b"navigate")
FORM = b"/explain"


@pytest.fixture(scope="module")
def pool() -> LocalUserPool:
    return LocalUserPool()


@pytest.fixture(scope="module")
def admin(pool: LocalUserPool) -> Admin:
    guard = pool.guard()
    return Admin(Readiness([], guard.key_status), Metrics().exposition, lambda: guard)


def ask(admin: Admin, method: str, *headers: tuple[bytes, bytes], body: bytes | list[bytes] = b"", path: bytes = FORM) -> Any:
    pieces = [body] if isinstance(body, bytes) else list(body)
    sent: list[Any] = []

    async def receive() -> Any:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.decode(),
        "raw_path": path,
        "headers": list(headers),
        "query_string": b"",
    }
    asyncio.run(admin(scope, receive, send))
    start, content = sent
    return start["status"], dict(start["headers"]), content["body"].decode()


def explained(admin: Admin, token: str) -> str:
    status, _, body = ask(admin, "POST", HOST, SAME, OWN, NAVIGATE, body=urlencode({"token": token}).encode())
    assert status == 200
    return str(body)


# who may ask


@pytest.mark.parametrize("headers", [[], [NONE], [NONE, NAVIGATE], [SAME, NAVIGATE]])
@pytest.mark.parametrize("host", [b"127.0.0.1:9090", b"[::1]:9090", b"localhost:19090", b"10.1.2.3"])
def test_who_sees_the_form(admin: Admin, headers: Any, host: bytes) -> None:
    """Whoever typed the address, or comes from this page itself; curl as well. HEAD gets the headers alone."""
    status, told, body = ask(admin, "GET", (b"host", host), *headers)
    assert status == 200
    assert '<form method="post" action="/explain"' in body
    assert ask(admin, "HEAD", (b"host", host), *headers) == (200, told, "")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [NONE, (b"sec-fetch-site", b"cross-site")],
        [SAME, (b"sec-fetch-mode", b"cors")],
        [SAME, (b"sec-fetch-mode", b"no-cors")],
        [OWN],
        [(b"origin", b"null")],
        [SAME, OWN],
    ],
)
def test_who_does_not_see_it(admin: Admin, headers: Any) -> None:
    """T52: links and scripts of other pages, and scripts of any page."""
    assert ask(admin, "GET", HOST, *headers)[0] == 403


@pytest.mark.parametrize("headers", [[SAME], [SAME, OWN], [SAME, OWN, NAVIGATE], [OWN]])
def test_whose_form_is_taken(admin: Admin, pool: LocalUserPool, headers: Any) -> None:
    """This page's own, by Sec-Fetch-Site, or by its Origin where a browser does not send that."""
    status, _, body = ask(admin, "POST", HOST, *headers, body=b"token=" + pool.access().encode())
    assert status == 200
    assert "The token is good." in body


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [NONE],
        [NONE, OWN],
        [(b"sec-fetch-site", b"same-site"), OWN],
        [(b"sec-fetch-site", b"cross-site"), OWN],
        [SAME, (b"sec-fetch-site", b"cross-site")],
        [(b"origin", b"null")],
        [SAME, (b"origin", b"null")],
        [(b"origin", b"https://127.0.0.1:9090")],
        [(b"origin", b"http://127.0.0.1")],
        [(b"origin", b"http://localhost:9090")],
        [(b"origin", b"http://127.0.0.1:9090.evil.example")],
        [OWN, (b"origin", b"https://evil.example")],
        [SAME, (b"sec-fetch-mode", b"cors")],
    ],
)
def test_whose_form_is_not(admin: Admin, pool: LocalUserPool, headers: Any) -> None:
    """T52: everybody else's, a program's included; nothing of the body is looked at."""
    status, _, body = ask(admin, "POST", HOST, *headers, body=b"token=" + pool.access().encode())
    assert (status, json.loads(body)["code"]) == (403, "admin_caller_refused")


@pytest.mark.parametrize("host", [b"evil.example", b"evil.example:9090", b"localhost.evil.example", b"127.1", b""])
def test_a_name_as_host_is_refused(admin: Admin, host: bytes) -> None:
    """T52: DNS rebinding, where the page of a name that was made to point here is of the same origin as this one."""
    assert ask(admin, "GET", (b"host", host), SAME, NAVIGATE)[0] == 403
    assert ask(admin, "POST", (b"host", host), SAME, (b"origin", b"http://" + host), body=b"token=x")[0] == 403


@pytest.mark.parametrize("headers", [[], [HOST, (b"host", b"evil.example")]])
def test_no_host_or_two_are_refused(admin: Admin, headers: Any) -> None:
    """Whichever would count."""
    assert ask(admin, "GET", *headers)[0] == 403
    assert ask(admin, "POST", *headers, SAME, body=b"token=x")[0] == 403


def test_other_methods_and_paths(admin: Admin) -> None:
    """The path as it is written, and no third method; the other paths are as closed to pages as before."""
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert ask(admin, method, HOST)[0] == 405
        assert ask(admin, method, HOST, SAME, OWN)[0] == 403
    for path in (b"/explain/", b"/%65xplain", b"//explain", b"/explain;x"):
        assert ask(admin, "GET", HOST, path=path)[0] == 404
    for path in (b"/livez", b"/readyz", b"/metrics"):
        assert ask(admin, "POST", HOST, SAME, OWN, path=path)[0] == 403
        assert ask(admin, "GET", HOST, SAME, NAVIGATE, path=path)[0] == 403
        assert ask(admin, "POST", HOST, path=path)[0] == 405


def test_without_a_guard_there_is_no_such_path(pool: LocalUserPool) -> None:
    """An Admin that was given none is as it was."""
    plain = Admin(Readiness([], pool.guard().key_status), Metrics().exposition)
    assert ask(plain, "GET", HOST)[0] == 404
    assert ask(plain, "POST", HOST, SAME, OWN, body=b"token=x")[0] == 403


# what it shows


def test_nothing_is_kept_or_run(admin: Admin, pool: LocalUserPool) -> None:
    """No cache, no script, no frame, no sniffing; the one style is the one that the policy names."""
    for method, body in (("GET", b""), ("POST", b"token=x"), ("POST", b""), ("POST", b"token=" + pool.access().encode())):
        _, headers, page = ask(admin, method, HOST, SAME, body=body)
        policy = headers[b"content-security-policy"].decode()
        style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
        assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
        assert policy.startswith("default-src 'none'; ")
        for directive in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in policy
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"content-type"] == b"text/html; charset=utf-8"
        assert headers[b"content-length"] == b"%d" % len(page.encode())
        assert "<script" not in page
        assert "http://" not in page.replace("http://127.0.0.1", "")


def test_a_good_token(admin: Admin, pool: LocalUserPool) -> None:
    """Every check passed, how long it lives; and nothing of it that could be used, nor whose it is."""
    token = pool.access(username="somebody.known", scopes=["orders/read"])
    page = explained(admin, token)
    assert "The token is good. It expires in 60 minutes." in page
    assert page.count('pill good">passed') == len(pool.guard().explain(token).checks)
    assert "orders/read" in page
    for secret in (token, *token.split("."), "somebody.known"):
        assert secret not in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("expired", ["Refused: <code>expired</code>", "It expired ", " ago."]),
        ("client_other", ["<code>client_refused</code>", "expected client_id = ", "; found <code>client_id = "]),
        ("alg_none", ["<code>algorithm_refused</code>", "not reached"]),
        ("too_large", ["<code>token_too_large</code>"]),
    ],
)
def test_a_refused_token(admin: Admin, pool: LocalUserPool, name: str, said: list[str]) -> None:
    """The code, what was expected and found, why, and what to do."""
    page = explained(admin, pool.bad(name)) if name != "too_large" else explained(admin, "a" * 100_000)
    for text in (*said, "What it means", "Why with Cognito", "What to do"):
        assert text in page


def test_everything_is_escaped(admin: Admin, pool: LocalUserPool) -> None:
    """A token may say anything in the claims that are shown."""
    for claim, where in (("client_id", "app client"), ("iss", "issuer"), ("scope", "scopes")):
        page = explained(admin, pool.access(claims={claim: "<script>alert('x')</script>&\"<img src=x>"}))
        assert where in page
        assert "<script" not in page
        assert "<img" not in page
    page = explained(admin, pool.access(claims={"client_id": "<b>"}))
    assert "&lt;b&gt;" in page


def test_any_bad_token_makes_a_page(admin: Admin, pool: LocalUserPool) -> None:
    """The whole catalogue: each with its own code, none of it repeated. What is good without its decoration is said to be good."""
    decorated = {"with_scheme", "quoted", "final_comma", "final_space", "final_line_break", "first_space"}
    for bad in bad_tokens(pool):
        if len(bad.token) > LONGEST_FORM or not bad.token:
            continue
        page = explained(admin, bad.token.encode("utf-8", "replace").decode())
        assert ("The token is good." in page) == (bad.name in decorated), bad.name
        assert (f"Refused: <code>{bad.code}</code>" in page) == (bad.name not in decorated), bad.name
        assert len(bad.token) < 100 or bad.token not in page, bad.name


@pytest.mark.parametrize(
    ("form", "token"),
    [
        (b"token=a.b.c", "a.b.c"),
        (b"token=+a.b.c%0D%0A", "a.b.c"),
        (b"token=Bearer+a.b.c", "a.b.c"),
        (b"token=authorization%3A++bearer++a.b.c", "a.b.c"),
        (b"token=%22a.b.c%22%2C", "a.b.c"),
        (b"other=1&token=a", "a"),
        (b"token=%FF", "\ufffd"),
        (b"token=", None),
        (b"token=+", None),
        (b"", None),
        (b"tokens=a", None),
        (b"token=\xff", None),
        (b"a=1&" * 10 + b"token=a", None),
    ],
)
def test_a_form_s_token(form: bytes, token: str | None) -> None:
    """What people copy along with a token is taken off; what is no such form has none."""
    assert token_of(form) == token


def test_a_form_without_a_token(admin: Admin) -> None:
    """400 with the form once more, and a sentence."""
    status, _, page = ask(admin, "POST", HOST, SAME, body=b"token=")
    assert status == 400
    assert "There was no token in the form." in page
    assert "<form" in page


def test_a_form_that_is_too_long(admin: Admin) -> None:
    """Not read to its end: 413."""
    status, _, page = ask(admin, "POST", HOST, SAME, body=[b"token=", b"a" * LONGEST_FORM, b"never asked for"])
    assert status == 413
    assert "too long" in page


def test_a_form_in_pieces(admin: Admin, pool: LocalUserPool) -> None:
    """As it comes over the wire."""
    form = b"token=" + pool.access().encode()
    assert "The token is good." in ask(admin, "POST", HOST, SAME, body=[form[:9], b"", form[9:]])[2]


def test_the_guard_of_the_moment(pool: LocalUserPool) -> None:
    """New settings count for the next form."""
    guards = [pool.guard(), LocalUserPool("us-east-1_Another01").guard()]
    admin = Admin(Readiness([], guards[0].key_status), Metrics().exposition, lambda: guards[0])
    assert "The token is good." in explained(admin, pool.access())
    guards.pop(0)
    assert "issuer_unknown" in explained(admin, pool.access())


def test_waiting_for_keys_holds_up_nobody(pool: LocalUserPool) -> None:
    """The report waits in a thread: meanwhile the listener answers probes."""
    asked, answered = threading.Event(), threading.Event()

    def fetch(url: str) -> Any:
        asked.set()
        assert answered.wait(20)
        return pool.fetch(url)

    guard = pool.guard(fetch=fetch)
    admin = Admin(Readiness([], guard.key_status), Metrics().exposition, lambda: guard)

    async def both() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"token=" + pool.access().encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "headers": [HOST, SAME]}
        explaining = asyncio.create_task(admin({**scope, "method": "POST", "path": "/explain"}, receive, send))
        await asyncio.to_thread(asked.wait, 20)
        await admin({"type": "http", "headers": [HOST], "method": "GET", "path": "/livez"}, receive, send)
        assert [message["status"] for message in sent[::2]] == [200]
        answered.set()
        await explaining
        return sent

    sent = asyncio.run(both())
    assert sent[1]["body"] == b'{"status":"alive"}'
    assert b"The token is good." in sent[3]["body"]
