"""CognitoWSGI: translation between WSGI and the front (THREATS A18, A19, A26, A27, T6, T12, T40), in process."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

import pytest

from cognito_guard.adapters.wsgi import PRINCIPAL, CognitoWSGI
from cognito_guard.errors import ConfigurationError
from cognito_guard.policy import InGroup
from cognito_guard.testing import Case, LocalUserPool, behaviour, sample_settings, settings_behaviour, settings_routes
from cognito_guard.web import EncodedSlash, FromCookie, Identify, Protect, Public

POOL = LocalUserPool()
GOOD = POOL.access()
BEARER = {"HTTP_AUTHORIZATION": f"Bearer {GOOD}"}
# `Sec-Fetch-Site: same-origin` proves nothing here, see PAGES
CASES = [case for case in (*behaviour(POOL), *settings_behaviour(POOL)) if case.name != "cookie_fetch_same_origin"]


class Recorder:
    """An application that notes its environments and answers with the principal's subject, without reading the body."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environs.append(environ)
        principal = environ[PRINCIPAL]
        body = b"" if principal is None else principal.subject.encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class Untouched:
    """A request body that fails the test when anybody looks at it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the body was asked for {name}")


class Body:
    """An empty request body."""

    def read(self, *_: int) -> bytes:
        return b""

    readline = read

    def readlines(self, *_: int) -> list[bytes]:
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def environment(target: str = "/x", method: str = "GET", script_name: str = "", **more: Any) -> dict[str, Any]:
    """What a server makes of a request; RAW_URI only by `more`."""
    path, _, query = target.partition("?")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "test",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": Body(),
        "wsgi.errors": logging.StreamHandler().stream,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }


def call(app: Any, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """One request as a server makes it, `close()` included."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, headers]
        return None

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return int(started[0][:3]), started[1], body


def guarded(*routes: Any, **settings: Any) -> tuple[CognitoWSGI, Recorder]:
    app = Recorder()
    return CognitoWSGI(app, POOL.guard(), routes=routes, **settings), app


def test_the_principal_goes_into_the_environment() -> None:
    """A good token reaches the application, with everything that the server gave beside it."""
    app, inner = guarded()
    given = environment("/x?a=1", **BEARER)
    before = dict(given)
    assert call(app, given)[0] == 200
    [seen] = inner.environs
    assert seen[PRINCIPAL].username == "jane"
    assert {**before, PRINCIPAL: seen[PRINCIPAL]} == seen


def test_what_stood_under_the_key_is_overwritten() -> None:
    """Also with None: nobody's earlier word counts as ours."""
    app, inner = guarded(Public("/open"), Identify("/maybe"))
    for path in ("/open", "/maybe"):
        call(app, environment(path, **{PRINCIPAL: "forged"}))
    assert [environ[PRINCIPAL] for environ in inner.environs] == [None, None]


def test_a_refusal_leaves_the_body_alone_and_calls_nobody() -> None:
    """T40: a status line, the challenge and a body of our own; `wsgi.input` is not touched."""
    app, inner = guarded()
    status, headers, body = call(app, environment(method="POST", CONTENT_LENGTH="1000000", **{"wsgi.input": Untouched()}))
    assert status == 401
    assert ("www-authenticate", 'Bearer realm="api"') in headers
    assert ("content-length", str(len(body))) in headers
    assert json.loads(body)["code"] == "credentials_missing"
    assert inner.environs == []


def test_the_status_line_has_its_reason_phrase() -> None:
    """PEP 3333 asks for both; servers that check it refuse a bare number."""
    lines: list[str] = []
    list(guarded()[0](environment(), lambda line, *_: lines.append(line)))
    assert lines == ["401 Unauthorized"]


def test_head_gets_the_headers_of_get_and_no_body() -> None:
    """RFC 9110 §9.3.2."""
    app, _ = guarded()
    get, head = call(app, environment()), call(app, environment(method="HEAD"))
    assert head == (*get[:2], b"")
    assert get[2] != b""


def test_the_applications_iterable_is_handed_on_as_it_is() -> None:
    """So that the server closes it, and finds `wsgi.file_wrapper`'s object; also where it fails half way."""

    class Chunks:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            raise OSError("half way")

        def close(self) -> None:
            self.closed += 1

    chunks = Chunks()

    def app(environ: Any, start_response: Any) -> Chunks:
        start_response("200 OK", [])
        return chunks

    wrapped = CognitoWSGI(app, POOL.guard())
    assert wrapped(environment(**BEARER), lambda *_: None) is chunks  # type: ignore[arg-type,comparison-overlap]
    with pytest.raises(OSError, match="half way"):
        call(wrapped, environment(**BEARER))
    assert chunks.closed == 1


