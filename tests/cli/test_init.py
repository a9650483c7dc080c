"""`cognito-guard init`: files that `check` takes, in every combination; and what creates a pool, held against AWS's own models."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from cognito_guard import ConfigurationError
from cognito_guard.cli import check, init
from cognito_guard.cli.pool_recipes import RECIPES
from cognito_guard.gateway.settings import read

POOL, CLIENT, UPSTREAM = "us-east-1_Other1234", "anotherclient", "https://app.internal:8443"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path, monkeypatch):
    """The working directory, and nothing of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("COGNITO_GUARD_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def ran(capsys):
    """`ran("init", argument, ...)`: status, output and complaints of a command."""

    def call(command, *arguments):
        parser = argparse.ArgumentParser(prog="cognito-guard")
        commands = parser.add_subparsers()
        for each in (init, check):
            each.add_to(commands)
        options = parser.parse_args([command, *arguments])
        return options.run(options, []), *capsys.readouterr()

    return call


@pytest.fixture
def mistakes(ran):
    """`mistakes(argument, ...)`: what is wrong with a call."""

    def call(*arguments):
        with pytest.raises(ConfigurationError) as error:
            ran("init", *arguments)
        assert error.value.subject == "init"
        return list(error.value.problems)

    return call


KINDS = [
    ("--kind", "proxy"),
    ("--kind", "proxy", "--upstream", UPSTREAM),
    ("--kind", "forward-auth"),
    *(("--kind", "forward-auth", "--proxy-kind", kind) for kind in ("nginx", "traefik", "caddy", "envoy")),
]
NAMED = [
    (),
    ("--pool", POOL),
    ("--client", CLIENT, "--client", "web"),
    ("--pool", POOL, "--client", CLIENT),
    ("--pool", "local_1", "--issuer", "http://127.0.0.1:9229/local_1", "--client", "web"),
]


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
@pytest.mark.parametrize("named", NAMED, ids=" ".join)
def test_what_is_written_passes_check(ran, kind, named):
    """Every combination, without a warning; what was named stands in it, and what was not is marked."""
    assert ran("init", *kind, *named)[:2] == (0, "")
    status, out, err = ran("check", "--config", "cognito-guard.toml", "--strict")
    assert (status, err) == (0, "")
    assert "a token (what no route names)" in out
    text = Path("cognito-guard.toml").read_text()
    for value in (*named[1::2], *kind[3::2]):
        assert f'"{value}"' in text
    missing = ("--pool" not in named) + ("--client" not in named) + ("proxy" in kind and "--upstream" not in kind)
    assert text.count("# CHANGE") == missing


@pytest.mark.parametrize("kind", KINDS[3:], ids=" ".join)
def test_forward_auth_answers_the_proxy_that_was_named(ran, kind):
    """And no upstream is needed."""
    ran("init", *kind)
    settings = read(Path("cognito-guard.toml").read_text())
    assert (settings.forward_auth.kinds, settings.upstreams) == ((kind[3],), ())


@pytest.mark.parametrize("kind", [KINDS[1], KINDS[-1]], ids=" ".join)
def test_every_comment_is_a_setting_or_a_sentence(ran, kind):
    """Each setting that is commented out can be switched on, all of them together; and every table of the file is there."""
    _, text, _ = ran("init", *kind, "--output", "-")
    for name in ("authorities.pem", "assertion.pem", "secret"):
        Path(name).write_text("something")
    settings = read(re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE))
    assert settings.assertion is not None
    assert settings.resource is not None
    tables = set(re.findall(r"^#?\[+([a-z_]+)\]+$", text, re.MULTILINE))
    either = {"upstream", "forward_auth"}
    assert tables | either == {
        "pool", "resource", "credential", "server", "limits", "timeouts", "upstream", "identity", "route", "forward_auth", "assertion",
        "log",
    }  # fmt: skip
    assert len(tables & either) == 1


def test_the_defaults_that_are_shown_are_those(ran):
    """The limits, times, server and log settings in the comments are what counts without them."""
    _, text, _ = ran("init", "--output", "-")
    shown = read(
        re.sub(
            r"^#(?=[a-z\[])",
            "",
            re.sub(r"^#(trusted_proxies|realm|proxy|ca).*", "", text, flags=re.MULTILINE),
            flags=re.MULTILINE,
        )
    )
    bare = read("", flags={"pool": [POOL], "client": [CLIENT], "upstream": [UPSTREAM]})
    for name in ("server", "limits", "timeouts", "log", "identity", "leeway", "realm"):
        assert getattr(shown, name) == getattr(bare, name), name


def test_printed(ran):
    """`--output -` writes nothing; the file is the same."""
    _, out, err = ran("init", "--pool", POOL, "--output", "-")
    assert (err, os.listdir()) == ("", [])
    ran("init", "--pool", POOL)
    assert Path("cognito-guard.toml").read_text() == out


