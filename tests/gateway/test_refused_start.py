"""What cannot be used is refused at the start, in a sentence, with exit status 2; and nothing is open meanwhile (THREATS T19)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cognito_guard.testing import LocalUserPool

ROOT = Path(__file__).parents[2]
POOL = '[[pool]]\nid = "{pool}"\nclients = ["{client}"]\njwks = "pool.jwks"\n'
UPSTREAM = '[[upstream]]\nurl = "http://127.0.0.1:1"\n'
FILES = """
[[upstream]]
url = "https://127.0.0.1:1"
ca = "f"
[assertion]
key_file = "f"
[[route]]
path = "/x"
authorization = "replace"
authorization_file = "f"
[forward_auth]
kinds = ["nginx"]
secret_file = "f"
"""
TLS = '[server]\ntls_certificate = "f"\ntls_key = "f"\n'


def started(folder: Path, toml: str, pool: LocalUserPool, **more) -> subprocess.CompletedProcess[str]:
    """The gateway, which must end by itself."""
    (folder / "pool.jwks").write_text(json.dumps(pool.jwks()))
    config = folder / "cognito-guard.toml"
    config.write_text(toml.replace("{pool}", pool.user_pool.id).replace("{client}", pool.client))
    command = [
        sys.executable,
        "-W",
        "default",
        "-m",
        "cognito_guard",
        "proxy",
        "--config",
        config,
        "--bind",
        "127.0.0.1:0",
        "--admin",
        "",
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False, **more)


def refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, a sentence with these words, and neither a traceback nor a listener before."""
    assert ended.returncode == 2, ended.stderr
    assert not [word for word in words if word not in ended.stderr], ended.stderr
    for word in ("Traceback", "listening", "Warning:"):
        assert word not in ended.stderr


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\n", b"\x00no such thing\xff", "a directory"],
    ids=["missing", "empty", "blank", "garbage", "directory"],
)
def test_files_that_cannot_serve(tmp_path: Path, pool: LocalUserPool, content: object) -> None:
    """T19: a key, JWK Set, secret, credential, CA or certificate that is missing, empty, unreadable or something else never means
    "without": each is a mistake of the start, and all are told."""
    if isinstance(content, bytes):
        (tmp_path / "f").write_bytes(content)
    elif content is not None:
        (tmp_path / "f").mkdir()
    names = ("upstream[0].ca", "assertion.key_file", "authorization_file", "forward_auth.secret_file")
    refused(started(tmp_path, FILES + POOL, pool), "cognito-guard proxy: ", *names)
    refused(started(tmp_path, POOL.replace("pool.jwks", "f") + UPSTREAM, pool), "jwks: ")
    refused(started(tmp_path, TLS + POOL + UPSTREAM, pool), "server.tls_certificate")
    own_ca = 'ca = "f"\n' + POOL.replace('jwks = "pool.jwks"\n', "")
    refused(started(tmp_path, own_ca + UPSTREAM, pool), "ca: ")


@pytest.mark.parametrize(
    "octets", [None, b"", b"[[route", b"\xff\xfe", b"routes = []"], ids=["missing", "empty", "no TOML", "no text", "unknown"]
)
def test_a_policy_file_that_cannot_serve(tmp_path: Path, pool: LocalUserPool, octets: bytes | None) -> None:
    """T19: without its policy the gateway does not start; `unknown` keys are mistakes too."""
    config = tmp_path / "cognito-guard.toml"
    if octets is not None:
        config.write_bytes(octets)
    command = [sys.executable, "-m", "cognito_guard", "proxy", "--config", config]
    refused(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False), "cognito-guard proxy")


def test_every_mistake_at_once(tmp_path: Path, pool: LocalUserPool) -> None:
    """Of the file, with its lines, in one go."""
    toml = POOL.replace("{pool}", "nowhere") + '[[upstream]]\nurl = "ftp://x"\n[[route]]\npath = "x"\nrequire = "and"\n[logs]\n'
    refused(
        started(tmp_path, toml, pool),
        ":2: pool[0].id",
        ":6: upstream[0].url",
        ":8: route[0].path",
        ":9: route[0].require",
        "logs",
    )


def test_an_address_that_is_taken(tmp_path: Path, pool: LocalUserPool) -> None:
    """Told before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        toml = POOL + UPSTREAM
        (tmp_path / "pool.jwks").write_text(json.dumps(pool.jwks()))
        config = tmp_path / "cognito-guard.toml"
        config.write_text(toml.replace("{pool}", pool.user_pool.id).replace("{client}", pool.client))
        command = [sys.executable, "-m", "cognito_guard", "proxy", "--config", config, "--bind", address, "--admin", ""]
        refused(
            subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=False), "server.bind", address
        )
