"""What the command-line tests share: the command in this process, and as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cognito_guard
from cognito_guard.cli import main
from cognito_guard.testing import LocalUserPool

_TOP = str(Path(cognito_guard.__file__).parent.parent)


class Ran(NamedTuple):
    """What a call of the command came to."""

    status: int
    out: str
    err: str

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`cli("verify", ..., stdin=b"...")` in this process."""

    def call(*arguments: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = main(arguments)
        except SystemExit as end:  # argparse's own
            status = int(end.code or 0)
        return Ran(status, *capsys.readouterr())

    return call


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`spawn("verify", ...)` as a process with pipes, which does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "PYTHONPATH": _TOP}
        process = subprocess.Popen([sys.executable, "-m", "cognito_guard", *arguments], env=environment, **(pipes | settings))
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def pool() -> LocalUserPool:
    return LocalUserPool()


@pytest.fixture(scope="session")
def jwks_file(pool: LocalUserPool, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The pool's keys as a file, so that nothing is fetched."""
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(json.dumps(pool.jwks()))
    return str(path)


@pytest.fixture(scope="session")
def call(pool: LocalUserPool, jwks_file: str) -> tuple[str, ...]:
    """A complete call of `verify` for the pool's access tokens."""
    return ("verify", "--pool", pool.user_pool.id, "--client", pool.client, "--jwks", jwks_file)
