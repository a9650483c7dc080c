"""The endpoint in process: the behaviour table through each kind, who may ask, and what is told of it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Forward, Front
from cognito_guard.gateway.forward_auth.endpoint import PREFIX, ForwardAuth
from cognito_guard.gateway.forward_auth.kinds import KIND_NAMES, KindName, Original
from cognito_guard.gateway.rewriting.identity import IdentityHeaders, NotSendable
from cognito_guard.testing import Case, LocalUserPool, behaviour, settings_behaviour, websocket_behaviour
from cognito_guard.testing.claims import subject_of
from cognito_guard.web import Public, ReportOnly
from cognito_guard.web.problem import Challenge

POOL = LocalUserPool()
GOOD = POOL.access()
BEARER = (b"authorization", b"Bearer " + GOOD.encode())
CASES = (*behaviour(POOL), *settings_behaviour(POOL), *websocket_behaviour(POOL))
FIELDS: dict[str, tuple[bytes, bytes, bytes]] = {
    "nginx": (b"x-original-method", b"x-original-uri", b"x-original-host"),
    "traefik": (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"),
    "caddy": (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"),
}


def question(
    kind: str, target: str = "/private", *headers: tuple[bytes, bytes], method: str = "GET", **more: Any
) -> dict[str, Any]:
    """The scope of the question that this kind of proxy asks about a request."""
    path, _, query = target.encode().partition(b"?")
    host = next((value for name, value in headers if name.lower() == b"host"), b"test")
    scope = {"type": "http", "client": ("127.0.0.1", 4), "query_string": query, "headers": list(headers), "extensions": {}}
    if kind == "envoy":
        scope |= {"method": method, "raw_path": f"{PREFIX}envoy".encode() + path}
        if host == b"test":
            scope["headers"].append((b"host", host))
    else:
        told = zip(FIELDS[kind], (method.encode(), target.encode(), host), strict=True)
        scope |= {"method": "GET", "raw_path": f"{PREFIX}{kind}".encode(), "headers": [*headers, *told]}
    return scope | {"path": scope["raw_path"].decode("latin-1")} | more


async def ask(app: ForwardAuth, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The answer; the question's body is never asked for, and the answer is one start and one body."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("a body was asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, body = sent
    assert (start["type"], body["type"], body.get("more_body", False)) == ("http.response.start", "http.response.body", False)
    return start["status"], start["headers"], body["body"]


def asked(kind: str, case: Case) -> dict[str, Any]:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in case.headers]
    if case.kind == "websocket":
        headers.append((b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="))
    return question(kind, case.target, *headers, method=case.method)


def heard(case: Case, kind: str) -> Case:
    """What this kind of proxy must hear."""
    status, codes, challenge = case.status, case.codes, case.challenge
    if case.document or case.status == 204:
        status, codes, challenge = 403, ("metadata_elsewhere",), None
    if kind == "nginx" and status == 400:
        status, codes = 401, ()
    told = None if challenge is None else dict(challenge)
    return Case(
        case.name, case.target, case.headers, status=status, codes=codes, challenge=told, method=case.method, subject=case.subject
    )


@pytest.mark.parametrize("kind", KIND_NAMES)
async def test_the_behaviour_table(kind: KindName, ask_of: Any) -> None:
    """Every row, cookies, other fields and websockets included; asked twice, since a known token takes the quick way."""
    wrong = []
    app = ask_of(kind, POOL)
    for case in CASES:
        if case.keys_unavailable:
            with POOL.outage():
                answers = [await ask(ask_of(kind, POOL), asked(kind, case))]
        else:
            answers = [await ask(app, asked(kind, case)), await ask(app, asked(kind, case))]
        for status, headers, octets in answers:
            body = octets
            if status == 200:
                assert body == b""
                body = dict(headers)[b"x-cognito-subject"]  # as the application is told
            wrong += [(case.name, problem) for problem in heard(case, kind).check(status, headers, body)]
    assert wrong == []


@pytest.mark.parametrize("kind", KIND_NAMES)
async def test_report_only(kind: KindName) -> None:
    """What would be refused passes with every managed header empty: no identity on the word of a bad token."""
    front = Front(POOL.guard(), mode=ReportOnly)
    app = ForwardAuth(front, kinds=[kind], trusts=lambda _: True, identity=IdentityHeaders().pairs)
    status, headers, _ = await ask(app, question(kind, "/private", (b"authorization", b"Bearer x")))
    assert status == 200
    assert {value for name, value in headers if name.startswith(b"x-cognito-")} == {b""}


async def test_head_of_envoy(ask_of: Any) -> None:
    """Envoy asks with the original method, so a HEAD gets the fields of its refusal without the body (RFC 9110 section 9.3.2)."""
    app = ask_of("envoy", POOL)
    get, head = await ask(app, question("envoy")), await ask(app, question("envoy", method="HEAD"))
    assert head[:2] == get[:2]
    assert (json.loads(get[2])["code"], head[2]) == ("credentials_missing", b"")


async def test_the_question_s_own_query_decides_nothing(ask_of: Any) -> None:
    """THREATS 6.3: Caddy appends the client's query to the question."""
    app = ask_of("caddy", POOL)
    scope = question("caddy", "/private?a=b") | {"query_string": b"uri=/open/x&kind=envoy&if=public"}
    assert (await ask(app, scope))[0] == 401


