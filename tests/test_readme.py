"""What the README says runs: its Python blocks, its commands, its two marked commands, its references. An unknown kind of block fails."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from cognito_guard.cli import main
from cognito_guard.cli.main import parser
from cognito_guard.keys import HttpFetch
from cognito_guard.testing import LocalUserPool

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block: its language, the line its fence stands on (from 1), the line above that, its text."""

    language: str
    line: int
    above: str
    text: str


def _blocks(text: str) -> list[Block]:
    blocks, lines, opened = [], text.splitlines(), None
    for at, line in enumerate(lines):
        if not line.startswith("```"):
            assert "```" not in line, f"line {at + 1}: a fence must start its line"
        elif opened is None:
            opened = at
        else:
            assert line == "```", f"line {at + 1}: this fence closes that of line {opened + 1}"
            blocks.append(Block(lines[opened][3:], opened + 1, lines[opened - 1], "\n".join(lines[opened + 1 : at]) + "\n"))
            opened = None
    assert opened is None, f"line {opened}: this fence is never closed"
    return blocks


BLOCKS = _blocks(README)


def _of(language: str) -> list[object]:
    return [pytest.param(block, id=f"line {block.line}") for block in BLOCKS if block.language == language]


def test_every_block_is_of_a_kind_that_is_tested():
    """A block in another language would be a promise that nobody keeps: add a test for it."""
    assert {block.language for block in BLOCKS} <= {"python", "console", "sh", "toml"}
    assert _of("python")
    assert _of("console")


@pytest.mark.parametrize("block", _of("python"))
def test_python_block(block, tmp_path, monkeypatch):
    """Each Python block runs by itself, as it stands, in an empty directory and without a network."""

    def no_network(_self, url):
        raise AssertionError(f"a block of the README fetches {url}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HttpFetch, "__call__", no_network)
    # the blank lines let a traceback name the README's own line
    code = compile("\n" * block.line + block.text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    names = {"__name__": "readme"}
    if code.co_flags & inspect.CO_COROUTINE:

        async def run():
            await eval(code, names)

        asyncio.run(run())
    else:
        exec(code, names)


@pytest.mark.parametrize("block", _of("console"))
def test_console_block(block, tmp_path, monkeypatch, capsys):
    """Each command of a console block does what the README says of it. One that this test does not know fails."""
    commands = block.text.replace("\\\n", " ").splitlines()
    assert commands
    for line in commands:
        assert line.startswith("$ "), f"{line!r}: show commands only, or teach this test to compare output"
        words = shlex.split(line.removeprefix("$ "), comments=True)
        assert words[0] == "cognito-guard", f"{line!r}: no expectation is known for this program"
        assert words[1] in _EXPECTATIONS, f"{line!r}: no expectation is known for this command"
        monkeypatch.chdir(tmp_path)
        _EXPECTATIONS[words[1]](words[1:], monkeypatch, capsys)


def _verify(words, monkeypatch, capsys):
    """`verify ... < FILE` over a file with a token that was issued by the pool to the client named, and one line of junk."""
    option = dict(pairwise(words))
    pool = LocalUserPool(option["--pool"], client=option["--client"])
    asked = []

    def fetch(_self, url):
        asked.append(url)
        return pool.fetch(url)

    monkeypatch.setattr(HttpFetch, "__call__", fetch)
    tokens = f"{pool.access(scopes=['orders/read', 'orders/write'], groups=['staff', 'admin'])}\njunk\n".encode()
    assert "<" in words, "the README's `verify` reads a file"
    at = words.index("<")
    assert len(words) == at + 2
    Path(words[at + 1]).write_bytes(tokens)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(words[at + 1]).read_bytes())))
    assert main(words[:at]) == 1
    out, err = capsys.readouterr()
    answers = [json.loads(answer) for answer in out.splitlines()]
    assert [(answer["verdict"], answer["code"]) for answer in answers] == [("granted", "granted"), ("rejected", "not_a_jwt")]
    assert all(list(answer) == ["verdict", "code", "principal"] for answer in answers)
    assert err == ""
    assert len(asked) == 1


