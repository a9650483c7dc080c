"""The examples of the ASGI fronts run as a reader runs them, and what they print works."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import cognito_guard

EXAMPLES = Path(__file__).parents[2] / "examples"
HTTP = ["asgi_app", "starlette_app", "fastapi_app", "litestar_app"]


@contextmanager
def started(name: str) -> Iterator[tuple[httpx2.Request, httpx2.Client]]:
    """The example under its own command: the request that its printed curl line makes, and a client for it."""
    path = [str(Path(cognito_guard.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    running = subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        env={**os.environ, "PORT": "0", "PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    try:
        line = running.stdout.readline()  # printed when the socket listens
        assert line, running.stderr.read()
        with httpx2.Client(trust_env=False, timeout=20) as client:
            yield request_of(line), client
    finally:
        running.terminate()
        running.communicate(timeout=10)


def request_of(line: str) -> httpx2.Request:
    """As curl reads it: `-d` makes it a POST."""
    command, option, url, *more = shlex.split(line)
    assert (command, option) == ("curl", "-i")
    options = list(zip(more[::2], more[1::2], strict=True))
    bodies = [value for name, value in options if name == "-d"]
    headers = [tuple(value.split(": ", 1)) for name, value in options if name == "-H"]
    return httpx2.Request("POST" if bodies else "GET", url, headers=dict(headers), content="".join(bodies))


@pytest.mark.parametrize("name", HTTP)
def test_an_example(name: str) -> None:
    """The printed curl line is granted; the same without the token, with another signature, or for the staff, is not."""
    with started(name) as (request, client):
        good = request.headers["Authorization"]
        assert "hello jane" in client.send(request).text
        assert client.get(request.url).json()["code"] == "credentials_missing"
        forged = {"Authorization": good[:-4] + "AAAA"}
        assert client.get(request.url, headers=forged).json()["code"] == "signature_invalid"
        staff = client.get(request.url.copy_with(path="/staff/x"), headers={"Authorization": good})
        assert staff.json()["code"] == "insufficient_scope"
        assert "hello stranger" in client.get(request.url.copy_with(path="/health")).text


def test_the_mcp_example() -> None:
    """The printed curl line calls the tool; without a token it says where to look, and there the scopes stand."""
    with started("mcp_server") as (request, client):
        assert client.send(request).json()["result"]["content"][0]["text"] == "hello jane"
        del request.headers["Authorization"]
        answer = client.send(request)
        assert answer.json()["code"] == "credentials_missing"
        assert "resource_metadata=" in answer.headers["WWW-Authenticate"]
        document = client.get(request.url.copy_with(path="/.well-known/oauth-protected-resource/mcp"))
        assert document.json()["scopes_supported"] == ["orders/read"]