@pytest.mark.parametrize(
    "raw_path",
    [
        b"",
        b"nginx",
        b"nginx/",
        b"nginx/x",
        b"NGINX",
        b"%6eginx",
        b"caddy",
        b"envoy",
        b"envoyx",
        b"%65nvoy/open/x",
        b"../envoy/open/x",
    ],
)
async def test_exact_paths(raw_path: bytes, ask_of: Any) -> None:
    """Only the paths of the kinds that were named, octet by octet; anything else is unknown, whatever it carries."""
    app = ask_of("nginx", POOL, kinds=["nginx", "envoy"])
    scope = question("nginx", "/open/x", BEARER) | {"raw_path": PREFIX.encode() + raw_path}
    expected = 200 if raw_path == b"nginx" else 404
    assert (await ask(app, scope))[0] == expected


async def test_a_server_that_hides_the_raw_path(ask_of: Any) -> None:
    """Without it nothing can be judged that was sent."""
    assert (await ask(ask_of("nginx", POOL), question("nginx", "/open/x", raw_path=None)))[0] == 404


async def test_envoy_below_its_prefix(ask_of: Any) -> None:
    """The rest of the path is the request, dot segments and all: T9."""
    app = ask_of("envoy", POOL)
    for target, status in (
        ("/open/x", 200),
        ("/open/../x", 400),
        ("/", 401),
        ("//open/x", 400),
        ("/open/x?/../y", 200),
        ("/open/x;/y", 400),
    ):
        assert (await ask(app, question("envoy", target)))[0] == status


@pytest.mark.parametrize("kind", KIND_NAMES)
async def test_strangers(kind: KindName, ask_of: Any, caplog: Any) -> None:
    """Only trusted peers are answered; the operator is told of the first stranger, and not of every one."""
    app = ask_of(kind, POOL, trusts=lambda peer: peer in ("127.0.0.1", None))
    for client, status in ((("127.0.0.1", 1), 200), (None, 200), (("10.0.0.1", 1), 403), (("10.0.0.2", 1), 403), (("", 0), 403)):
        assert (await ask(app, question(kind, "/private", BEARER, client=client)))[0] == status
    (record,) = caplog.records
    assert "10.0.0.1" in record.getMessage()
    # a forwarded address makes nobody trusted
    forwarded = question(kind, "/private", BEARER, (b"x-forwarded-for", b"127.0.0.1"), client=("10.0.0.1", 1))
    assert (await ask(app, forwarded))[0] == 403