def test_what_comes_next(ran):
    """On standard error, so that standard output is what --create prints."""
    _, out, err = ran("init", "--client", CLIENT, "--output", "gate.toml")
    assert out == ""
    assert err == (
        "Wrote gate.toml. Change the pool and the upstream in it, which are examples.\nNext: cognito-guard check --config gate.toml\n"
    )
    _, out, err = ran("init", "--pool", POOL, "--client", CLIENT, "--upstream", UPSTREAM, "--create", "terraform")
    assert (out, "Change" in err) == (RECIPES["terraform"], False)


def test_a_file_that_is_there(ran, mistakes):
    """It is never written over, unless --force says so."""
    Path("cognito-guard.toml").write_text("precious")
    assert mistakes() == ["--output: cognito-guard.toml is there already; name another file, or write over it by --force"]
    assert Path("cognito-guard.toml").read_text() == "precious"
    ran("init", "--force")
    assert "[[pool]]" in Path("cognito-guard.toml").read_text()
    assert mistakes("--output", "missing/gate.toml") == [
        "--output: missing/gate.toml cannot be written (No such file or directory); name another file"
    ]
    assert mistakes("--output", ".", "--force") == ["--output: . cannot be written (Is a directory); name another file"]


def test_every_mistake_at_once(mistakes):
    """Under the options' own names; and nothing is written."""
    told = mistakes(
        "--kind", "sidecar", "--pool", "nonsense", "--client", "a b", "--upstream", "http://app/path", "--create", "pulumi", "--output", "-",
    )  # fmt: skip
    assert [problem.partition(": ")[0] for problem in told] == [
        "--kind",
        "--create",
        "--create",
        "--pool",
        "--client",
        "--upstream",
    ]
    assert mistakes("--proxy-kind", "nginx", "--issuer", "http://127.0.0.1:1/x")[:2] == [
        "--proxy-kind: it counts with --kind forward-auth; add that, or leave it out",
        "--issuer: it is for one --pool; name that too",
    ]
    assert mistakes("--kind", "forward-auth", "--upstream", UPSTREAM) == [
        "--upstream: with forward-auth the proxy in front reaches the application itself; leave it out"
    ]
    assert mistakes("--output", "") == ["--output: name a file, or - for standard output"]
    assert os.listdir() == []


# --- what creates a pool

_SHIM = f"""\
#!{sys.executable}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
print({{"get-caller-identity": "123456789012", "create-user-pool": "eu-west-1_AbC", "create-user-pool-client": "3n4b"}}.get(sys.argv[2], ""))
"""


