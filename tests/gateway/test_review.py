"""Seams of the gateway that a review found open: what starts and what is only said to, and what differs by route, process and log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cognito_guard.decision import Decision
from cognito_guard.front import Front, Request
from cognito_guard.gateway import process as process_module
from cognito_guard.gateway.observing.seen import Observer
from cognito_guard.gateway.rewriting import Peers
from cognito_guard.gateway.settings import read, warnings
from cognito_guard.testing import LocalUserPool
from cognito_guard.web import Protect

ROOT = Path(__file__).parents[2]
POOL = '[[pool]]\nid = "{pool}"\nclients = ["{client}"]\njwks = "pool.jwks"\n'
UPSTREAM = '[[upstream]]\nurl = "http://127.0.0.1:1"\n'


def written(folder: Path, pool: LocalUserPool, toml: str) -> Path:
    (folder / "pool.jwks").write_text(json.dumps(pool.jwks()))
    config = folder / "cognito-guard.toml"
    config.write_text(POOL.replace("{pool}", pool.user_pool.id).replace("{client}", pool.client) + toml)
    return config


def called(command: str, config: Path, *flags: str, **more: Any) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "cognito_guard", command, "--config", str(config), *flags]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False, **more)


HERE = ("--bind", "127.0.0.1:0", "--admin", "")


@pytest.mark.parametrize(
    ("toml", "setting"),
    [
        ('[log]\noutput = "{folder}/missing/access.log"\n', "log.output"),
        ('[log]\noutput = "{folder}"\n', "log.output"),
        ('[server]\ntls_certificate = "pool.jwks"\ntls_key = "pool.jwks"\n', "server.tls_certificate"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_check_and_start_refuse_alike(tmp_path: Path, pool: LocalUserPool, toml: str, setting: str, workers: str) -> None:
    """T19: `check` says what would keep the gateway from starting; with workers, none is started to die over and over."""
    config = written(tmp_path, pool, UPSTREAM + toml.replace("{folder}", str(tmp_path)))
    for ended in (called("check", config), called("proxy", config, *HERE, "--workers", workers)):
        assert ended.returncode == 2
        assert setting in ended.stderr
        assert "listening" not in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_taken_grpc_address_is_refused_before_there_are_workers(tmp_path: Path, pool: LocalUserPool) -> None:
    """T19: and not shared with whatever program holds it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = written(tmp_path, pool, f'[forward_auth]\ngrpc = "{address}"\n')
        ended = called("proxy", config, *HERE, "--workers", "2")
    assert ended.returncode == 2, ended.stderr
    assert f"forward_auth.grpc: {address}" in ended.stderr
    assert "listening" not in ended.stderr


