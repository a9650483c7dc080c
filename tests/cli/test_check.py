"""`cognito-guard check`: what it prints, how it ends, and what it says of mistakes."""

from __future__ import annotations

import argparse
import os

import pytest

from cognito_guard import ConfigurationError
from cognito_guard.cli import check
from cognito_guard.gateway.settings import OPTIONS, read

SMALL = """\
[[pool]]
id = "eu-west-1_AbC123xyz"
clients = ["3n4b5urk1ft4fl3mg5e62d9ado"]

[[upstream]]
url = "http://127.0.0.1:8000"
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Nothing of ours in the environment."""
    for name in list(os.environ):
        if name.startswith("COGNITO_GUARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def checked(capsys):
    """`checked(argument, ...)`: status, output and complaints of `check`."""

    def call(*arguments):
        parser = argparse.ArgumentParser(prog="cognito-guard")
        check.add_to(parser.add_subparsers())
        options = parser.parse_args(["check", *arguments])
        return options.run(options, []), *capsys.readouterr()

    return call


@pytest.fixture
def refused(checked):
    """`refused(argument, ...)`: the mistakes."""

    def call(*arguments):
        with pytest.raises(ConfigurationError) as error:
            checked(*arguments)
        assert error.value.subject == "check"
        return list(error.value.problems)

    return call


@pytest.fixture
def file(tmp_path):
    """`file(text)`: the path of a settings file."""

    def write(text):
        path = tmp_path / "gate.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_the_table_and_no_warning(checked, file):
    """Good settings: the table of routes on standard output, nothing else, status 0, with --strict too."""
    status, out, err = checked("--config", file(SMALL + '[[route]]\npath = "/health"\naccess = "public"\n'), "--strict")
    assert (status, err) == (0, "")
    assert out.splitlines()[:3] == [
        "route  host  methods  path     demands",
        "0      any   any      /health  nothing: public",
        "-      any   any      /*       a token (what no route names)",
    ]


def test_warnings(checked, file):
    """Warnings go to standard error; they are a failure only for those who say so."""
    path = file(SMALL + '[[route]]\npath = "/*"\naccess = "public"\n')
    status, _, err = checked("--config", path)
    assert (status, err) == (0, "warning: route[0]: public /* opens everything that no earlier route names\n")
    assert checked("--config", path, "--strict")[0] == 1


def test_without_a_file(checked, monkeypatch):
    """Options and variables are enough."""
    monkeypatch.setenv("COGNITO_GUARD_CLIENTS", "abc")
    status, out, _ = checked("--pool", "eu-west-1_A", "--upstream", "http://127.0.0.1:1", "--upstream", "http://127.0.0.1:2")
    assert status == 0
    assert "http://127.0.0.1:2" in out


def test_the_file_by_its_variable(checked, file, monkeypatch):
    """COGNITO_GUARD_CONFIG names the file where --config does not."""
    monkeypatch.setenv("COGNITO_GUARD_CONFIG", file(SMALL))
    assert checked()[0] == 0
    assert checked("--config", file(SMALL + '[[route]]\npath = "/x"\n'))[0] == 0


def test_print_config(checked, file, tmp_path):
    """--print-config prints a file that reads as the same settings, with what options changed in it."""
    (tmp_path / "secret").write_text("hunter2hunter2hunter2")
    text = SMALL + '[forward_auth]\nkinds = "nginx"\nsecret_file = "secret"\n'
    status, out, err = checked("--config", file(text), "--bind", "127.0.0.1:81", "--print-config")
    assert (status, err) == (0, "")
    assert "hunter2" not in out
    assert read(out) == read(text, base=str(tmp_path), flags={"bind": ["127.0.0.1:81"]})


def test_every_mistake_with_its_line(refused, file):
    """All mistakes of the file, the options and the named files at once; the line is that of the file."""
    text = SMALL + '[server]\ntls_certificate = "missing.pem"\nworkers = 0\n[assertion]\nkey_file = "empty.pem"\n'
    path = file(text)
    with open(os.path.join(os.path.dirname(path), "empty.pem"), "wb"):
        pass
    assert refused("--config", path, "--drain", "soon") == [
        "--drain: write seconds, a number from 0 to 3600",
        "gate.toml:8: server.tls_certificate: the file cannot be read (No such file or directory); name a readable one",
        "gate.toml:9: server.workers: write a whole number from 1 to 256",
        "gate.toml:11: assertion.key_file: the file is empty; name one with contents",
    ]


def test_the_mistakes_of_the_call_itself(file, checked):
    """What the command line found already stands beside the others."""
    options = argparse.Namespace(config=file("x = 1\n"), subject="proxy", **{option.name: None for option in OPTIONS})
    with pytest.raises(ConfigurationError) as error:
        check.settings_from(options, ["--nonsense: there is no such option"])
    assert error.value.subject == "proxy"
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "--nonsense",
        "gate.toml",
        "gate.toml",
        "gate.toml",
    ]


def test_a_jwk_set_is_looked_into(refused, file, tmp_path):
    """T19: keys that are no JWK Set are a mistake now, not at the start of the gateway."""
    (tmp_path / "keys.json").write_text("{}")
    [problem] = refused("--config", file(SMALL.replace("clients", 'jwks = "keys.json"\nclients')))
    assert "keys.json" in problem


def test_authorities_are_looked_into(refused, file, tmp_path):
    """T19: so are authorities for fetching keys."""
    (tmp_path / "ca.pem").write_text("nothing")
    [problem] = refused("--config", file('ca = "ca.pem"\n' + SMALL))
    assert problem.startswith("ca: ")


@pytest.mark.parametrize(
    ("contents", "said"),
    [(b"a = 1\n# \xff\n", "line 2 is not UTF-8"), (b"#" * (1024 * 1024 + 1), "is it a settings file?")],
)
def test_a_file_that_is_no_text(refused, file, contents, said):
    """What cannot be a settings file is told as such."""
    assert any(said in problem for problem in refused("--config", file(contents)))


@pytest.mark.parametrize("path", ["missing.toml", ".", "a\0b"])
def test_a_file_that_cannot_be_read(refused, tmp_path, monkeypatch, path):
    """A file that is missing or none is told under the option that named it."""
    monkeypatch.chdir(tmp_path)
    assert refused("--config", path)[0].startswith("--config: ")


def test_relative_paths(refused, file, tmp_path, monkeypatch):
    """Paths in the file start from the file, those of options from the working directory: there they are found, and hold nothing."""
    (tmp_path / "here").mkdir()
    (tmp_path / "cert.pem").write_text("x")
    (tmp_path / "here" / "key.pem").write_text("x")
    monkeypatch.chdir(tmp_path / "here")
    path = file(SMALL + '[server]\ntls_certificate = "cert.pem"\n')
    for config in (path, "../gate.toml"):
        [problem] = refused("--config", config, "--tls-key", "key.pem")
        assert f"{tmp_path}/cert.pem and key.pem cannot be used" in problem


def test_help_names_every_option_and_variable(capsys):
    """--help shows each option with its variable."""
    parser = argparse.ArgumentParser(prog="cognito-guard")
    check.add_to(parser.add_subparsers())
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["check", "--help"])
    assert end.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert f"{option.flag} {option.metavar}" in shown
        assert f"({option.variable})" in shown
