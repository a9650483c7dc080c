"""ExtAuthz without an Envoy: who may ask, what is written and removed, and that every call ends in a decision."""

from __future__ import annotations

import logging
import os
import socket
import stat
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.front import Front, Outcome
from cognito_guard.gateway.ext_authz import messages
from cognito_guard.gateway.ext_authz.service import ExtAuthz
from cognito_guard.gateway.forward_auth.kinds import Original
from cognito_guard.gateway.rewriting.forwarded import Peers
from cognito_guard.gateway.rewriting.identity import IdentityHeaders
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Identify, Public
from cognito_guard.web.decide import Forward
from cognito_guard.web.problem import Challenge

POOL = LocalUserPool()
GUARD = POOL.guard()
GOOD = POOL.access()
BEARER = (b"authorization", b"Bearer " + GOOD.encode())
LOCAL = Peers(["127.0.0.0/8", "::1"], unix=True)


@pytest.fixture
def anyio_backend() -> str:
    """grpc.aio runs on asyncio only."""
    return "asyncio"


def check(
    *fields: tuple[bytes, bytes], method: bytes = b"GET", path: bytes = b"/x", host: bytes = b"h", raw: bool = True
) -> bytes:
    http: dict[str, Any] = {"method": method, "path": path, "host": host}
    if raw:
        pseudo = [(b":path", path), (b":method", method), (b":authority", host)]
        http["header_map"] = {"headers": [{"key": name, "raw_value": value} for name, value in [*pseudo, *fields]]}
    else:
        http["headers"] = [{"key": name, "value": value} for name, value in fields]
    octets: bytes = messages._CheckRequest(attributes={"request": {"http": http}}).SerializeToString()
    return octets


def read(octets: bytes) -> tuple[int, dict[bytes, bytes], list[bytes], bytes]:
    """Status (200: allowed), headers, headers to remove, body."""
    answer = messages._CheckResponse.FromString(octets)
    if answer.status.code == 0:
        assert answer.WhichOneof("http_response") == "ok_response"
        told, status, body = answer.ok_response, 200, b""
        removed = [*told.headers_to_remove]
    else:
        told = answer.denied_response
        status, body, removed = told.status.code, told.body, []
    assert all(each.HasField("append") and not each.append.value and each.append_action == 2 for each in told.headers)
    return status, {each.header.key: each.header.value for each in told.headers}, removed, body


def service(*routes: Any, **settings: Any) -> ExtAuthz:
    front = settings.pop("front", None) or Front(GUARD, routes)
    return ExtAuthz(front, **{"trusts": LOCAL.trusts, "identity": IdentityHeaders().pairs} | settings)


