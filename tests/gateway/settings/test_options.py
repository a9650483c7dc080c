"""Flags over environment over file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cognito_guard
from cognito_guard.gateway.settings import CONFIG, OPTIONS, read
from cognito_guard.gateway.settings.tables import TABLES, TOP

CALL = {"pool": ["eu-west-1_A"], "client": ["abc"], "upstream": ["http://127.0.0.1:8000"]}


def test_a_call_without_a_file():
    """The command of DESIGN section 2: a pool, a client and an upstream are enough."""
    settings = read("", flags={**CALL, "client": ("abc",)})
    assert [pool.id for pool in settings.pools] == ["eu-west-1_A"]
    assert settings.pools[0].clients == ("abc",)
    assert [upstream.url for upstream in settings.upstreams] == ["http://127.0.0.1:8000"]


def test_the_environment_alone():
    """Everything that flags can say, variables can: lists with commas or blanks between."""
    environment = {
        "COGNITO_GUARD_POOL": "eu-west-1_A", "COGNITO_GUARD_CLIENTS": "abc, def", "COGNITO_GUARD_UPSTREAM": "http://127.0.0.1:1,http://127.0.0.1:2",
        "COGNITO_GUARD_WORKERS": "4", "COGNITO_GUARD_LEEWAY": "1.5", "COGNITO_GUARD_ADMIN": "", "COGNITO_GUARD_TRUSTED_PROXIES": "10.0.0.0/8 unix",
        "COGNITO_GUARD_LOG_LEVEL": "debug", "COGNITO_GUARD_TOKEN_USE": "access,id", "PATH": "/bin",
    }  # fmt: skip
    settings = read("", environment=environment)
    assert settings.pools[0].clients == ("abc", "def")
    assert settings.pools[0].token_use == ("access", "id")
    assert [upstream.url for upstream in settings.upstreams] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    assert (settings.server.workers, settings.leeway, settings.server.admin, settings.log.level) == (4, 1.5, "", "debug")
    assert settings.server.trusted_proxies == ("10.0.0.0/8", "unix")


def test_who_wins(small):
    """A flag wins over its variable, and that over the file, each setting by itself."""
    text = small + '[server]\nbind = "127.0.0.1:1"\nadmin = "127.0.0.1:2"\nworkers = 3\n'
    environment = {"COGNITO_GUARD_BIND": "127.0.0.1:11", "COGNITO_GUARD_ADMIN": "127.0.0.1:12"}
    server = read(text, environment=environment, flags={"bind": ["127.0.0.1:21"], "admin": None}).server
    assert (server.bind, server.admin, server.workers) == (("127.0.0.1:21",), "127.0.0.1:12", 3)


def test_a_pool_that_is_named_replaces_the_file_s(small):
    """What the file says of its pool is not taken for another one: its keys above all."""
    text = small.replace("clients", 'jwks = "keys.json"\nclients')
    settings = read(text, flags={"pool": ["us-east-1_B"], "client": ["abc"]})
    [pool] = settings.pools
    assert (pool.id, pool.jwks, pool.clients) == ("us-east-1_B", None, ("abc",))
    settings = read(text, flags={"client": ["abc"]})
    assert (settings.pools[0].jwks, settings.pools[0].clients) == ("keys.json", ("abc",))


def test_clients_for_several_pools(mistakes, small):
    """Clients given to a file of several pools would be accepted from each: that is said there, not guessed."""
    other = '[[pool]]\nid = "us-east-1_B"\nclients = "def"\n'
    assert mistakes(small + other, flags={"client": ["abc"]}) == [
        "--client: the file has several pools; write it there, in the [[pool]] that is meant"
    ]
    settings = read("", flags={**CALL, "pool": ["eu-west-1_A", "us-east-1_B"]})
    assert [pool.clients for pool in settings.pools] == [("abc",), ("abc",)]


def test_mistakes_bear_the_flag_s_name(mistakes):
    """A mistake is told under what was typed, not under a line of a file that does not hold it."""
    problems = mistakes(
        "", flags={"pool": ["x"], "bind": ["a", "b"], "workers": "two"}, environment={"COGNITO_GUARD_MODE": "off", "COGNITO_GUARD_UPSTREAM": ""}
    )  # fmt: skip
    assert [problem.partition(": ")[0] for problem in problems] == [
        "COGNITO_GUARD_UPSTREAM", "COGNITO_GUARD_MODE", "--pool", "--pool", "--bind", "--workers", "gate.toml",
    ]  # fmt: skip
    assert problems[2].startswith("--pool: clients: it is missing")


def test_paths_in_flags_start_here(small):
    """A path in the file starts from the file; one in a flag or variable from where the command was typed."""
    settings = read(
        small, base="/etc/gate", flags={"tls_certificate": "cert.pem"}, environment={"COGNITO_GUARD_TLS_KEY": "key.pem"}
    )
    assert settings.files == {"cert.pem", "key.pem"}


def test_a_flag_can_open_a_table():
    """Forward-auth is turned on by its flag, and needs no upstream then."""
    settings = read("", flags={"pool": ["eu-west-1_A"], "client": ["abc"], "forward_auth": ["nginx", "caddy"]})
    assert settings.forward_auth is not None
    assert settings.forward_auth.kinds == ("nginx", "caddy")


@pytest.mark.parametrize(
    ("variable", "meant"), [("CLIENT", "CLIENTS"), ("UPSTREAMS", "UPSTREAM"), ("TRUSTED_PROXY", "TRUSTED_PROXIES"), ("CONFIGS", "CONFIG")]
)  # fmt: skip
def test_a_misspelt_variable(mistakes, small, variable, meant):
    """A variable that looks like one of ours is a mistake, since otherwise it would silently not count."""
    assert mistakes(small, environment={f"COGNITO_GUARD_{variable}": "x"}) == [
        f"COGNITO_GUARD_{variable}: there is no such variable; COGNITO_GUARD_{meant} is perhaps meant"
    ]


def test_variables_of_others(small):
    """Kubernetes sets variables under our prefix for a service of that name, and tests have theirs: these are nobody's mistake."""
    names = [
        "PORT",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "PORT_8080_TCP",
        "PORT_8080_TCP_ADDR",
        "PORT_8080_TCP_PROTO",
        "SERVICE_PORT_HTTP",
        "CI",
    ]
    read(small, environment={CONFIG: "x.toml", **{f"COGNITO_GUARD_{name}": "tcp://10.0.0.1:8080" for name in names}})


