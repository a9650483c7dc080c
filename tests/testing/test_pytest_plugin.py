from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import cognito_guard
from cognito_guard.testing import pytest_plugin

pytest_plugins = ["pytester"]

ROOT = Path(cognito_guard.__file__).parents[1]
FIXTURES = [
    "cognito_pool_options",
    "cognito_pool",
    "served_cognito_pool",
    "cognito_token",
    "cognito_id_token",
    "cognito_machine_token",
    "cognito_headers",
]
SUITE = """
    import json, urllib.request
    import pytest
    from cognito_guard import Guard, TokenRejected

    seen = []

    @pytest.mark.parametrize("again", range(3))
    def test_every_test_has_a_pool_on_a_good_day(cognito_pool, again):
        assert len(cognito_pool.jwks()["keys"]) == 2
        assert cognito_pool.fetches == {}
        seen.append(cognito_pool.key())
        assert len(set(seen)) == 1
        cognito_pool.rotate()
        cognito_pool.outage()

    def test_tokens(cognito_pool, cognito_token, cognito_id_token, cognito_machine_token):
        guard = cognito_pool.guard()
        assert guard.authenticate(cognito_token(groups=["staff"])).groups == {"staff"}
        assert guard.authenticate(cognito_machine_token(scopes=["orders/read"])).is_machine
        with pytest.raises(TokenRejected) as caught:
            guard.authenticate(cognito_id_token())
        assert caught.value.code == "token_use_refused"

    def test_headers(cognito_pool, cognito_headers):
        scheme, token = cognito_headers(username="joe")["Authorization"].split(" ")
        assert scheme == "Bearer"
        assert cognito_pool.guard().authenticate(token).username == "joe"

    def test_served(cognito_pool, served_cognito_pool):
        with urllib.request.urlopen(served_cognito_pool.issuer + "/.well-known/jwks.json") as answer:
            assert json.load(answer) == cognito_pool.jwks()
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest in a process of its own with this plugin alone, whether or not the package is installed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    arguments = ("-p", "cognito_guard.testing.pytest_plugin", "-p", "no:cacheprovider", "-W", "error")
    return lambda *more: pytester.runpytest_subprocess(*arguments, *more, timeout=60)


def test_the_fixtures_work_in_a_users_suite(pytester, run):
    """Pools are reset from test to test and share their keys; nothing warns, no thread or socket is left."""
    pytester.makepyfile(SUITE)
    run().assert_outcomes(passed=6)


def test_options_choose_the_pool(pytester, run):
    """A suite overrides one fixture to use its own pool id and client."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def cognito_pool_options():
            return {"pool_id": "us-east-1_Mine12345", "client": "3n4b5urk1ft4fl3mg5e62d9ado"}
        """
    )
    pytester.makepyfile(
        """
        def test_it(cognito_pool, cognito_token):
            assert cognito_pool.issuer.endswith("/us-east-1_Mine12345")
            assert cognito_pool.guard().authenticate(cognito_token()).client_id == "3n4b5urk1ft4fl3mg5e62d9ado"
        """
    )
    run().assert_outcomes(passed=1)


def test_a_hang_does_not_outlive_its_test(pytester, run):
    """A fetch that waits is let go at the end of the test: the run ends by itself."""
    pytester.makepyfile(
        """
        from threading import Thread

        def test_it(cognito_pool):
            cognito_pool.outage("hang")
            Thread(target=cognito_pool.fetch, args=(cognito_pool.issuer + "/.well-known/jwks.json",)).start()
            cognito_pool.wait_until_fetched()
        """
    )
    run().assert_outcomes(passed=1)


def test_every_fixture_is_documented(pytester, run):
    """`pytest --fixtures` shows what each is for."""
    result = run("--fixtures")
    result.stdout.fnmatch_lines_random([f"{name}* -- *pytest_plugin.py:*" for name in FIXTURES])
    assert "no docstring available" not in result.stdout.str()


def test_the_entry_point_names_the_plugin():
    """pytest finds the plugin through the package's metadata."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["pytest11"]
    assert named == {"cognito_guard": pytest_plugin.__name__}
    assert import_module(named["cognito_guard"]) is pytest_plugin


def test_loading_the_plugin_loads_nothing_heavy():
    """Every pytest run of every program pays for it: no cryptography, no framework, no module of the kit."""
    code = (
        "import pytest, sys; before = set(sys.modules);"
        "import cognito_guard; core = set(sys.modules);"
        "import cognito_guard.testing.pytest_plugin; print(*sorted(set(sys.modules) - core))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert loaded.stdout.split() == ["cognito_guard.testing", "cognito_guard.testing.pytest_plugin"]


def test_the_kits_names_load_on_first_use():
    """Every exported name exists, and an unknown one is an AttributeError."""
    import cognito_guard.testing as kit

    assert all(getattr(kit, name) is not None for name in kit.__all__)
    assert set(kit.__all__) <= set(dir(kit))
    with pytest.raises(AttributeError, match="nothing"):
        _ = kit.nothing
