"""A protected resource's metadata: the document, where it lies, and who may read it (RFC 9728)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import UserPool
from cognito_guard.web import ProtectedResource
from cognito_guard.web.request import Request

ISSUER = UserPool("eu-west-1_AbC123xyz").issuers[0].url
PREFLIGHT = [(b"origin", b"https://inspector.example"), (b"access-control-request-method", b"GET")]


def made(resource: str = "https://api.example.com", **more: Any) -> ProtectedResource:
    return ProtectedResource(resource, **{"authorization_servers": [ISSUER], **more})


def test_the_document() -> None:
    """RFC 9728 §2: the members that were given, and that tokens come in the header; §3.2: JSON, 200."""
    answer = made(
        scopes=["orders/read", "orders/write"],
        name="Orders",
        documentation="https://example.com/docs",
        policy="https://example.com/policy",
        terms="https://example.com/terms",
    ).answer(Request("GET", "/.well-known/oauth-protected-resource", []))
    assert answer is not None
    assert json.loads(answer.body) == {
        "resource": "https://api.example.com",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["orders/read", "orders/write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "resource_documentation": "https://example.com/docs",
        "resource_policy_uri": "https://example.com/policy",
        "resource_tos_uri": "https://example.com/terms",
    }
    headers = dict(answer.headers)
    assert (answer.status, headers[b"content-type"], headers[b"access-control-allow-origin"]) == (200, b"application/json", b"*")
    assert headers[b"content-length"] == b"%d" % len(answer.body)
    bare = made().answer(Request("GET", "/.well-known/oauth-protected-resource", []))
    assert bare is not None
    assert set(json.loads(bare.body)) == {"resource", "authorization_servers", "bearer_methods_supported"}


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://example.com:8443/mcp", "https://example.com:8443/.well-known/oauth-protected-resource/mcp"),
        ("https://example.com/a/b/", "https://example.com/.well-known/oauth-protected-resource/a/b/"),
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"),
        ("http://[::1]:8000", "http://[::1]:8000/.well-known/oauth-protected-resource"),
    ],
)
def test_where_it_lies(resource: str, url: str) -> None:
    """§3.1: between host and path. It is found there, and at the root form as well."""
    made_here = made(resource)
    assert made_here.metadata_url == url
    for path in (url.partition("//")[2].partition("/")[2], ".well-known/oauth-protected-resource"):
        answer = made_here.answer(Request("GET", f"/{path}", []))
        assert answer is not None
        assert json.loads(answer.body)["resource"] == resource


def test_it_is_found_below_a_mount() -> None:
    """Whether the server puts root_path in front or not."""
    for path in ("/api/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"):
        assert made().answer(Request("GET", path, [], root_path="/api")) is not None


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/", []),
        Request("GET", "/.well-known/oauth-protected-resource/", []),
        Request("GET", "/.well-known/oauth-protected-resource/x", []),
        Request("GET", "/x/.well-known/oauth-protected-resource", []),
        Request("GET", "/.well-known/OAuth-protected-resource", []),
        Request("GET", "/.well-known/openid-configuration", []),
        Request("POST", "/.well-known/oauth-protected-resource", []),
        Request("OPTIONS", "/.well-known/oauth-protected-resource", []),
        Request("OPTIONS", "/.well-known/oauth-protected-resource", PREFLIGHT[:1]),
        Request("GET", "/.well-known/oauth-protected-resource", [], kind="websocket"),
        Request("OPTIONS", "/x", PREFLIGHT),
    ],
)
def test_nothing_else_is_answered(request_: Request) -> None:
    """Every other request goes the way of all requests."""
    assert made().answer(request_) is None


def test_clients_in_browsers_may_ask() -> None:
    """The preflight of a client that sends fields of its own (MCP does)."""
    answer = made().answer(Request("OPTIONS", "/.well-known/oauth-protected-resource", PREFLIGHT))
    assert answer is not None
    assert (answer.status, answer.body) == (204, b"")
    assert dict(answer.headers) == {
        b"access-control-allow-methods": b"GET, HEAD",
        b"access-control-allow-headers": b"*",
        b"access-control-allow-origin": b"*",
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "http://api.example.com",
        "http://localhost.attacker.example",
        "https://",
        "https://u@h",
        "https://h?x",
        "https://h/#x",
        'https://h/"',
        "https://h/\\",
        "https://h/a b",
        "https://h/%2e",
        "https://caf\xe9",
        "https://h:port",
        "https://h\n",
        None,
        b"https://h",
    ],
)
def test_urls_are_checked(url: Any) -> None:
    """Each stands in a challenge or leads clients somewhere."""
    for argument, wrong in {"resource": {"resource": url}, "authorization_servers": {"authorization_servers": [url]}}.items():
        with pytest.raises(ConfigurationError) as told:
            made(**wrong)
        assert [problem.partition(":")[0] for problem in told.value.problems] == [argument]


def test_every_mistake_is_told_at_once() -> None:
    """Each names its argument."""
    with pytest.raises(ConfigurationError) as told:
        ProtectedResource("x", authorization_servers="https://h", scopes=["a b"], name=7, documentation="d", policy=1, terms="")  # type: ignore[arg-type]
    arguments = [problem.partition(":")[0] for problem in told.value.problems]
    assert arguments == [
        "resource",
        "authorization_servers",
        "authorization_servers",
        "scopes",
        "name",
        "documentation",
        "policy",
        "terms",
    ]