def test_start_response_is_handed_on_as_it_is() -> None:
    """`write` and `exc_info` work as if nobody stood in between."""
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(start_response)
        return []

    def start_response(*_: Any) -> Any: ...

    list(CognitoWSGI(app, POOL.guard())(environment(**BEARER), start_response))
    assert seen == [start_response]


@pytest.mark.parametrize("value", [f"Bearer {GOOD},Bearer {GOOD}", f"Bearer {GOOD}, Bearer {GOOD}", f"Bearer {GOOD},"])
def test_two_authorization_fields_are_refused(value: str) -> None:
    """A18: servers join them, with or without a blank, and one token holds no comma."""
    app, inner = guarded()
    status, _, body = call(app, environment(HTTP_AUTHORIZATION=value))
    assert (status, json.loads(body)["code"]) == (400, "credentials_malformed")
    assert inner.environs == []


def test_a_value_that_is_not_latin_1_is_no_token() -> None:
    """A server that breaks PEP 3333 gets a refusal, not an exception."""
    app, _ = guarded()
    assert call(app, environment(HTTP_AUTHORIZATION=f"Bearer {GOOD}\u2028"))[0] == 400
    assert call(app, environment(PATH_INFO="/\u2028"))[0] == 401


def test_client_headers_never_choose_the_path_or_the_method() -> None:
    """T6, T12: nor does what a client spells like the environment's own keys, which arrive under `HTTP_`."""
    app, inner = guarded(Public("/open"))
    names = ("HOST", "X_ORIGINAL_URL", "X_REWRITE_URL", "X_FORWARDED_URI", "X_FORWARDED_PREFIX", "PATH_INFO", "RAW_URI")
    tricks = {f"HTTP_{name}": "/open" for name in names}
    tricks |= {
        "HTTP_X_HTTP_METHOD_OVERRIDE": "OPTIONS",
        "HTTP_COGNITO_GUARD.PRINCIPAL": "x",
        "HTTP_USER_AGENT": "kube-probe/1.29",
    }
    for method in ("GET", "OPTIONS", "HEAD", "POST"):
        assert call(app, environment("/x?/open", method, **tricks))[0] == 401
    assert inner.environs == []


