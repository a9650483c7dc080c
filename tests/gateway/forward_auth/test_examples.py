"""The examples of the proxies: each names every identity field, in every place where one that lacks would let a client's pass."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cognito_guard.gateway.rewriting.identity import DEFAULT_IDENTITY

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = list(DEFAULT_IDENTITY)


def test_nginx_sets_every_field() -> None:
    """T2: nginx passes on what it is not told to overwrite, so each is read from the answer and set on the request."""
    example = (EXAMPLES / "nginx.conf").read_text()
    read = dict(re.findall(r"auth_request_set (\$cognito_[a-z]+) +\$upstream_http_(x_cognito_[a-z]+);", example))
    written = dict(re.findall(r"proxy_set_header (X-Cognito-[A-Za-z]+) (\$cognito_[a-z]+);", example))
    assert list(written) == NAMES
    assert {name: read[variable] for name, variable in written.items()} == {n: n.lower().replace("-", "_") for n in NAMES}


def test_caddy_copies_every_field() -> None:
    """T2: `copy_headers` overwrites what it names."""
    (names,) = re.findall(r"copy_headers (.*)", (EXAMPLES / "Caddyfile").read_text())
    assert names.split() == NAMES


def test_traefik_takes_every_field_and_removes_its_aliases() -> None:
    """T1 (CVE-2026-88011): Traefik deletes a client's field under the name itself, and its `_` and `.` spellings only when told."""
    middlewares = yaml.safe_load((EXAMPLES / "traefik.yml").read_text())["http"]["middlewares"]
    assert middlewares["cognito-guard"]["forwardAuth"]["authResponseHeaders"] == NAMES
    assert middlewares["cognito-guard"]["forwardAuth"]["trustForwardHeader"] is False
    removed = middlewares["without-aliases"]["headers"]["customRequestHeaders"]
    assert removed == {name.replace("-", by): "" for by in "_." for name in NAMES}