@pytest.fixture
def cli_calls(tmp_path):
    """What the AWS CLI lines call, in order: (command, its options), run by a real shell; and what they print."""
    shim = tmp_path / "bin" / "aws"
    shim.parent.mkdir()
    shim.write_text(_SHIM)
    shim.chmod(0o755)
    environment = {"PATH": f"{shim.parent}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls")}
    done = subprocess.run(
        ["/bin/sh", "-c", RECIPES["cli"]], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    return [(call[1], _options(call[2:])) for call in calls if call[0] == "cognito-idp"], done.stdout


def _options(words):
    options = {}
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            options[name] = []
        else:
            options[name].append(word)
    return options


def _typed(shape, words):
    """The CLI's words as the API's value: its shorthand and its JSON, as far as the lines use them."""
    kind = shape.type_name
    if kind == "list":
        words = json.loads(words[0]) if words[0].startswith("[") else words
        return [_typed(shape.member, [word]) for word in words]
    if kind == "structure":
        pairs = dict(pair.split("=") for pair in words[0].split(","))
        return {name: _typed(shape.members[name], [value]) for name, value in pairs.items()}
    if kind == "boolean":
        return {"true": True, "false": False}[words[0]]
    value = int(words[0]) if kind == "integer" else words[0]
    assert value in getattr(shape, "enum", ()) or not getattr(shape, "enum", ())
    return value


def _parameters(operation, options):
    """The request that the options make; every option is a member of the operation's input."""
    shape = operation.input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    parameters = {}
    for name, words in options.items():
        if name in ("query", "output"):
            continue
        if name.startswith("no-") and name[3:] in members:
            parameters[members[name[3:]]] = False
        else:
            member = shape.members[members[name]]
            parameters[members[name]] = True if not words and member.type_name == "boolean" else _typed(member, words)
    return parameters


def test_the_cli_lines_fit_the_service(cli_calls):
    """Every command is an operation of cognito-idp, and every option a parameter of it with a value of its type (botocore's model)."""
    calls, said = cli_calls
    model = botocore.session.get_session().get_service_model("cognito-idp")
    operations = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    requests = {command: _parameters(operations[command], options) for command, options in calls}
    for command, request in requests.items():
        assert ParamValidator().validate(request, operations[command].input_shape).generate_report() == ""
    assert list(requests) == [
        "create-user-pool", "create-resource-server", "create-user-pool-domain", "create-user-pool-client",
        "create-managed-login-branding",
    ]  # fmt: skip
    assert requests["create-user-pool-client"] == WANTED | {"UserPoolId": "eu-west-1_AbC", "ClientName": "my-app"}
    assert requests["create-user-pool-domain"]["Domain"] == "my-app-123456789012"
    assert said.splitlines()[0] == "cognito-guard init --pool eu-west-1_AbC --client 3n4b --force"


WANTED = {
    "GenerateSecret": False,
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthScopes": ["openid", "email", "orders/read", "orders/write"],
    "SupportedIdentityProviders": ["COGNITO"],
    "CallbackURLs": ["http://localhost:3000/callback"],
    "LogoutURLs": ["http://localhost:3000/"],
    "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
    "PreventUserExistenceErrors": "ENABLED",
    "EnableTokenRevocation": True,
    "AccessTokenValidity": 15,
    "IdTokenValidity": 15,
    "RefreshTokenValidity": 1,
    "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
}
"""A public client for the code grant with PKCE; the same by every recipe."""


def test_the_cloudformation_template():
    """cfn-lint finds no error and no warning, and the client is the one that is wanted."""
    from cfnlint.api import ManualArgs, lint
    from cfnlint.decode.cfn_yaml import loads

    assert lint(RECIPES["cloudformation"], config=ManualArgs(regions=["eu-west-1"])) == []
    client = loads(RECIPES["cloudformation"])["Resources"]["Client"]["Properties"]
    plain = {name: _resolved(value) for name, value in client.items() if name not in ("UserPoolId", "ClientName")}
    assert plain == WANTED


def _resolved(value):
    """A template's value with the defaults of its parameters."""
    defaults = {"Api": "orders", "Callback": "http://localhost:3000/callback", "SignOut": "http://localhost:3000/"}
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    if isinstance(value, dict):
        if "Ref" in value:
            return defaults[value["Ref"]]
        if "Fn::Sub" in value:
            return value["Fn::Sub"].replace("${Api}", "orders")
        return {name: _resolved(each) for name, each in value.items()}
    return value


def test_the_terraform_lines(tmp_path):
    """Each argument of the client is the API's parameter by another name, with the same value; `terraform fmt`, where it is, agrees."""
    block = re.search(r'resource "aws_cognito_user_pool_client" "client" \{\n(.*?)\n\}', RECIPES["terraform"], re.DOTALL)[1]
    written = dict(re.findall(r"^ +(\w+) += (.*?)(?: #.*)?$", block, re.MULTILINE))
    assert written.pop("user_pool_id") == "aws_cognito_user_pool.pool.id"
    assert written.pop("name") == "local.name"
    known = {
        "local.callback": "http://localhost:3000/callback",
        "local.sign_out": "http://localhost:3000/",
        "aws_cognito_resource_server.api.scope_identifiers": ["orders/read", "orders/write"],
    }
    for name, text in written.items():
        plain = re.sub(r"concat\((\[.*\]), (.*)\)", r"\1 + \2", text)
        for reference, value in known.items():
            plain = plain.replace(reference, json.dumps(value))
        first, _, second = plain.partition(" + ")
        written[name] = json.loads(first) + json.loads(second) if second else json.loads(first)
    units = {name: written.pop(name) for name in ("access_token", "id_token", "refresh_token")}
    assert written == {_snake(name): value for name, value in WANTED.items() if name != "TokenValidityUnits"}
    assert units == {_snake(name): value for name, value in WANTED["TokenValidityUnits"].items()}
    if shutil.which("terraform") and not shutil.which("terraform").startswith(str(tmp_path)):
        formatted = subprocess.run(
            ["terraform", "fmt", "-"], input=RECIPES["terraform"], capture_output=True, text=True, check=True, timeout=30
        )
        assert formatted.stdout == RECIPES["terraform"]


def _snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("OAuth", "Oauth").replace("URLs", "Urls")).lower()


def test_the_cdk_lines():
    """They are Python whose client has the wanted settings; where the CDK is installed, its own synthesis agrees."""
    tree = ast.parse(RECIPES["cdk"])
    [made] = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_client"]
    arguments = {word.arg: ast.unparse(word.value) for word in made.keywords}
    assert (arguments["generate_secret"], arguments["prevent_user_existence_errors"]) == ("False", "True")
    assert (arguments["enable_token_revocation"], arguments["access_token_validity"]) == ("True", "Duration.minutes(15)")
    assert "authorization_code_grant=True" in arguments["o_auth"]
    assert "implicit" not in RECIPES["cdk"]
    if importlib.util.find_spec("aws_cdk") and shutil.which("node"):
        subprocess.run(
            [sys.executable, "-c", RECIPES["cdk"]],
            env=os.environ | {"CDK_OUTDIR": "cdk", "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"},
            check=True,
            capture_output=True,
            timeout=60,
        )
        template = json.loads(Path("cdk/my-app-sign-in.template.json").read_text())
        [client] = [each["Properties"] for each in template["Resources"].values() if each["Type"].endswith("UserPoolClient")]
        same = ("GenerateSecret", "AllowedOAuthFlows", "ExplicitAuthFlows", "PreventUserExistenceErrors", "AccessTokenValidity")
        assert {name: client[name] for name in same} == {name: WANTED[name] for name in same}