SECRET = b"correct-horse-battery"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([SECRET], 200), ([], 403), ([b""], 403), ([SECRET[:-1]], 403), ([SECRET + b"y"], 403), ([SECRET.upper()], 403),
        ([SECRET, SECRET], 403), ([b"wrong", SECRET], 403), ([SECRET + b"\xff"], 403),
    ],
)  # fmt: skip
async def test_the_secret(told: list[bytes], status: int, ask_of: Any, caplog: Any) -> None:
    """Once and exactly, in any case of the field's name; it stands in no log."""
    app = ask_of("nginx", POOL, secret=SECRET)
    for name in (b"x-cognito-guard-secret", b"X-Cognito-Guard-Secret"):
        assert (await ask(app, question("nginx", "/private", BEARER, *((name, value) for value in told))))[0] == status
    assert (await ask(app, question("nginx", "/private", BEARER, (b"x_cognito_guard_secret", SECRET))))[0] == 403
    assert "correct" not in caplog.text.lower()


@pytest.mark.parametrize("kind", KIND_NAMES)
async def test_a_question_that_is_not_clear(kind: KindName, ask_of: Any, caplog: Any) -> None:
    """THREATS 6.3: 500 and one line in the log, never a guess; to Envoy 403, which no setting of its can turn into an allow."""
    app = ask_of(kind, POOL)
    scope = question(kind, "/open/x", BEARER)
    for name in FIELDS.get(kind, (b"host",))[:2]:
        lacking = scope | {"headers": [pair for pair in scope["headers"] if pair[0] != name]}
        for headers in (lacking["headers"], [*lacking["headers"], (name, b"")] if kind != "envoy" else lacking["headers"]):
            status, _, body = await ask(app, scope | {"headers": headers})
            assert (status, json.loads(body)["code"]) == (403 if kind == "envoy" else 500, "question_unclear")
    assert all(record.levelno == logging.ERROR for record in caplog.records)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told)) == (1 if kind == "envoy" else 4)
    assert not any("/open/x" in line or GOOD in line for line in told)


async def test_hosts_choose_the_front(by_host: Any) -> None:
    """T10, and a host that is none: not clear, since no route can be chosen by it."""
    for kind in KIND_NAMES:
        app = by_host(kind, POOL)
        for host, status in (
            (b"open.example", 200),
            (b"OPEN.example.:8443", 200),
            (b"open.example.evil", 401),
            (b"xopen.example", 401),
        ):
            assert (await ask(app, question(kind, "/private", (b"host", host))))[0] == status
        assert (await ask(app, question(kind, "/private", BEARER, (b"host", b"open.example evil"))))[0] == (
            403 if kind == "envoy" else 500
        )


async def test_a_claim_that_cannot_be_sent(ask_of: Any, caplog: Any) -> None:
    """A23, T2: control characters in a claim: refused, and the claim's name stands in the log, its value nowhere."""
    app = ask_of("caddy", POOL, identity=IdentityHeaders({"X-Cognito-Nick": "nickname"}).pairs)
    token = POOL.access(claims={"nickname": "jane\r\nX-Cognito-Groups: admin"}).encode()
    status, headers, body = await ask(app, question("caddy", "/private", (b"authorization", b"Bearer " + token)))
    assert (status, json.loads(body)["code"]) == (403, "identity_not_sendable")
    assert b"admin" not in body + b"".join(value for _, value in headers)
    assert "nickname" in caplog.text
    assert "admin" not in caplog.text
    assert NotSendable("X-Cognito-Nick", "nickname").header in caplog.text


