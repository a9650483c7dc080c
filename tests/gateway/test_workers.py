"""Workers, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAM = """
import os, signal, sys
from cognito_guard.gateway.workers import Workers

def tell(word, process):
    os.write(1, f"{word} {process}\\n".encode())  # whole, whoever writes beside us

def work():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
    tell("started", os.getpid())
    while True:
        number = signal.sigwait([signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
        tell(signal.Signals(number).name, os.getpid())
        if number == signal.SIGTERM:
            return 0

tell("parent", os.getpid())
sys.exit(Workers(2, work, on_death=lambda process: tell("dead", process)).run())
"""


class Running:
    def __init__(self, program: str = _PROGRAM) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def lines(self, count: int) -> list[tuple[str, int]]:
        assert self.process.stdout is not None
        told = (self.process.stdout.readline().split() for _ in range(count))
        return [(word, int(process)) for word, process in told]


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    with running.process:
        yield running
        running.process.kill()


def test_signals_reach_every_worker_and_a_stop_ends_all(running: Running) -> None:
    """SIGHUP and SIGUSR1 pass through; SIGINT becomes the workers' SIGTERM; the status is 0."""
    told = running.lines(3)
    workers = {process for word, process in told if word == "started"}
    assert len(workers) == 2
    for number, seen in ((signal.SIGHUP, "SIGHUP"), (signal.SIGUSR1, "SIGUSR1")):
        running.process.send_signal(number)
        assert sorted(running.lines(2)) == sorted((seen, worker) for worker in workers)
    running.process.send_signal(signal.SIGINT)
    assert sorted(running.lines(4)) == sorted((seen, worker) for worker in workers for seen in ("SIGTERM", "dead"))
    assert running.process.wait(10) == 0


def test_a_killed_worker_is_replaced(running: Running) -> None:
    """Its death is told, and the others work on."""
    told = dict.fromkeys(process for word, process in running.lines(3) if word == "started")
    killed, other = told
    os.kill(killed, signal.SIGKILL)
    (dead, process), (started, replacement) = running.lines(2)
    assert (dead, process, started) == ("dead", killed, "started")
    running.process.send_signal(signal.SIGTERM)
    assert sorted(running.lines(4)) == sorted((seen, worker) for worker in (other, replacement) for seen in ("SIGTERM", "dead"))
    assert running.process.wait(10) == 0


def test_a_worker_that_fails_says_why_and_is_tried_again() -> None:
    """Its traceback stands on standard error; a stop during the pause is heeded."""
    program = _PROGRAM.replace('tell("started", os.getpid())', 'raise RuntimeError("broken")')
    running = Running(program)
    with running.process as process:
        assert [word for word, _ in running.lines(2)] == ["parent", "dead"]
        errors: list[str] = []
        while not errors or "starting another" not in errors[-1]:
            errors.append(process.stderr.readline())
            assert errors[-1], errors
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert "RuntimeError: broken\n" in errors


def test_one_that_failed_holds_up_nothing(tmp_path: Path) -> None:
    """While its replacement waits for its turn, the death of another is seen, and both are replaced."""
    program = _PROGRAM.replace(
        '    tell("started", os.getpid())',
        f"""    tell("started", os.getpid())
    try:
        os.close(os.open({str(tmp_path / "first")!r}, os.O_CREAT | os.O_EXCL))
        return 1
    except FileExistsError:
        pass""",
    )
    running = Running(program)
    with running.process as process:
        told = running.lines(4)
        [failed] = [worker for word, worker in told if word == "dead"]
        [other] = [worker for word, worker in told if word == "started" and worker != failed]
        os.kill(other, signal.SIGKILL)
        assert running.lines(1) == [("dead", other)]
        assert [word for word, _ in running.lines(2)] == ["started", "started"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