@pytest.fixture
def two_workers(tmp_path: Path, pool: LocalUserPool) -> Any:
    """`cognito-guard proxy` with two workers, and few descriptors unless it takes more."""
    config = written(tmp_path, pool, UPSTREAM + f'[log]\noutput = "{tmp_path}/access.log"\n')
    words = [sys.executable, "-m", "cognito_guard", "proxy", "--config", str(config), *HERE, "--workers", "2"]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with subprocess.Popen(
        ["prlimit", f"--nofile=100:{most}", *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        told = []
        for line in process.stderr:
            told.append(line)
            if sum("Started server process" in each for each in told) == 2:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield SimpleNamespace(process=process, workers=[int(child) for child in children], most=most)
        process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def test_descriptors_do_not_end_before_the_limits_do(two_workers: Any) -> None:
    """A24: idle clients within `limits.connections` must not take the upstreams' descriptors away."""
    [worker, _] = two_workers.workers
    line = next(line for line in Path(f"/proc/{worker}/limits").read_text().splitlines() if line.startswith("Max open files"))
    assert line.split()[3:5] == [str(two_workers.most)] * 2


def test_workers_do_not_outlive_who_stops_them(two_workers: Any) -> None:
    """A24: where the first process is killed, nobody goes on serving old settings at an address that nobody can take over."""
    assert len(two_workers.workers) == 2
    two_workers.process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 15
    alive = two_workers.workers
    while alive and time.monotonic() < until:
        alive = [worker for worker in alive if _state(worker) not in ("", "Z")]
        time.sleep(0.05)
    assert not alive


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


SPECIAL = """
[[route]]
path = "/special/*"
authorization = "strip"
close_at_expiry = true
"""


def test_a_second_reading_does_not_escape_what_a_route_does(gateway: Any, upstream: Any, pool: LocalUserPool) -> None:
    """A19: what becomes of Authorization and of websockets is part of what a route demands, so a path with two readings is refused."""
    running = gateway(SPECIAL)
    mine = b"Authorization: Bearer " + pool.access().encode()
    assert running.get(b"/special/x", mine).status == 200
    assert not upstream.take()[0].values(b"authorization")
    for target in (b"/special//x", b"/special/%2e/x", b"//special/x", b"/special;/x", b"/spec%69al%2fx"):
        answer = running.get(target, mine)
        assert (answer.status, answer.code) == (400, "target_ambiguous")
        assert running.handshake(target, mine).status == 400
    assert not upstream.take()


def test_times_that_a_reload_does_not_change_are_said(gateway: Any) -> None:
    """A24: deadlines towards clients are settled at the start; who changes one must hear that it does not count yet."""
    running = gateway("[timeouts]\nbody = 20\n")
    running.write("[timeouts]\nbody = 10\nanswer = 7\n[server]\ntrusted_proxies = ['10.0.0.1']\n")
    before = len(running.stderr)
    running.hang_up()
    assert running.said(r"a change of timeouts counts from the next start on \(body\)", after=before)
    assert not running.said("a change of server", after=before)  # who is believed counts at once


def test_a_log_line_shows_no_decision_about_somebody_else(pool: LocalUserPool) -> None:
    """T29, T49: what was answered without a decision (Envoy's patience had ended) must not be told with the one before."""
    lines: list[dict[str, Any]] = []
    log = SimpleNamespace(add=lambda line: lines.append(json.loads(line)))
    metrics = SimpleNamespace(decided=lambda _: None)
    observer = Observer(metrics, log, peers=Peers())
    decisions: list[Decision] = []
    front = Front(pool.guard(), [Protect("/*")], on_decision=decisions.append)
    front.judge(Request("GET", "/", [(b"authorization", b"Bearer " + pool.access().encode())]))
    observer.decided(decisions[0])
    observer.answered("GET", b"/", b"h", 200)
    observer.answered("GET", b"/other", b"h", 503)
    assert lines[0]["sub"] is not None
    assert lines[1]["sub"] is None
    assert [line["verdict"] for line in lines] == ["granted", None]


ASKED = '[forward_auth]\nkinds = ["nginx"]\n'
SMALL = '[[pool]]\nid = "eu-west-1_AbC123xyz"\nclients = ["3n4b5urk1ft4fl3mg5e62d9ado"]\n'


@pytest.mark.parametrize(
    ("toml", "about"),
    [
        (ASKED + '[[route]]\npath = "/x"\nauthorization = "strip"\n', "route[0].authorization"),
        (ASKED + '[[route]]\npath = "/x"\nclose_at_expiry = true\n', "route[0].close_at_expiry"),
        (ASKED + '[assertion]\nkey_file = "key.pem"\n', "assertion"),
        (ASKED + '[[credential]]\nquery = "t"\n', "credential[0]"),
        (ASKED + "[[credential]]\nsubprotocol = true\n", "credential[0]"),
        ('[server]\nworkers = 2\n[forward_auth]\ngrpc = "unix:/run/g.sock"\n', "forward_auth.grpc"),
        (
            UPSTREAM + '[[route]]\npath = "/x"\naccess = "public"\nauthorization = "replace"\nauthorization_file = "f"\n',
            "route[0].authorization",
        ),
        (UPSTREAM + 'health = "/a"\n[[upstream]]\nurl = "http://127.0.0.1:2"\nhealth = "/b"\n', "upstream[1].health"),
        (UPSTREAM + '[[route]]\npath = "/*"\nhost = "admin.test"\nrequire = "group:admin"\n', "route[0].host"),
    ],
)
def test_settings_that_count_for_less_than_they_seem_to(toml: str, about: str) -> None:
    """T48, A22: what does nothing for requests that another proxy carries, or more than it says, is warned of."""
    assert [found for found in warnings(read(SMALL + toml)) if found.startswith(f"{about}: ")]


def test_a_rule_for_a_host_with_an_upstream_of_its_own() -> None:
    """T10: under another Host that upstream is not reached, so nothing is to be warned of."""
    route = '[[route]]\npath = "/*"\nhost = "*.admin.test"\nrequire = "group:admin"\n'
    assert not warnings(read(SMALL + UPSTREAM + 'host = "a.admin.test"\n' + route))


def test_a_file_that_is_being_written_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """T19: half a file can be good TOML with half of the routes; it is read when it has stopped changing, or has not for ten seconds."""
    monkeypatch.setattr(process_module, "_LOOK", 0.001)
    monkeypatch.setattr(process_module, "_SETTLED", 0.0)
    for looks, seen_at in (([False, True, True, True, False, False], 5), ([True] * 100, 41)):
        left = list(looks)
        watch = SimpleNamespace(changed=lambda left=left: left.pop(0))
        process = process_module.Process(SimpleNamespace(readiness=lambda: None), None, None, watch)
        read_at: list[int] = []

        async def reload(left: list[bool] = left, looks: list[bool] = looks, read_at: list[int] = read_at) -> None:
            read_at.append(len(looks) - len(left))
            raise asyncio.CancelledError

        monkeypatch.setattr(process, "_reload", reload)

        async def looking(process: Any = process) -> None:
            with pytest.raises(asyncio.CancelledError):
                await process._reloads(asyncio.Event())

        asyncio.run(looking())
        assert read_at == [seen_at]


def test_a_handshake_has_the_time_of_a_head(gateway: Any) -> None:
    """A24: a client that connects for TLS and says nothing is counted nowhere, and must not stay for a minute."""
    certificate = runpy.run_path(str(Path(__file__).with_name("test_serving_tls.py")))["certificate"]()
    settings = '[server]\ntls_certificate = "chain.pem"\ntls_key = "key.pem"\n[timeouts]\nhead = 0.5\n'
    running = gateway(settings, files={"chain.pem": certificate[0], "key.pem": certificate[1]})
    with running.connect() as silent:
        assert silent.recv(1) == b""  # within the ten seconds that a connection of these tests has
