"""`cognito-guard demo`: as its user runs it, with real curl; and what it says when it cannot run. The page: tests/demo."""

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
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest


def read_start(process):
    """What is printed until it serves."""
    lines = []
    for line in iter(process.stdout.readline, b""):
        lines.append(line.decode())
        if line.startswith(b"Serving until Ctrl-C"):
            return lines
    raise AssertionError(f"the demo ended before it served: {lines} {process.stderr.read().decode()}")


def asked(url, path, token):
    """The status of a GET at the demo's gateway."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


# method, path, whether there is a token, status, code
TRIES = """
GET /health none 200
GET /orders none 401 credentials_missing
GET /orders token 200
DELETE /orders/7 token 403 insufficient_scope
DELETE /orders/7 token 200
GET /admin token 403 insufficient_scope
GET /admin token 200
GET /orders token 403 insufficient_scope
GET /orders token 200
GET /orders token 401 token_use_refused
GET /orders token 401 expired
GET /orders token 401 client_refused
GET /orders token 401 algorithm_refused
GET /orders token 401 signature_invalid
""".strip().splitlines()
_ROW = re.compile(r"  (GET|DELETE) +(\S+) +(\S.*?)  +(\d{3})(?:  (\w+))?")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_two_curl_lines(spawn, stop):
    """The demo's curl lines get 200 and 401 from it; Ctrl-C, or SIGTERM, ends it at once with status 0 and no traceback."""
    curl = shutil.which("curl")
    if curl is None:
        assert not os.environ.get("COGNITO_GUARD_CI"), "curl is missing, and in CI that is an error"
        pytest.skip("curl is not installed")
    process = spawn("demo")
    lines = read_start(process)
    commands = [shlex.split(line) for line in lines if line.strip().startswith("curl ")]
    answers = [
        subprocess.run([*command, "-s"], capture_output=True, text=True, timeout=20, check=True).stdout for command in commands
    ]
    assert [answer.splitlines()[0] for answer in answers] == ["HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized"]
    assert '"for":"staff"' in answers[0]
    assert 'www-authenticate: Bearer realm="demo", error="invalid_token"' in answers[1]
    assert '"code": "expired"' in answers[1]
    process.send_signal(stop)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_what_it_tells(spawn):
    """Page, gateway, application, pool and explain page with their addresses; the three users with passwords that were made up."""
    lines = read_start(spawn("demo"))
    told = "".join(lines)
    for name, end in (("page", "/"), ("gateway", ""), ("application", ""), ("user pool", ""), ("explain", "/explain")):
        assert re.search(rf"^  {name} +http://127\.0\.0\.1:\d+{end} ", told, re.MULTILINE), name
    for name, groups in (("reader", ""), ("staff", " +staff"), ("admin", " +staff, admin")):
        assert re.search(rf"^  {name} +[a-z2-7]{{10}}{groups}$", told, re.MULTILINE), name


def test_interrupted_although_started_in_the_background(spawn):
    """A shell starts `cognito-guard demo &` with SIGINT ignored; it ends all the same."""
    process = spawn("demo", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    read_start(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == b""
    assert process.returncode == 0


def test_interrupted_while_a_client_holds_its_connection(spawn):
    """An open connection does not delay the end."""
    process = spawn("demo")
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/ ", "".join(read_start(process)))[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /health HTTP/1.1\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_once(spawn):
    """--once shows every answer, each the expected one, in aligned columns, and ends without an offer that nobody serves."""
    process = spawn("demo", "--once")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    rows = [row for line in out.decode().splitlines() if (row := _ROW.fullmatch(line))]
    shown = [
        " ".join(filter(None, (row[1], row[2], "none" if row[3] == "no token" else "token", row[4], row[5]))) for row in rows
    ]
    assert shown == TRIES
    assert len({row.start(4) for row in rows}) == 1
    assert "curl" not in out.decode()
    assert "Serving" not in out.decode()


def test_json(spawn):
    """--json is one line with the same, whose tokens work; nothing else is written to standard output until Ctrl-C."""
    process = spawn("demo", "--json")
    told = json.loads(process.stdout.readline())
    tries = [
        " ".join(
            filter(
                None,
                (
                    each["method"],
                    each["path"],
                    "none" if each["sent"] == "no token" else "token",
                    str(each["status"]),
                    each["code"],
                ),
            )
        )
        for each in told["tries"]
    ]
    assert tries == TRIES
    assert [(user["name"], user["groups"]) for user in told["users"]] == [
        ("reader", []),
        ("staff", ["staff"]),
        ("admin", ["staff", "admin"]),
    ]
    assert told["page"] == told["gateway"] + "/"
    assert told["pool"]["issuer"] == f"{told['pool']['url']}/{told['pool']['id']}"
    statuses = [asked(told["gateway"], "/admin", user["access_token"]) for user in told["users"]]
    assert statuses == [403, 403, 200]
    assert asked(told["gateway"], "/me", told["users"][0]["id_token"]) == 401
    assert asked(told["admin"], "/readyz", "") == 200
    assert asked(told["application"], "/me", "") == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_the_passwords_are_the_pool_s(spawn):
    """A script signs in with the password that it was told, as with AWS's API."""
    process = spawn("demo", "--json")
    told = json.loads(process.stdout.readline())
    user = told["users"][0]
    connection = HTTPConnection(urlsplit(told["pool"]["url"]).netloc, timeout=20)
    sent = {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": told["pool"]["client"],
        "AuthParameters": {"USERNAME": user["name"], "PASSWORD": user["password"]},
    }
    try:
        connection.request("POST", "/", json.dumps(sent), {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"})
        signed_in = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert asked(told["gateway"], "/me", signed_in["AuthenticationResult"]["AccessToken"]) == 200


def test_json_once_on_a_port(spawn):
    """--json and --once together: the line, and the end; --port is the gateway's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = spawn("demo", "--json", "--once", "--port", str(port))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    (line,) = out.splitlines()
    assert json.loads(line)["gateway"] == f"http://127.0.0.1:{port}"


def test_a_reader_that_has_gone(spawn):
    """`cognito-guard demo | true` ends with status 1, and says nothing."""
    reading, writing = os.pipe()
    process = spawn("demo", stdout=writing)
    os.close(writing)
    os.close(reading)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 1


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


@pytest.mark.parametrize("package", ["prometheus_client", "starlette", "uvicorn"])
def test_without_the_extra(cli, monkeypatch, package):
    """Without the extra the demo says what to install, beside every other mistake."""
    monkeypatch.setitem(sys.modules, package, None)
    ran = cli("demo", "--port", "x", "--slow")
    assert (ran.status, ran.out) == (2, "")
    assert f"the demo needs {package}; install it with: pip install 'cognito-guard[demo]'" in ran.err
    assert "--port: write a port" in ran.err
    assert "--slow: there is no such option" in ran.err
