"""The access log: what a line tells, and what happens when it cannot be written."""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cognito_guard import ConfigurationError
from cognito_guard.gateway.observing.access import AccessLog, line, rfc3339
from cognito_guard.testing import BAD_TOKEN_NAMES, LocalUserPool

NOW = 1_764_000_000.0625


def told(**facts: Any) -> dict[str, Any]:
    defaults = {"method": "GET", "path": b"/orders/1", "host": b"api.example.com", "status": 200, "seconds": 0.0123456}
    return json.loads(line(NOW, **(defaults | facts)))


def test_a_line_tells_what_was_decided(decide: Callable[..., Any], pool: LocalUserPool) -> None:
    """Every member, in the case that everything is known."""
    token = pool.access(scopes=["orders/read"])
    decision = decide("/orders/1", token)
    facts = told(
        decision=decision,
        client="192.0.2.7",
        upstream="http://127.0.0.1:8000",
        upstream_status=200,
        octets_in=5,
        octets_out=1234,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )
    assert facts == {
        "time": "2025-11-24T16:00:00.062Z",
        "method": "GET",
        "path": "/orders/1",
        "host": "api.example.com",
        "status": 200,
        "duration_ms": 12.345,
        "verdict": "granted",
        "code": "granted",
        "route": "/orders/*",
        "rule": "scope:orders/read",
        "sub": decision.subject,
        "client_id": pool.client,
        "jti": decision.jti,
        "enforced": True,
        "upstream": "http://127.0.0.1:8000",
        "upstream_status": 200,
        "failure": None,
        "client": "192.0.2.7",
        "bytes_in": 5,
        "bytes_out": 1234,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "websocket": False,
    }
    assert decision.subject
    assert decision.jti


def test_nobody_is_named_but_by_a_verified_token(decide: Callable[..., Any], pool: LocalUserPool) -> None:
    """T29: of a bad token nothing stands in the line, of a missing one neither."""
    for name in BAD_TOKEN_NAMES:
        token = pool.bad(name)
        if token.startswith(" "):
            continue  # bad for a Guard; behind "Bearer" one more blank is as good as one
        facts = told(decision=decide("/orders/1", token), status=401)
        assert facts["verdict"] in ("rejected", "refused"), name
        assert (facts["sub"], facts["client_id"], facts["jti"]) == (None, None, None), name
    assert told(decision=decide())["code"] == "credentials_missing"


def test_no_token_and_no_query_whatever_is_handed_over(pool: LocalUserPool) -> None:
    """T29: a path that is a whole target loses its query; tokens in path, host or a query that was asked for become `[token]`."""
    token = pool.access()
    written = [
        line(NOW, method="GET", path=b"/a?access_token=" + token.encode(), host=b"h", status=200, seconds=0),
        line(NOW, method="GET", path=b"/a/" + token.encode(), host=token.encode(), status=200, seconds=0),
        line(NOW, method="GET", path=b"/a", host=b"h", status=200, seconds=0, query=b"t=" + token.encode() + b"&page=2"),
    ]
    assert not any(part.encode() in each for part in token.split(".") for each in written)
    assert "query" not in json.loads(written[0])
    assert json.loads(written[0])["path"] == "/a"
    assert json.loads(written[2])["query"] == "t=[token]&page=2"


