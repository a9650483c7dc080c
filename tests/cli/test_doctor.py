"""`cognito-guard doctor`: what a call means, how findings look, how it ends; against moto, the local pool and stand-ins on loopback."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import socket
import sys

import pytest
from moto.server import ThreadedMotoServer

from cognito_guard import ConfigurationError
from cognito_guard.cli import doctor
from cognito_guard.local_pool import serve

LOGIN = "http://localhost:3000/callback"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Nothing in the environment that counts."""
    for name in list(os.environ):
        if name.startswith("COGNITO_GUARD_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def examined(capsys):
    """`examined(argument, ...)`: status, output and complaints."""

    def call(*arguments):
        parser = argparse.ArgumentParser(prog="cognito-guard")
        doctor.add_to(parser.add_subparsers())
        options = parser.parse_args(["doctor", *arguments])
        return options.run(options, []), *capsys.readouterr()

    return call


@pytest.fixture
def mistakes(examined):
    """`mistakes(argument, ...)`: what is wrong with a call."""

    def call(*arguments):
        with pytest.raises(ConfigurationError) as error:
            examined(*arguments)
        assert error.value.subject == "doctor"
        return list(error.value.problems)

    return call


@pytest.fixture
def findings(examined):
    """`findings(argument, ...)`: the status, and the findings of --json by name."""

    def call(*arguments):
        status, out, _ = examined(*arguments, "--json")
        told = json.loads(out)
        assert told["status"] == ("failed" if status else "ok")
        by_name = {}
        for each in told["findings"]:
            by_name.setdefault(each["name"], []).append(each)
        return status, by_name

    return call


@pytest.fixture(scope="module")
def local():
    """The local pool, served."""
    with serve() as served:
        yield served


@pytest.fixture
def of_local(local):
    """The options that name it."""
    return ("--pool", local.settings.pool_id, "--issuer", local.issuer)


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_the_local_pool(examined, local, of_local):
    """Everything is found well: one line for each check, nothing on standard error, status 0."""
    status, out, err = examined(*of_local, "--client", "web", "--redirect-uri", LOGIN, "--upstream", local.url)
    assert (status, err) == (0, "")
    *rows, blank, verdict = out.splitlines()
    assert (blank, verdict) == ("", "Nothing is wrong.")
    names = [row[9:22].strip() for row in rows if row.startswith("     ok  ")]
    assert names == [
        "proxy", "authorities", "pool", "issuer", "keys", "discovery", "domain", "app client", "clock", "upstream",
    ]  # fmt: skip
    assert f"managed login is at {local.url}" in out
    assert "app client web: the code grant with PKCE is let in, to the login page" in out


def test_app_clients_that_cannot_sign_in(findings, of_local):
    """A redirect URI that is not among the callbacks, a client without the code grant, and one that there is not: failed, each with its fix."""
    status, found = findings(*of_local, "--client", "web", "--redirect-uri", LOGIN + "/")
    assert (status, found["app client"][0]["status"]) == (1, "failed")
    assert f"{LOGIN}/ is one of its callback URLs" in found["app client"][0]["advice"]
    status, found = findings(*of_local, "--client", "machine", "--client", "nobody", "--redirect-uri", LOGIN)
    assert [each["status"] for each in found["app client"]] == ["failed", "failed"]


def test_moto(findings):
    """Its keys by URL: one key, which is a warning that says so. As an issuer it names another one, and that fails."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        issuer = "http://{}:{}/eu-west-1_AbC123xyz".format(*server.get_host_and_port())
        status, found = findings("--pool", "eu-west-1_AbC123xyz", "--jwks", f"{issuer}/.well-known/jwks.json")
        assert (status, found["keys"][0]["status"], "moto" in found["keys"][0]["advice"]) == (0, "warning", True)
        assert found["clock"][0]["status"] == "ok"
        status, found = findings("--pool", "eu-west-1_AbC123xyz", "--issuer", issuer)
        assert (status, found["discovery"][0]["status"]) == (1, "failed")
    finally:
        server.stop()


def test_the_fix_stands_below(examined, closed_port, jwks_file):
    """A failed check says what to do; what was not looked into says why; status 1."""
    status, out, _ = examined("--pool", "eu-west-1_A", "--jwks", jwks_file, "--upstream", f"http://127.0.0.1:{closed_port}")
    assert status == 1
    failed = out[out.index(" FAILED  upstream") :].splitlines()
    assert failed[0] == f" FAILED  upstream       http://127.0.0.1:{closed_port}: the connection was refused (Connection refused)"
    assert failed[1].startswith(f"{'':24}-> Start the application")
    assert "      -  app client     it is tried at managed login, whose domain is not known\n" in out
    assert out.splitlines()[-1] == "1 failed; 4 of 9 checks were skipped."
    assert max(map(len, out.splitlines())) <= 124


def test_a_wrong_pool_id_is_a_finding(findings):
    """It is what a doctor is asked about. Nobody is asked then."""
    status, found = findings("--pool", "eu-west-1-AbC123xyz")
    assert (status, found["pool"][0]["status"]) == (1, "failed")
    assert "issuer" not in found


def test_progress_with_json(examined, of_local):
    """One line a check on standard error, one object on standard output."""
    _, out, err = examined(*of_local, "--json")
    listed = json.loads(out)["findings"]
    assert len(err.splitlines()) == len(listed)
    assert all(each["name"] in line for each, line in zip(listed, err.splitlines(), strict=True))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("no_colour", [False, True])
def test_on_a_terminal(examined, of_local, monkeypatch, no_colour):
    """Colours, unless NO_COLOR says otherwise; and who is being asked, in a line that is wiped."""
    terminal, announcements = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", announcements)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1" if no_colour else "")
    examined(*of_local)
    assert ("\x1b[32m     ok\x1b[0m  pool" in terminal.getvalue()) is not no_colour
    assert f"\r\x1b[Kasking {of_local[3]}/.well-known/jwks.json" in announcements.getvalue()
    assert announcements.getvalue().endswith("\r\x1b[K")


def test_every_mistake_at_once(mistakes, tmp_path):
    """Under the options' own names, each with what to write instead."""
    told = mistakes(
        "--pool", "local_1", "--issuer", "nonsense", "--client", "a b", "--jwks", "http://keys.example/jwks.json",
        "--domain", "shop.example.com", "--redirect-uri", "callback", "--proxy", "proxy:3128", "--ca", str(tmp_path / "missing.pem"),
        "--upstream", "http://app/path",
    )  # fmt: skip
    assert [problem.partition(": ")[0] for problem in told] == [
        "--domain", "--redirect-uri", "--client", "--proxy", "--ca", "--upstream", "--jwks", "--issuer",
    ]  # fmt: skip
    assert "name the risk with insecure-http:URL" in told[-2]
    assert mistakes() == [
        "--pool: it is missing; name the user pool, such as eu-west-1_AbC123xyz, or a settings file by --config"
    ]
    assert mistakes("--pool", "eu-west-1_A", "--pool", "eu-west-1_B", "--domain", "https://a.example/b") == [
        "--domain: write it without a path, such as 'https://shop.auth.eu-west-1.amazoncognito.com'",
        "--domain: it is for one --pool; name that one alone",
    ]


@pytest.fixture
def settings_file(tmp_path, jwks_file, local):
    """`settings_file(text)`: a file with a pool whose keys are bundled, an upstream, and the text below."""

    def write(text, upstream=local.url):
        path = tmp_path / "gate.toml"
        path.write_text(
            f'[[pool]]\nid = "eu-west-1_AbC123xyz"\nclients = ["web"]\njwks = "{jwks_file}"\n'
            f'[[upstream]]\nurl = "{upstream}"\n{text}'
        )
        return str(path)

    return write


def test_a_settings_file(findings, settings_file, local):
    """Pools, clients and upstreams come from it, and `check`'s warnings stand among the findings."""
    path = settings_file('[[route]]\npath = "/*"\naccess = "public"\n')
    status, found = findings("--config", path, "--domain", local.url, "--redirect-uri", LOGIN)
    assert (status, [each["status"] for each in found["configuration"]]) == (0, ["ok", "warning"])
    assert "opens everything" in found["configuration"][1]["found"]
    assert found["pool"][0]["found"] == "eu-west-1_AbC123xyz: region eu-west-1, partition aws"
    assert found["app client"][0]["found"].startswith("app client web: the code grant with PKCE is let in")
    assert found["upstream"][0]["status"] == "ok"


def test_a_settings_file_by_its_variable(findings, settings_file, monkeypatch):
    """As for `proxy`; --pool sets it aside."""
    monkeypatch.setenv("COGNITO_GUARD_CONFIG", settings_file(""))
    assert findings()[1]["configuration"][0]["found"] == "gate.toml: no mistake"
    assert "configuration" not in findings("--pool", "eu-west-1")[1]


def test_mistakes_in_the_settings(findings, mistakes, settings_file):
    """Each is a failed finding with its line, and what the file means is skipped. A mistake in the call is told as such."""
    path = settings_file('[server]\nworkers = 0\n[[route]]\npath = "x"\n')
    status, found = findings("--config", path)
    assert status == 1
    assert [each["status"] for each in found["configuration"]] == ["failed", "failed"]
    assert found["configuration"][0]["found"].startswith("gate.toml:8: server.workers: write a whole number")
    assert found["pool"][0]["status"] == "skipped"
    assert mistakes("--config", path, "--upstream", "nonsense")[0].startswith("--upstream: url: write ")
    assert mistakes("--config", path + ".missing") == [
        "--config: the file cannot be read (No such file or directory); name a readable one"
    ]
    two = '[[pool]]\nid = "eu-west-1_Other1"\nclients = ["web"]\n'
    assert mistakes("--config", settings_file(two), "--domain", "https://a.example") == [
        "--domain: it is for one pool, and gate.toml has 2; name that one by --pool"
    ]


def test_an_upstream_of_the_settings_that_is_down(findings, settings_file, closed_port):
    """It is reached as the gateway would reach it."""
    status, found = findings("--config", settings_file("", upstream=f"http://127.0.0.1:{closed_port}"))
    assert (status, found["upstream"][0]["status"]) == (1, "failed")