COOKIE = {"HTTP_COOKIE": f"a=1; session={GOOD}"}
PAGES = [
    ({"HTTP_ORIGIN": "http://test"}, 200),
    ({"HTTP_ORIGIN": "http://evil"}, 401),
    ({"HTTP_ORIGIN": "null"}, 401),
    ({}, 401),
    # granian puts a page's own Sec_Fetch_Site in the place of the browser's Sec-Fetch-Site
    ({"HTTP_SEC_FETCH_SITE": "same-origin"}, 401),
    ({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://evil"}, 401),
    ({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://test"}, 200),
    # wsgiref joins the two
    ({"HTTP_SEC_FETCH_SITE": "cross-site,same-origin", "HTTP_ORIGIN": "http://evil"}, 401),
    ({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "http://test"}, 401),
    # two fields, as waitress joins them
    ({"HTTP_ORIGIN": "http://test, http://evil"}, 401),
    ({"HTTP_ORIGIN": "http://test", "HTTP_HOST": "test, evil"}, 401),
]


@pytest.mark.parametrize(("page", "status"), PAGES)
def test_a_cookie_counts_only_for_the_same_origin(page: dict[str, str], status: int) -> None:
    """A27, with what `HTTP_` folding can do to it: `Sec-Fetch-Site` can close the door here, never open it."""
    app, inner = guarded(credentials=[FromCookie("session")])
    assert call(app, environment(method="POST", **COOKIE, **page))[0] == status
    assert len(inner.environs) == (status == 200)
    assert call(app, environment(**COOKIE, **page))[0] == 200  # a safe method


def raw(target: str, **more: Any) -> dict[str, Any]:
    """An environment with the target as gunicorn tells it; the path as it decodes it."""
    path = re.sub(r"^[a-z]+://[^/?]*", "", target).partition("?")[0].partition("#")[0]
    return environment(path, RAW_URI=target, **more)


def test_the_path_is_utf_8_in_latin_1() -> None:
    """PEP 3333: PATH_INFO stands for octets, with and without the server's word on how they were sent."""
    app, inner = guarded(Public("/café"), Public("/ü/*"))
    for target, status in [("/caf%c3%a9", 200), ("/%C3%BC/x", 200), ("/caf%e9", 400), ("/caf%c3", 400), ("/%c3%bcx", 401)]:
        assert call(app, environment(target))[0] == status
        assert call(app, raw(target))[0] == status
    assert len(inner.environs) == 4


def test_an_empty_path_is_the_root() -> None:
    """PEP 3333 allows it, and so does a target in absolute form."""
    app, inner = guarded(Public("/"))
    for given in (
        environment(""),
        raw("http://test"),
        raw("?x"),
        environment("", script_name="/api"),
        environment("/", script_name="/"),
    ):
        assert call(app, given)[0] == 200
    assert len(inner.environs) == 5


def test_routes_see_the_path_below_script_name() -> None:
    """Whether the prefix was sent (gunicorn, a dispatcher) or taken off by a proxy (werkzeug's ProxyFix); cut at a boundary only."""
    app, inner = guarded(Public("/open"), Public("/api/secret"))
    for given, status in [
        (environment("/open", script_name="/api"), 200),
        (environment("/open", script_name="/api/"), 200),
        (environment("/open", script_name="/api", RAW_URI="/api/open?x"), 200),
        (environment("/open", script_name="/api", RAW_URI="/open"), 200),
        (environment("/open", script_name="/caf\xc3\xa9", RAW_URI="/caf%c3%a9/open"), 200),
        (environment("open", script_name="/api"), 400),
        (environment("/secret", script_name="/api", RAW_URI="/api/secret"), 401),
        (environment("/api/open"), 401),
    ]:
        assert call(app, given)[0] == status
    assert len(inner.environs) == 5


def test_the_raw_target_counts_where_it_agrees() -> None:
    """What a middleware in between rewrote is judged as the application will see it; `%`, `?` and `#` are then doubtful."""
    app, _ = guarded(Public("/open/*"), Protect("/repos/*", InGroup("staff"), accepts=EncodedSlash))
    assert call(app, raw("/open/a%25b"))[0] == 200
    assert call(app, environment("/open/a%25b"))[0] == 400
    assert call(app, raw("/open/a%2fb"))[0] == 400
    assert call(app, raw("/repos/a%2fb"))[0] == 401
    assert call(app, environment("/open/x", RAW_URI="/de/open/x"))[0] == 200
    assert call(app, environment("/open/x%25", RAW_URI="/de/open/x%25"))[0] == 400
    assert call(app, environment("/x", RAW_URI="/open/x"))[0] == 401
    assert call(app, environment("/x", REQUEST_URI="/open/x"))[0] == 401
    assert call(app, environment("/open/a/b", REQUEST_URI="/open/a%2fb"))[0] == 400


@pytest.mark.parametrize("form", ["", "http://test", "https://user@test:1", "HTTP://TEST"])
def test_an_absolute_target_is_its_path(form: str) -> None:
    """RFC 9112 §3.2.2; its host decides nothing."""
    app, _ = guarded(Public("/open"), Public("/files/*"))
    assert call(app, environment("/open", RAW_URI=f"{form}/open"))[0] == 200
    assert call(app, environment("/files/a%25b", RAW_URI=f"{form}/files/a%25b"))[0] == 200
    assert call(app, environment("/files/a/b", RAW_URI=f"{form}/files/a%2fb"))[0] == 400
    assert call(app, environment("/x", RAW_URI=f"{form}/x"))[0] == 401
    assert call(app, environment("/open", RAW_URI=f"{form}/open#/x"))[0] == 400


def test_a_path_that_is_no_path_is_refused() -> None:
    """`OPTIONS *`, wsgiref's absolute form, and what waitress lets through."""
    app, _ = guarded(Public("/open/*"))
    for path in ("*", "http://test/open/x", "open/x", "/open//b", "/open/../x", "/open/a;b", "/open/a\x00"):
        assert call(app, environment(path))[0] == 400


def test_a_bug_in_the_guard_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 500; nothing was sent and the application was not called."""
    guard, inner = POOL.guard(), Recorder()

    def broken(token: str) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(guard, "authenticate", broken)
    with pytest.raises(LookupError, match="a bug"):
        call(CognitoWSGI(inner, guard), environment(**BEARER))  # type: ignore[arg-type]
    assert inner.environs == []


def test_mistakes_are_told_when_built() -> None:
    """Swapped arguments and unknown settings included."""
    with pytest.raises(ConfigurationError, match="app: "):
        CognitoWSGI(POOL.guard(), Recorder())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="guard: "):
        CognitoWSGI(Recorder(), Recorder())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="realm: "):
        CognitoWSGI(Recorder(), POOL.guard(), realm='"')  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="relm"):
        CognitoWSGI(Recorder(), POOL.guard(), relm="api")  # type: ignore[arg-type,call-arg]


def test_bottle_behind_it() -> None:
    """A framework that knows nothing of us, unchanged."""
    bottle = pytest.importorskip("bottle")
    app = bottle.Bottle()

    @app.get("/open")
    @app.get("/x")
    def hello() -> str:
        principal = bottle.request.environ[PRINCIPAL]
        return principal.username if principal else "nobody"

    guarded_app = CognitoWSGI(app, POOL.guard(), routes=[Public("/open")])
    assert call(guarded_app, environment("/open"))[::2] == (200, b"nobody")
    assert call(guarded_app, environment("/x", **BEARER))[::2] == (200, b"jane")
    assert call(guarded_app, environment("/x"))[0] == 401


def as_a_server_would(case: Case) -> dict[str, Any]:
    """The case as gunicorn hands it over: fields of one name joined by a comma."""
    fields: dict[str, str] = {}
    for name, value in case.headers:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return environment(case.target, case.method, RAW_URI=case.target, **fields)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_behaviour_table_in_process(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Every row, with the standard library's validator of PEP 3333 on both sides; no part of a token is logged."""
    caplog.set_level(logging.DEBUG, "cognito_guard")
    inner = Recorder()
    app = validator(CognitoWSGI(validator(inner), POOL.guard(), routes=settings_routes(), **sample_settings()))  # type: ignore[arg-type]
    disturbance = POOL.outage() if case.keys_unavailable else None
    try:
        status, headers, body = call(app, as_a_server_would(case))
    finally:
        if disturbance is not None:
            POOL.recover()
    assert case.check(status, headers, body, reached=bool(inner.environs)) == []
    parts = [part for _, value in case.headers for part in re.split(r"[ .,]", value) if len(part) >= 20]
    assert [part for part in parts if part in caplog.text] == []


def test_the_behaviour_table_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """One application gets every row twice: what it remembers of the first time changes no answer."""
    inner = Recorder()
    app = CognitoWSGI(inner, POOL.guard(), routes=settings_routes(), **sample_settings())
    quick = []
    granted_before = app._front.granted_before

    def watched(*facts: Any) -> Any:
        quick.append(granted_before(*facts))
        return quick[-1]

    monkeypatch.setattr(app._front, "granted_before", watched)
    for case in [case for case in CASES if not case.keys_unavailable] * 2:
        inner.environs.clear()
        status, headers, body = call(app, as_a_server_would(case))
        assert case.check(status, headers, body, reached=bool(inner.environs)) == [], case.name
    assert sum(principal is not None for principal in quick) > 15


def test_what_is_remembered_of_targets_is_all_that_tells_them_apart() -> None:
    """A token that is known, and a PATH_INFO that is known, with another SCRIPT_NAME or target as sent; and no more than a bounded number."""
    app, _ = guarded(Public("/open/*"), Protect("/repos/*", accepts=EncodedSlash), Protect("/staff/*", InGroup("staff")))
    for _ in range(2):
        assert call(app, environment("/repos/a/b", RAW_URI="/repos/a/b", **BEARER))[0] == 200
        assert call(app, environment("/repos/a/b", RAW_URI="/repos/a/b?x=1", **BEARER))[0] == 200
        assert call(app, environment("/repos/a/b", RAW_URI="/repos/a/b#/x", **BEARER))[0] == 400
        assert (
            call(app, environment("/repos/a/b", RAW_URI="/repos/a%2f..%2fb", **BEARER))[0] == 200
        )  # not what was sent: rewritten
        assert call(app, environment("/repos/a/b", "DELETE", **BEARER))[0] == 200
        assert call(app, environment("/staff/a", **BEARER))[0] == 403
        assert call(app, environment("/a", script_name="/staff", **BEARER))[0] == 200
        assert call(app, environment("/staff/a", script_name="/a", **BEARER))[0] == 403
        assert call(app, environment("/repos/a", HTTP_AUTHORIZATION=f"Bearer {GOOD},Bearer {GOOD}"))[0] == 400
        assert call(app, environment("/repos/a"))[0] == 401
    app, _ = guarded(Public("/open/*"), Protect("/x/*", InGroup("staff"), methods="DELETE"), Protect("/x/*"))
    for _ in range(2):
        assert call(app, environment("/x/a", **BEARER))[0] == 200
        assert call(app, environment("/x/a", "DELETE", **BEARER))[0] == 403
        assert call(app, environment("/x/a/b", RAW_URI="/api/x/a%2fb", **BEARER))[0] == 200  # rewritten by somebody above
        assert call(app, environment("/x/a/b", script_name="/api", RAW_URI="/api/x/a%2fb", **BEARER))[0] == 400
    app, _ = guarded(Public("/open/*"), Protect("/repos/*"))
    for at in range(3000):
        assert call(app, environment(f"/repos/{at}", **BEARER))[0] == 200
    assert call(app, environment(f"/repos/{'x' * 5000}", **BEARER))[0] == 200
    assert len(app._targets) <= 1024
    assert max(len("".join(told)) for told in app._targets) <= 1024