def test_a_flag_that_there_is_not(mistakes, small):
    """A caller's misspelt flag is told."""
    assert mistakes(small, flags={"binds": ["127.0.0.1:1"]}) == ["binds: there is no such flag"]


def test_every_option_sets_a_key():
    """Each flag and variable stands for a key that there is, and no two for one name."""
    for option in OPTIONS:
        *table, key = option.place
        assert key in {row.key for row in (TABLES[table[0]] if table else TOP)}
        assert option.variable.startswith("COGNITO_GUARD_")
        assert option.flag == "--" + option.name.replace("_", "-")
    assert len({option.flag for option in OPTIONS}) == len({option.variable for option in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize("place", [f"{table}" for table in ("pool", "server", "log", "upstream")])
def test_a_table_of_the_wrong_kind_stays_a_mistake(mistakes, place):
    """Flags do not hide that the file has something else where a table belongs."""
    text = f"{place} = 3\n"
    flags = {key: value for key, value in CALL.items() if key != place}
    problems = mistakes(text, flags={**flags, "workers": "2", "log_level": "info"})
    assert any(problem.startswith(f"gate.toml:1: {place}: write") for problem in problems)


def test_options_alone_are_light():
    """Every command's parser is made from the options: they load nothing of what reads settings, nor what that loads."""
    program = "import sys, cognito_guard.gateway.settings as light; light.OPTIONS; print(*sys.modules)"
    top = str(Path(cognito_guard.__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": top}, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(run.stdout.split())
    assert "cognito_guard.gateway.settings.options" in loaded
    assert (
        loaded & {"cognito_guard.gateway.settings.values", "cognito_guard.gateway.rewriting", "asyncio", "httpx", "dataclasses"}
        == set()
    )


def test_names_that_load_late():
    """Every public name is there, and no other."""
    from cognito_guard.gateway import settings

    assert all(getattr(settings, name) is not None for name in settings.__all__)
    with pytest.raises(AttributeError, match="no attribute 'readd'"):
        _ = settings.readd
