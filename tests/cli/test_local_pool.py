"""`cognito-guard local-pool`: as its user runs it, with real curl; and what it says when it cannot run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys

import pytest


def read_start(process):
    """What is printed until it serves."""
    lines = []
    for line in iter(process.stdout.readline, b""):
        lines.append(line.decode())
        if line.startswith(b"Serving until Ctrl-C"):
            return lines
    raise AssertionError(f"it ended before it served: {lines} {process.stderr.read().decode()}")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends(spawn, stop):
    """Issuer, users with passwords, clients; the two curl lines get tokens; Ctrl-C, or SIGTERM, ends it with status 0."""
    curl = shutil.which("curl")
    if curl is None:
        assert not os.environ.get("COGNITO_GUARD_CI"), "curl is missing, and in CI that is an error"
        pytest.skip("curl is not installed")
    process = spawn("local-pool", "--port", "0")
    lines = read_start(process)
    assert re.search(r"on this machine only: http://127\.0\.0\.1:\d+/local_1$", lines[0].strip())
    shown = "".join(lines)
    for name in ("reader", "staff", "admin"):
        assert re.search(rf"^  {name} +[a-z2-7]{{10}}\b", shown, re.MULTILINE)
    assert re.search(r"^  web +\(public\)", shown, re.MULTILINE)
    commands = [shlex.split(line) for line in lines if line.strip().startswith("curl ")]
    machine, person = (
        json.loads(subprocess.run([*command, "-s"], capture_output=True, timeout=20, check=True).stdout) for command in commands
    )
    assert machine["token_type"] == "Bearer"
    assert person["AuthenticationResult"]["IdToken"].count(".") == 2
    process.send_signal(stop)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_it_keeps_keys_and_reads_a_file(spawn, tmp_path):
    """With --keys the same passwords at the next start; --config says who there is; flags win."""
    file = tmp_path / "pool.toml"
    file.write_text('pool = "shop_1"\nport = 1\n[[user]]\nname = "ada"\n')
    shown = []
    for _ in range(2):
        process = spawn("local-pool", "--config", str(file), "--keys", str(tmp_path / "keys"), "--port", "0")
        lines = read_start(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
        assert lines[0].strip().endswith("/shop_1")
        shown.append([line for line in lines if line.startswith("  ada ")])
    assert shown[0] == shown[1] != []


def test_users_by_flag(spawn):
    """--user NAME:PASSWORD:GROUPS stands in the place of the built-in users."""
    process = spawn("local-pool", "--port", "0", "--user", "ada:ada-password:staff,admin", "--user", "max")
    shown = "".join(read_start(process))
    assert re.search(r"^  ada +ada-password +staff, admin$", shown, re.MULTILINE)
    assert re.search(r"^  max +[a-z2-7]{10}$", shown, re.MULTILINE)
    assert "reader" not in shown


def test_every_mistake_at_once(cli, tmp_path, monkeypatch):
    """Options, file and missing packages together, each a sentence under its name; status 2."""
    file = tmp_path / "pool.toml"
    file.write_text("[[user]]\nnam = 1\n")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = cli("local-pool", "--port", "x", "--host", "0.0.0.0", "--user", "ada:123", "--config", str(file), "--slow")
    assert (ran.status, ran.out) == (2, "")
    for told in (
        "--slow: there is no such option",
        "pip install 'cognito-guard[local-pool]'",
        "--port: write a port from 0 (a free one) to 65535",
        "--user: password: write",
        f"{file}: user[0].nam: there is no such key",
        "--host: this server listens on this machine only",
    ):
        assert told in ran.err
    assert "123" not in ran.err.replace(str(file), "")


@pytest.mark.parametrize("content", [None, b"\xff", b""])
def test_files_that_cannot_be_read(cli, tmp_path, content):
    """Missing, not UTF-8, or a directory: a sentence."""
    path = tmp_path / "pool.toml"
    if content == b"":
        path.mkdir()
    elif content:
        path.write_bytes(content)
    ran = cli("local-pool", "--config", str(path))
    assert (ran.status, ran.out) == (2, "")
    assert "--config: the file cannot be read: " in ran.err


def test_a_port_in_use(cli):
    """A port that somebody listens on is a sentence and status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = cli("local-pool", "--port", str(port))
    assert (ran.status, ran.out) == (2, "")
    assert f"port: {port} cannot be used (Address already in use)" in ran.err
