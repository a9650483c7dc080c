"""`cognito-guard demo`: as its user runs it, with real curl; and what it says when it cannot run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from cognito_guard.testing import BAD_TOKEN_NAMES


def _read_until(process, start):
    lines = []
    for line in iter(process.stdout.readline, b""):
        lines.append(line.decode())
        if line.decode().startswith(start):
            return lines
    raise AssertionError(f"the demo ended before {start!r}: {lines} {process.stderr.read().decode()}")


_ROW = re.compile(r"  (?:GET|DELETE) +\S+ +\S.*?  (\d{3})(?:  (\w+))?")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_two_curl_lines(spawn, stop):
    """The demo's curl lines get 200 and 401 from it; Ctrl-C, or SIGTERM, ends it at once with status 0 and no traceback."""
    curl = shutil.which("curl")
    if curl is None:
        assert not os.environ.get("COGNITO_GUARD_CI"), "curl is missing, and in CI that is an error"
        pytest.skip("curl is not installed")
    process = spawn("demo")
    lines = _read_until(process, "Serving until Ctrl-C")
    commands = [shlex.split(line) for line in lines if line.strip().startswith("curl ")]
    answers = [
        subprocess.run([*command, "-s"], capture_output=True, text=True, timeout=20, check=True).stdout for command in commands
    ]
    assert [answer.splitlines()[0] for answer in answers] == ["HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized"]
    assert '"username": "ada"' in answers[0]
    assert 'www-authenticate: Bearer realm="demo", error="invalid_token"' in answers[1]
    assert '"code": "expired"' in answers[1]
    process.send_signal(stop)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_interrupted_although_started_in_the_background(spawn):
    """A shell starts `cognito-guard demo &` with SIGINT ignored; it ends all the same."""
    process = spawn("demo", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    _read_until(process, "Serving until Ctrl-C")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 0


def test_interrupted_while_a_client_holds_its_connection(spawn):
    """An open connection does not delay the end."""
    process = spawn("demo")
    lines = _read_until(process, "Serving until Ctrl-C")
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)", lines[0])[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
    assert process.returncode == 0


def test_once(spawn):
    """--once shows every answer, each the expected one, in aligned columns, and ends without an offer that nobody serves."""
    process = spawn("demo", "--once")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    rows = [row for line in lines if (row := _ROW.fullmatch(line))]
    assert " ".join(row[1] for row in rows) == "200 401 200 200 200 403 200 401 401 401 401 401"
    codes = "credentials_missing insufficient_scope token_use_refused expired client_refused algorithm_refused signature_invalid"
    assert " ".join(row[2] for row in rows if row[2]) == codes
    assert len({row.start(1) for row in rows}) == 1
    assert "curl" not in out.decode()
    assert "Serving" not in out.decode()


def test_its_bad_tokens_exist():
    """The names that the demo asks for are in the catalogue."""
    from cognito_guard.cli import demo

    with open(demo.__file__, encoding="utf-8") as file:
        names = re.findall(r'pool\.bad\("(\w+)"\)', file.read())
    assert names
    assert set(names) <= set(BAD_TOKEN_NAMES)


def test_port(spawn):
    """--port is the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = spawn("demo", "--once", "--port", str(port))
    assert f"http://127.0.0.1:{port}".encode() in process.communicate(timeout=30)[0]
    assert process.returncode == 0


def test_port_in_use(cli):
    """A port that somebody listens on is a sentence and status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = cli("demo", "--port", str(port))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"cognito-guard demo: --port: {port} cannot be used (Address already in use); choose another")


@pytest.mark.parametrize("port", ["65536", "-1", "http", "", "8080.0", "９", "9" * 5000])
def test_no_port(cli, port):
    """What is no port is a sentence and status 2."""
    ran = cli("demo", f"--port={port}")
    assert (ran.status, ran.out) == (2, "")
    assert "--port: write a port from 0 (a free one) to 65535" in ran.err


def test_without_uvicorn(cli, monkeypatch):
    """Without the extra the demo says what to install, beside every other mistake."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = cli("demo", "--port", "x", "--slow")
    assert (ran.status, ran.out) == (2, "")
    assert "pip install 'cognito-guard[demo]'" in ran.err
    assert "--port: write a port" in ran.err
    assert "--slow: there is no such option" in ran.err