def _explain(words, monkeypatch, capsys):
    """A code by itself, or a token that is read."""
    if "<" not in words:
        assert main(words) == 0
        assert "What to do" in capsys.readouterr().out
        return
    option = dict(pairwise(words))
    pool = LocalUserPool(option["--pool"], client=option["--client"])
    monkeypatch.setattr(HttpFetch, "__call__", lambda _self, url: pool.fetch(url))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pool.access().encode())))
    assert main(words[: words.index("<")]) == 0
    assert "The token is good" in capsys.readouterr().out


def _settings(words, _monkeypatch, capsys):
    """The gateway would start so: `check` says it of `proxy`, too. The file is the README's own."""
    [block] = [block for block in BLOCKS if block.language == "toml"]
    Path("cognito-guard.toml").write_text(block.text)
    assert main(["check", "--strict", *words[1:]]) == 0
    out, err = capsys.readouterr()
    assert "/orders/*" in out or "--config" not in words
    assert err == ""


def _parses(words, _monkeypatch, _capsys):
    """What would ask AWS or serve on: the call is one that the command takes."""
    chosen, left_over = parser().parse_known_args(words)
    assert left_over == []
    assert callable(chosen.run)


_EXPECTATIONS = {
    "verify": _verify, "explain": _explain, "check": _settings, "proxy": _settings, "doctor": _parses, "local-pool": _parses,
}  # fmt: skip


def test_the_settings_block_is_read_whole():
    """Every line of it counts for something."""
    from cognito_guard.gateway.settings import read

    [block] = [block for block in BLOCKS if block.language == "toml"]
    settings = read(block.text, name="README.md")
    assert [route.path for route in settings.routes] == ["/health", "/orders/*"]
    assert [name for name, _ in settings.identity] == ["X-User", "X-User-Groups"]


@pytest.mark.parametrize(("mark", "ends"), [("demo", r"cognito-guard demo"), ("tests", r"-m pytest( -q)?")])
def test_the_two_marked_commands(mark, ends):
    """`.ci/run` takes the demo's and the tests' command from below their marks; each is one line that needs only `python3`."""
    marked = [block for block in BLOCKS if block.above == f"<!-- {mark} -->"]
    assert README.count(f"<!-- {mark} -->") == len(marked) == 1
    [command] = marked[0].text.splitlines()
    assert marked[0].language == "sh"
    assert command.startswith("python3 -m venv ")
    assert re.search(f"{ends}$", command)


def test_the_marked_shell_blocks_are_all():
    """Every shell block is one of the two marked ones: nothing else there would be run by anybody."""
    assert [block.above for block in BLOCKS if block.language == "sh"] == ["<!-- demo -->", "<!-- tests -->"]


def test_what_it_refers_to_exists():
    """Files that it links to, benchmarks that it names, extras that it installs."""
    import tomllib

    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (TOP / link).exists(), link
    for script in re.findall(r"(?:benchmarks|examples)/[\w./]+\.py", README):
        assert (TOP / script).is_file(), script
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {extra for group in re.findall(r"\[([a-z,]+)\]'", README) for extra in group.split(",")}
    assert named <= set(extras)


def test_the_error_codes_and_names_that_it_shows_are_real():
    """Names in backticks that look like calls or classes of this package can be imported."""
    import cognito_guard
    from cognito_guard import testing, web

    adapters = [ast.parse(path.read_text()) for path in (Path(cognito_guard.__file__).parent / "adapters").glob("*.py")]
    classes = {node.name for tree in adapters for node in tree.body if isinstance(node, ast.ClassDef)}
    public = {*cognito_guard.__all__, *web.__all__, *testing.__all__, *classes}
    capitalised = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?:\(.*?\))?`", README))
    assert capitalised - public - {"RevokeToken"} == set()