@pytest.mark.parametrize("kind", KIND_NAMES)
async def test_a_listener_hears_everything(kind: KindName, ask_of: Any) -> None:
    """Scope, original and outcome, on the quick way too; what it raises is logged once and changes nothing."""
    heard: list[tuple[Any, Any, Any]] = []
    app = ask_of(kind, POOL, on_answer=lambda *told: heard.append(told))
    scopes = [question(kind, target, BEARER) for target in ("/private", "/private", "/open/x", "/staff")]
    scopes.append(question(kind, "/private", client=("10.0.0.1", 1)))
    for scope in scopes:
        await ask(app, scope)
    assert [scope for scope, _, _ in heard] == scopes
    originals = [original for _, original, _ in heard]
    assert [original and (original.method, original.raw_path) for original in originals] == [
        ("GET", b"/private"), ("GET", b"/private"), ("GET", b"/open/x"), ("GET", b"/staff"), None,
    ]  # fmt: skip
    assert all(isinstance(original, Original) for original in originals[:4])
    outcomes = [outcome for _, _, outcome in heard]
    assert [outcome.principal and outcome.principal.subject for outcome in outcomes[:3] if isinstance(outcome, Forward)] == [
        subject_of("jane"), subject_of("jane"), None,
    ]  # fmt: skip
    assert [outcome.status for outcome in outcomes[3:] if isinstance(outcome, Challenge)] == [403, 403]


async def test_a_listener_that_raises(ask_of: Any, caplog: Any) -> None:
    """Whatever it does, the answer stands."""

    def raising(*_: Any) -> None:
        raise ZeroDivisionError

    app = ask_of("nginx", POOL, on_answer=raising)
    assert [(await ask(app, question("nginx", "/private", *headers)))[0] for headers in ([BEARER], [], [BEARER])] == [
        200,
        401,
        200,
    ]
    assert len(caplog.records) == 1


async def test_a_bug_of_the_guard_is_no_allow(ask_of: Any) -> None:
    """It comes through, nothing is sent, and the server answers 500."""

    class Broken:
        clock = staticmethod(lambda: 0.0)

        def authenticate(self, token: str) -> Any:
            raise ZeroDivisionError

        async def authenticate_async(self, token: str) -> Any:
            return None

    guard: Any = Broken()
    with pytest.raises(TypeError):
        await ask(ask_of("nginx", POOL, Front(guard, [Public("/open")])), question("nginx", "/private", BEARER))


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "mystery"])
async def test_other_scopes(kind: str, ask_of: Any) -> None:
    """A26: no other scope type is answered."""
    with pytest.raises(NotImplementedError):
        await ask(ask_of("nginx", POOL), question("nginx", type=kind))


def test_every_mistake_at_once() -> None:
    """T19 among them: an empty or short secret is none."""
    anything: Any = 3
    with pytest.raises(ConfigurationError) as wrong:
        ForwardAuth(anything, kinds=["ingress"], trusts=anything, identity=anything, secret=b"", on_answer=anything)  # type: ignore[list-item]
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [
        "front", "trusts", "identity", "secret", "on_answer", "kinds",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        b"short",
        b"x" * 15,
        b"with blanks in it, long",
        b"x" * 2000,
        "text-text-text-text",
        b"caf\xc3\xa9-caf\xc3\xa9-caf\xc3\xa9",
    ],
)
@pytest.mark.parametrize("kinds", [["nginx"]])
def test_secrets_that_are_none(secret: Any, kinds: Any) -> None:
    """T19: what could be guessed, or not be sent in a field, is refused at start."""
    with pytest.raises(ConfigurationError, match="secret"):
        ForwardAuth(Front(POOL.guard()), kinds=kinds, trusts=lambda _: True, identity=IdentityHeaders().pairs, secret=secret)


@pytest.mark.parametrize("kinds", [[], "nginx", ["apache"], ["nginx", "apache"]])
def test_kinds_that_are_none(kinds: Any) -> None:
    """At least one, and only those that there are."""
    with pytest.raises(ConfigurationError, match="kinds"):
        ForwardAuth(Front(POOL.guard()), kinds=kinds, trusts=lambda _: True, identity=IdentityHeaders().pairs)