async def test_the_quick_and_the_long_way_answer_alike() -> None:
    """The first sight of a token goes through the Guard, the next through what it knows; the answer is the same."""
    front = Front(POOL.guard())
    answers = [await service(front=front).answer(check(BEARER)) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    status, headers, removed, _ = read(answers[0])
    assert (status, headers[b"x-cognito-username"], headers[b"x-cognito-email"], removed) == (200, b"jane", b"", [])


async def test_aliases_are_removed() -> None:
    """T1: what folds to a managed or forwarding field and is none; exact names are written over."""
    spoofed = [
        (b"x_cognito_subject", b"a"),
        (b"x.cognito.groups", b"a"),
        (b"x_forwarded_for", b"a"),
        (b"x-cognito-subject", b"a"),
    ]
    for fields in (spoofed, [*spoofed, BEARER]):
        status, headers, removed, _ = read(await service(Identify("/*")).answer(check(*fields, (b"x-other", b"b"))))
        assert status == 200
        assert removed == [b"x_cognito_subject", b"x.cognito.groups", b"x_forwarded_for"]
        assert headers[b"x-cognito-subject"] != b"a"


@pytest.mark.parametrize("octets", [b"", b"\xff\xff", messages._CheckRequest().SerializeToString()])
async def test_what_cannot_be_read_is_denied(octets: bytes) -> None:
    """Garbage, and a question about a TCP connection; also where everything is public."""
    assert read(await service(Public("/*")).answer(octets))[0] == 500


@pytest.mark.parametrize("raw", [0, 1])
@pytest.mark.parametrize(
    ("part", "octets"), [("method", b"G T"), ("method", b"\xff"), ("path", b""), ("host", b"a b"), ("host", b"")]
)
async def test_a_malformed_request_is_refused(part: str, octets: bytes, raw: int) -> None:
    """Where routes differ by host, one that is none included; the answer is the client's 400, or 500 where there is no method."""
    front = Front(GUARD, [Public("/*")])
    octets = await service(front=lambda _: front).answer(check(raw=bool(raw), **{part: octets}))
    assert read(octets)[0] == 400


async def test_raw_pseudo_fields_are_what_counts() -> None:
    """T20: in raw form `:path` holds the octets that Envoy forwards; the attribute may have `!` in their place."""
    octets = check(path=b"/a\xe9")
    asked = messages.read_check(octets)
    assert asked is not None
    assert (b":path", b"/a\xe9") in asked.fields
    status, _, _, body = read(await service(Public("/*")).answer(octets))
    assert status == 200  # every path is public, whatever it is
    status, _, _, body = read(await service(Public("/a")).answer(octets))
    assert (status, b"target_ambiguous" in body) == (400, True)


async def test_a_claim_that_cannot_be_sent_is_403(caplog: pytest.LogCaptureFixture) -> None:
    """T2, A23: nothing is forwarded, once it is logged, and the value is told nowhere; as over HTTP."""
    token = POOL.access(username="a\r\nX-Admin: 1")
    guarded = service(front=Front(POOL.guard()))
    for _ in range(2):
        octets = await guarded.answer(check((b"authorization", b"Bearer " + token.encode())))
        assert (read(octets)[0], b"identity_not_sendable" in octets, b"Admin" in octets) == (403, True, False)
    assert len(caplog.records) == 1
    assert "Admin" not in caplog.text


@pytest.mark.parametrize("value", [b"a\nb", b"\xff"])
async def test_identity_that_envoy_could_not_read_is_denied(value: bytes) -> None:
    """Whatever `identity` gives: a denial, never a broken message."""
    guarded = service(identity=lambda who: [(b"x-a", b"" if who is None else value)])
    assert read(await guarded.answer(check(BEARER)))[0] == 500


async def test_a_bug_is_denied_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """By type and place; not by its message, which may hold what the client sent (T29)."""

    def broken(who: Any) -> Any:
        if who is not None:
            raise KeyError(GOOD)
        return []

    guarded = service(identity=broken)
    for _ in range(3):
        assert read(await guarded.answer(check(BEARER)))[0] == 500
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "KeyError at test_service.py:" in caplog.text
    assert GOOD not in caplog.text


async def test_a_timeout_error_of_somebody_elses_is_a_bug() -> None:
    """Only our own deadline is a 503."""
    front = Front(POOL.guard())

    async def broken(_request: Any) -> Outcome:
        raise TimeoutError

    front.judge_async = broken  # type: ignore[method-assign]
    assert read(await service(front=front).answer(check(BEARER), 5))[0] == 500


async def test_the_deadline_of_the_caller_is_met() -> None:
    """A17: keys that do not come in time are 503 with Retry-After before the caller gives up."""
    pool = LocalUserPool()
    guarded = service(front=Front(pool.guard()))
    with pool.slow(20):
        status, headers, _, body = read(await guarded.answer(check(BEARER), 0.05))
    assert (status, headers[b"retry-after"], b"keys_unavailable" in body) == (503, b"1", True)


async def test_a_listener_hears_of_each_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Allowed, refused and unclear ones; what it raises changes nothing and is logged once."""
    heard: list[tuple[Original | None, Outcome]] = []

    def listen(original: Original | None, outcome: Outcome) -> None:
        heard.append((original, outcome))
        raise LookupError

    guarded = service(on_answer=listen)
    statuses = [read(await guarded.answer(octets))[0] for octets in (check(BEARER), check(BEARER), check(), b"")]
    assert statuses == [200, 200, 401, 500]
    assert [original and original.path for original, _ in heard] == ["/x", "/x", "/x", None]
    assert [type(outcome) for _, outcome in heard] == [Forward, Forward, Challenge, Challenge]
    assert len([record for record in caplog.records if "on_answer" in record.getMessage()]) == 1


def test_mistakes_are_told_when_built() -> None:
    """All of them at once."""
    with pytest.raises(ConfigurationError) as caught:
        ExtAuthz(1, trusts=2, identity=3, secret=b"short", on_answer=4)  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "front",
        "trusts",
        "identity",
        "secret",
        "on_answer",
    ]


CHECK = "/envoy.service.auth.v3.Authorization/Check"


async def test_served_at_a_port_and_at_a_unix_socket(tmp_path: Path) -> None:
    """Real calls; the socket is open to its owner and group; after `stop` nobody answers, and a second `stop` does nothing."""
    for bind in ("127.0.0.1:0", f"unix:{tmp_path / 'authz'}"):
        guarded = service()
        address = await guarded.start(bind)
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(CHECK)
            assert read(await call(check(BEARER), timeout=10))[0] == 200
            assert read(await call(b"\xff", timeout=10))[0] == 500
            if bind.startswith("unix:"):
                assert stat.S_IMODE(os.stat(tmp_path / "authz").st_mode) == 0o660
            await guarded.stop(0)
            await guarded.stop(0)
            with pytest.raises(grpc.aio.AioRpcError):
                await call(check(BEARER), timeout=2)


async def test_an_address_that_cannot_be_had(tmp_path: Path) -> None:
    """Told by `start`, as a mistake of the settings."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for bind in (f"127.0.0.1:{taken.getsockname()[1]}", "nonsense", f"unix:{tmp_path}/no/such/folder"):
            with pytest.raises(ConfigurationError, match=r"^ExtAuthz: bind: "):
                await service().start(bind)


@pytest.mark.parametrize("told", [None, "another-secret-of-ours", "the-secret-of-ours"])
async def test_the_secret_is_demanded(told: str | None) -> None:
    """In the call's metadata, letter by letter."""
    guarded = service(secret=b"the-secret-of-ours")
    address = await guarded.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(address) as channel:
        metadata = () if told is None else (("x-cognito-guard-secret", told),)
        answer = read(await channel.unary_unary(CHECK)(check(BEARER), timeout=10, metadata=metadata))
    await guarded.stop(0)
    assert answer[0] == (200 if told == "the-secret-of-ours" else 403)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:40000", "10.0.0.1"),
        ("ipv6:%5B::1%5D:40000", "::1"),
        ("ipv6:[fe80::1%25eth0]:40000", "fe80::1"),
        ("unix:", None),
        ("unix:/run/x", None),
        ("unix-abstract:x", None),
    ],
)
def test_peers_as_grpc_names_them(peer: str, address: str | None) -> None:
    """`trusts` gets an address, or None for a unix socket."""
    asked: list[str | None] = []
    assert service(trusts=lambda at: not asked.append(at))._is_trusted(peer)
    assert asked == [address]


@pytest.mark.parametrize("peer", ["", "vsock:3:4", "unknown", "ipv4:", "ipv4:nonsense"])
def test_a_peer_that_cannot_be_told_is_a_stranger(peer: str) -> None:
    """Whatever else gRPC may name."""
    assert not service()._is_trusted(peer)


async def test_strangers_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Denied each, told once, from whatever port they come."""

    class Context:
        def __init__(self, port: int) -> None:
            self.port = port

        def peer(self) -> str:
            return f"ipv4:10.0.0.1:{self.port}"

        def time_remaining(self) -> float:
            return 1

    guarded = service()
    with caplog.at_level(logging.DEBUG, "cognito_guard"):
        answers = [await guarded._check(check(BEARER), Context(port)) for port in range(3000)]
    assert {read(octets)[0] for octets in answers} == {403}
    assert len(caplog.records) == 1
    assert len(guarded._known_peers) <= 1024
