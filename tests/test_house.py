"""The rules of this house that a machine can check: layers, import weight, docstrings, sizes, and nothing of anybody's own machine."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cognito_guard

TOP = Path(__file__).parent.parent
PACKAGE = Path(cognito_guard.__file__).parent  # not under TOP where the installed wheel is tested
MODULES = sorted(PACKAGE.rglob("*.py"))


def _name(path):
    return str(path.relative_to(PACKAGE.parent))


def _read(path):
    return path.read_text(encoding="utf-8")


# --- layers and import weight


def test_layers():
    """The contracts of import-linter in pyproject.toml hold: arrows only downward, a pure zone, frameworks in their adapters."""
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=TOP, env={"PYTHONPATH": str(PACKAGE.parent), "COLUMNS": "200"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    contracts = tomllib.loads(_read(TOP / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken." in run.stdout


def _loads(statement):
    """The modules that a statement loads in a fresh interpreter which has imported nothing, not even `site`."""
    program = f"""
import sys
sys.path += {[str(PACKAGE.parent), *sys.path]!r}
before = set(sys.modules)
{statement}
loaded = set(sys.modules) - before
import json
print(json.dumps(sorted(loaded)))
"""
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


# what is heavy, what waits, what reaches outside, and what an application may not have
ABSENT = {
    "anyio", "argparse", "asyncio", "cachetools", "concurrent", "dataclasses", "decimal", "email", "fastapi", "http", "httpcore", "httpx",
    "httpx2", "inspect", "json", "jwt", "logging", "msgspec", "orjson", "pathlib", "pytest", "signal", "socket", "ssl", "starlette",
    "subprocess", "tempfile", "trio", "urllib", "uuid", "uvicorn",
}  # fmt: skip


def test_what_the_import_does_not_load():
    """`import cognito_guard` stays light: no HTTP client, no event loop, no web framework, nothing that costs milliseconds."""
    loaded = _loads("import cognito_guard")
    assert "cognito_guard.guard.guard" in loaded
    assert {name.partition(".")[0] for name in loaded} & ABSENT == set()


def test_the_core_does_not_load_its_fronts():
    """Adapters, front, test kit and command line come only when they are asked for."""
    loaded = _loads("import cognito_guard")
    assert {name.split(".")[1] for name in loaded if name.startswith("cognito_guard.")} & {
        "adapters",
        "front",
        "testing",
        "cli",
        "web",
    } == set()


def test_the_web_words_load_no_framework():
    """Routes and the ASGI adapter need none either."""
    loaded = _loads("import cognito_guard.web, cognito_guard.adapters.asgi")
    assert {name.partition(".")[0] for name in loaded} & (ABSENT - {"json", "logging"}) == set()


def test_the_pytest_plugin_loads_nothing_of_ours():
    """Every test run of every program that has the package installed imports the plugin: at its top stand pytest and the standard library."""
    tree = ast.parse(_read(PACKAGE / "testing" / "pytest_plugin.py"))
    roots = set()
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0
            roots.add((statement.module or "").partition(".")[0])
        elif isinstance(statement, ast.If):
            assert ast.unparse(statement.test) == "TYPE_CHECKING"
            assert not statement.orelse
    assert "pytest" in roots
    assert roots - {"pytest"} <= sys.stdlib_module_names


# --- text


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_what_it_decides(path):
    """Every module has a docstring of at most six lines, and can be read whole."""
    text = _read(path)
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "a module opens by saying what it decides and what it refuses to know"
    if path.name != "__init__.py":  # which may show how the package is used
        assert len(docstring.splitlines()) <= 6
    assert len(text.splitlines()) < 400


EXPORTED = [
    (module, name)
    for module in (
        "cognito_guard",
        "cognito_guard.policy",
        "cognito_guard.web",
        "cognito_guard.testing",
        "cognito_guard.adapters.asgi",
    )
    for name in getattr(importlib.import_module(module), "__all__", ("CognitoASGI",))
]


def _described(public):
    """Whose docstring tells of it: a class's or function's own, a constant's type. None for strings, tuples and type aliases."""
    if inspect.isclass(public) or inspect.isfunction(public):
        return public
    return type(public) if type(public).__module__.startswith("cognito_guard") else None


@pytest.mark.parametrize(("module", "name"), EXPORTED, ids=lambda part: part)
def test_public_names_are_documented(module, name):
    """Every public class and function has a docstring; its public methods and properties have one or are named in that of the class."""
    public = _described(getattr(importlib.import_module(module), name))
    if public is None:
        return
    assert public.__doc__
    if inspect.isclass(public) and public.__module__.startswith("cognito_guard"):
        kinds = (property, classmethod, staticmethod)
        members = {member: each for member, each in vars(public).items() if not member.startswith("_")}
        called = {member: each for member, each in members.items() if inspect.isfunction(each) or isinstance(each, kinds)}
        assert [member for member, each in called.items() if not each.__doc__ and f"`{member}`" not in public.__doc__] == []


def test_version():
    """The version stands twice, and is the same."""
    assert tomllib.loads(_read(TOP / "pyproject.toml"))["project"]["version"] == cognito_guard.__version__


def test_changelog():
    """The changelog's newest entry is this version."""
    entries = [line for line in _read(TOP / "CHANGELOG.md").splitlines() if line.startswith("## ")]
    assert entries[0].split()[1] == cognito_guard.__version__


# --- nobody's machine

MACHINE_PATHS = tuple(f"/{name}/" for name in ("root", "home", "work", "Users"))
REGISTRIES = tuple(
    f"{host}.{domain}"
    for host, domain in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"), ("golang", "org"), ("crates", "io"),
        ("deb.debian", "org"), ("anaconda", "org"), ("docker", "io"), ("ghcr", "io"),
    )
)  # fmt: skip


def _tree():
    """Every text file of the project, wherever the package lies."""
    folders = [PACKAGE, *(TOP / name for name in ("tests", "benchmarks", "examples"))]
    assert all(folder.is_dir() for folder in folders)
    tops = [
        path
        for path in TOP.iterdir()
        if path.is_file() and path.suffix in (".md", ".toml", ".txt", ".lock", ".cfg", ".yml", ".yaml")
    ]
    assert {"README.md", "CHANGELOG.md", "pyproject.toml"} <= {path.name for path in tops}
    continuous = TOP / ".ci"  # not beside the wheel that is tested
    files = [
        path
        for folder in [*folders, continuous]
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return [*tops, *files]


def test_the_tree_names_no_machine_and_no_registry():
    """No path of somebody's machine and no package registry's host: whoever clones this uses their own."""
    found = [
        (str(path), forbidden)
        for path in _tree()
        for text in [path.read_bytes().decode("utf-8", "replace")]
        for forbidden in (*MACHINE_PATHS, *REGISTRIES)
        if forbidden in text
    ]
    assert found == []
