"""The gateway as a process, started as operators start it, asked with raw octets; and an upstream that records what reaches it.

`gateway(toml)` completes the settings (pool, upstream, addresses), starts `cognito-guard proxy` and waits until it listens. When it is
stopped, its exit status, its standard error and its access log are looked through: no traceback, no warning, no token (THREATS T29).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from cognito_guard.testing import LocalUserPool

recording = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("recording.py"))))
ROOT = Path(__file__).parents[2]
Pairs = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """An answer as the client got it; names of fields in lower case."""

    status: int
    headers: Pairs
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field, in order."""
        return [value for found, value in self.headers if found == name]

    @property
    def code(self) -> str | None:
        """The problem document's code."""
        return json.loads(self.body).get("code") if self.values(b"content-type") == [b"application/problem+json"] else None


class Running:
    """`cognito-guard proxy`, running. `url` and `address` are the main listener's, `admin` the other's; `folder` is its own."""

    def __init__(self, toml: str, folder: Path, complete: Callable[[str], str], arguments: tuple[str, ...]) -> None:
        self.folder = folder
        self.config = folder / "cognito-guard.toml"
        self.access_log = folder / "access.log"
        self.stderr: list[str] = []
        self.secrets: set[bytes] = set()
        self._complete = complete
        self._asked = False
        self._said = threading.Condition()
        self.write(toml)
        named = {"--bind": "127.0.0.1:0", "--admin": "127.0.0.1:0", "--log-output": str(self.access_log), "--drain": "5"}
        flags = [word for flag, value in named.items() if flag not in arguments for word in (flag, value)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COGNITO_GUARD_")}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "default", "-m", "cognito_guard", "proxy", "--config", self.config, *flags, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()
        said = self.wait_for(r"listening on (\S+?),? ")
        self.address = _address(said[1])
        self.url = f"http://{said[1]}"
        self.admin = _address(self.wait_for(r"/metrics on (\S+)")[1]) if "--admin=" not in arguments else None

    def write(self, toml: str) -> None:
        """New settings in the file, which the gateway looks at every other second; `hang_up` makes it look now."""
        self.config.write_text(self._complete(toml))

    def hang_up(self, *, until: str = "new settings are in force") -> str:
        """SIGHUP, and the line of standard error that tells of the outcome."""
        before = len(self.stderr)
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for(until, after=before).string

    def said(self, pattern: str, *, after: int = 0, count: int = 1) -> re.Match[str] | None:
        """The line on standard error, of those `after` that many, in which the pattern is found for the `count`th time."""
        found = [match for line in self.stderr[after:] if (match := re.search(pattern, line))]
        return found[count - 1] if len(found) >= count else None

    def wait_for(self, pattern: str, *, after: int = 0, count: int = 1) -> re.Match[str]:
        """`said`, within 20 s; the test fails where it does not come."""
        with self._said:
            self._said.wait_for(
                lambda: self.said(pattern, after=after, count=count) or not self._listening.is_alive(), timeout=20
            )
        said = self.said(pattern, after=after, count=count)
        if said is None:
            self.process.kill()
            pytest.fail(f"no line about {pattern!r}:\n{''.join(self.stderr)}")
        return said

    def _listen(self) -> None:
        with self.process.stderr as stream:
            for line in stream:
                with self._said:
                    self.stderr.append(line)
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()

    # requests

    def connect(self, address: Any = None) -> socket.socket:
        """A connection, none of whose operations may take longer than ten seconds."""
        address = address or self.address
        connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        connection.settimeout(10)
        connection.connect(address)
        return connection

    def ask(self, octets: bytes, *, admin: bool = False) -> Answer:
        """The final answer to these octets, on a connection of its own. Tokens in them are remembered, to be looked for in logs."""
        self.secrets.update(_SIGNATURE.findall(octets))
        with self.connect(self.admin if admin else None) as connection, connection.makefile("rb") as stream:
            with contextlib.suppress(ConnectionError):  # refused before all of it was sent
                connection.sendall(octets)
            return read_answer(stream, head_only=octets.startswith(b"HEAD "))

    def get(self, target: bytes, *fields: bytes, method: bytes = b"GET", host: bytes = b"app.test", **more: Any) -> Answer:
        """One request with these field lines."""
        return self.ask(b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: " + host, *fields, b"", b""]), **more)

    def handshake(self, target: bytes, *fields: bytes, host: bytes = b"app.test") -> Answer:
        """A websocket's opening handshake; where it is accepted, the body is the first message."""
        head = [b"GET " + target + b" HTTP/1.1", b"Host: " + host, *WEBSOCKET, *fields, b"", b""]
        octets = b"\r\n".join(head)
        self.secrets.update(_SIGNATURE.findall(octets))
        with self.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(octets)
            answer = read_answer(stream)
            if answer.status == 101:
                opcode, length = stream.read(2)
                assert opcode == 0x81
                answer = answer._replace(body=stream.read(length))
            return answer

    # what it tells

    def log(self, count: int = 0, *, within: float = 10) -> list[dict[str, Any]]:
        """The access log's lines, once there are as many as `count`."""
        until = time.monotonic() + within
        while True:
            lines = [json.loads(line) for line in self.access_log.read_bytes().splitlines()] if self.access_log.exists() else []
            if len(lines) >= count:
                return lines
            assert time.monotonic() < until, f"{len(lines)} lines, not {count}"
            time.sleep(0.02)  # the log is written in its own time

    def metric(self, name: str) -> float:
        """One sample of /metrics by its whole name, labels included; 0 where it is not told."""
        body = self.get(b"/metrics", host=b"localhost", admin=True).body.decode()
        return sum(float(line.rpartition(" ")[2]) for line in body.splitlines() if line.startswith(f"{name} "))

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, once: a second time would mean at once."""
        if not self._asked and self.process.poll() is None:
            self._asked = True
            self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and look through all that it told. May be called twice."""
        self.end(number)
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self._listening.join(10)
        told = "".join(self.stderr)
        assert status == 0, told
        for word in ("Traceback", "Warning:", "Exception ignored"):
            assert word not in told, told
        written = told.encode() + (self.access_log.read_bytes() if self.access_log.exists() else b"")
        assert not [secret for secret in self.secrets if secret in written], "a token's signature stands in a log"


def read_answer(stream: Any, *, head_only: bool = False) -> Answer:
    """The final answer in a stream; its status is 0 where the connection ended before there was one."""
    start = recording.read_head(stream)
    if not start:
        return Answer(0, [], b"")
    line, *fields = start.removesuffix(b"\r\n\r\n").split(b"\r\n")
    headers = [(name.lower(), value) for name, _, value in (field.partition(b": ") for field in fields)]
    answer = Answer(int(line.split(b" ")[1]), headers, b"")
    if 100 <= answer.status < 200 and answer.status != 101:
        return read_answer(stream, head_only=head_only)
    if head_only or answer.status in (101, 204, 304):
        return answer
    if answer.values(b"transfer-encoding"):
        return answer._replace(body=recording.read_chunked(stream))
    length = answer.values(b"content-length")
    return answer._replace(body=stream.read(int(length[0])) if length else stream.read())


WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_SIGNATURE = re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.([A-Za-z0-9_-]{16,}+)")


def _address(told: str) -> Any:
    if told.startswith("unix:"):
        return told.removeprefix("unix:")
    host, _, port = told.rpartition(":")
    return host, int(port)


@pytest.fixture(scope="session")
def pool() -> LocalUserPool:
    """The user pool whose tokens the gateways accept, by a JWK Set file."""
    return LocalUserPool()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    """The recording upstream of the module's gateways."""
    recorder = recording.Recorder()
    yield recorder
    recorder.stop()


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def gateway(pool: LocalUserPool, upstream: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts gateways, and ends them with the module: `gateway(toml, *arguments)`.

    The pool (keys from `pool.jwks` in the gateway's folder) and the recording upstream are added where `toml` names none. `toml` may
    say `{folder}` for the gateway's folder and `{upstream}` for the recorder's URL.
    """
    started: list[Running] = []

    def start(toml: str, *arguments: str, files: dict[str, bytes] | None = None) -> Running:
        folder = tmp_path_factory.mktemp("gateway")
        (folder / "pool.jwks").write_text(json.dumps(pool.jwks()))
        for name, octets in (files or {}).items():
            (folder / name).write_bytes(octets)

        def complete(toml: str) -> str:
            if "[[pool]]" not in toml:
                toml += f'\n[[pool]]\nid = "{pool.user_pool.id}"\nclients = ["{pool.client}"]\njwks = "pool.jwks"\n'
            if "[[upstream]]" not in toml and "[forward_auth]" not in toml:
                toml += '\n[[upstream]]\nurl = "{upstream}"\n'
            return toml.replace("{folder}", str(folder)).replace("{upstream}", upstream.url)

        started.append(Running(toml, folder, complete, arguments))
        return started[-1]

    yield start
    failures = []
    for running in started:
        running.end()  # all of them begin to
    for running in started:
        try:
            running.stop()
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
