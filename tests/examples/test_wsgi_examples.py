"""The examples of the WSGI fronts run as a reader runs them, and what they print works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import cognito_guard

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDED = {"wsgi_app": "wsgiref", "flask_app": "flask", "django_app": "django"}


@pytest.mark.parametrize("name", NEEDED)
def test_an_example(name: str) -> None:
    """Started with its own command; the printed curl line is granted, and the same without token, or for the staff, is not."""
    pytest.importorskip(NEEDED[name])
    path = [str(Path(cognito_guard.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    running = subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        env={**os.environ, "PORT": "0", "PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()  # printed when the socket listens
        command = re.fullmatch(
            r"curl -i (?P<base>http://127\.0\.0\.1:\d+)/orders -H 'Authorization: (?P<bearer>Bearer \S+)'\n", line
        )
        assert command is not None, line or running.stderr.read()  # type: ignore[union-attr]
        with httpx.Client(base_url=command["base"], trust_env=False) as client:
            bearer = {"Authorization": command["bearer"]}
            assert client.get("/orders", headers=bearer).text == "hello jane\n"
            assert client.get("/orders").json()["code"] == "credentials_missing"
            assert (
                client.get("/orders", headers={"Authorization": command["bearer"][:-4] + "AAAA"}).json()["code"]
                == "signature_invalid"
            )
            assert client.get("/staff/x", headers=bearer).json()["code"] == "insufficient_scope"
            assert client.get("/health").text == "hello stranger\n"
    finally:
        running.terminate()
        running.communicate(timeout=10)