def test_lines_stay_short(pool: LocalUserPool) -> None:
    """A path of 64 KiB, each octet of it to be escaped, does not make a line that a pipe would tear... nor one without end."""
    assert len(line(NOW, method="GET", path=b"/" + b"a" * 65536, host=b"h" * 9000, status=200, seconds=0)) < select.PIPE_BUF
    assert len(line(NOW, method="GET", path=b"/" + b"\xff" * 65536, host=b"h", status=200, seconds=0)) < 2 * select.PIPE_BUF


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1.9999, "1970-01-01T00:00:01.999Z"),
        (1_709_164_800.5, "2024-02-29T00:00:00.500Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(now: float, text: str) -> None:
    """RFC 3339, cut and not rounded: a time is never later than it was."""
    assert rfc3339(now) == text


def test_lines_reach_the_file_in_order(tmp_path: Path) -> None:
    """Appended behind what was there, for owner and group only; nothing is lost at the end."""
    file = tmp_path / "access.log"
    file.write_bytes(b"before\n")
    log = AccessLog(str(file))
    for number in range(1000):
        log.add(b"%d\n" % number)
    log.close()
    assert file.read_bytes() == b"before\n" + b"".join(b"%d\n" % number for number in range(1000))
    log.add(b"late\n")
    log.close()
    assert log.dropped == 1


def test_standard_streams_have_names() -> None:
    """ "stdout" and "stderr" are these, as in the settings, and stay open."""
    code = (
        "from cognito_guard.gateway.observing.access import AccessLog\n"
        "for name in ('stdout', 'stderr'):\n"
        "    AccessLog(name).add(name.encode() + b'\\n')\n"  # not closed: what waits is written when the process ends
        "    print('open', flush=True)"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert sorted(ended.stdout.splitlines()) == [b"open", b"open", b"stdout"]
    assert ended.stderr == b"stderr\n"


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    """Subjects and addresses stand in it."""
    AccessLog(str(tmp_path / "access.log")).close()
    assert (tmp_path / "access.log").stat().st_mode & 0o137 == 0


def test_two_writers_share_a_file(tmp_path: Path) -> None:
    """Several workers append to one file: each line whole."""
    file = tmp_path / "access.log"
    logs = [AccessLog(str(file), delay=0.001) for _ in range(2)]
    for number in range(2000):
        for log, letter in zip(logs, (b"a", b"b"), strict=True):
            log.add(letter * 50 + b" %d\n" % number)
    for log in logs:
        log.close()
    lines = file.read_bytes().splitlines()
    assert sorted(lines) == sorted(letter * 50 + b" %d" % number for number in range(2000) for letter in (b"a", b"b"))


def test_a_pipe_gets_whole_lines_in_small_writes() -> None:
    """No write is longer than PIPE_BUF unless one line is, so that workers that share stdout do not tear each other's lines."""
    here, there = os.pipe()
    sizes: list[int] = []
    log = AccessLog(there, delay=0.01)
    original = os.write

    def counted(descriptor: int, octets: Any) -> int:
        if descriptor == log._descriptor:
            sizes.append(len(octets))
        return original(descriptor, octets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", counted)
        for number in range(100):
            log.add(b"%0400d\n" % number)
        log.close()
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        assert [int(each) for each in pipe] == list(range(100))
    assert max(sizes) <= select.PIPE_BUF
    assert len(sizes) < 30


def test_reopening_for_logrotate(tmp_path: Path) -> None:
    """After `reopen` lines go to a new file of the name; those before are in the old one."""
    file, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    log = AccessLog(str(file), delay=0.001)
    log.add(b"old\n")
    while not file.read_bytes():
        threading.Event().wait(0.001)
    file.rename(rotated)
    log.reopen()
    log.add(b"new\n")
    log.close()
    assert (rotated.read_bytes(), file.read_bytes()) == (b"old\n", b"new\n")


def test_reopening_what_cannot_be_opened_keeps_the_old(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """T19 in spirit: a rotation that goes wrong loses nothing, and is told."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(str(folder / "access.log"), delay=0.001)
    folder.rename(tmp_path / "moved")
    log.reopen()
    log.add(b"kept\n")
    log.close()
    assert (tmp_path / "moved" / "access.log").read_bytes() == b"kept\n"
    assert ["cannot be opened anew" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("where", ["missing/access.log", "."])
def test_a_file_that_cannot_be_had_is_a_mistake_of_the_settings(where: str, tmp_path: Path) -> None:
    """Told when the log is built, not with the first request."""
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        AccessLog(str(tmp_path / where))


def test_a_full_disk_loses_lines_and_no_request(caplog: pytest.LogCaptureFixture) -> None:
    """A24: `/dev/full` answers ENOSPC: lines are counted, and it is said once."""
    log = AccessLog("/dev/full", delay=0.001)
    for burst in range(3):
        log.add(b"a\nb\n" if burst == 0 else b"c\n")
        while log.dropped < (2, 3, 4)[burst]:
            threading.Event().wait(0.001)
    log.close()
    assert log.dropped == 4
    assert [os.strerror(errno.ENOSPC) in record.message for record in caplog.records] == [True]


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that fills in the middle of a line: the next line that fits begins on a line of its own, and the recovery is told."""
    file = tmp_path / "access.log"
    log = AccessLog(str(file), delay=0.001)
    original = os.write
    answers = iter([lambda fd, octets: original(fd, octets[:6]), None])

    def filling(descriptor: int, octets: Any) -> int:
        if descriptor != log._descriptor:
            return original(descriptor, octets)
        answer = next(answers, original)
        if answer is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return answer(descriptor, octets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", filling)
        log.add(b"one\ntwo\nthree\n")
        while log.dropped < 2:
            threading.Event().wait(0.001)
        log.add(b"four\n")
        log.close()
    assert file.read_bytes() == b"one\ntw\nfour\n"
    assert log.dropped == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_a_reader_that_is_gone_or_asleep(caplog: pytest.LogCaptureFixture) -> None:
    """A24: a closed pipe is an error that is told; one that nobody reads fills up, then the bound, and no caller waits."""
    here, there = os.pipe()
    log = AccessLog(there, delay=0.001)
    os.close(there)
    os.close(here)
    log.add(b"x\n")
    while not log.dropped:
        threading.Event().wait(0.001)
    log.close()
    assert len(caplog.records) == 1

    here, there = os.pipe()
    log = AccessLog(there, delay=0.001, most=100_000)
    os.close(there)
    written = 0
    while not log.dropped:
        log.add(b"y" * 999 + b"\n")
        written += 1
    assert written < 1000
    log.close(patience=0.01)
    lost = log.dropped
    with os.fdopen(here, "rb") as pipe:
        assert sum(1 for _ in pipe) == written - lost
    log._thread.join(5)
    assert not log._thread.is_alive()


def test_a_descriptor_that_does_not_block(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else's O_NONBLOCK on a shared stdout is waited for, in the log's own thread."""
    here, there = os.pipe()
    os.set_blocking(there, False)
    log = AccessLog(there, delay=0.001)
    os.close(there)
    for _ in range(300):
        log.add(b"z" * 999 + b"\n")
    with os.fdopen(here, "rb") as pipe:
        for _ in range(300):
            assert len(pipe.readline()) == 1000
    log.close()
    assert (log.dropped, caplog.records) == (0, [])


def test_a_descriptor_that_never_takes_more(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A non-blocking pipe that nobody reads: after a while the rest of the batch is lost and counted, and told once."""
    monkeypatch.setattr(AccessLog, "_takes_more", lambda self: False)
    here, there = os.pipe()
    os.set_blocking(there, False)
    log = AccessLog(there)
    os.close(there)
    for _ in range(300):
        log.add(b"z" * 999 + b"\n")
    log.close()
    assert log.dropped > 200
    assert [os.strerror(errno.EAGAIN) in record.message for record in caplog.records] == [True]
    with os.fdopen(here, "rb") as pipe:
        assert sum(1 for _ in pipe) == 300 - log.dropped
